"""One CONTROL cycle: read, judge, track the plan, guard, write, record. Start reading the product here.

The cycle needs no plan, no model and no network to be safe: without a plan the wish is the inverter's native mode,
and the guard has the last word over every wish.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from core_kernels.flags import Flag
from core_kernels.quality import judge_sample
from core_kernels.signals import signal
from core_kernels.units import balance_residual_w
from core_kernels.units import load_w as load_from_balance
from edge.config import Site
from edge.control import fastloop, guard
from edge.control.override import Override
from edge.control.rules import rules_command
from edge.errors import StoreError
from edge.messages import Command, CycleRecord, House, Plan, Reading, WriteResult


class Ports(Protocol):
    """The one seam between the cycle and the world; ``daemon.py`` wires it, tests and replay fake it."""

    def now_s(self) -> float:
        """Unix UTC [s]."""
        ...

    def read(self) -> Sequence[Reading]:
        """Every signal of every device with its state; never raises for a device."""
        ...

    def plan(self) -> Plan | None:
        """The last published plan, valid or not."""
        ...

    def override(self) -> Override | None:
        """What a person asked for by hand, in force or not."""
        ...

    def imported_wh(self, now_s: float, grid_w: float) -> float:
        """Import of the running quarter hour so far, this cycle's meter power (NaN: unknown) included [Wh]."""
        ...

    def distrust(self, now_s: float) -> str:
        """Why the battery must not be commanded now; empty while it obeys."""
        ...

    def write(self, command: Command) -> WriteResult:
        """Bring the battery inverter to the command; never raises for a device."""
        ...

    def record(self, record: CycleRecord, readings: Sequence[Reading]) -> None:
        """Keep what happened; may raise ``StoreError``."""
        ...

    def alarm(self, text: str) -> None:
        """Tell the log that something failed which the cycle survived."""
        ...


def control_cycle(ports: Ports, site: Site) -> CycleRecord:
    """Run one cycle and return its record."""
    started_s = ports.now_s()
    readings = ports.read()
    house = judge(readings, ports.now_s(), has_battery=site.battery is not None)
    plan = plan_in_force(ports.plan(), house.time_s)
    planned = wish_of(house, plan, site, ports.imported_wh(house.time_s, house.grid_w))
    wish = by_hand(ports.override(), house.time_s) or planned
    command = guard.narrow(wish, house, site, now_s=house.time_s, distrust=ports.distrust(house.time_s))
    result = ports.write(command)
    record = CycleRecord(
        house=house,
        wish=wish,
        command=command,
        result=result,
        plan_source=plan.source if plan else "none",
        plan_age_s=house.time_s - plan.issued_s if plan else math.nan,
        duration_s=ports.now_s() - started_s,
    )
    try:
        ports.record(record, readings)
    except StoreError as error:  # a full or broken disk must not stop control
        ports.alarm(str(error))
    return record


def plan_in_force(plan: Plan | None, now_s: float) -> Plan | None:
    """The plan while its lease runs and its slots reach, else nothing."""
    if plan is None or not plan.issued_s <= now_s < plan.valid_until_s or plan.slot(now_s) is None:
        return None
    return plan


def wish_of(house: House, plan: Plan | None, site: Site, imported_wh: float = 0.0) -> Command:
    """What control would like to do, before the guard."""
    if plan is None or site.battery is None:
        return rules_command(site)
    return fastloop.wish(house, plan, site.battery, imported_wh)


def by_hand(override: Override | None, now_s: float) -> Command | None:
    """The wish of a person while it is in force, else nothing."""
    return override.wish(now_s) if override is not None and override.holds(now_s) else None


def judge(readings: Sequence[Reading], now_s: float, *, has_battery: bool = True) -> House:
    """The process image of a cycle: good readings in range, everything else NaN with its flag.

    In a house that has none, the power of the battery is known without a reading.
    """
    values: dict[str, float] = {}
    flags: dict[str, int] = {}
    findings: list[str] = []
    for reading in readings:
        values[reading.signal], flags[reading.signal] = _judge_one(reading, findings)
    grid_w, pv_w = (values.get(name, math.nan) for name in ("grid_w", "pv_w"))
    battery_w = values.get("battery_w", math.nan) if has_battery else 0.0
    metered_w = values.get("load_w", math.nan)
    return House(
        time_s=now_s,
        pv_w=pv_w,
        load_w=_load(metered_w, grid_w, pv_w, battery_w),
        grid_w=grid_w,
        battery_w=battery_w,
        soc_frac=values.get("soc_frac", math.nan),
        residual_w=balance_residual_w(grid_w, pv_w, battery_w, metered_w),
        grid_import_wh=values.get("grid_import_wh", math.nan),
        grid_export_wh=values.get("grid_export_wh", math.nan),
        flags=flags,
        findings=tuple(findings),
    )


def _judge_one(reading: Reading, findings: list[str]) -> tuple[float, int]:
    """Value and quality mask of one reading; what is not good is noted in words."""
    if reading.state != "good" or math.isnan(reading.value):
        findings.append(f"{reading.signal}: {reading.reason or reading.state}")
        return math.nan, int(Flag.STALE if reading.state == "stale" else Flag.MISSING)
    row = signal(reading.signal)
    mask = judge_sample(reading.value, math.nan, math.nan, row.low, row.high)
    if mask:
        findings.append(f"{reading.signal}: {reading.value:g} {row.unit} is not plausible")
    return (math.nan if mask else reading.value), mask


def _load(metered_w: float, grid_w: float, pv_w: float, battery_w: float) -> float:
    """The load as metered, else as the balance gives it; measurement noise must not make it negative."""
    if not math.isnan(metered_w):
        return metered_w
    derived_w = load_from_balance(grid_w, pv_w, battery_w)
    return derived_w if math.isnan(derived_w) else max(derived_w, 0.0)
