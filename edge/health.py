"""Is this box healthy? The one verdict behind ``pems health``, the health gate of an update, and the image's own.

Healthy means: control is alive and its last cycles are verified (``edge.verified``) on the configured bus; the planner
has spoken since control began, or, where there is nothing to plan, passes its self-test; configuration and models load;
disk and clock are sane.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import Site
from edge.files import SOCKET_NAME
from edge.ipc import Client, IpcError
from edge.preflight import check_site

VERIFIED_COUNT = 5
LAST_CYCLE_S = 10.0  # as long as the watchdog waits
LEAST_FREE_BYTES = 32 << 20
LEAST_FREE_FILES = 100
CLOCK_TOLERANCE_S = 10.0
EARLIEST_S = 1_767_225_600.0  # 2026-01-01: no release is older
_ASK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All that was looked at."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether the box is healthy."""
        return all(check.ok for check in self.checks)


def verdict(site: Site, state: Path) -> Verdict:
    """Look at everything now."""
    return Verdict(checks=(*live(site, state), *standing(site, state)))


def gate(site: Site, state: Path, within_s: float) -> Verdict:
    """Look until the box is healthy, at most so many wall seconds; the last verdict.

    What does not change by waiting (configuration, models, the planner's self-test) is looked at once, at the end.
    """
    deadline_s = time.monotonic() + within_s
    while not all(check.ok for check in live(site, state)) and time.monotonic() < deadline_s:
        time.sleep(_ASK_EVERY_S)
    return verdict(site, state)


def live(site: Site, state: Path) -> Iterator[Check]:
    """What the running processes say."""
    try:
        status = dict(Client(state / SOCKET_NAME).ask("status"))
    except IpcError as error:
        yield Check(name="control", ok=False, text=str(error))
        return
    yield alive(status)
    yield verified(status)
    yield clock(status, time.time())
    if site.battery is not None:
        yield planner(status)


def standing(site: Site, state: Path) -> Iterator[Check]:
    """What does not depend on a running process."""
    problems = check_site(site)
    yield Check(name="configuration", ok=not problems, text="; ".join(problems) or "devices, prices and models load")
    yield disk(state)
    if site.battery is None:
        from edge.selftest import planner_problem

        problem = planner_problem(site, int(time.time()))
        yield Check(name="planner", ok=not problem, text=problem or "nothing to plan; its self-test passes")


def alive(status: Mapping[str, Any]) -> Check:
    """Control goes round."""
    house = status["house"]
    if house is None:
        return Check(name="control", ok=False, text="has not finished its first cycle")
    age_s = (status["time_s"] - house["time_s"]) / status["speed"]
    return Check(name="control", ok=age_s < LAST_CYCLE_S, text=f"last cycle {age_s:.1f} s ago")


def verified(status: Mapping[str, Any], count: int = VERIFIED_COUNT) -> Check:
    """The last cycles saw every device and had their command in force."""
    row = status.get("verified")
    if row is None:
        return Check(name="cycles", ok=False, text="control is of an older release: start it again")
    text = row["why"] or f"{row['count']} in a row"
    return Check(name="cycles", ok=row["count"] >= count, text=text)


def clock(status: Mapping[str, Any], wall_s: float) -> Check:
    """This machine's time is no time of the past, and control goes by it."""
    if wall_s < EARLIEST_S:
        return Check(name="clock", ok=False, text="this machine's time was never set")
    off_s = 0.0 if status["speed"] != 1.0 else wall_s - status["time_s"]
    return Check(name="clock", ok=abs(off_s) < CLOCK_TOLERANCE_S, text=f"control is {off_s:+.1f} s off")


def planner(status: Mapping[str, Any]) -> Check:
    """The planner has handed over a plan, or its excuse, since control began."""
    if status["planning"]:
        return Check(name="planner", ok=True, text=f"the last plan took {status['planning']['wall_s']:.2f} s")
    if status["no_plan"]:
        return Check(name="planner", ok=True, text=f"no plan: {status['no_plan']}")
    return Check(name="planner", ok=False, text="has not spoken since control began; it does every quarter hour")


def disk(state: Path) -> Check:
    """The state folder can be written and has room."""
    try:
        room = os.statvfs(state)
    except OSError as error:
        return Check(name="disk", ok=False, text=f"{state}: {error.strerror}")
    free_bytes, is_read_only = room.f_bavail * room.f_frsize, bool(room.f_flag & os.ST_RDONLY)
    short = free_bytes < LEAST_FREE_BYTES or (room.f_files > 0 and room.f_favail < LEAST_FREE_FILES)
    words = "read-only" if is_read_only else f"{free_bytes >> 20} MB free"
    return Check(name="disk", ok=not is_read_only and not short, text=f"{state}: {words}")
