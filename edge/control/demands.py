"""Cars and programs: energy that must have flowed by a time of the day, as far as it can."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from core_kernels.qp_demand import Demand, demand_numbers, demand_part
from core_kernels.qp_limits import Draw
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Site
from edge.config_house import Ev, Load, day_s
from edge.control.component import AID_EUR, THREE, Component, Outlook, one_phase, switch_of
from edge.control.rounding import Switch

NAMED_WH = 10.0  # less than this is rounding
_MARGIN_KWH = 1e-6


class Window(NamedTuple):
    """When something may run: bool[n], and bool[n] of the steps at whose end a deadline stands."""

    open: npt.NDArray[np.bool_]
    due: npt.NDArray[np.bool_]


class Wanted(NamedTuple):
    """What a car or a program wants of each window."""

    name: str
    energy_wh: float
    missing_wh: float
    min_w: float
    max_w: float
    efficiency_frac: float
    phase_frac: tuple[float, ...]
    uninterrupted: bool = False


def local_day_s(times_s: FloatArray, zone: ZoneInfo) -> FloatArray:
    """Seconds since local midnight by the clock on the wall, also on days of 23 and 25 hours."""
    local = [datetime.fromtimestamp(time_s, zone) for time_s in times_s.tolist()]
    return np.array([3600.0 * time.hour + 60.0 * time.minute + time.second for time in local])


def window(grid: TimeGrid, zone: ZoneInfo, begin: str, end: str) -> Window:
    """The steps between two times of the day (equal: always), and those in which the second one passes."""
    edges_s = local_day_s(grid.edges_s(), zone)
    start_s, begin_s, end_s = edges_s[:-1], day_s(begin), day_s(end)
    since_begin_s = (start_s - begin_s) % SECONDS_PER_DAY
    length_s = (end_s - begin_s) % SECONDS_PER_DAY or SECONDS_PER_DAY
    before_end_s = (end_s - start_s) % SECONDS_PER_DAY
    before_end_s = np.where(before_end_s == 0.0, SECONDS_PER_DAY, before_end_s)
    is_open = since_begin_s < length_s
    return Window(is_open, is_open & (before_end_s <= grid.slot_s))


def as_seen(when: Window, grid: TimeGrid, *, is_connected: bool | None, departure_s: float) -> Window:
    """The window of a car of which is known whether it is there now, and perhaps until when (NaN: by the clock).

    A car that is away when it should be there is not waited for; one that is there may be charged until it leaves.
    """
    if is_connected is None or (not is_connected and not when.open[0]):
        return when
    is_open, due, count = when.open.copy(), when.due.copy(), grid.count
    by_clock = int(np.argmax(due)) if due.any() else count - 1
    if not is_connected:
        is_open[: by_clock + 1] = due[: by_clock + 1] = False
        return Window(is_open, due)
    leaves = math.ceil((departure_s - grid.start_s) / grid.slot_s) - 1 if departure_s > grid.start_s else by_clock
    last = min(leaves, count - 1)
    is_open[: last + 1], due[:last] = True, False
    if leaves == last:
        _leave(is_open, due, last)
    return Window(is_open, due)


def _leave(is_open: npt.NDArray[np.bool_], due: npt.NDArray[np.bool_], last: int) -> None:
    """Put the deadline at the end of a step; what the clock still held open after it is closed until its deadline."""
    rest = not due[last] and last + 1 < due.size and bool(is_open[last + 1])
    due[last] = True
    if rest:
        later = np.flatnonzero(due[last + 1 :])
        end = last + 2 + int(later[0]) if later.size else due.size
        is_open[last + 1 : end] = due[last + 1 : end] = False


def wanted_by(ev: Ev, missing_wh: float) -> Wanted:
    """What a car wants; ``missing_wh`` is what its running session still lacks, NaN where nobody knows."""
    known_wh = ev.energy_wh if math.isnan(missing_wh) else missing_wh
    shares = THREE if ev.phases == len(THREE) else one_phase(ev.phase)
    return Wanted(f"ev.{ev.name}", ev.energy_wh, known_wh, ev.min_w, ev.charge_w, ev.efficiency_frac, shares)


def wanted_by_load(load: Load, missing_wh: float) -> Wanted:
    """What a program wants."""
    known_wh = load.energy_wh if math.isnan(missing_wh) else missing_wh
    return Wanted(f"load.{load.name}", load.energy_wh, known_wh, 0.0, load.power_w, 1.0, THREE, load.uninterrupted)


def demand_of(wanted: Wanted, when: Window, outlook: Outlook) -> tuple[Demand, tuple[str, ...]]:
    """The numbers of a demand, its goals clamped to what can be reached, and which are not."""
    step_hours, count = outlook.step_hours, when.open.size
    power_kw = np.where(when.open, wanted.max_w / W_PER_KW, 0.0)
    session = np.concatenate(([0], np.cumsum(when.due)[:-1]))
    begun = np.maximum.accumulate(np.where(when.open, session + 1, 0))
    needs_kwh = np.full(count + 1, wanted.energy_wh / W_PER_KW)
    start_wh = 0.0
    if when.open[0]:  # a car that comes emptier than usual has a session of its own size
        needs_kwh[0] = max(wanted.energy_wh, wanted.missing_wh) / W_PER_KW
        start_wh = W_PER_KW * needs_kwh[0] - wanted.missing_wh
    most_kwh = np.concatenate(([0.0], np.cumsum(needs_kwh)))[begun]
    reach_kwh, violations = np.empty(count), []
    reached = start_wh / W_PER_KW
    for k in range(count):
        reached = min(reached + power_kw[k] * step_hours * wanted.efficiency_frac, most_kwh[k])
        reach_kwh[k] = reached
        short_wh = W_PER_KW * (most_kwh[k] - reached)
        if when.due[k] and short_wh > NAMED_WH:
            at = datetime.fromtimestamp(outlook.grid.edges_s()[k + 1], outlook.site.zone)
            violations.append(f"{wanted.name} cannot have {short_wh:.0f} Wh of its energy by {at:%a %H:%M}")
    goal_kwh = np.where(when.due, np.maximum(reach_kwh - _MARGIN_KWH, 0.0), math.nan)
    numbers = Demand(np.zeros(count), power_kw, goal_kwh, most_kwh, outlook.short_eur_per_kwh, start_wh)
    return numbers, tuple(violations)


def demand(wanted: Wanted, when: Window, outlook: Outlook) -> Component:
    """A car or a program as a component."""
    numbers, violations = demand_of(wanted, when, outlook)
    return Component(
        name=wanted.name,
        part=demand_part(wanted.name, outlook.step_hours, wanted.efficiency_frac, AID_EUR),
        numbers=demand_numbers(wanted.name, numbers),
        draws={f"{wanted.name}.power": Draw(1.0, wanted.phase_frac)},
        violations=violations,
        least_w=wanted.min_w,
        switch=_program(wanted, when, outlook) if wanted.uninterrupted else None,
    )


def _program(wanted: Wanted, when: Window, outlook: Outlook) -> Switch:
    """The switch of a program that runs through once begun."""
    run_s = SECONDS_PER_HOUR * wanted.energy_wh / wanted.max_w
    switch = switch_of(wanted.name, "power", wanted.max_w, (run_s, 0.0), outlook)
    return switch._replace(allowed=when.open, counted=f"{wanted.name}.energy")


def demands(outlook: Outlook) -> tuple[Component, ...]:
    """All cars and programs of the site."""
    around, grid = outlook.around, outlook.grid
    found = []
    for item, when in _all(outlook.site, grid, around.missing_wh):
        there, until_s = around.is_connected.get(item.name), around.departure_s.get(item.name, math.nan)
        found.append(demand(item, as_seen(when, grid, is_connected=there, departure_s=until_s), outlook))
    return tuple(found)


def given_wh(
    site: Site, grid: TimeGrid, told_w: Mapping[str, FloatArray], before_wh: Mapping[str, float], until_s: float
) -> dict[str, float]:
    """What each running session has had by ``until_s``, if all that the last plan told was done.

    ``told_w`` holds the last plan's powers by name, on ``grid``; ``before_wh`` what was given when it began. A meter at
    the car would know better: what it says goes first.
    """
    steps = min(max(int((until_s - grid.start_s) // grid.slot_s), 0), grid.count)
    found = {}
    for wanted, when in _all(site, grid):
        given = before_wh.get(wanted.name, 0.0)
        told = told_w.get(wanted.name, np.zeros(steps))
        for k in range(min(steps, told.size)):
            given += float(told[k]) * grid.slot_s / SECONDS_PER_HOUR * wanted.efficiency_frac
            if when.due[k] or not when.open[k]:
                given = 0.0
        found[wanted.name] = given
    return found


def missing_wh(site: Site, given: Mapping[str, float]) -> dict[str, float]:
    """What each running session still lacks after what it was given."""
    energies = {f"ev.{ev.name}": ev.energy_wh for ev in site.evs}
    energies |= {f"load.{load.name}": load.energy_wh for load in site.loads}
    return {name: max(energy_wh - given.get(name, 0.0), 0.0) for name, energy_wh in energies.items()}


def _all(site: Site, grid: TimeGrid, missing: Mapping[str, float] | None = None) -> list[tuple[Wanted, Window]]:
    """Every car and program with its windows."""
    lacks = missing or {}
    cars = [
        (wanted_by(ev, lacks.get(f"ev.{ev.name}", math.nan)), window(grid, site.zone, ev.arrival, ev.departure))
        for ev in site.evs
    ]
    return cars + [
        (
            wanted_by_load(item, lacks.get(f"load.{item.name}", math.nan)),
            window(grid, site.zone, item.earliest, item.latest),
        )
        for item in site.loads
    ]
