"""Medians without sorting: of five values, of any number, and the median deviation from one."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from core_kernels.jit import kernel
from core_kernels.units import FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the signal


@kernel("float64(float64, float64, float64, float64, float64)", inline=True)
def median_of_five(a: float, b: float, c: float, d: float, e: float) -> float:
    """Median of five without a branch; none may be NaN."""
    least_1, most_1 = (a, b) if a < b else (b, a)
    least_2, most_2 = (d, e) if d < e else (e, d)
    low = max(least_2, least_1)
    high = min(most_2, most_1)
    below, above = (low, high) if low < high else (high, low)
    middle = min(above, c)
    return max(below, middle)


@kernel()
def place(values: Any, rank: int) -> Any:
    """The value of a rank, with no greater one before it and no less one after it (Hoare 1961, algorithm 65).

    Sorting would do, but takes the compiler ten times as long.
    """
    low, high = 0, values.shape[0] - 1
    while low < high:
        pivot, i, j = values[rank], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i, j = i + 1, j - 1
        low = i if j < rank else low
        high = j if rank < i else high
    return values[rank]


@kernel("float64(float64[::1])")
def median_of(values: FloatArray) -> float:
    """Median of values in any order, which it changes."""
    half = values.shape[0] // 2
    above = place(values, half)
    if values.shape[0] % 2:
        return float(above)
    below = values[0]
    for j in range(1, half):
        below = max(below, values[j])
    return float(0.5 * (below + above))


@kernel("float64(float64[::1], float64)")
def deviation_of(window: FloatArray, median: OwnUnit) -> float:
    """Median absolute deviation."""
    apart = np.empty(window.shape[0])
    for j in range(window.shape[0]):
        apart[j] = abs(window[j] - median)
    return median_of(apart)
