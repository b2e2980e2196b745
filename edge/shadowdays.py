"""Days that are over, lived again with what each bundle forecast for them: what each would have cost.

Champion and shadows start a day with the same charge, at the same prices, and are valued by the same code as the day
itself. Only quarter hours count for which all of them spoke.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.config import Site
from edge.control.localday import ENOUGH_FRAC, LocalDay, local_days
from edge.control.ways import Done
from edge.errors import EdgeError, PlanError, StoreError, sums_of
from edge.facts.shadows import setback
from edge.facts.skill import losses, reference
from edge.files import SHADOWS_NAME
from edge.following import COLUMNS, MARK_NAME, SIGNALS, Following, Make
from edge.forecast import installed
from edge.forecast.runtime import SOURCE
from edge.forecast.shadowed import bundle_of
from edge.hindsight import as_metered
from edge.ingest.shadowstore import Issue, ShadowStore
from edge.log import Log
from edge.lookback import LEAST_WALL_S, SPARE_WALL_S, LookbackPorts, OutOfTime
from edge.planning import HISTORY_DAYS, SLOT_S, Decided
from edge.replay import Days, live
from edge.writeledger import midnight_s


class Recorded:
    """A forecaster that says again what a bundle said."""

    def __init__(self, issues: Mapping[int, Issue]) -> None:
        self._issues = issues

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:  # noqa: ARG002 -- the seam's signature
        """What was said at the grid's first slot; raises :class:`PlanError` where nothing was."""
        issue = self._issues.get(grid.start_s)
        if issue is None or issue.said_w.shape != (len(SIGNALS) * len(COLUMNS) + 1, grid.count):
            raise PlanError("no forecast was recorded")
        return {
            name: Forecast(
                signal=name,
                issued_s=issued_s,
                grid=grid,
                source=issue.bundle,
                **dict(zip(COLUMNS, issue.said_w[len(COLUMNS) * row :], strict=False)),
            )
            for row, name in enumerate(SIGNALS)
        }


