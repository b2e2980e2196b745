"""The four scores of PEMS v2, exactly as it computes them, in two passes over the data.

``unified_data_extractor.py``, ``_calculate_df_quality``: completeness, consistency, temporal, reasonableness, and their
weighted sum, for a frame of one column; its faults included, for comparison with what was recorded.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, check_times
from core_kernels.units import FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the signal


class Scores(NamedTuple):
    """0..1 each; NaN where nothing can be said."""

    completeness_frac: float
    consistency_frac: float
    temporal_frac: float
    reasonableness_frac: float
    overall_frac: float


WEIGHTS = (0.30, 0.25, 0.25, 0.20)
OUTLIER_LIMIT_FRAC = 0.1  # a tenth of outliers is a consistency of 0
SEED_STEP_S = 300.0  # 5 minutes, whatever the data are
SEED_SIGMAS = 3.0
SEED_RANGES = {"degC": (-40.0, 60.0), "W": (0.0, 100_000.0), "V": (0.0, 500.0), "frac": (0.0, 1.0)}
_TOLERANCE = 0.2
_LANES = 8
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"Tuple((float64, int64, int64))({_IN}, float64, float64)")
def _first_pass(values: FloatArray, low: float, high: float) -> tuple[float, int, int]:
    """Sum with NaN as 0, NaN count, count within range; eight sums in turn, so that they run side by side."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    missing = inside = 0
    for i in range(values.shape[0]):
        missing += values[i] != values[i]
        inside += (values[i] >= low) & (values[i] <= high)
    whole = values.shape[0] - values.shape[0] % _LANES
    for i in range(0, whole, _LANES):
        s0 += values[i] if values[i] == values[i] else 0.0
        s1 += values[i + 1] if values[i + 1] == values[i + 1] else 0.0
        s2 += values[i + 2] if values[i + 2] == values[i + 2] else 0.0
        s3 += values[i + 3] if values[i + 3] == values[i + 3] else 0.0
        s4 += values[i + 4] if values[i + 4] == values[i + 4] else 0.0
        s5 += values[i + 5] if values[i + 5] == values[i + 5] else 0.0
        s6 += values[i + 6] if values[i + 6] == values[i + 6] else 0.0
        s7 += values[i + 7] if values[i + 7] == values[i + 7] else 0.0
    for i in range(whole, values.shape[0]):
        s0 += values[i] if values[i] == values[i] else 0.0
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)), missing, inside


@kernel("float64(float64, float64)", inline=True)
def _squared(value: float, mean: OwnUnit) -> float:
    """Squared deviation of a value from the mean, NaN counting as 0."""
    deviation = (0.0 if math.isnan(value) else value) - mean
    return deviation * deviation


@kernel(f"float64({_IN}, float64)")
def _squares(values: FloatArray, mean: OwnUnit) -> float:
    """Sum of the squared deviations."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = values.shape[0] - values.shape[0] % _LANES
    for i in range(0, whole, _LANES):
        s0 += _squared(values[i], mean)
        s1 += _squared(values[i + 1], mean)
        s2 += _squared(values[i + 2], mean)
        s3 += _squared(values[i + 3], mean)
        s4 += _squared(values[i + 4], mean)
        s5 += _squared(values[i + 5], mean)
        s6 += _squared(values[i + 6], mean)
        s7 += _squared(values[i + 7], mean)
    for i in range(whole, values.shape[0]):
        s0 += _squared(values[i], mean)
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@kernel(f"int64({_IN}, float64, float64)")
def _outliers(values: FloatArray, mean: OwnUnit, limit: float) -> int:
    """How many values, NaN counting as 0, lie further from the mean than ``limit``."""
    count = 0
    for i in range(values.shape[0]):
        filled = values[i] if values[i] == values[i] else 0.0
        count += abs(filled - mean) > limit
    return count


@kernel(f"int64({_IN}, float64, float64)")
def _timely(times_s: FloatArray, least_s: float, most_s: float) -> int:
    """How many rows come within ``least_s``..``most_s`` of the one before."""
    count = 0
    later, earlier = times_s[1:], times_s[:-1]
    for i in range(later.shape[0]):
        step_s = later[i] - earlier[i]
        count += (step_s >= least_s) & (step_s <= most_s)
    return count


def overall(parts: tuple[float, float, float, float]) -> Scores:
    """Four scores and their weighted sum."""
    return Scores(*parts, math.fsum(weight * part for weight, part in zip(WEIGHTS, parts, strict=True)))


def _example() -> tuple[FloatArray, FloatArray, str]:
    times_s = 1.7e9 + 300.0 * np.arange(500.0)
    times_s[300:] += 900.0
    values = 40.0 * np.sin(0.3 * np.arange(500.0))
    values[::50] = 900.0
    values[::33] = math.nan
    return times_s, values, "W"


@registered(
    name="seed_scores",
    unit="1",
    source="PEMS v2, unified_data_extractor.py, _calculate_df_quality",
    reference="the same formulas in pandas and scipy.stats.zscore",
    tolerance=1e-12,
    example=_example,
)
def seed_score(times_s: FloatArray, values: FloatArray, unit: str) -> Scores:
    """The four scores exactly as PEMS v2 computes them for a frame of this one column.

    With its faults: outliers are judged after filling NaN with 0; NaN counts again as unreasonable; 5 minutes are
    expected of any data; a missing row costs no completeness; export, and what has no rule, must not be negative.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds in the order of the rows. [s]
    values : float64[n]
        n >= 1; NaN is missing.
    unit : str
        Of :data:`core_kernels.signals.SIGNALS`; decides the range.

    Returns
    -------
    Scores
        0..1 each.
    """
    check_times(times_s)
    check_f64("values", values, times_s.shape[0])
    count = values.shape[0]
    if count == 0:
        raise ValueError("values must hold at least one sample")
    with np.errstate(invalid="ignore"):
        total, missing, inside = _first_pass(values, *SEED_RANGES.get(unit, (0.0, math.inf)))
        mean = total / count
        deviation = math.sqrt(_squares(values, mean) / count)
        outliers_frac = _outliers(values, mean, SEED_SIGMAS * deviation) / count
    consistency = 1.0 - min(outliers_frac, OUTLIER_LIMIT_FRAC) / OUTLIER_LIMIT_FRAC
    least_s, most_s = (1.0 - _TOLERANCE) * SEED_STEP_S, (1.0 + _TOLERANCE) * SEED_STEP_S
    temporal = _timely(times_s, least_s, most_s) / (count - 1) if count > 1 else 1.0
    return overall((1.0 - missing / count, consistency, temporal, inside / count))
