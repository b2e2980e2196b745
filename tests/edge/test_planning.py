"""The planning cycle: from a window to a published plan, or a named refusal."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import make_plan

from core_kernels.flags import Flag
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from edge.errors import PlanError
from edge.messages import Plan
from edge.planning import HORIZON_SLOTS, Planner, clean, planning_cycle

NOW_S = 1_700_000_100.0


class Flat:
    """Forecasts flat lines and remembers what it was shown."""

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        self.seen = history
        line = np.full(grid.count, 500.0)
        kinds = {"pv_w": "pv model", "load_w": "load model"}
        return {
            name: Forecast(signal=name, issued_s=issued_s, grid=grid, p10=line, p50=line, p90=line, source=source)
            for name, source in kinds.items()
        }


class World:
    """Planning's ports without a box."""

    def __init__(self, soc_frac: float = 0.5) -> None:
        self.soc = soc_frac
        self.published: list[Plan] = []

    def now_s(self) -> float:
        return NOW_S

    def window(self, until_s: float, days: int) -> Frame:
        grid = TimeGrid(start_s=1_700_000_100 - 900 * 4, slot_s=900, count=4)
        flags = {"pv_w": np.array([0, int(Flag.RANGE), 0, 0], dtype=np.uint16)}
        columns = {"pv_w": np.arange(4.0), "load_w": np.ones(4), "ev_car_w": np.array([math.nan, 0.0, 0.75, 0.0])}
        return Frame(grid=grid, columns=columns, flags=flags)

    def weather(self, issued_s: float, grid: TimeGrid) -> Frame | None:
        return None

    def prices(self, grid: TimeGrid, issued_s: float) -> Any:
        return "prices"

    def reached_peak_w(self, history, issued_s):
        return 0.0

    def soc_frac(self) -> float:
        return self.soc

    def publish(self, plan: Plan) -> None:
        self.published.append(plan)


def solve(**inputs: Any) -> Plan:
    assert inputs["prices"] == "prices"
    assert inputs["grid"].count == HORIZON_SLOTS
    assert inputs["pv"].signal == "pv_w"
    return make_plan(issued_s=inputs["issued_s"], source="mpc")


def test_a_plan_is_published_with_where_it_comes_from() -> None:
    world, flat = World(), Flat()
    plan = planning_cycle(world, Planner(forecaster=flat, solve=solve)).plan
    assert world.published == [plan]
    assert plan.source == "mpc on pv model, load model"


def test_flagged_quarters_are_missing_to_the_models() -> None:
    flat = Flat()
    planning_cycle(World(), Planner(forecaster=flat, solve=solve))
    assert np.isnan(flat.seen.column("pv_w")[1])
    assert flat.seen.column("pv_w")[2] == 2.0
    assert clean(flat.seen).column("load_w").tolist() == [1.0] * 4


def test_the_load_is_forecast_without_what_the_plan_itself_decides() -> None:
    flat = Flat()
    planning_cycle(World(), Planner(forecaster=flat, solve=solve, consumers=("ev_car_w", "heatpump_w")))
    assert flat.seen.column("load_w").tolist() == [1.0, 1.0, 0.25, 1.0]


def broken(*_: Any, **__: Any) -> Any:
    return np.linalg.inv(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"forecaster": SimpleNamespace(forecast=broken)}, "the forecast cannot be computed: Singular matrix"),
        ({"look": broken}, "what is known of rooms and cars cannot be computed"),
        ({"foresee": broken}, "what rooms will be under the plan cannot be computed"),
    ],
)
def test_arithmetic_that_fails_anywhere_is_a_refusal_by_name_and_publishes_nothing(part, words) -> None:
    world = World()
    with pytest.raises(PlanError, match=words):
        planning_cycle(world, Planner(**{"forecaster": Flat(), "solve": solve, **part}))
    assert world.published == []


def test_an_unknown_state_of_charge_refuses_the_plan() -> None:
    world = World(math.nan)
    with pytest.raises(PlanError, match="state of charge"):
        planning_cycle(world, Planner(forecaster=Flat(), solve=solve))
    assert world.published == []
