"""The minute that is being filled, and what becomes of it: a row a signal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

Row = tuple[int, str, float, float, float, float, int, int]


@dataclass(slots=True)
class Running:
    """What one signal said so far."""

    total: float = 0.0
    last: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    count: int = 0
    flags: int = 0

    def add(self, value: float, flags: int) -> None:
        """Take one value; NaN counts for its flags only."""
        self.flags |= flags
        if math.isnan(value):
            return
        self.total += value
        self.last = value
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        self.count += 1


@dataclass(slots=True)
class Minute:
    """The minute being filled."""

    time_s: int = -1
    signals: dict[str, Running] = field(default_factory=dict)

    def add(self, name: str, value: float, flags: int) -> None:
        """Take one value of a signal."""
        self.signals.setdefault(name, Running()).add(value, flags)

    def rows(self) -> list[Row]:
        """Of every signal that said something."""
        return [
            (self.time_s, name, m.total / m.count, m.last, m.low, m.high, m.count, m.flags)
            for name, m in self.signals.items()
            if m.count
        ]
