"""The control cycle: whatever is read, planned or broken, what is written is safe."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from fakes import FakePorts, good_readings, make_plan
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.flags import Flag
from edge.config import Battery, Site
from edge.cycle import control_cycle, judge, plan_in_force
from edge.messages import Reading

BATTERY = Battery(capacity_wh=10_000, charge_w=5000, discharge_w=5000)
SITE = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=BATTERY, folder=Path())
NOW_S = 1000.0


def export_plan(**changes: object) -> object:
    """Energy is worth little to this plan and export pays well: discharge to the grid."""
    count = 4
    return make_plan(
        count,
        water_value_eur_per_kwh=0.05,
        wear_eur_per_kwh=0.01,
        battery_w=(4000.0,) * count,
        price_import_eur_per_kwh=(0.6,) * count,
        price_export_eur_per_kwh=(0.5,) * count,
        **changes,
    )


def test_without_a_plan_the_inverter_keeps_its_own_rules() -> None:
    ports = FakePorts(good_readings(NOW_S))
    record = control_cycle(ports, SITE)
    assert [command.mode for command in ports.commands] == ["native"]
    assert record.plan_source == "none"
    assert math.isnan(record.plan_age_s)
    assert ports.records == [record]


def test_a_paying_plan_is_carried_out_with_a_lease() -> None:
    ports = FakePorts(good_readings(NOW_S, pv_w=0.0, grid_w=300.0, battery_w=500.0), export_plan())  # type: ignore[arg-type]
    record = control_cycle(ports, SITE)
    command = ports.commands[0]
    assert command.mode == "power"
    assert command.battery_w > 1000.0
    assert 0.0 < command.lease_s <= 900.0
    assert record.plan_age_s == 100.0


@pytest.mark.parametrize("now_s", [899.0, 2700.0, 899.0 + 4 * 900.0])
def test_a_plan_outside_its_lease_is_not_in_force(now_s: float) -> None:
    plan = export_plan()
    assert plan_in_force(plan, now_s) is None  # type: ignore[arg-type]
    assert plan_in_force(None, now_s) is None


@pytest.mark.parametrize("missing", ["soc_frac", "grid_w", "battery_w"])
def test_without_what_it_needs_the_guard_goes_native(missing: str) -> None:
    ports = FakePorts(good_readings(NOW_S, **{missing: math.nan}), export_plan())  # type: ignore[arg-type]
    control_cycle(ports, SITE)
    assert ports.commands[0].mode == "native"


def test_a_battery_that_does_not_obey_is_left_alone() -> None:
    ports = FakePorts(good_readings(NOW_S, pv_w=0.0, grid_w=300.0, battery_w=500.0), export_plan())  # type: ignore[arg-type]
    ports.distrusted = "it does not obey"
    record = control_cycle(ports, SITE)
    assert record.wish.mode == "power"
    assert ports.commands[0].mode == "native"
    assert ports.commands[0].vetoes == ("it does not obey",)


def test_a_house_without_battery_is_never_commanded() -> None:
    site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0)
    ports = FakePorts(good_readings(NOW_S), export_plan())  # type: ignore[arg-type]
    control_cycle(ports, site)
    assert ports.commands[0].mode == "native"


def test_a_full_disk_is_an_alarm_and_control_goes_on() -> None:
    ports = FakePorts(good_readings(NOW_S))
    ports.disk_full = True
    control_cycle(ports, SITE)
    assert ports.commands
    assert ports.alarms == ["the disk is full"]


def test_missing_and_implausible_values_are_flagged_and_never_zero() -> None:
    readings = [
        *good_readings(NOW_S, pv_w=math.nan, grid_w=1e6),
        Reading(signal="soh_frac", value=0.9, unit="frac", measured_s=0.0, state="stale"),
    ]
    house = judge(readings, NOW_S)
    assert math.isnan(house.pv_w)
    assert math.isnan(house.grid_w)
    assert house.flags["pv_w"] == Flag.MISSING
    assert house.flags["grid_w"] == Flag.RANGE
    assert house.flags["soh_frac"] == Flag.STALE
    assert any("no answer" in finding for finding in house.findings)
    assert any("not plausible" in finding for finding in house.findings)
    assert math.isnan(house.residual_w)


def test_an_unmetered_load_comes_from_the_balance() -> None:
    readings = [r for r in good_readings(NOW_S) if r.signal != "load_w"]
    house = judge(readings, NOW_S)
    assert house.load_w == pytest.approx(800.0)
    assert math.isnan(house.residual_w)
    negative = [r for r in good_readings(NOW_S, grid_w=-5000.0) if r.signal != "load_w"]
    assert judge(negative, NOW_S).load_w == 0.0
    blind = [r for r in good_readings(NOW_S, grid_w=math.nan) if r.signal != "load_w"]
    assert math.isnan(judge(blind, NOW_S).load_w)


def test_a_house_without_a_battery_has_its_load_from_meter_and_sun_alone() -> None:
    readings = [r for r in good_readings(NOW_S, grid_w=600.0, pv_w=200.0) if r.signal in ("grid_w", "pv_w")]
    house = judge(readings, NOW_S, has_battery=False)
    assert (house.load_w, house.battery_w) == (pytest.approx(800.0), 0.0)
    assert math.isnan(house.soc_frac)
    assert math.isnan(judge(readings, NOW_S).load_w)


def test_the_balance_of_good_meters_closes() -> None:
    assert judge(good_readings(NOW_S), NOW_S).residual_w == pytest.approx(0.0)


ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(
    values=st.fixed_dictionaries(dict.fromkeys(("pv_w", "load_w", "grid_w", "battery_w", "soc_frac"), ANY)),
    planned=ANY,
    water=ANY,
)
def test_no_input_makes_the_cycle_leave_the_batterys_limits(
    values: dict[str, float], planned: float, water: float
) -> None:
    plan = make_plan(4, battery_w=(planned,) * 4, water_value_eur_per_kwh=water, price_import_eur_per_kwh=(0.3,) * 4)
    ports = FakePorts(good_readings(NOW_S, **values), plan)
    control_cycle(ports, SITE)
    command = ports.commands[0]
    if command.mode == "power":
        assert -BATTERY.charge_w <= command.battery_w <= BATTERY.discharge_w
        assert 0.0 < command.lease_s <= 900.0
