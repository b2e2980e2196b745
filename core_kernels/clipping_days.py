"""Stretches of days and quarters of an hour, and what has no slope in them, behind :mod:`core_kernels.clipping`."""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.clipping_kernels import BoolArray, IntArray
from core_kernels.jit import kernel
from core_kernels.units import FloatArray

_IN = "Array(float64, 1, 'C', readonly=True)"
_INTS = "Array(int64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, float64, float64, int64[::1])")
def stretches_kernel(times_s: FloatArray, offset_s: float, length_s: float, edges: IntArray) -> None:
    """Where each stretch of local time begins among rising times, the first one's at 0, and where the last one ends.

    A stretch is looked for as far on as the one before was long, which is right at once where times are even.
    """
    count, stretches = times_s.shape[0], edges.shape[0] - 1
    first = np.floor((times_s[0] + offset_s) / length_s)
    at = edges[0] = size = 0
    for k in range(1, stretches):
        begin_s = (first + k) * length_s - offset_s
        last, at = at, min(at + size, count)
        while at > last and times_s[at - 1] >= begin_s:
            at -= 1
        while at < count and times_s[at] < begin_s:
            at += 1
        edges[k], size = at, at - last
    edges[stretches] = count


@kernel(f"void({_INTS}, {_IN}, float64[::1])")
def means_kernel(edges: IntArray, values: FloatArray, means: FloatArray) -> None:
    """Mean of the known values of each stretch, NaN where there is none (Kahan 1965, as pandas sums groups)."""
    for k in range(means.shape[0]):
        part = values[edges[k] : edges[k + 1]]
        total = lost = known = 0.0
        for i in range(part.shape[0]):
            if part[i] == part[i]:  # false for NaN only
                y = part[i] - lost
                after = total + y
                lost = (after - total) - y
                total = after
                known += 1.0
        means[k] = total / known if known > 0.0 else math.nan


@kernel(f"void({_INTS}, {_IN}, float64[::1])")
def brighten_kernel(days: IntArray, values: FloatArray, bright: FloatArray) -> None:
    """The values, NaN where they are below a tenth of their day's greatest."""
    for d in range(days.shape[0] - 1):
        part, kept = values[days[d] : days[d + 1]], bright[days[d] : days[d + 1]]
        most = -math.inf
        for i in range(part.shape[0]):
            most = part[i] if part[i] > most else most  # noqa: FURB136  # NaN is passed over
        for i in range(part.shape[0]):
            kept[i] = math.nan if part[i] < 0.1 * most else part[i]


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


@kernel()
def _gather(seen: FloatArray, values: FloatArray) -> None:
    """Add known values to a day's count, mean, sum of squared deviations (Welford 1962), greatest and least."""
    count, mean, squares, most, least = seen[0], seen[1], seen[2], seen[3], seen[4]
    for i in range(values.shape[0]):
        value = values[i]
        if value == value:  # noqa: PLR0124  # false for NaN only
            count += 1.0
            last = mean
            mean += (value - last) / count
            squares += (value - mean) * (value - last)
            most, least = max(most, value), min(least, value)
    seen[0], seen[1], seen[2], seen[3], seen[4] = count, mean, squares, most, least


@kernel(f"void({_IN}, {_INTS}, {_INTS}, boolean[::1], boolean, boolean[::1])")
def between_kernel(
    values: FloatArray, edges: IntArray, days: IntArray, flat: BoolArray, fine: bool, found: BoolArray
) -> None:
    """Values between the bounds of their day's flat stretches.

    ``edges`` are those of the stretches among the values, ``days`` those of the days among the stretches. Bounds are
    the extremes, or with ``fine`` two standard deviations about the mean, but always beyond one of the extremes.
    """
    seen = np.empty(5)
    for d in range(days.shape[0] - 1):
        seen[0], seen[1], seen[2], seen[3], seen[4] = 0.0, 0.0, 0.0, -math.inf, math.inf
        for k in range(days[d], days[d + 1]):
            if flat[k]:
                _gather(seen, values[edges[k] : edges[k + 1]])
        high, low = seen[3], seen[4]
        if fine:
            spread = 2.0 * math.sqrt(seen[2] / (seen[0] - 1.0)) if seen[0] > 1.0 else math.nan
            above, below = seen[1] + spread, seen[1] - spread
            high, low = vmath.at_least(above, low), vmath.at_most(below, high)
        part, marks = values[edges[days[d]] : edges[days[d + 1]]], found[edges[days[d]] : edges[days[d + 1]]]
        for i in range(part.shape[0]):
            marks[i] = (part[i] >= low) & (part[i] <= high)
