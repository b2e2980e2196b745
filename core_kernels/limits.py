"""Limits of single values and of their times: plain bounds, clear sky, row distances, completeness of days.

True means that a value passed. NaN passes no test; where it is missing is what MISSING says.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, check_times
from core_kernels.units import SECONDS_PER_DAY, FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]
OwnUnit: TypeAlias = float  # a number in the unit of the signal

CLEAR_SKY_INDEX_MAX = 1.1  # pvanalytics; clouds' edges reach 1.4 for minutes
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, float64, float64, boolean[::1])")
def _open_kernel(values: FloatArray, low: float, high: float, passed: BoolArray) -> None:
    """``low < value < high``."""
    for i in range(values.shape[0]):
        passed[i] = (values[i] > low) & (values[i] < high)


@kernel(f"void({_IN}, float64, float64, boolean[::1])")
def _closed_kernel(values: FloatArray, low: float, high: float, passed: BoolArray) -> None:
    """``low <= value <= high``."""
    for i in range(values.shape[0]):
        passed[i] = (values[i] >= low) & (values[i] <= high)


@kernel(f"void({_IN}, {_IN}, float64, boolean[::1])")
def _clear_sky_kernel(measured: FloatArray, clear: FloatArray, index_max_frac: float, passed: BoolArray) -> None:
    """The index is 0 where clear sky is 0, and where the quotient is not a number or negative."""
    for i in range(measured.shape[0]):
        quotient = measured[i] / clear[i]
        index = quotient if (quotient > 0.0) & (quotient < math.inf) else 0.0
        known = (abs(measured[i]) < math.inf) & (abs(clear[i]) < math.inf)
        passed[i] = known & (index <= index_max_frac)


@kernel(f"void({_IN}, float64, boolean[::1])")
def _spacing_kernel(times_s: FloatArray, slot_s: float, passed: BoolArray) -> None:
    """``passed`` begins with the second row."""
    later, earlier = times_s[1:], times_s[:-1]
    for i in range(passed.shape[0]):
        passed[i] = later[i] - earlier[i] == slot_s


@kernel()
def _first_from(times_s: FloatArray, begin: int, end_s: float) -> int:
    """The first row from ``begin`` on that is not before ``end_s``; rows are sorted."""
    low, high = begin, times_s.shape[0]
    while low < high:
        middle = (low + high) // 2
        if times_s[middle] < end_s:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(f"void({_IN}, {_IN}, float64, float64[::1])")
def _day_counts_kernel(times_s: FloatArray, values: FloatArray, start_s: float, counts: FloatArray) -> None:
    """Known values of each day from ``start_s`` on; rows are sorted, so a day is a stretch of them."""
    i, day = 0, 0
    while i < times_s.shape[0]:
        day = int((times_s[i] - start_s) / SECONDS_PER_DAY)
        end_s = start_s + (day + 1.0) * SECONDS_PER_DAY
        last = _first_from(times_s, i, end_s)
        stretch = values[i:last]
        known = 0
        for k in range(stretch.shape[0]):
            known += stretch[k] == stretch[k]
        counts[day] += known
        i = last


def _values_example() -> tuple[FloatArray, float, float]:
    values = np.linspace(-1.0, 2.0, 50)
    values[7] = math.nan
    return values, 0.0, 1.5


@registered(
    name="within_limits",
    unit="1",
    source="pvanalytics 0.2.2, quality/util.py",
    reference="pvanalytics.quality.util.check_limits",
    tolerance=0.0,
    example=_values_example,
)
def within_limits(values: FloatArray, low: OwnUnit, high: OwnUnit, *, inclusive: bool = False) -> BoolArray:
    """Whether each value lies between two bounds, which themselves pass only with ``inclusive``.

    Parameters
    ----------
    values : float64[n]
        NaN does not pass.
    low, high : float
        In the unit of the values; infinity for no bound.
    inclusive : bool
        Whether a value at a bound passes.

    Returns
    -------
    bool[n]
    """
    check_f64("values", values)
    passed = np.empty(values.shape[0], dtype=np.bool_)
    (_closed_kernel if inclusive else _open_kernel)(values, low, high, passed)
    return passed


def _clear_sky_example() -> tuple[FloatArray, FloatArray]:
    clear = np.maximum(0.0, 900.0 * np.sin(0.1 * np.arange(60.0)))
    measured = clear * np.linspace(0.5, 1.4, 60)
    measured[9] = math.nan
    return measured, clear


@registered(
    name="within_clear_sky",
    unit="1",
    source="pvanalytics 0.2.2, quality/irradiance.py; clear-sky index of pvlib.irradiance.clearsky_index",
    reference="pvanalytics.quality.irradiance.clearsky_limits",
    tolerance=0.0,
    example=_clear_sky_example,
)
def within_clear_sky(
    measured_w_per_m2: FloatArray, clear_w_per_m2: FloatArray, index_max_frac: float = CLEAR_SKY_INDEX_MAX
) -> BoolArray:
    """Whether irradiance does not exceed clear sky by more than a factor.

    Parameters
    ----------
    measured_w_per_m2, clear_w_per_m2 : float64[n]
        NaN in either does not pass; where clear sky is 0 (night) anything else does. [W/m2]
    index_max_frac : float
        Largest clear-sky index that passes. [1]

    Returns
    -------
    bool[n]
    """
    check_f64("measured_w_per_m2", measured_w_per_m2)
    check_f64("clear_w_per_m2", clear_w_per_m2, measured_w_per_m2.shape[0])
    passed = np.empty(measured_w_per_m2.shape[0], dtype=np.bool_)
    with np.errstate(all="ignore"):
        _clear_sky_kernel(measured_w_per_m2, clear_w_per_m2, index_max_frac, passed)
    return passed


def _times_example() -> tuple[FloatArray, float]:
    times_s = 1.7e9 + 900.0 * np.arange(30.0)
    times_s[11:] += 1.0
    return times_s, 900.0


@registered(
    name="regular_spacing",
    unit="1",
    source="pvanalytics 0.2.2, quality/time.py",
    reference="pvanalytics.quality.time.spacing",
    tolerance=0.0,
    example=_times_example,
)
def regular_spacing(times_s: FloatArray, slot_s: float) -> BoolArray:
    """Whether each row comes exactly one slot after the one before it; the first row passes.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds; beside a NaN nothing passes. [s]
    slot_s : float
        The distance rows should have. [s]

    Returns
    -------
    bool[n]
    """
    check_f64("times_s", times_s)
    passed = np.ones(times_s.shape[0], dtype=np.bool_)
    if times_s.shape[0] > 1:
        with np.errstate(all="ignore"):
            _spacing_kernel(times_s, slot_s, passed[1:])
    return passed


def _completeness_example() -> tuple[FloatArray, FloatArray, float]:
    times_s = 1.7e9 + 3600.0 * np.arange(100.0)
    values = np.ones(100)
    values[20:30] = math.nan
    return times_s, values, 3600.0


@registered(
    name="daily_completeness",
    unit="1",
    source="pvanalytics 0.2.2, quality/gaps.py",
    reference="pvanalytics.quality.gaps.completeness_score",
    tolerance=1e-15,
    example=_completeness_example,
)
def daily_completeness(
    times_s: FloatArray, values: FloatArray, slot_s: float, utc_offset_s: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Share of each day for which there are values.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, not decreasing. [s]
    values : float64[n]
        NaN is missing.
    slot_s : float
        The time each value speaks for. [s]
    utc_offset_s : float
        What local time is ahead of UTC: where days begin. [s]

    Returns
    -------
    days_s : float64[d]
        Starts of the days from the first row to the last. [s]
    complete_frac : float64[d]
        Values times ``slot_s`` over the day; 0 for a day without a row.
    """
    check_times(times_s)
    check_f64("values", values, times_s.shape[0])
    if np.any(np.diff(times_s) < 0.0):
        raise ValueError("times_s must not decrease")
    if times_s.shape[0] == 0:
        return np.empty(0), np.empty(0)
    start_s = math.floor((times_s[0] + utc_offset_s) / SECONDS_PER_DAY) * SECONDS_PER_DAY - utc_offset_s
    days = int((times_s[-1] - start_s) / SECONDS_PER_DAY) + 1
    counts = np.zeros(days)
    _day_counts_kernel(times_s, values, start_s, counts)
    return start_s + SECONDS_PER_DAY * np.arange(float(days)), counts * slot_s / SECONDS_PER_DAY
