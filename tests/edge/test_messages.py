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
