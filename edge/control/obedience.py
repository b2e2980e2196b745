"""Does the battery do what it is told, and does the meter see it? If not, it is left alone for an hour.

A percent of another rating, a swapped sign, a second master, a mode that a firmware ignores, a register that only
echoes: each shows in the effect of our commands (``effect``).
"""

from __future__ import annotations

import math
from collections import deque

from edge.config import Battery
from edge.control.effect import (
    SETTLE_S,
    Effect,
    Instant,
    effect_of,
    is_excess,
    step_at,
    told_range,
    without_effect,
)
from edge.messages import IN_FORCE, CycleRecord

DISTRUST_S = 3600.0
STRIKES_COUNT = 3  # cycles beyond what was told
BLIND_COUNT = 3  # steps in a row that the meter did not see: one or two may be kettles that went the other way
BLIND_FRAC = 0.25
HISTORY_S = 600.0
_SPACING_S = 2.0
_KEEP_COUNT = 60


class Obedience:
    """Watches the cycles of one battery."""

    def __init__(self, battery: Battery | None) -> None:
        self._battery = battery
        self._history: deque[Instant] = deque()
        self._effects: deque[Effect] = deque(maxlen=_KEEP_COUNT)
        self._told: deque[tuple[float, float]] = deque()  # only changes
        self._unjudged_s: deque[float] = deque()  # changes of command whose step has not settled yet
        self._strikes = 0
        self._blind = 0
        self._until_s = -math.inf
        self._words = ""

    def observe(self, record: CycleRecord) -> None:
        """Take one finished cycle: its house shows what the commands before it led to."""
        if self._battery is None:
            return
        house, told_w = record.house, _told_w(record)
        instant = Instant(
            time_s=house.time_s,
            battery_w=house.battery_w,
            grid_w=house.grid_w,
            soc_frac=house.soc_frac,
            told_w=told_w,
        )
        if not math.isnan(instant.net_w):
            self._judge(instant, self._battery)
        self._keep(instant)

    def distrust(self, now_s: float) -> str:
        """Why the battery is left alone now; empty while it is trusted."""
        return self._words if now_s < self._until_s else ""

    def _judge(self, instant: Instant, battery: Battery) -> None:
        told_w = told_range(self._told, instant.time_s)
        self._judge_excess(instant, told_w, battery)
        effect = effect_of(instant, told_w, battery) if told_w is not None else None
        if effect is not None and (not self._effects or effect.time_s - self._effects[-1].time_s >= _SPACING_S):
            self._effects.append(effect)
            if words := without_effect(tuple(self._effects)):
                self._doubt(instant.time_s, f"the battery does not follow: {words}")
        elif told_w is None:
            self._effects.clear()
        self._judge_steps(instant.time_s)

    def _judge_excess(self, instant: Instant, told_w: tuple[float, float] | None, battery: Battery) -> None:
        if told_w is None or not is_excess(instant.battery_w, told_w, battery):
            self._strikes = 0
            return
        self._strikes += 1
        if self._strikes >= STRIKES_COUNT:
            nearest_w = min(told_w, key=lambda power_w: abs(power_w - instant.battery_w))
            told = f"{nearest_w:+.0f} W commanded, {instant.battery_w:+.0f} W measured"
            where = "check battery.rated_w, signs and other masters"
            self._doubt(instant.time_s, f"the battery does not obey ({told}): {where}")

    def _judge_steps(self, now_s: float) -> None:
        """A step that the battery's register claims must be seen by the meter."""
        while self._unjudged_s and now_s >= self._unjudged_s[0] + 2.0 * SETTLE_S:
            changed_s = self._unjudged_s.popleft()
            crowded = any(0.0 < other_s - changed_s < 2.0 * SETTLE_S for other_s in self._unjudged_s)
            step = None if crowded else step_at(tuple(self._history), changed_s)
            if step is None:
                continue
            self._blind = self._blind + 1 if step.seen_frac < BLIND_FRAC else 0
            if self._blind >= BLIND_COUNT:
                moved = f"{step.battery_change_w:+.0f} W by its register, {step.grid_change_w:+.0f} W at the meter"
                self._doubt(now_s, f"the meter does not see the battery ({moved}): check signs and registers")

    def _doubt(self, now_s: float, words: str) -> None:
        self._until_s, self._words = now_s + DISTRUST_S, words
        self._strikes = self._blind = 0
        self._effects.clear()

    def _keep(self, instant: Instant) -> None:
        before_w = self._told[-1][1] if self._told else math.nan
        same = before_w == instant.told_w or (math.isnan(before_w) and math.isnan(instant.told_w))
        if not self._told or not same:
            self._told.append((instant.time_s, instant.told_w))
            if not math.isnan(
                instant.told_w
            ):  # left alone, a battery moves with the kettle, and the meter sees nothing
                self._unjudged_s.append(instant.time_s)
        while len(self._told) > 1 and self._told[1][0] <= instant.time_s - SETTLE_S:
            self._told.popleft()
        if not math.isnan(instant.net_w) and (
            not self._history or instant.time_s - self._history[-1].time_s >= _SPACING_S
        ):
            self._history.append(instant)
        while self._history and self._history[0].time_s < instant.time_s - HISTORY_S:
            self._history.popleft()


def _told_w(record: CycleRecord) -> float:
    """The power that is in force after a cycle; NaN while the inverter follows its own rules, or nobody knows."""
    if record.command.mode != "power" or record.result.outcome not in IN_FORCE:
        return math.nan
    return record.command.battery_w if math.isnan(record.result.battery_w) else record.result.battery_w
