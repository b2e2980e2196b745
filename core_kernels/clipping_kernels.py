"""Sums, extremes, levels and slopes behind :mod:`core_kernels.clipping`; NaN is passed over in all of them."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.jit import kernel
from core_kernels.units import FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
OwnUnit: TypeAlias = float  # a number in the unit of the values

_IN = "Array(float64, 1, 'C', readonly=True)"
_INTS = "Array(int64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, float64, int64[::1], int64[::1])")
def local_kernel(times_s: FloatArray, offset_s: float, days: IntArray, minutes: IntArray) -> None:
    """Day and minute of the day of each time, ``offset_s`` ahead of UTC."""
    for i in range(times_s.shape[0]):
        local_s = times_s[i] + offset_s
        day = math.floor(local_s / 86400.0)
        days[i] = day
        minutes[i] = int((local_s - day * 86400.0) / 60.0)


@kernel(f"float64({_IN})")
def least_step_kernel(times_s: FloatArray) -> float:
    """Least distance of two rows; NaN where times do not rise or are not finite."""
    least, wrong = math.inf, 0
    for i in range(times_s.shape[0] - 1):
        step_s = times_s[i + 1] - times_s[i]
        wrong += not 0.0 < step_s < math.inf
        least = min(least, step_s)
    return math.nan if wrong else least


@kernel(f"Tuple((float64, float64, int64))({_IN})")
def span_kernel(values: FloatArray) -> tuple[float, float, int]:
    """Least and greatest finite value, and how many there are."""
    least, greatest, count = math.inf, -math.inf, 0
    for i in range(values.shape[0]):
        finite = abs(values[i]) < math.inf
        low = values[i] if finite else math.inf
        high = values[i] if finite else -math.inf
        least = min(least, low)
        greatest = max(greatest, high)
        count += finite
    return least, greatest, count


@kernel(f"void({_IN}, {_IN}, int64[::1])")
def histogram_kernel(values: FloatArray, edges: FloatArray, counts: IntArray) -> None:
    """Counts of equal bins between ``edges``, the last one closed, as :func:`numpy.histogram` puts them."""
    bins = counts.shape[0]
    low, high = edges[0], edges[bins]
    norm = bins / (high - low)
    for i in range(values.shape[0]):
        if not math.isfinite(values[i]):
            continue
        place = min(int((values[i] - low) * norm), bins - 1)
        if values[i] < edges[place]:
            place -= 1
        elif values[i] >= edges[place + 1] and place != bins - 1:
            place += 1
        counts[place] += 1


@kernel(f"void({_IN}, float64, float64, int64, float64, boolean[::1])")
def level_kernel(values: FloatArray, low: float, high: float, window: int, least: OwnUnit, found: BoolArray) -> None:
    """Values on a level of which at least ``least`` of the last ``window`` known ones are on it as well."""
    ring = np.zeros(window, dtype=np.int64)
    on_level = known = place = 0
    for i in range(values.shape[0]):
        if math.isnan(values[i]):
            continue
        here = 1 if low <= values[i] <= high else 0
        on_level += here - ring[place]
        ring[place] = here
        place = place + 1 if place + 1 < window else 0
        known += 1
        if here == 1 and known >= window and on_level >= least:
            found[i] = True


@kernel(f"void({_INTS}, {_IN}, float64, float64[:, ::1], int64[::1])")
def greatest_kernel(
    minutes: IntArray, values: FloatArray, least: OwnUnit, greatest: FloatArray, counts: IntArray
) -> None:
    """The greatest values of each minute of the day, rising, in the columns of ``greatest`` (preset to -inf)."""
    size = greatest.shape[1]
    for i in range(values.shape[0]):
        if not values[i] >= least:
            continue
        minute = minutes[i]
        counts[minute] += 1
        if values[i] <= greatest[minute, 0]:
            continue
        k = 0
        while k + 1 < size and greatest[minute, k + 1] < values[i]:
            greatest[minute, k] = greatest[minute, k + 1]
            k += 1
        greatest[minute, k] = values[i]


@kernel(f"void({_INTS}, {_IN}, float64[:, ::1])")
def day_extremes_kernel(days: IntArray, values: FloatArray, extremes: FloatArray) -> None:
    """Greatest known value of each day in row 0, least in row 1; preset to NaN."""
    for i in range(values.shape[0]):
        day = days[i]
        if not extremes[0, day] >= values[i] and values[i] == values[i]:
            extremes[0, day] = values[i]
        if not extremes[1, day] <= values[i] and values[i] == values[i]:
            extremes[1, day] = values[i]


@kernel(f"void({_INTS}, {_IN}, float64[:, ::1])")
def moments_kernel(days: IntArray, values: FloatArray, moments: FloatArray) -> None:
    """Count, mean and sum of squared deviations of each day's known values in rows 0..2 (Welford 1962)."""
    for i in range(values.shape[0]):
        if math.isnan(values[i]):
            continue
        day = days[i]
        moments[0, day] += 1.0
        last = moments[1, day]
        moments[1, day] += (values[i] - last) / moments[0, day]
        moments[2, day] += (values[i] - moments[1, day]) * (values[i] - last)


@kernel(f"void({_IN}, int64, float64, boolean[::1])")
def flat_kernel(values: FloatArray, window: int, slope_max_ratio: float, flat: BoolArray) -> None:
    """Every sample of a window whose greatest and least differ by less than so many percent of their middle."""
    for i in range(values.shape[0] - window + 1):
        greatest = least = values[i]
        known = True
        for k in range(i, i + window):
            known &= not math.isnan(values[k])
            greatest = max(greatest, values[k])
            least = min(least, values[k])
        if known and (greatest - least) / ((greatest + least) / 2.0) * 100.0 < slope_max_ratio:
            flat[i : i + window] = True


@kernel(f"void({_INTS}, {_IN}, float64[:, ::1])")
def means_kernel(slots: IntArray, values: FloatArray, sums: FloatArray) -> None:
    """Sum, known values and lost rounding of each slot in rows 0..2 (Kahan 1965, as pandas sums groups)."""
    for i in range(values.shape[0]):
        if math.isnan(values[i]):
            continue
        slot = slots[i]
        y = values[i] - sums[2, slot]
        total = sums[0, slot] + y
        sums[2, slot] = (total - sums[0, slot]) - y
        sums[0, slot] = total
        sums[1, slot] += 1.0
