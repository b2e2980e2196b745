"""Power cut off by the inverter: three ways to see it, with the flags of pvanalytics.

By levels: the power values that occur most often, where several neighbours have them. By threshold: a flat top of the
curve of high quantiles over the day. By geometry: stretches of each day without slope. Samples come at even times; days
are those of local time, which is ``utc_offset_s`` ahead of UTC.
"""

from __future__ import annotations

import math

import numpy as np

from core_kernels.clipping_kernels import (
    BoolArray,
    IntArray,
    day_extremes_kernel,
    flat_kernel,
    greatest_kernel,
    histogram_kernel,
    least_step_kernel,
    level_kernel,
    local_kernel,
    means_kernel,
    moments_kernel,
    span_kernel,
)
from core_kernels.registry import registered
from core_kernels.solar import check_f64, check_times
from core_kernels.units import SECONDS_PER_DAY, FloatArray

DAY_MINUTES = 1440
_COARSE_S = 900.0  # finer data are averaged to quarters of an hour before slopes are taken
_FINE_S = 600.0


def _check(times_s: FloatArray, power_w: FloatArray) -> float:
    """The distance of the rows [s]; 0 for fewer than two."""
    check_f64("times_s", times_s)
    check_f64("power_w", power_w, times_s.shape[0])
    if times_s.shape[0] < 2:
        check_times(times_s)
        return 0.0
    with np.errstate(invalid="ignore"):
        step_s = least_step_kernel(times_s)
    if math.isnan(step_s):
        raise ValueError("times_s must rise and be finite")
    return step_s


def _example() -> tuple[FloatArray, FloatArray]:
    times_s = 1.7e9 + 900.0 * np.arange(960.0)
    power_w = np.minimum(np.maximum(0.0, 9000.0 * np.sin(times_s * (2.0 * math.pi / SECONDS_PER_DAY))), 6000.0)
    power_w[100] = math.nan
    return times_s, power_w


def _levels_example() -> tuple[FloatArray]:
    return (_example()[1],)


@registered(
    name="clipping_by_levels",
    unit="1",
    source="pvanalytics 0.2.2, features/clipping.py (Solar Forecast Arbiter)",
    reference="pvanalytics.features.clipping.levels",
    tolerance=0.0,
    example=_levels_example,
)
def clipped_levels(
    power_w: FloatArray,
    window_count: int = 4,
    fraction_in_window_frac: float = 0.75,
    bin_frac: float = 5e-3,
    levels_count: int = 2,
) -> BoolArray:
    """Samples on one of the most frequent levels of power, among neighbours that are on it.

    Parameters
    ----------
    power_w : float64[n]
        AC power at even times; NaN is passed over. [W]
    window_count : int
        Known samples that are looked at, the sample's own the last.
    fraction_in_window_frac : float
        Share of them that must be on the level. [1]
    bin_frac : float
        Width of a level, as a share of the span of all values. [1]
    levels_count : int
        How many levels.

    Returns
    -------
    bool[n]
    """
    check_f64("power_w", power_w)
    if window_count < 1:
        raise ValueError(f"window_count must be at least 1, got {window_count}")
    found = np.zeros(power_w.shape[0], dtype=np.bool_)
    least_w, most_w, known = span_kernel(power_w)
    if known == 0:
        return found
    bins = math.ceil(1.0 / bin_frac)
    edges = np.histogram_bin_edges(np.array([least_w, most_w]), bins=bins)
    counts = np.zeros(bins, dtype=np.int64)
    histogram_kernel(power_w, edges, counts)
    density = counts / np.diff(edges) / counts.sum()
    for level in np.argsort(-density)[:levels_count]:
        least = window_count * fraction_in_window_frac
        level_kernel(power_w, float(edges[level]), float(edges[level + 1]), window_count, least, found)
    return found


