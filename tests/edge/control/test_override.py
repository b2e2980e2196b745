"""A person's wish for the battery: bounded in size and time, never past the guard, forgotten when it is over."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from fakes import FakePorts, good_readings, make_plan
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Battery, Site
from edge.control.override import MAX_DURATION_S, Overrides, override_of
from edge.cycle import control_cycle

NOW_S = 1000.0
BATTERY = Battery(capacity_wh=10_000, charge_w=3000, discharge_w=3000)
SITE = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=BATTERY, folder=Path())


@pytest.mark.parametrize(
    ("mode", "power_w", "battery_w"), [("charge", 2000, -2000.0), ("discharge", 1500.5, 1500.5), ("hold", None, 0.0)]
)
def test_a_request_becomes_a_signed_power_until_its_end(mode: str, power_w: float | None, battery_w: float) -> None:
    override = override_of({"mode": mode, "power_w": power_w, "duration_s": 600}, NOW_S)
    assert (override.battery_w, override.since_s, override.until_s) == (battery_w, 1000.0, 1600.0)
    assert override.wish(1100.0).battery_w == battery_w
    assert override.wish(1100.0).lease_s == 500.0


def test_native_by_hand_is_native() -> None:
    override = override_of({"mode": "native", "duration_s": 60.0}, NOW_S)
    assert math.isnan(override.battery_w)
    assert override.wish(NOW_S).mode == "native"
    assert override.wish(NOW_S).reason == "manual override until 1970-01-01T00:17:40Z: native"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "mode must be one of"),
        ({"mode": "boost", "duration_s": 60}, "mode must be one of hold, charge, discharge, native, got 'boost'"),
        ({"mode": ["charge"], "duration_s": 60}, "mode must be one of"),
        ({"mode": "charge", "duration_s": 60}, "power_w must be a number"),
        ({"mode": "charge", "power_w": -5, "duration_s": 60}, "power_w must be a number"),
        ({"mode": "charge", "power_w": math.nan, "duration_s": 60}, "power_w must be a number"),
        ({"mode": "charge", "power_w": math.inf, "duration_s": 60}, "power_w must be a number"),
        ({"mode": "charge", "power_w": True, "duration_s": 60}, "power_w must be a number"),
        ({"mode": "charge", "power_w": "2000", "duration_s": 60}, "power_w must be a number"),
        ({"mode": "hold", "power_w": 100.0, "duration_s": 60}, "not with hold"),
        ({"mode": "hold"}, "duration_s must be a number from 60 to 86400, got None"),
        ({"mode": "hold", "duration_s": 86_401}, "duration_s must be"),
        ({"mode": "hold", "duration_s": 10**400}, "duration_s must be"),
        ({"mode": "hold", "duration_s": 60, "until_s": 9e9}, "'until_s' is not a known key"),
    ],
)
def test_a_wrong_request_is_refused_by_name(request_: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        override_of(request_, NOW_S)


def test_an_override_ends_by_itself_and_stays_over_when_the_clock_goes_back() -> None:
    overrides = Overrides()
    overrides.take({"mode": "hold", "duration_s": 60}, NOW_S)
    assert overrides.current(1059.0) is not None
    assert overrides.current(1060.0) is None
    assert overrides.current(1010.0) is None
    assert [text for _, text in overrides.news()] == [
        "manual override until 1970-01-01T00:17:40Z: hold",
        "over: hold",
    ]
    assert overrides.news() == []


def test_an_override_can_be_ended_and_replaced() -> None:
    overrides = Overrides()
    assert not overrides.end(NOW_S)
    overrides.take({"mode": "hold", "duration_s": 60}, NOW_S)
    overrides.take({"mode": "charge", "power_w": 100, "duration_s": 60}, NOW_S)
    held = overrides.current(NOW_S)
    assert held is not None
    assert held.mode == "charge"
    assert overrides.end(NOW_S)
    assert overrides.current(NOW_S) is None


def test_nobody_can_fill_the_memory_with_overrides() -> None:
    overrides = Overrides()
    for _ in range(1000):
        overrides.take({"mode": "hold", "duration_s": 60}, NOW_S)
    assert len(overrides.news()) == 20


def test_by_hand_goes_before_the_plan_and_is_named() -> None:
    ports = FakePorts(good_readings(NOW_S), make_plan())
    ports.by_hand = override_of({"mode": "discharge", "power_w": 1000, "duration_s": 600}, NOW_S)
    record = control_cycle(ports, SITE)
    assert (record.command.mode, record.command.battery_w) == ("power", 1000.0)
    assert record.command.reason.startswith("manual override until")
    ports.time_s += 600.0
    assert not control_cycle(ports, SITE).command.reason.startswith("manual override")


def test_by_hand_needs_no_plan() -> None:
    ports = FakePorts(good_readings(NOW_S))
    ports.by_hand = override_of({"mode": "hold", "duration_s": 600}, NOW_S)
    assert control_cycle(ports, SITE).command.battery_w == 0.0


@pytest.mark.parametrize("lost", ["soc_frac", "grid_w", "battery_w"])
def test_the_guard_refuses_a_hand_that_acts_blindly(lost: str) -> None:
    ports = FakePorts(good_readings(NOW_S, **{lost: math.nan}))
    ports.by_hand = override_of({"mode": "charge", "power_w": 1000, "duration_s": 600}, NOW_S)
    record = control_cycle(ports, SITE)
    assert record.command.mode == "native"
    assert record.command.vetoes


@given(
    power_w=st.floats(1.0, 1e6), mode=st.sampled_from(["charge", "discharge"]), soc_frac=st.floats(0.0, 1.0),
    duration_s=st.floats(60.0, MAX_DURATION_S), later_s=st.floats(0.0, MAX_DURATION_S),
)  # fmt: skip
def test_no_hand_reaches_past_the_guard(
    power_w: float, mode: str, soc_frac: float, duration_s: float, later_s: float
) -> None:
    ports = FakePorts(good_readings(NOW_S + later_s, soc_frac=soc_frac))
    ports.time_s = NOW_S + later_s
    ports.by_hand = override_of({"mode": mode, "power_w": power_w, "duration_s": duration_s}, NOW_S)
    command = control_cycle(ports, SITE).command
    if command.mode == "native":
        assert later_s >= duration_s
        return
    assert -3000.0 <= command.battery_w <= 3000.0
    assert command.battery_w <= 0.0 or soc_frac > BATTERY.soc_min_frac
    assert command.battery_w >= 0.0 or soc_frac < BATTERY.soc_max_frac
    assert 60.0 <= command.lease_s <= 900.0
