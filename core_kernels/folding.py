"""Series folded by clock time, and weather looked up on a grid: the parts that features and baselines share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray

IntArray = npt.NDArray[np.int64]
SLOT_S = 900
SLOTS_PER_DAY = SECONDS_PER_DAY // SLOT_S
_MAX_CLEARNESS = 3.0


def mids_s(grid: TimeGrid) -> FloatArray:
    """Middle of each slot [s]."""
    return grid.starts_s() + grid.slot_s / 2.0


def ratio(numerator: FloatArray, denominator: FloatArray, maximum: float = _MAX_CLEARNESS) -> FloatArray:
    """Quotient, bounded by 0..``maximum``; NaN where the denominator is not positive."""
    positive = denominator > 0.0
    quotient = np.where(positive, numerator, np.nan) / np.where(positive, denominator, 1.0)
    return np.clip(quotient, 0.0, maximum)


def day_table(values: FloatArray, slots: IntArray, end_slot: int, days: int) -> FloatArray:
    """The last ``days`` times 24 h before ``end_slot``, float64[days, 96]: row 0 newest, column = slot of the day.

    ``slots`` are the slot numbers of ``values`` on the clock that counts (UTC or local); absent slots are NaN.
    """
    table = np.full((days, SLOTS_PER_DAY), np.nan)
    row = (end_slot - 1 - slots) // SLOTS_PER_DAY
    inside = (row >= 0) & (row < days)
    table[row[inside], slots[inside] % SLOTS_PER_DAY] = values[inside]
    return table


def neighbours(table: FloatArray, reach: int) -> FloatArray:
    """A day table with each clock time's neighbours beside it, float64[96, days * (2 * reach + 1)]."""
    return np.concatenate([np.roll(table, shift, axis=1) for shift in range(-reach, reach + 1)]).T


def known_mean(values: FloatArray, axis: int) -> FloatArray:
    """Mean of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.asarray(np.where(count > 0, total, np.nan) / np.maximum(count, 1))


def at_mids(weather: Frame | None, name: str, grid: TimeGrid) -> FloatArray:
    """A weather column at the middle of each slot, linear between known values, NaN outside them and in gaps > 3 h."""
    result = np.full(grid.count, np.nan)
    if weather is None or name not in weather.columns:
        return result
    values = weather.column(name)
    known = np.isfinite(values)
    if not known.any():
        return result
    times_s, wanted_s = mids_s(weather.grid)[known], mids_s(grid)
    after = np.clip(np.searchsorted(times_s, wanted_s), 0, times_s.size - 1)
    before = np.maximum(after - 1, 0)
    near = (times_s[after] - times_s[before] <= 3.0 * SECONDS_PER_HOUR) | (times_s[after] == wanted_s)
    edge_s = weather.grid.slot_s / 2.0
    inside = (wanted_s >= times_s[0] - edge_s) & (wanted_s <= times_s[-1] + edge_s)
    found = np.interp(wanted_s, times_s, values[known])
    return np.where(near & inside, found, result)


def weekday(local_slots: IntArray) -> IntArray:
    """Day of the week of local slot numbers, Monday 0; 1970-01-01 was a Thursday."""
    return (local_slots // SLOTS_PER_DAY + 3) % 7
