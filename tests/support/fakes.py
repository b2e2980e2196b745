"""Small fakes and makers that several tests share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core_kernels.signals import signal
from edge.control.override import Override
from edge.errors import StoreError
from edge.messages import Command, CycleRecord, Plan, Reading, WriteResult


def make_plan(count: int = 4, **changes: object) -> Plan:
    """A small plan for tests."""
    zeros = (0.0,) * count
    values: dict[str, object] = {
        "issued_s": 900.0,
        "valid_until_s": 2700.0,
        "start_s": 900,
        "slot_s": 900,
        "source": "mpc",
        "reason": "because",
        "violations": ("a", "b"),
        "water_value_eur_per_kwh": 0.2,
        "wear_eur_per_kwh": 0.02,
        "cost_eur": 1.5,
        "battery_w": zeros,
        "soc_frac": (0.5,) * (count + 1),
        "price_import_eur_per_kwh": (0.3,) * count,
        "price_export_eur_per_kwh": (0.1,) * count,
    }
    for name in ("grid_w", "pv_p10_w", "pv_p50_w", "pv_p90_w", "load_p10_w", "load_p50_w", "load_p90_w"):
        values[name] = zeros
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def good_readings(now_s: float, **values: float) -> list[Reading]:
    """Readings of a quiet, sunny house; keyword values replace, NaN makes one invalid."""
    house = {"pv_w": 3000.0, "load_w": 800.0, "grid_w": -200.0, "battery_w": -2000.0, "soc_frac": 0.5, **values}
    return [
        Reading(
            signal=name,
            value=value,
            unit=signal(name).unit,
            measured_s=now_s,
            state="invalid" if math.isnan(value) else "good",
            reason="no answer" if math.isnan(value) else "",
        )
        for name, value in house.items()
    ]


class FakePorts:
    """A box without hardware: readings in, commands and records out."""

    def __init__(self, readings: Sequence[Reading], plan: Plan | None = None, *, now_s: float = 1000.0) -> None:
        self.readings, self.current, self.time_s = readings, plan, now_s
        self.commands: list[Command] = []
        self.records: list[CycleRecord] = []
        self.alarms: list[str] = []
        self.disk_full = False
        self.distrusted = ""
        self.by_hand: Override | None = None

    def now_s(self) -> float:
        return self.time_s

    def read(self) -> Sequence[Reading]:
        return self.readings

    def plan(self) -> Plan | None:
        return self.current

    def override(self) -> Override | None:
        return self.by_hand

    def imported_wh(self, now_s: float, grid_w: float) -> float:
        return 0.0

    def distrust(self, now_s: float) -> str:
        return self.distrusted

    def write(self, command: Command) -> WriteResult:
        self.commands.append(command)
        return WriteResult(outcome="applied", writes=1)

    def record(self, record: CycleRecord, readings: Sequence[Reading]) -> None:
        if self.disk_full:
            raise StoreError("the disk is full")
        self.records.append(record)

    def alarm(self, text: str) -> None:
        self.alarms.append(text)
