"""Data quality beside pvanalytics and the best numpy or pandas form of the same test, on a year of minutes.

Forms that call Python for each window (``rolling.apply``) are timed on a part of the year and scaled.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pvanalytics.features import clipping
from pvanalytics.quality import gaps, irradiance, outliers
from pvanalytics.quality import time as quality_time
from scipy import stats

from core_kernels.clipping import clipped_geometric, clipped_levels, clipped_threshold
from core_kernels.hampel import BoolArray, hampel
from core_kernels.limits import regular_spacing, within_clear_sky, within_limits
from core_kernels.monitor import Monitor, MonitorRules, watch
from core_kernels.qcrad import within_qcrad
from core_kernels.seed_scores import seed_score
from core_kernels.stale import interpolated, stale_by_difference, stale_by_rounding
from core_kernels.units import FloatArray
from training.bench_kernels import Row, alternate, cpu_s, limit_row, ratio_row

COUNT = 525_600
PART = 8_000
_PUSHES = 20_000
Work = Callable[[], Any]


def _year() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Times, a power with clouds, stuck runs, lines, spikes and holes, and clear sky; a year of minutes."""
    random = np.random.default_rng(3)
    times_s = 1_704_067_200.0 + 60.0 * np.arange(float(COUNT))
    clear = np.maximum(0.0, 1000.0 * np.sin(times_s * (2.0 * np.pi / 86400.0) - 1.5))
    values = clear * random.uniform(0.3, 1.2, COUNT) + random.normal(0.0, 1.0, COUNT)
    for start in range(2000, COUNT - 200, 9000):
        values[start : start + 90] = values[start]
        values[start + 100 : start + 140] = np.linspace(0.0, 500.0, 40)
    values[::5000] += 3000.0
    values[::777] = np.nan
    return times_s, values, clear


def _differing(kernel: Work, reference: Work, count: int | None = None) -> float:
    """Share of flags that differ, over the first ``count``."""
    return float(np.mean(np.asarray(kernel())[:count] != np.asarray(reference())[:count]))


def _row(name: str, kernel: Work, reference: Work, words: str, minimum: float) -> Row:
    times = alternate(kernel, reference, kernel_rounds=3)
    return ratio_row(name, times, reference=words, minimum=minimum, error=_differing(kernel, reference))


def _applied(name: str, kernel: Work, part: Work, words: str, edge: int = 0) -> Row:
    """A row against a form that is run on the first :data:`PART` samples, whose last ``edge`` flags do not count."""
    spent = alternate(kernel, part, rounds=3, kernel_rounds=3)
    error = _differing(kernel, part, PART - edge)
    return ratio_row(name, (spent[0], spent[1] * COUNT / PART), reference=words, minimum=1000.0, error=error)


def _numpy_close(values: FloatArray, window: int) -> BoolArray:
    """Windows whose values are close to their first, by shifted views; the fastest numpy form known to us."""
    first = values[: values.shape[0] - window + 1]
    allowed = 1e-8 + 1e-5 * np.abs(first)
    close = np.ones(first.shape[0], dtype=np.bool_)
    for k in range(1, window):
        close &= np.abs(values[k : k + first.shape[0]] - first) <= allowed
    return close


def _numpy_stale(values: FloatArray, window: int = 6) -> Any:
    close = _numpy_close(values, window)
    found = np.zeros(values.shape[0], dtype=np.bool_)
    for k in range(1, window):
        found[k : k + close.shape[0]] |= close
    return found


def _numpy_lines(values: FloatArray, window: int = 6) -> Any:
    close = _numpy_close(np.diff(values), window - 1)
    found = np.zeros(values.shape[0], dtype=np.bool_)
    for k in range(1, window):
        found[k : k + close.shape[0]] |= close
    return found