def _power_curve(
    times_s: FloatArray, power_w: FloatArray, step_s: float, quantile_frac: float, utc_offset_s: float
) -> FloatArray:
    """Quantile of the powers from 0 up at each minute of the day [W], float64[1440]; NaN where there is none."""
    days = math.floor((times_s[-1] - times_s[0]) / SECONDS_PER_DAY) + 2
    most = int(min(times_s.shape[0], days * (math.ceil(60.0 / step_s) + 1.0)))  # samples of one minute of the day
    size = most - int(quantile_frac * (most - 1)) + 1
    greatest = np.full((DAY_MINUTES, size), -math.inf)
    counts = np.zeros(DAY_MINUTES, dtype=np.int64)
    greatest_kernel(times_s, utc_offset_s, power_w, 0.0, greatest, counts)
    place = quantile_frac * (counts - 1)
    below = np.floor(np.maximum(place, 0.0)).astype(np.int64)
    rows = np.arange(DAY_MINUTES)
    first = size - counts  # where the least value would stand
    low = greatest[rows, np.clip(first + below, 0, size - 1)]
    high = greatest[rows, np.clip(first + np.minimum(below + 1, counts - 1), 0, size - 1)]
    with np.errstate(invalid="ignore"):
        curve = low + (high - low) * (place - below)
    return np.where(counts > 0, curve, math.nan)


def clipping_power_w(
    times_s: FloatArray,
    power_w: FloatArray,
    slope_max_frac: float = 0.0035,
    power_min_frac: float = 0.75,
    quantile_frac: float = 0.995,
    utc_offset_s: float = 0.0,
) -> float:
    """The power from which on the inverter clips [W]; NaN where the day's curve has no flat top of an hour."""
    step_s = _check(times_s, power_w)
    if step_s == 0.0:
        return math.nan
    curve_w = _power_curve(times_s, power_w, step_s, quantile_frac, utc_offset_s)
    present = np.flatnonzero(~np.isnan(curve_w))
    if present.size == 0:
        return math.nan
    curve = curve_w[present]
    with np.errstate(invalid="ignore"):  # a curve of zeros, or one with an infinity, has no slope
        normal = curve / curve.max()
        slope = np.concatenate(([math.nan], np.diff(normal) / np.diff(present))) * (step_s / 60.0)
    flat = (np.abs(slope) <= slope_max_frac) & (curve > np.median(curve) * power_min_frac)
    spans = np.cumsum(~flat)
    values, first, sizes = np.unique(spans, return_index=True, return_counts=True)
    longest = values[np.lexsort((first, -sizes))[0]]
    chosen = spans == longest
    wide = present[chosen][-1] - present[chosen][0] >= 60
    return float(curve[chosen].mean()) if wide else math.nan


@registered(
    name="clipping_by_threshold",
    unit="1",
    source="pvanalytics 0.2.2, features/clipping.py (PV Fleets QA)",
    reference="pvanalytics.features.clipping.threshold",
    tolerance=0.0,
    example=_example,
)
def clipped_threshold(
    times_s: FloatArray,
    power_w: FloatArray,
    slope_max_frac: float = 0.0035,
    power_min_frac: float = 0.75,
    quantile_frac: float = 0.995,
    utc_offset_s: float = 0.0,
) -> BoolArray:
    """Samples at or above the power at which the curve of high quantiles over the day is flat.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, rising by even steps; holes may be. [s]
    power_w : float64[n]
        AC power; NaN is never clipped. [W]
    slope_max_frac : float
        Largest change a step of the curve, normalised by its greatest value, that is flat. [1]
    power_min_frac : float
        Share of the curve's median that clipped power exceeds. [1]
    quantile_frac : float
        Of each minute of the day. [1]
    utc_offset_s : float
        What local time is ahead of UTC. [s]

    Returns
    -------
    bool[n]
        All False where no flat stretch of at least an hour is found.
    """
    limit_w = clipping_power_w(times_s, power_w, slope_max_frac, power_min_frac, quantile_frac, utc_offset_s)
    return power_w >= limit_w


