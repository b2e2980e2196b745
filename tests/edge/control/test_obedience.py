"""A battery that does more than it is told is found out and left alone."""

from __future__ import annotations

import math

import pytest
from fakes import FakePorts, good_readings

from edge.config import Battery
from edge.control.obedience import DISTRUST_S, Obedience
from edge.cycle import judge
from edge.messages import Command, CycleRecord, WriteResult

BATTERY = Battery(capacity_wh=10_000, charge_w=1000, discharge_w=1000)


def record(time_s: float, battery_w: float, commanded_w: float | None, outcome: str = "unchanged") -> CycleRecord:
    command = Command.native("rest")
    if commanded_w is not None:
        command = Command(mode="power", battery_w=commanded_w, lease_s=900.0, reason="test")
    house = judge(good_readings(time_s, battery_w=battery_w), time_s)
    result = WriteResult(outcome=outcome, writes=0)  # type: ignore[arg-type]
    return CycleRecord(
        house=house, wish=command, command=command, result=result, plan_source="t", plan_age_s=0.0, duration_s=0.0
    )


def watched(battery_w: float, commanded_w: float | None, cycles: int = 8, period_s: float = 10.0) -> Obedience:
    watch = Obedience(BATTERY)
    for k in range(cycles):
        watch.observe(record(k * period_s, battery_w, commanded_w))
    return watch


@pytest.mark.parametrize(
    ("battery_w", "commanded_w"), [(-4900.0, -1000.0), (4900.0, 1000.0), (900.0, -1000.0), (2000.0, 0.0)]
)
def test_much_more_than_commanded_or_the_other_way_ends_the_trust(battery_w: float, commanded_w: float) -> None:
    watch = watched(battery_w, commanded_w)
    assert f"{battery_w:+.0f} W measured" in watch.distrust(80.0)
    assert watch.distrust(80.0 + DISTRUST_S) == ""


@pytest.mark.parametrize(
    ("battery_w", "commanded_w"),
    [(-950.0, -1000.0), (-300.0, -1000.0), (0.0, 1000.0), (5000.0, None), (math.nan, 500.0)],
)
def test_less_than_commanded_native_and_unknown_are_no_offence(battery_w: float, commanded_w: float | None) -> None:
    assert watched(battery_w, commanded_w).distrust(80.0) == ""


def test_a_fresh_command_has_time_to_settle() -> None:
    watch = Obedience(BATTERY)
    for k in range(20):
        watch.observe(record(10.0 * k, -900.0, 1000.0 if k % 2 else -1000.0))
    assert watch.distrust(200.0) == ""


def test_a_site_without_battery_is_never_distrusted() -> None:
    watch = Obedience(None)
    watch.observe(record(0.0, 100.0, None))
    assert watch.distrust(0.0) == ""
    assert FakePorts(good_readings(0.0)).distrust(0.0) == ""