def _numpy_hampel(values: FloatArray, window: int) -> Any:
    """By sliding windows; numpy's median of many short rows is a partition."""
    views = np.lib.stride_tricks.sliding_window_view(values, window)
    half = window // 2
    middle = np.partition(views, half, axis=1)[:, half]
    mad = np.partition(np.abs(views - middle[:, None]), half, axis=1)[:, half] / stats.norm.ppf(0.75)
    known = np.isfinite(np.add.reduce(views, axis=1))
    found = np.zeros(values.shape[0], dtype=np.bool_)
    found[half : values.shape[0] - half] = (np.abs(values[half : values.shape[0] - half] - middle) > 3.0 * mad) & known
    return found


def _pandas_medians(series: Any, window: int) -> Any:
    """Two rolling medians; its MAD is about moving medians, so its flags are not those of the definition."""
    middle = series.rolling(window, center=True).median()
    deviation = (series - middle).abs()
    return deviation > 3.0 * deviation.rolling(window, center=True).median() / stats.norm.ppf(0.75)


def _still(values: FloatArray) -> list[Row]:
    series = pd.Series(values)
    part = series[:PART]
    applied, arrays = "pvanalytics (rolling.apply)", "numpy, shifted views"
    return [
        _applied(
            "stale, difference", lambda: stale_by_difference(values), lambda: gaps.stale_values_diff(part), applied
        ),
        _row("stale, difference", lambda: stale_by_difference(values), lambda: _numpy_stale(values), arrays, 15.0),
        _applied("interpolated", lambda: interpolated(values), lambda: gaps.interpolation_diff(part), applied, 6),
        _row("interpolated", lambda: interpolated(values), lambda: _numpy_lines(values), arrays, 15.0),
        _row(
            "stale, rounding",
            lambda: stale_by_rounding(values),
            lambda: gaps.stale_values_round(series),
            "pvanalytics (pandas)",
            15.0,
        ),
    ]


def _spikes(values: FloatArray) -> list[Row]:
    series = pd.Series(values)
    part = series[:PART]
    words = "pvanalytics (rolling.apply)"
    wide = alternate(lambda: hampel(values, 61), lambda: _pandas_medians(series, 61), rounds=3)
    error = _differing(lambda: hampel(values[:PART].copy(), 61), lambda: outliers.hampel(part, window=61))
    return [
        _applied("Hampel, window 5", lambda: hampel(values), lambda: outliers.hampel(part), words, 2),
        _row("Hampel, window 5", lambda: hampel(values), lambda: _numpy_hampel(values, 5), "numpy, partition", 15.0),
        ratio_row("Hampel, window 61", wide, reference="pandas, two rolling medians", minimum=5.0, error=error),
    ]


def _irradiance(times_s: FloatArray, values: FloatArray, clear: FloatArray) -> list[Row]:
    index = pd.to_datetime(times_s, unit="s")
    zenith_deg = np.degrees(np.arccos(np.clip(clear / 1000.0, -1.0, 1.0)))
    extra = np.full(COUNT, 1361.0)
    measured, sky, zenith, sun = (pd.Series(column) for column in (values, clear, zenith_deg, extra))
    words = "pvanalytics (numpy, pandas)"
    return [
        _row(
            "clear-sky limit",
            lambda: within_clear_sky(values, clear),
            lambda: irradiance.clearsky_limits(measured, sky),
            words,
            15.0,
        ),
        _row(
            "QCRad limit of GHI",
            lambda: within_qcrad(values, zenith_deg, extra),
            lambda: irradiance.check_ghi_limits_qcrad(measured, zenith, sun),
            words,
            15.0,
        ),
        _row(
            "row distances",
            lambda: regular_spacing(times_s, 60.0),
            lambda: quality_time.spacing(index, "60s"),
            words,
            15.0,
        ),
        _row(
            "range (bound by memory)",
            lambda: within_limits(values, 0.0, 1500.0),
            lambda: (values > 0.0) & (values < 1500.0),
            "numpy",
            1.0,
        ),
    ]


