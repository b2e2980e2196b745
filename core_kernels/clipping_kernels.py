"""Sums, extremes, levels and slopes behind :mod:`core_kernels.clipping`; NaN is passed over in all of them."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.jit import kernel
from core_kernels.units import FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
OwnUnit: TypeAlias = float  # a number in the unit of the values

_IN = "Array(float64, 1, 'C', readonly=True)"
_INTS = "Array(int64, 1, 'C', readonly=True)"
_BLOCK = 256  # samples that are first looked at together
_RUN = 64  # the same, but few, as a run ends at midnight


@kernel(f"float64({_IN})")
def least_step_kernel(times_s: FloatArray) -> float:
    """Least distance of two rows; NaN where times do not rise or are not finite."""
    later, earlier = times_s[1:], times_s[:-1]
    least = math.inf
    for base in range(0, later.shape[0], _BLOCK):
        after, before = later[base : base + _BLOCK], earlier[base : base + _BLOCK]
        usual = 0
        for s in range(after.shape[0]):
            step_s = after[s] - before[s]
            usual += (step_s >= least) & (step_s < math.inf)
        if usual == after.shape[0]:
            continue
        for s in range(after.shape[0]):
            step_s = after[s] - before[s]
            if not 0.0 < step_s < math.inf:
                return math.nan
            least = min(least, step_s)
    return least


@kernel(f"Tuple((float64, float64, int64))({_IN})")
def span_kernel(values: FloatArray) -> tuple[float, float, int]:
    """Least and greatest finite value, and how many there are."""
    least, greatest, count = math.inf, -math.inf, 0
    for base in range(0, values.shape[0], _BLOCK):
        part = values[base : base + _BLOCK]
        known = news = 0
        for s in range(part.shape[0]):
            finite = abs(part[s]) < math.inf
            known += finite
            news += finite & ((part[s] < least) | (part[s] > greatest))
        count += known
        if news == 0:
            continue
        for s in range(part.shape[0]):
            if abs(part[s]) < math.inf:
                least, greatest = min(least, part[s]), max(greatest, part[s])
    return least, greatest, count


@kernel(f"int64(float64, {_IN}, float64)")
def _bin_at(value: OwnUnit, edges: FloatArray, per_unit: OwnUnit) -> int:
    """The bin that :func:`numpy.histogram` puts a finite value into."""
    bins = edges.shape[0] - 1
    place: int = min(int((value - edges[0]) * per_unit), bins - 1)
    if value < edges[place]:
        return place - 1
    return place + 1 if value >= edges[place + 1] and place != bins - 1 else place


@kernel(f"void({_IN}, {_IN}, int64[::1])")
def histogram_kernel(values: FloatArray, edges: FloatArray, counts: IntArray) -> None:
    """Counts of equal bins between ``edges``, the last one closed, as :func:`numpy.histogram` puts them.

    A value is compared with its edges only where rounding may have put it into the wrong bin. Four tables in turn, as
    an addition to the same number waits for the one before it.
    """
    bins = counts.shape[0]
    low, high = edges[0], edges[bins]
    norm = bins / (high - low)
    margin = 1e-9 + 4e-15 * norm * max(abs(low), abs(high))
    tables, places = np.zeros((4, bins + 1), dtype=np.int64), np.empty(_BLOCK, dtype=np.int32)
    for base in range(0, values.shape[0], _BLOCK):
        part = values[base : base + _BLOCK]
        near = 0
        for s in range(part.shape[0]):
            finite = abs(part[s]) < math.inf
            scaled = (part[s] - low) * norm if finite else float(bins)
            place = np.int32(scaled)
            off = scaled - place
            near += finite & (scaled != 0.0) & ((off < margin) | (off > 1.0 - margin))
            places[s] = place
        if near > 0:
            for s in range(part.shape[0]):
                if abs(part[s]) < math.inf:
                    counts[_bin_at(part[s], edges, norm)] += 1
            continue
        for s in range(0, part.shape[0] - 3, 4):
            for k in range(4):
                tables[k, np.uint64(places[s + k])] += 1
        for s in range(part.shape[0] // 4 * 4, part.shape[0]):
            tables[0, places[s]] += 1
    for k in range(4):
        for i in range(bins):
            counts[i] += tables[k, i]


@kernel("void(uint8[::1], int64, int64, float64, boolean[::1])")
def _dense_kernel(history: Bytes, size: int, window: int, least: OwnUnit, marks: BoolArray) -> None:
    """Marks of a block without a missing value, after as many known ones as a window looks back; windows below 256."""
    totals = np.zeros(_BLOCK, dtype=np.uint8)
    for k in range(window):
        earlier = history[k : k + size]
        for s in range(size):
            totals[s] += earlier[s]
    here = history[window - 1 : window - 1 + size]
    for s in range(size):
        marks[s] |= (here[s] == 1) & (totals[s] >= least)


@kernel(f"int64(uint8[::1], {_IN}, int64, int64, float64, boolean[::1])")
def _sparse_kernel(history: Bytes, part: FloatArray, known: int, window: int, least: OwnUnit, marks: BoolArray) -> int:
    """Marks of any block; moves the known values of ``history`` together and answers how many there are."""
    back, filled, on_level = window - 1, 0, 0
    for k in range(back):
        on_level += int(history[k])
    for s in range(part.shape[0]):
        if math.isnan(part[s]):
            continue
        here = int(history[back + s])
        history[back + filled] = here
        on_level += here
        if here == 1 and known + filled >= back and on_level >= least:
            marks[s] = True
        on_level -= int(history[filled])
        filled += 1
    return filled


@kernel(f"void({_IN}, float64, float64, int64, float64, boolean[::1])")
def level_kernel(values: FloatArray, low: float, high: float, window: int, least: OwnUnit, found: BoolArray) -> None:
    """Values on a level of which at least ``least`` of the last ``window`` known ones are on it as well."""
    back = window - 1
    history = np.zeros(back + _BLOCK, dtype=np.uint8)  # whether the last known values are on the level, then the block
    before = known = 0  # before: how many of the ``back`` last known values are on the level
    for base in range(0, values.shape[0], _BLOCK):
        part, marks = values[base : base + _BLOCK], found[base : base + _BLOCK]
        size = part.shape[0]
        here = history[back : back + size]
        hits = missing = 0
        for s in range(size):
            on_level = (low <= part[s]) & (part[s] <= high)
            here[s] = on_level
            hits += on_level
            missing += part[s] != part[s]
        filled = size
        if missing > 0 or known < back or window > 255:
            filled = _sparse_kernel(history, part, known, window, least, marks)
        elif hits + before > 0:
            _dense_kernel(history, size, window, least, marks)
        before = 0
        for k in range(back):
            history[k] = history[filled + k]
            before += int(history[k])
        known += filled


@kernel()
def _minutes(when_s: FloatArray, offset_s: float, minutes: Any) -> bool:
    """Minute of the day of each time; whether each is the one after that before it."""
    for s in range(when_s.shape[0]):
        local_s = when_s[s] + offset_s
        minutes[s] = np.int32((local_s - np.floor(local_s / 86400.0) * 86400.0) / 60.0)
    in_turn = 0
    for s in range(when_s.shape[0]):
        in_turn += minutes[s] == minutes[0] + np.int32(s)
    return bool(in_turn == when_s.shape[0])


@kernel()
def _keep(kept: FloatArray, value: OwnUnit) -> float:
    """Put a value among rising ones, of which the least goes, without a branch; the least after that."""
    last = kept.shape[0] - 1
    for k in range(last):
        here = max(kept[k], value)
        kept[k] = min(kept[k + 1], here)
    kept[last] = max(kept[last], value)
    return float(kept[0])


@kernel(f"void({_IN}, float64, {_IN}, float64, float64[:, ::1], int64[::1])")
def greatest_kernel(
    times_s: FloatArray, offset_s: float, values: FloatArray, least: OwnUnit, greatest: FloatArray, counts: IntArray
) -> None:
    """The greatest values of each minute of the day, rising, in the columns of ``greatest`` (preset to -inf).

    Runs of one sample a minute are compared with the least values kept all at once, and mostly have none to keep.
    """
    minutes, lows = np.empty(_RUN, dtype=np.int32), greatest[:, 0].copy()
    for base in range(0, values.shape[0], _RUN):
        part = values[base : base + _RUN]
        news = part.shape[0]
        if _minutes(times_s[base : base + _RUN], offset_s, minutes):
            begin, news = minutes[0], 0
            low, count = lows[begin : begin + part.shape[0]], counts[begin : begin + part.shape[0]]
            for s in range(part.shape[0]):
                count[s] += part[s] >= least
                news += (part[s] >= least) & (part[s] > low[s])
        else:
            for s in range(part.shape[0]):
                counts[minutes[s]] += part[s] >= least
        for s in range(part.shape[0] if news > 0 else 0):
            minute = np.uint64(minutes[s])
            if part[s] >= least and part[s] > lows[minute]:
                lows[minute] = _keep(greatest[minute], part[s])
