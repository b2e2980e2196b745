"""Power cut off by the inverter: three ways to see it, with the flags of pvanalytics.

By levels: the power values that occur most often, where several neighbours have them. By threshold: a flat top of the
curve of high quantiles over the day. By geometry: stretches of each day without slope. Samples come at even times; days
are those of local time, which is ``utc_offset_s`` ahead of UTC.
"""

from __future__ import annotations

import math

import numpy as np

from core_kernels.clipping_days import between_kernel, brighten_kernel, flat_kernel, means_kernel, stretches_kernel
from core_kernels.clipping_kernels import (
    BoolArray,
    IntArray,
    greatest_kernel,
    histogram_kernel,
    least_step_kernel,
    level_kernel,
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
    most = int(min(times_s.shape[0], days * math.ceil(60.0 / step_s)))  # of one minute; a day to spare
    size = most - int(quantile_frac * (most - 1))
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
    chosen = spans == np.bincount(spans).argmax()  # the longest stretch, the first of equal ones
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


def _edges(times_s: FloatArray, offset_s: float, length_s: float) -> IntArray:
    """Where each stretch of local time begins among the rows, from that of the first row to that of the last."""
    first, last = (math.floor((time_s + offset_s) / length_s) for time_s in (times_s[0], times_s[-1]))
    edges = np.empty(last - first + 2, dtype=np.int64)
    stretches_kernel(times_s, offset_s, length_s, edges)
    return edges


def _quarters(times_s: FloatArray, power_w: FloatArray, offset_s: float) -> tuple[IntArray, IntArray, FloatArray]:
    """Edges of the quarters of an hour among the rows, of the days among the quarters, and the quarters' means."""
    edges = _edges(times_s, offset_s, _COARSE_S)
    first, count = math.floor((times_s[0] + offset_s) / _COARSE_S), edges.shape[0] - 1
    a_day = int(SECONDS_PER_DAY / _COARSE_S)
    days = np.arange(first // a_day, (first + count - 1) // a_day + 2) * a_day - first
    mean_w = np.empty(count)
    means_kernel(edges, power_w, mean_w)
    return edges, np.clip(days, 0, count), mean_w


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
    fine = step_s < _FINE_S
    if fine:
        edges, days, mean_w = _quarters(times_s, power_w, utc_offset_s)
    else:
        days, mean_w = _edges(times_s, utc_offset_s, SECONDS_PER_DAY), power_w
        edges = np.arange(power_w.shape[0] + 1)
    bright_w, flat = np.empty(mean_w.shape[0]), np.zeros(mean_w.shape[0], dtype=np.bool_)
    found = np.empty(power_w.shape[0], dtype=np.bool_)
    with np.errstate(all="ignore"):
        brighten_kernel(days, mean_w, bright_w)
        flat_kernel(bright_w, window_count, slope_max_percent_ratio, flat)
        between_kernel(power_w, edges, days, flat, fine, found)
    return found