def _clipped(times_s: FloatArray, clear: FloatArray) -> list[Row]:
    random = np.random.default_rng(4)
    power_w = np.minimum(9.0 * clear * (1.0 - 0.7 * (random.random(COUNT) < 0.1)), 6000.0)
    power_w += np.where(power_w > 0.0, random.normal(0.0, 0.5, COUNT), 0.0)
    series = pd.Series(power_w, index=pd.to_datetime(times_s, unit="s"))
    pairs: tuple[tuple[str, Work, Work, float], ...] = (
        ("levels", lambda: clipped_levels(power_w), lambda: clipping.levels(series), 15.0),
        ("threshold", lambda: clipped_threshold(times_s, power_w), lambda: clipping.threshold(series), 15.0),
        ("geometry", lambda: clipped_geometric(times_s, power_w), lambda: clipping.geometric(series), 15.0),
    )
    return [_row(f"clipping, {name}", own, other, "pvanalytics (pandas)", least) for name, own, other, least in pairs]


def _seed_in_pandas(frame: Any) -> tuple[float, float, float, float, float]:
    """The lines of PEMS v2's ``_calculate_df_quality`` for one column of power."""
    completeness = 1.0 - frame.isnull().sum().sum() / frame.size
    z = np.abs(stats.zscore(frame["pv_w"].fillna(0.0)))
    consistency = 1.0 - min((z > 3.0).sum() / len(frame), 0.1) / 0.1
    steps = frame.index.to_series().diff().dropna()
    expected = pd.Timedelta(minutes=5)
    temporal = ((steps >= 0.8 * expected) & (steps <= 1.2 * expected)).sum() / len(steps)
    reasonableness = ((frame["pv_w"] >= 0.0) & (frame["pv_w"] <= 100_000.0)).sum() / len(frame)
    total = 0.3 * completeness + 0.25 * consistency + 0.25 * temporal + 0.2 * reasonableness
    return completeness, consistency, temporal, reasonableness, total


def _seed(times_s: FloatArray, values: FloatArray) -> Row:
    frame = pd.DataFrame({"pv_w": values}, index=pd.to_datetime(times_s, unit="s"))
    spent = alternate(lambda: seed_score(times_s, values, "W"), lambda: _seed_in_pandas(frame))
    error = float(np.max(np.abs(np.subtract(seed_score(times_s, values, "W"), _seed_in_pandas(frame)))))
    return ratio_row(
        "seed scores", spent, reference="the seed's pandas and scipy", minimum=10.0, error=error, tolerance=1e-12
    )


def _monitored(times_s: FloatArray, values: FloatArray) -> list[Row]:
    rules = MonitorRules(low=-5.0, high=2000.0, slot_s=60.0, max_rate_per_s=50.0, stuck_s=1800.0, spike_minimum=500.0)
    flags = watch(times_s, values, rules)
    pairs = list(zip(times_s[:_PUSHES].tolist(), values[:_PUSHES].tolist(), strict=True))
    monitor = Monitor(rules)
    push = monitor.push
    began_s = time.process_time()
    answers = [push(time_s, value) for time_s, value in pairs]
    push_ns = (time.process_time() - began_s) / _PUSHES * 1e9
    batch_ns = min(cpu_s(lambda: watch(times_s, values, rules)) for _ in range(5)) / COUNT * 1e9
    error = float(np.mean(flags[:_PUSHES] != np.array(answers)))
    words = "limit"
    return [
        limit_row("fused monitor, batch", batch_ns, unit="ns a sample", maximum=25.0, reference=words),
        limit_row("fused monitor, push", push_ns, unit="ns a push", maximum=1000.0, reference=words, error=error),
    ]


def rows() -> list[Row]:
    """All rows of this group."""
    times_s, values, clear = _year()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [*_still(values), *_spikes(values), *_irradiance(times_s, values, clear), *_clipped(times_s, clear)]
        return [*found, *_monitored(times_s, values), _seed(times_s - times_s % 300.0, values)]