def _quarters(local_s: FloatArray, power_w: FloatArray) -> tuple[IntArray, FloatArray]:
    """Slot of each sample, and the mean power of each quarter of an hour from the first to the last."""
    slots = np.floor(local_s / _COARSE_S).astype(np.int64)
    slots -= slots[0]
    sums = np.zeros((3, int(slots[-1]) + 1))
    means_kernel(slots, power_w, sums)
    mean_w = np.full(sums.shape[1], math.nan)
    np.divide(sums[0], sums[1], out=mean_w, where=sums[1] > 0.0)
    return slots, mean_w


@registered(
    name="clipping_by_geometry",
    unit="1",
    source="pvanalytics 0.2.2, features/clipping.py (PV Fleets QA)",
    reference="pvanalytics.features.clipping.geometric",
    tolerance=0.0,
    example=_example,
)
def clipped_geometric(
    times_s: FloatArray,
    power_w: FloatArray,
    window_count: int = 3,
    slope_max_percent_ratio: float = 0.2,
    utc_offset_s: float = 0.0,
) -> BoolArray:
    """Samples between the bounds of what stood without slope on the same day.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, rising by even steps. Steps below 10 minutes are averaged to quarters of an hour. [s]
    power_w : float64[n]
        AC power; NaN is never clipped. [W]
    window_count : int
        Samples (or quarters) without slope; pvanalytics takes 5 for trackers.
    slope_max_percent_ratio : float
        Largest spread of a window in percent of its middle. [%]
    utc_offset_s : float
        What local time is ahead of UTC: where days begin. [s]

    Returns
    -------
    bool[n]
        Below a tenth of the day's greatest power nothing is flat.
    """
    step_s = _check(times_s, power_w)
    if step_s == 0.0:
        return np.zeros(times_s.shape[0], dtype=np.bool_)
    local_s = times_s + utc_offset_s
    days, minutes = np.empty((2, times_s.shape[0]), dtype=np.int64)
    local_kernel(times_s, utc_offset_s, days, minutes)
    days -= days[0]
    fine = step_s < _FINE_S
    slots, coarse_w = _quarters(local_s, power_w) if fine else (np.arange(times_s.shape[0]), power_w)
    first_s = math.floor(local_s[0] / _COARSE_S) * _COARSE_S
    coarse_s = first_s + _COARSE_S * np.arange(coarse_w.shape[0]) if fine else local_s
    coarse_days = np.floor(coarse_s / SECONDS_PER_DAY).astype(np.int64)
    coarse_days -= coarse_days[0]
    extremes = np.full((2, int(coarse_days[-1]) + 1), math.nan)
    day_extremes_kernel(coarse_days, coarse_w, extremes)
    bright_w = np.where(coarse_w < 0.1 * extremes[0][coarse_days], math.nan, coarse_w)
    flat = np.zeros(coarse_w.shape[0], dtype=np.bool_)
    with np.errstate(all="ignore"):
        flat_kernel(bright_w, window_count, slope_max_percent_ratio, flat)
    flat_w = np.where(flat[slots], power_w, math.nan)
    extremes = np.full((2, int(days[-1]) + 1), math.nan)
    day_extremes_kernel(days, flat_w, extremes)
    high_w, low_w = _widened(days, flat_w, extremes) if fine else (extremes[0], extremes[1])
    return (power_w >= low_w[days]) & (power_w <= high_w[days])


def _widened(days: IntArray, flat_w: FloatArray, extremes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds of each day: two standard deviations about the mean, but always beyond one of the extremes."""
    moments = np.zeros((3, extremes.shape[1]))
    moments_kernel(days, flat_w, moments)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_w = 2.0 * np.sqrt(np.where(moments[0] > 1.0, moments[2] / (moments[0] - 1.0), math.nan))
    high_w, low_w = moments[1] + spread_w, moments[1] - spread_w
    low_w = np.where(low_w > extremes[0], extremes[0], low_w)
    return np.where(high_w < extremes[1], extremes[1], high_w), low_w