NOT_VALUED = ""
"""In the place of a bundle: why a day has no values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuer:
    """Values the days that are over, bundle by bundle, with each one's recorded forecasts."""

    site: Site
    ports: LookbackPorts
    store: ShadowStore
    asked_to_stop: Callable[[], bool]

    def value(self, now_s: float, free_wall_s: float) -> str:
        """Value yesterday as far as time goes; the day once all its bundles are known, else nothing.

        Raises :class:`EdgeError`. The next call goes on where this one ended; a day that cannot be valued is kept with
        the reason.
        """
        limit_s = free_wall_s - SPARE_WALL_S
        until_s = int(midnight_s(now_s, self.site.zone))
        if self.site.battery is None or now_s - until_s < SLOT_S or limit_s < LEAST_WALL_S:
            return ""
        begin_s = int(midnight_s(until_s - 1.0, self.site.zone))
        name = datetime.fromtimestamp(begin_s, self.site.zone).date().isoformat()
        issues = comparable(self.store.issues(begin_s, until_s), (until_s - begin_s) // SLOT_S)
        valued = self.store.days(name).get(name, {})
        missing = [bundle for bundle in issues if bundle not in valued]
        if len(issues) < 2 or not missing or NOT_VALUED in valued:  # asked every quarter hour: before weeks are read
            return ""
        try:
            self._value(name, {bundle: issues[bundle] for bundle in missing}, now_s, time.monotonic() + limit_s)
        except OutOfTime:
            return ""
        except (PlanError, StoreError) as error:
            self.store.keep_day(name, NOT_VALUED, {"problem": str(error)})
            raise
        return name

    def _value(self, name: str, missing: Mapping[str, Mapping[int, Issue]], now_s: float, deadline_s: float) -> None:
        def each() -> None:
            if self.asked_to_stop() or time.monotonic() > deadline_s:
                raise OutOfTime("no time is left")

        window = self.ports.window(midnight_s(now_s, self.site.zone), HISTORY_DAYS + 1)
        day = local_days(window.grid, self.site.zone)[-1]
        if why := day.problem(window):
            raise StoreError(why)
        for bundle, issues in missing.items():
            self.store.keep_day(name, bundle, self._valued(window, day, issues, now_s, each))

    def _valued(
        self, window: Frame, day: LocalDay, issues: Mapping[int, Issue], now_s: float, each: Callable[[], None]
    ) -> dict[str, float]:
        done = Done.of(window, day.first, day.grid.count)
        days = Days(
            measured=window,
            span=day.grid,
            prices=self.ports.price_book(),
            weather=self.ports.known_weather(now_s),
            reached_peak_w=day.reached_peak_w(window, self.site.zone),
        )
        soc_frac = float(done.ends_frac[0])
        with sums_of("the day"):
            lived = live(self.site, as_metered(days, done), Recorded(issues), soc_frac=soc_frac, each=each)
        body = {"cost_eur": lived.cost.total_eur, "answered_frac": answered_frac(issues)}
        for row, name in enumerate(SIGNALS):
            ours_w, usual_w = _day_losses(name, window, day, issues, row)
            stem = name.removesuffix("_w")
            body |= {f"{stem}_loss_w": ours_w, f"{stem}_usual_w": usual_w}
        return body


def answered_frac(issues: Mapping[int, Issue]) -> float:
    """Share of the issues that a bundle's models made of both signals."""
    return float(np.mean([all(said.startswith(SOURCE) for said in issue.sources) for issue in issues.values()]))


def comparable(issues: Mapping[str, Mapping[int, Issue]], count: int) -> dict[str, dict[int, Issue]]:
    """The bundles that spoke for nearly all of a day's quarter hours, of each what it said when all of them did."""
    enough = {bundle: said for bundle, said in issues.items() if len(said) >= ENOUGH_FRAC * count}
    common = set.intersection(*(set(said) for said in enough.values())) if enough else set()
    return {bundle: {start_s: said[start_s] for start_s in sorted(common)} for bundle, said in enough.items()}


def _day_losses(name: str, window: Frame, day: LocalDay, issues: Mapping[int, Issue], row: int) -> tuple[float, float]:
    """Pinball loss of the day's first forecast, and of the same clock time on the seven days before."""
    actual, span = window.column(name), slice(day.first, day.first + day.grid.count)
    first_s = min(issues)
    skipped = (first_s - day.grid.start_s) // SLOT_S
    said: FloatArray = np.full((day.grid.count, 3), math.nan)
    rows = slice(len(COLUMNS) * row, len(COLUMNS) * row + 3)
    said[skipped:] = issues[first_s].said_w[rows, : day.grid.count - skipped].T
    return losses(name, actual[span], said, reference(actual, window.grid)[span])


def given_back(folder: Path, store: ShadowStore) -> str:
    """Put the predecessor back in force where it was surely better; what happened, empty where nothing did."""
    state = installed.state(folder)
    if state.is_running or not state.previous:
        return ""
    why = setback(store.days(), bundle_of(state.current), bundle_of(state.previous))
    if not why:
        return ""
    installed.rollback(folder, why)
    return installed.state(folder).told


class Shadows:
    """The planner's work with shadows; none where no folder of bundles is configured, or nothing can be kept."""

    def __init__(
        self, site: Site, state: Path, ports: LookbackPorts, make: Make, log: Log, asked_to_stop: Callable[[], bool]
    ) -> None:
        self._log = log
        self._following: Following | None = None
        if site.bundle is None or not site.path(site.bundle.path).is_dir():
            return
        folder = site.path(site.bundle.path)
        with self._told("no shadows are followed"):
            store = ShadowStore(state / SHADOWS_NAME, writable=True)
            self._valuer = Valuer(site=site, ports=ports, store=store, asked_to_stop=asked_to_stop)
            self._following = Following(folder, store, make, log, state / MARK_NAME, asked_to_stop)

    def follow(self, decided: Decided, free_wall_s: float) -> None:
        """Let the shadows decide as well, until the next plan is near."""
        if self._following is not None:
            with self._told("the shadows are not followed"):
                self._following.follow(decided, free_wall_s)

    def value(self, now_s: float, free_wall_s: float) -> None:
        """Value yesterday while there is time; where the predecessor was surely better, it comes back."""
        if self._following is None:
            return
        with self._told("the shadows' day is not valued"):
            day = self._valuer.value(now_s, free_wall_s)
            if day:
                self._log.event("shadows", f"{day}: what it would have cost with each bundle is known")
                if said := given_back(self._following.folder, self._valuer.store):
                    self._log.event("alarm", said)

    def are_outdated(self) -> bool:
        """Claims that another bundle is in force than the one that this planner forecasts by."""
        if self._following is not None:
            with self._told("what is in force is not known"):
                return self._following.is_outdated()
        return False

    def close(self) -> None:
        """Keep what is open."""
        if self._following is not None:
            with self._told("the shadows' last words are not kept"):
                self._following.close()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Nothing that fails here harms the planner: it is told, and that is all."""
        try:
            yield
        except EdgeError as error:
            self._log.event("alarm", f"{what}: {error}")
