"""Whether a value that arrived whole is also true: halves of two instants, and counters that run backwards.

A device may update a 32-bit value while it is being read: the answer then holds one new and one old word, which is off
by 65536 steps. A value that moved by half of that is therefore taken only when a second read agrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core_kernels.counters import counter_gains
from core_kernels.signals import Kind, signal
from edge.devices.profile import Point

Verdict = Literal["good", "again", "torn"]

_WORD = 0x10000
_LEAP = _WORD // 2
# A tear of less than this part of a signal's greatest value is no worse than noise; such fine steps leap in earnest.
_NEGLIGIBLE_FRAC = 0.005
_CONFIRMATIONS = 3
_CONFIRM_S = 60.0


class Halves:
    """The defence against torn values of one unit; remembers the last pattern of each point."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self._doubted: dict[str, float] = {}

    @property
    def in_doubt(self) -> bool:
        """Some value waits for a second read that agrees."""
        return bool(self._doubted)

    def judge(self, point: Point, number: float) -> Verdict:
        """Judge an unscaled number. ``again``: read it once more; ``torn``: the second read agreed with nothing."""
        known, doubted = self._known.get(point.name), self._doubted.get(point.name)
        agrees = any(old is not None and abs(number - old) < _LEAP for old in (known, doubted))
        if known is None or agrees:
            self._known[point.name] = number
            self._doubted.pop(point.name, None)
            return "good"
        self._doubted[point.name] = number
        return "again" if doubted is None else "torn"


def can_tear(point: Point) -> bool:
    """A whole number of several words, whose words differ by enough to matter."""
    if point.type in ("str", "f32") or point.words < 2:
        return False
    if not point.signal:
        return True
    row = signal(point.signal)
    return row.kind is Kind.COUNTER or _WORD * point.scale > _NEGLIGIBLE_FRAC * max(abs(row.low), abs(row.high))


@dataclass(slots=True)
class Total:
    """One counter: what it last said that was believed, and what it says instead since."""

    value: float
    measured_s: float
    other_wh: float = 0.0
    other_s: float = 0.0
    since_s: float = 0.0
    seen_count: int = 0

    def judge(self, value: float, now_s: float, modulus_wh: float) -> str:
        """Why the reading is not believed; empty when it is.

        A counter that was reset is believed again when it goes on counting from its new value: three readings over a
        minute, and not while it shows 0, which is also what a device says that has lost its memory for a while.
        """
        reason = _backwards(self.value, self.measured_s, value, now_s, modulus_wh)
        if reason and self._goes_on(value, now_s):
            reason = ""
        if not reason:
            self.value, self.measured_s, self.seen_count = value, now_s, 0
        return reason

    def _goes_on(self, value: float, now_s: float) -> bool:
        steady = self.seen_count and not _backwards(self.other_wh, self.other_s, value, now_s, np.inf)
        self.since_s = self.since_s if steady else now_s
        self.seen_count = self.seen_count + 1 if steady else 1
        self.other_wh, self.other_s = value, now_s
        return value > 0.0 and self.seen_count >= _CONFIRMATIONS and now_s - self.since_s >= _CONFIRM_S


def _backwards(before_wh: float, before_s: float, value: float, now_s: float, modulus_wh: float) -> str:
    """What is wrong with the step between two readings [Wh], in words; empty when it can be."""
    if value == before_wh:
        return ""
    times_s, values = np.array([before_s, max(now_s, before_s)]), np.array([before_wh, value])
    found = counter_gains(times_s, values, modulus_wh)
    if found.rollovers_count:
        return f"the counter is full and began again: {value:g} after {before_wh:g}"
    if value < before_wh:
        return f"the counter fell from {before_wh:g} to {value:g}"
    return "" if np.isfinite(found.gains[1]) else f"the counter leapt from {before_wh:g} to {value:g}"


class Totals:
    """All energy counters of one unit."""

    def __init__(self) -> None:
        self._known: dict[str, Total] = {}

    def judge(self, point: Point, value: float, now_s: float) -> str:
        """Why a counter's reading is not believed; empty for every other point."""
        if not point.signal or signal(point.signal).kind is not Kind.COUNTER:
            return ""
        total = self._known.get(point.name)
        if total is None:
            self._known[point.name] = Total(value=value, measured_s=now_s)
            return ""
        modulus_wh = np.inf if point.type == "f32" else 2.0 ** (16 * point.words) * point.scale
        return total.judge(value, now_s, modulus_wh)

    def last(self, point: Point) -> Total | None:
        """What the counter last said that was believed."""
        return self._known.get(point.name)
