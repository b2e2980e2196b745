"""Does the battery do what it is told? A register that means something else must not go unnoticed.

A percent of another rating, a swapped sign, a second master: each shows as a battery that gives or takes much more
than was commanded. Three such cycles in a row, once the command has settled, and only native is commanded for an hour.
"""

from __future__ import annotations

import math

from edge.config import Battery
from edge.messages import CycleRecord

SETTLE_S = 30.0  # dead time and ramp of slow inverters, and a reading that is a few seconds old
STRIKES_COUNT = 3
DISTRUST_S = 3600.0
TOLERANCE_W = 300.0
TOLERANCE_FRAC = 0.15


class Obedience:
    """Watches the cycles of one battery."""

    def __init__(self, battery: Battery | None) -> None:
        self._limit_w = max(battery.charge_w, battery.discharge_w) if battery else 0.0
        self._commanded_w = math.nan
        self._since_s = math.nan
        self._strikes = 0
        self._until_s = -math.inf
        self._words = ""

    def observe(self, record: CycleRecord) -> None:
        """Take one finished cycle: its house shows what the command before it led to."""
        self._judge(record.house.time_s, record.house.battery_w)
        command = record.command
        taken = command.mode == "power" and record.result.outcome in ("applied", "unchanged")
        commanded_w = command.battery_w if taken else math.nan
        if commanded_w != self._commanded_w:
            self._commanded_w, self._since_s, self._strikes = commanded_w, record.house.time_s, 0

    def distrust(self, now_s: float) -> str:
        """Why the battery is left alone now; empty while it is trusted."""
        return self._words if now_s < self._until_s else ""

    def _judge(self, now_s: float, battery_w: float) -> None:
        if math.isnan(self._commanded_w) or math.isnan(battery_w) or now_s - self._since_s < SETTLE_S:
            return
        excess_w = abs(battery_w) - abs(self._commanded_w)
        if battery_w * self._commanded_w < 0.0:
            excess_w = abs(battery_w - self._commanded_w)
        self._strikes = self._strikes + 1 if excess_w > TOLERANCE_W + TOLERANCE_FRAC * self._limit_w else 0
        if self._strikes >= STRIKES_COUNT:
            self._until_s = now_s + DISTRUST_S
            told = f"{self._commanded_w:+.0f} W commanded, {battery_w:+.0f} W measured"
            self._words = f"the battery does not obey ({told}): check battery.rated_w, signs and other masters"
