"""Probabilistic forecasts: scores, non-crossing, conformal calibration of a batch. NaN rows do not count.

Quantiles are columns of ``float64[n, k]``, levels rise from left to right.
"""

from __future__ import annotations

import numpy as np

from core_kernels.arguments import check_matrix, check_vectors
from core_kernels.registry import registered
from core_kernels.units import FloatArray

LEVELS_FRAC = (0.1, 0.5, 0.9)


def _checked(actual: FloatArray, quantiles: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows in which everything is known."""
    (y,) = check_vectors(actual=actual)
    q = check_matrix("quantiles", quantiles, rows=y.shape[0])
    known = np.isfinite(y) & np.isfinite(q).all(axis=1)
    return y[known], q[known]


def _example() -> tuple[FloatArray, FloatArray]:
    actual = np.sin(np.arange(40.0))
    actual[7] = np.nan
    return actual, np.column_stack([actual - 0.5, actual * 0.9, np.cos(np.arange(40.0))])


@registered(
    name="pinball",
    unit="unit of the values",
    source="Koenker and Bassett 1978, Econometrica 46, 33",
    reference="sklearn.metrics.mean_pinball_loss",
    tolerance=1e-12,
    example=_example,
)
def pinball(
    actual: FloatArray, quantiles: FloatArray, levels_frac: tuple[float, ...] = LEVELS_FRAC
) -> tuple[float, ...]:
    """Mean pinball loss of each level: ``max(level * e, (level - 1) * e)`` with ``e = actual - quantile``.

    Parameters
    ----------
    actual : float64[n]
        Outcomes; a row with a NaN does not count.
    quantiles : float64[n, k]
        Forecast quantiles, one column a level.
    levels_frac : tuple of float
        Rising. [1]

    Returns
    -------
    tuple of float
        One a level, in the unit of ``actual``; NaN where no row is known.
    """
    y, q = _checked(actual, quantiles)
    if y.size == 0:
        return tuple(float("nan") for _ in levels_frac)
    error = y[:, None] - q
    levels = np.asarray(levels_frac)
    return tuple(float(value) for value in np.maximum(levels * error, (levels - 1.0) * error).mean(axis=0))


def _interval_example() -> tuple[FloatArray, FloatArray, FloatArray]:
    actual, quantiles = _example()
    return actual, quantiles[:, 0].copy(), quantiles[:, 2].copy()


@registered(
    name="coverage_frac",
    unit="1",
    source="Gneiting, Balabdaoui and Raftery 2007, J. R. Stat. Soc. B 69, 243",
    reference="counting in numpy",
    tolerance=0.0,
    example=_interval_example,
)
def coverage_frac(actual: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Share of known values inside an interval, its edges included.

    Parameters
    ----------
    actual : float64[n]
        Outcomes; a row in which not all three are finite does not count.
    low, high : float64[n]
        Ends of the interval, in the unit of ``actual``.

    Returns
    -------
    float
        0..1; NaN where no row is known. [1]
    """
    y, q_low, q_high = check_vectors(actual=actual, low=low, high=high)
    known = np.isfinite(y) & np.isfinite(q_low) & np.isfinite(q_high)
    inside = (y >= q_low) & (y <= q_high)
    return float(np.mean(inside[known])) if known.any() else float("nan")


def _crossed_example() -> tuple[FloatArray]:
    return (np.sin(np.arange(60.0)).reshape(20, 3),)


@registered(
    name="crossing_frac",
    unit="1",
    source="Chernozhukov, Fernandez-Val and Galichon 2010 (10.3982/ECTA7880)",
    reference="counting in numpy",
    tolerance=0.0,
    example=_crossed_example,
)
def crossing_frac(quantiles: FloatArray) -> float:
    """Share of rows whose quantiles are out of order.

    Parameters
    ----------
    quantiles : float64[n, k]
        In any unit; a NaN is out of no order.

    Returns
    -------
    float
        0..1; 0 for an empty matrix. [1]
    """
    q = check_matrix("quantiles", quantiles)
    return float(np.mean((np.diff(q, axis=1) < 0.0).any(axis=1))) if q.shape[0] else 0.0


@registered(
    name="uncross",
    unit="unit of the values",
    source="Chernozhukov, Fernandez-Val and Galichon 2010 (10.3982/ECTA7880), eq. 1.3",
    reference="numpy.sort",
    tolerance=0.0,
    example=_crossed_example,
)
def uncross(quantiles: FloatArray) -> FloatArray:
    """Quantiles that do not cross: each row sorted, which never raises the pinball loss.

    Parameters
    ----------
    quantiles : float64[n, k]
        In any unit; a row with a NaN means nothing and keeps it. [unit of the values]

    Returns
    -------
    float64[n, k]
    """
    return np.sort(check_matrix("quantiles", quantiles), axis=1)


def _samples_example() -> tuple[FloatArray]:
    samples = np.sin(np.arange(120.0)).reshape(10, 12)
    samples[3, 5:], samples[7] = np.nan, np.nan
    return (samples,)


@registered(
    name="empirical",
    unit="unit of the values",
    source="Weibull 1939; Hyndman and Fan 1996, The American Statistician 50, 361, definition 6",
    reference="numpy.nanquantile(method='weibull')",
    tolerance=1e-12,
    example=_samples_example,
)
def empirical(samples: FloatArray, levels_frac: tuple[float, ...] = LEVELS_FRAC) -> FloatArray:
    """Quantiles of each row's known samples.

    Weibull's plotting position ``level * (n + 1)``: a new value lies below the quantile with just that probability,
    also for few samples. The numbers of ``numpy.nanquantile(..., method="weibull")`` without its loop over rows.

    Parameters
    ----------
    samples : float64[n, m]
        What is not finite does not count.
    levels_frac : tuple of float
        [1]

    Returns
    -------
    float64[n, k]
        One column a level, in the unit of the samples; NaN for rows without any.
    """
    table = check_matrix("samples", samples)
    known = np.isfinite(table)
    ordered = np.sort(np.where(known, table, np.nan), axis=1)  # NaN goes last
    count = known.sum(axis=1)
    rows = np.arange(table.shape[0])
    result = np.full((table.shape[0], len(levels_frac)), np.nan)
    if table.shape[1] == 0:
        return result
    for column, level in enumerate(levels_frac):
        position = np.clip(level * (count + 1) - 1.0, 0.0, np.maximum(count - 1, 0))
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(count - 1, 0))
        low, high = ordered[rows, below], ordered[rows, above]
        result[:, column] = low + (high - low) * (position - below)
    return result


