"""Uniform UTC slots. A slot is left-closed: a value at its start belongs to it, one at its end to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core_kernels.units import FloatArray


def floor_s(time_s: float, slot_s: int) -> int:
    """Start of the slot that holds an instant; slots are aligned to the Unix epoch [s]."""
    return int(time_s // slot_s) * slot_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeGrid:
    """``count`` slots of ``slot_s`` seconds from ``start_s`` (Unix UTC, aligned to the slot length)."""

    start_s: int
    slot_s: int
    count: int

    def __post_init__(self) -> None:
        if self.slot_s <= 0 or self.count < 0:
            raise ValueError(f"slot_s must be positive and count >= 0, got {self.slot_s} and {self.count}")
        if self.start_s % self.slot_s:
            raise ValueError(f"start_s {self.start_s} is not aligned to slots of {self.slot_s} s")

    @property
    def end_s(self) -> int:
        """End of the last slot [s]."""
        return self.start_s + self.slot_s * self.count

    def starts_s(self) -> FloatArray:
        """Slot starts, float64[count] [s]."""
        return self.start_s + self.slot_s * np.arange(self.count, dtype=np.float64)

    def edges_s(self) -> FloatArray:
        """Slot edges, float64[count + 1] [s]."""
        return self.start_s + self.slot_s * np.arange(self.count + 1, dtype=np.float64)

    def index(self, time_s: float) -> int:
        """Index of the slot that holds an instant; outside the grid raises ``IndexError``."""
        index = int((time_s - self.start_s) // self.slot_s)
        if not 0 <= index < self.count:
            raise IndexError(f"{time_s} lies outside {self.start_s}..{self.end_s}")
        return index
