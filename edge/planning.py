"""One PLANNING cycle: window, quality, forecast, plan, publish with a lease.

It runs in its own process, every quarter of an hour. When it fails, nothing is published: control follows the last
plan until its lease ends and then leaves the inverter to its own rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from core_kernels.consumers import without_consumers
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid, floor_s
from edge.control.surroundings import Surroundings
from edge.errors import PlanError, sums_of
from edge.messages import Plan

SLOT_S = 900
HORIZON_SLOTS = 192
HISTORY_DAYS = 35


class Forecasts(Protocol):
    """A forecaster: a bundle's models, or the baseline."""

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """``pv_w`` and ``load_w`` on the grid, from what was known at ``issued_s``."""
        ...


class PlanningPorts(Protocol):
    """What planning needs from the world."""

    def now_s(self) -> float:
        """Unix UTC [s]."""
        ...

    def window(self, until_s: float, days: int) -> Frame:
        """Measured quarter hours that ended by ``until_s``."""
        ...

    def weather(self, issued_s: float, grid: TimeGrid) -> Frame | None:
        """The weather forecast as known at ``issued_s``, if there is one."""
        ...

    def prices(self, grid: TimeGrid, issued_s: float) -> Any:
        """Prices as known at ``issued_s``."""
        ...

    def reached_peak_w(self, history: Frame, issued_s: float) -> float:
        """The running month's highest import of a quarter hour, for a capacity tariff."""
        ...

    def soc_frac(self) -> float:
        """The battery's charge now; NaN where unknown, 0 without a battery."""
        ...

    def publish(self, plan: Plan) -> None:
        """Hand the plan to control."""
        ...


def nothing_seen(_grid: TimeGrid, _history: Frame, _weather: Frame | None) -> Surroundings:
    """For a house without rooms and cars."""
    return Surroundings()


def nothing_foreseen(plan: Plan, _history: Frame, _weather: Frame | None) -> Plan:
    """For a bundle without rooms."""
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """The two models of a planning cycle: what will happen, and what to do about it.

    ``look`` says what measurements and weather tell of the house's rooms on the plan's grid, ``foresee`` adds to a plan
    what the rooms will be under it. ``consumers`` are the signals of what the plan itself decides: the load that is
    forecast is without them.
    """

    forecaster: Forecasts
    solve: Callable[..., Plan]
    look: Callable[[TimeGrid, Frame, Frame | None], Surroundings] = nothing_seen
    foresee: Callable[[Plan, Frame, Frame | None], Plan] = nothing_foreseen
    consumers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What one planning cycle goes by; whoever is given the same may decide otherwise."""

    issued_s: float
    grid: TimeGrid
    history: Frame
    weather: Frame | None
    soc_frac: float
    prices: Any
    reached_peak_w: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decided:
    """A plan, with what it was made of."""

    known: Known
    forecasts: Mapping[str, Forecast]
    plan: Plan


def planning_cycle(ports: PlanningPorts, planner: Planner) -> Decided:
    """Make and publish one plan; raises :class:`PlanError` where there is nothing to plan from."""
    decided = decide(ask(ports, planner.consumers), planner)
    ports.publish(decided.plan)
    return decided


def ask(ports: PlanningPorts, consumers: tuple[str, ...]) -> Known:
    """What the world says now."""
    issued_s = ports.now_s()
    grid = TimeGrid(start_s=floor_s(issued_s, SLOT_S), slot_s=SLOT_S, count=HORIZON_SLOTS)
    history = without_consumers(clean(ports.window(issued_s, HISTORY_DAYS)), consumers)
    return Known(
        issued_s=issued_s,
        grid=grid,
        history=history,
        weather=ports.weather(issued_s, grid),
        soc_frac=ports.soc_frac(),
        prices=ports.prices(grid, issued_s),
        reached_peak_w=ports.reached_peak_w(history, issued_s),
    )


def decide(known: Known, planner: Planner) -> Decided:
    """Forecast, look at the house, plan; raises :class:`PlanError`."""
    grid, history, weather = known.grid, known.history, known.weather
    if math.isnan(known.soc_frac):
        raise PlanError("the battery's state of charge is not known")
    with sums_of("the forecast"):
        forecasts = planner.forecaster.forecast(known.issued_s, grid, history, weather)
    with sums_of("what is known of rooms and cars"):
        around = planner.look(grid, history, weather)
    plan = planner.solve(
        issued_s=known.issued_s,
        grid=grid,
        soc_frac=known.soc_frac,
        pv=forecasts["pv_w"],
        load=forecasts["load_w"],
        prices=known.prices,
        reached_peak_w=known.reached_peak_w,
        around=around,
    )
    plan = replace(plan, source=f"{plan.source} on {sources_of(forecasts)}")
    with sums_of("what rooms will be under the plan"):
        plan = planner.foresee(plan, history, weather)
    return Decided(known=known, forecasts=forecasts, plan=plan)


def clean(window: Frame) -> Frame:
    """The window with every flagged quarter as missing."""
    columns = {}
    for name, values in window.columns.items():
        kept = values.copy()
        if name in window.flags:
            kept[window.flags[name] != 0] = math.nan
        columns[name] = kept
    return Frame(grid=window.grid, columns=columns, flags=window.flags)


def sources_of(forecasts: Mapping[str, Forecast]) -> str:
    """Where the forecasts come from, once each."""
    return ", ".join(dict.fromkeys(forecast.source for forecast in forecasts.values()))