def mean_of(p10: FloatArray, p50: FloatArray, p90: FloatArray) -> FloatArray:
    """Mean of a skewed distribution from three quantiles; NaN in, NaN out.

    Swanson's rule, 0.3 P10 + 0.4 P50 + 0.3 P90 (Hurst, Brown and Swanson 2000, AAPG Bulletin 84, 1883). Energy adds up
    by means: the median of a lumpy load, summed over a day, is far below what the day takes.
    """
    return 0.3 * p10 + 0.4 * p50 + 0.3 * p90


@registered(
    name="conformal_offsets",
    unit="unit of the values",
    source="Romano, Patterson and Candes 2019, Conformalized quantile regression, eq. 7",
    reference="numpy.quantile of the residuals",
    tolerance=1e-12,
    example=_example,
)
def conformal_offsets(
    actual: FloatArray, quantiles: FloatArray, levels_frac: tuple[float, ...] = LEVELS_FRAC
) -> tuple[float, ...]:
    """What to add to each quantile so that it holds its level on a held-out sample.

    One-sided split-conformal quantile regression (Romano, Patterson and Candes 2019, eq. 7), each level by itself,
    with the finite-sample step ``(n + 1) / n`` taken outward.

    Parameters
    ----------
    actual : float64[n]
        Outcomes; a row with a NaN does not count.
    quantiles : float64[n, k]
        Forecast quantiles, one column a level.
    levels_frac : tuple of float
        Rising. [1]

    Returns
    -------
    tuple of float
        One a level, in the unit of ``actual``; 0 where no row is known.
    """
    y, q = _checked(actual, quantiles)
    if y.size == 0:
        return tuple(0.0 for _ in levels_frac)
    residual = y[:, None] - q
    offsets = []
    for column, level in enumerate(levels_frac):
        step = (level - 0.5) / y.size
        offsets.append(float(np.quantile(residual[:, column], min(max(level + step, 0.0), 1.0))))
    return tuple(offsets)
