"""Records survive the trip through JSON; missing stays missing."""

from __future__ import annotations

import json
import math
from enum import Enum

import pytest
from fakes import make_plan

from edge.messages import Command, Reading, plan_from_json, to_json


def test_a_plan_survives_json_with_its_missing_values() -> None:
    plan = make_plan(cost_eur=math.nan, grid_w=(1.0, math.nan, 2.0, 3.0))
    again = plan_from_json(json.loads(json.dumps(to_json(plan))))
    assert math.isnan(again.cost_eur)
    assert math.isnan(again.grid_w[1])
    assert again.violations == ("a", "b")
    assert to_json(again) == to_json(plan)


def test_a_plan_with_other_fields_is_refused() -> None:
    data = to_json(make_plan())
    del data["source"]
    data["colour"] = 1
    with pytest.raises(ValueError, match="missing.*source.*unknown.*colour"):
        plan_from_json(data)


def test_the_slot_in_force_is_left_closed() -> None:
    plan = make_plan()
    assert plan.slot(900.0) == 0
    assert plan.slot(1799.9) == 0
    assert plan.slot(1800.0) == 1
    assert plan.slot(899.9) is None
    assert plan.slot(900.0 + 4 * 900.0) is None


def test_missing_is_null_in_json_and_never_zero() -> None:
    reading = Reading(signal="pv_w", value=math.nan, unit="W", measured_s=1.0, state="invalid", reason="no answer")
    assert to_json(reading)["value"] is None
    assert to_json(Command.native("rest"))["battery_w"] is None


def test_enums_travel_by_value() -> None:
    class Colour(Enum):
        RED = "red"

    assert to_json({1: Colour.RED, "x": [math.inf]}) == {"1": "red", "x": [None]}


@pytest.mark.parametrize(
    "change",
    [
        {"slot_s": 0},
        {"slot_s": 31_536_000},
        {"slot_s": 900.0},
        {"start_s": 10**400},
        {"start_s": -900},
        {"battery_w": 5.0},
        {"battery_w": []},
        {"battery_w": [1e9] * 4},
        {"battery_w": [None] * 4},
        {"battery_w": ["5"] * 4},
        {"soc_frac": [0.5] * 4},
        {"grid_w": [0.0] * 3},
        {"price_import_eur_per_kwh": [1e5] * 4},
        {"water_value_eur_per_kwh": 1e308},
        {"water_value_eur_per_kwh": None},
        {"valid_until_s": None},
        {"issued_s": True},
        {"violations": "none"},
        {"reason": 3},
        {"cost_eur": 10**400},
    ],
    ids=str,
)
def test_a_plan_that_nobody_could_follow_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a plan"):
        plan_from_json({**to_json(make_plan()), **change})
