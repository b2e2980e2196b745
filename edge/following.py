"""Shadows: what other bundles would have forecast and decided, all without any hardware.

After the champion's plan went out, each shadow is given what it went by, and plans with an optimiser of its own; what
came of it is only kept, for :mod:`edge.shadowdays` to value. One that fails is set aside.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.errors import EdgeError, PlanError, StoreError
from edge.forecast.shadowed import Shadow, champion, shadows
from edge.ingest.shadowstore import Issue, ShadowStore
from edge.log import Log
from edge.planning import Decided, Planner, decide

BAD_COUNT = 3  # failures in a row after which a shadow is set aside
DEATHS_COUNT = 2  # of the planner in a row with the same shadow at work
MARK_NAME = "shadow-at-work.json"
_SPARE_WALL_S = 5.0  # left before the next plan is due
_KEEP_EVERY_COUNT = 4  # issues a commit: each costs the flash some 30 kB, however little is in it
SIGNALS = ("pv_w", "load_w")
COLUMNS = ("p10", "p50", "p90", "mean")

Make = Callable[[Shadow], Planner]


@dataclass(slots=True)
class _Followed:
    shadow: Shadow
    planner: Planner
    bad_count: int = 0
    wall_s: float = 1.0


@dataclass(slots=True)
class Following:
    """All shadows of one box; ``beat`` shows the watchdog that work goes on."""

    folder: Path
    store: ShadowStore
    make: Make
    log: Log
    mark: Path
    beat: Callable[[], object] = lambda: None
    _at_work: dict[str, _Followed] = field(default_factory=dict)
    _issues: list[Issue] = field(default_factory=list)
    _champion: str = ""
    _deaths: tuple[str, int] = ("", 0)

    def __post_init__(self) -> None:
        self._champion = champion(self.folder)
        self._after_a_death()

    def follow(self, decided: Decided, free_wall_s: float) -> None:
        """Let each shadow decide what the champion decided, as long as time lasts; raises :class:`EdgeError`.

        ``free_wall_s`` is the wall time until the next plan is due.
        """
        end_s = time.monotonic() + free_wall_s - _SPARE_WALL_S
        self._issues.append(issue_of(self._champion, decided))
        self._settle()
        for followed in list(self._at_work.values()):
            if time.monotonic() + 2.0 * followed.wall_s > end_s:
                break
            self._one(followed, decided)
        if len({issue.start_s for issue in self._issues}) >= _KEEP_EVERY_COUNT:
            self._keep()

    def is_outdated(self) -> bool:
        """Claims that another bundle was put in force than the one that forecasts."""
        return champion(self.folder) != self._champion

    def close(self) -> None:
        """Keep what is open, and let go of the file; raises :class:`StoreError`."""
        try:
            self._keep()
        finally:
            self.store.close()

    def _settle(self) -> None:
        """Take up what was put there, and let go of what was dropped or set aside."""
        aside = self.store.aside()
        wanted = {shadow.path.name: shadow for shadow in shadows(self.folder) if shadow.bundle not in aside}
        for key in [key for key in self._at_work if key not in wanted]:
            del self._at_work[key]
        for key, shadow in wanted.items():
            if key in self._at_work:
                continue
            try:
                with self._marked(shadow):
                    self._at_work[key] = _Followed(shadow, self.make(shadow))
            except EdgeError as error:
                self._set_aside(shadow, time.time(), f"it cannot be used: {error}")

    def _one(self, followed: _Followed, decided: Decided) -> None:
        self.beat()
        started_s = time.monotonic()
        try:
            with self._marked(followed.shadow):
                issue = issue_of(followed.shadow.bundle, decide(decided.known, followed.planner))
        except EdgeError as error:
            followed.bad_count += 1
            if followed.bad_count >= BAD_COUNT:
                self._set_aside(followed.shadow, decided.known.issued_s, f"{BAD_COUNT} failures in a row: {error}")
        else:
            followed.bad_count = 0
            if self._deaths[0] == issue.bundle:
                self._deaths = ("", 0)
            self._issues.append(issue)
        followed.wall_s = max(followed.wall_s, time.monotonic() - started_s)

    def _set_aside(self, shadow: Shadow, time_s: float, why: str) -> None:
        self.store.set_aside(shadow.bundle, time_s, why)
        self._at_work.pop(shadow.path.name, None)
        self.log.event("alarm", f"shadow {shadow.name} ({shadow.bundle}) is set aside: {why}")

    def _keep(self) -> None:
        self.store.keep(self._issues)
        self._issues.clear()

    @contextmanager
    def _marked(self, shadow: Shadow) -> Iterator[None]:
        """Says in a file who is at work, and how often in a row the planner did not outlive that.

        It is not synced: what it tells of is the death of a process, not of the machine.
        """
        bundle, deaths_count = self._deaths
        count = 1 + (deaths_count if bundle == shadow.bundle else 0)
        self._written(json.dumps({"bundle": shadow.bundle, "deaths_count": count}))
        try:
            yield
        finally:
            self.mark.unlink(missing_ok=True)

    def _written(self, text: str) -> None:
        try:
            self.mark.write_text(text, encoding="ascii")
        except OSError as error:
            raise StoreError(f"{self.mark}: cannot be written: {error.strerror}") from error

    def _after_a_death(self) -> None:
        """The planner that was here before did not come back from a shadow: a runtime that crashes takes it along."""
        self._deaths = read_mark(self.mark)
        bundle, deaths_count = self._deaths
        if deaths_count < DEATHS_COUNT:
            return
        self.store.set_aside(bundle, time.time(), f"the planner died {deaths_count} times while it was at work")
        self.log.event("alarm", f"shadow {bundle} is set aside: the planner died with it")


def read_mark(path: Path) -> tuple[str, int]:
    """Who was at work when a planner died, and how often in a row; nobody where the file is absent or torn."""
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        return str(found["bundle"]), int(found["deaths_count"])
    except (OSError, ValueError, LookupError, TypeError):
        return "", 0


def issue_of(bundle: str, decided: Decided) -> Issue:
    """What is kept of a decision: P10, P50, P90 and mean of PV and load, and the battery's power."""
    rows = [getattr(decided.forecasts[name], column) for name in SIGNALS for column in COLUMNS]
    said_w = np.array([*rows, decided.plan.battery_w])
    if not np.isfinite(said_w).all():
        raise PlanError("its forecast or plan is not all numbers")
    sources = tuple(decided.forecasts[name].source for name in SIGNALS)
    return Issue(bundle=bundle, start_s=decided.known.grid.start_s, sources=sources, said_w=said_w)
