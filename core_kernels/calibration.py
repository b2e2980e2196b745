"""Online calibration of quantile forecasts: what the outcomes of past issues say about the next one.

A bucket is an hour of the day and a band of the horizon. In each, P10 and P90 as they were said are judged by what came
and moved by the pinball sub-gradient, and the bias of the raw mean is found by recursive least squares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.arguments import check_matrix
from core_kernels.jit import kernel
from core_kernels.quantiles import LEVELS_FRAC
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

IntArray = npt.NDArray[np.int64]
HOURS = 24
BAND_END_H = (6, 24, 48)  # of the horizon
BUCKETS = HOURS * len(BAND_END_H)
# An issue is kept for judging every five hours: over five days each hour of the day is judged at every lead.
KEEP_EVERY_S = 5 * int(SECONDS_PER_HOUR)
KEEP_FOR_S = BAND_END_H[-1] * int(SECONDS_PER_HOUR)
COLUMNS = ("low_w", "high_w", "bias_w", "bias_spread_ratio", "error_w", "inside_frac", "count")
LOW, HIGH, BIAS, SPREAD, ERROR, INSIDE, COUNT = range(len(COLUMNS))
BOUND_FRAC = 0.5  # of the largest power that was ever measured: the most that anything may be moved by
NIGHT_FRAC = 0.01  # of it: PV that says less is night, and teaches nothing
_MISS_FRAC = LEVELS_FRAC[0]
_PRIOR_COUNT = 60.0  # a bucket's bias begins as if so many outcomes had shown none
_SPREAD_OF_ERROR = 1.2533  # standard deviation over mean absolute error of a normal variable, sqrt(pi / 2)
_ALIKE_COUNT = 16.0  # outcomes of neighbouring quarter hours and overlapping issues that say one thing
_AT_BOUND_FRAC = 0.999


class Rule(NamedTuple):
    """How buckets learn.

    Nothing is moved by more than ``bound_w``; a step is ``step_ratio`` of the bucket's mean absolute error; bias, error
    and coverage are means of the last ``memory_count`` outcomes.
    """

    bound_w: float
    step_ratio: float = 0.1
    memory_count: float = 480.0


def fresh() -> FloatArray:
    """Nothing learned yet: float64[BUCKETS, 7], columns as ``COLUMNS``."""
    state = np.zeros((BUCKETS, len(COLUMNS)))
    state[:, SPREAD] = 1.0 / _PRIOR_COUNT
    return state


def buckets(hour: IntArray, ahead_s: FloatArray) -> IntArray:
    """Bucket of each slot from its hour of the day (0..23) and how long after the issue it begins [s]."""
    band = np.searchsorted(np.asarray(BAND_END_H) * SECONDS_PER_HOUR, ahead_s, side="right")
    return np.asarray(np.minimum(band, len(BAND_END_H) - 1) * HOURS + hour, dtype=np.int64)


def judges(issued_s: FloatArray, start_s: float, turn: int) -> tuple[int, ...]:
    """Which of the kept issues judge the slot that begins at an instant: one a band, those of a band in turn."""
    ahead_s = start_s - issued_s
    chosen, after_s = [], 0.0
    for end_h in BAND_END_H:
        end_s = end_h * SECONDS_PER_HOUR
        inside = np.flatnonzero((ahead_s >= after_s) & (ahead_s < end_s))
        after_s = end_s
        if inside.size:
            chosen.append(int(inside[turn % inside.size]))
    return tuple(chosen)


@kernel("void(float64[:, ::1], int64[::1], float64[:, ::1], float64, float64, float64)")
def _learn(
    state: FloatArray, where: IntArray, rows: FloatArray, bound_w: float, step_ratio: float, memory_count: float
) -> None:
    """Outcome after outcome, in place."""
    forget = 1.0 - 1.0 / memory_count
    for i in range(where.shape[0]):
        actual, mean, p10, p90 = rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3]
        if not np.isfinite(actual + mean + p10 + p90):
            continue
        bucket = state[where[i]]
        bucket[COUNT] += 1.0
        share = max(1.0 / bucket[COUNT], 1.0 / memory_count)
        below = 1.0 if actual < p10 else 0.0
        above = 1.0 if actual > p90 else 0.0
        inside = 0.0 if below + above > 0.0 else 1.0  # a band turned inside out holds nothing
        bucket[INSIDE] += share * (inside - bucket[INSIDE])
        bucket[ERROR] += share * (abs(actual - mean) - bucket[ERROR])
        bucket[LOW] += step_ratio * bucket[ERROR] * (below - _MISS_FRAC)
        bucket[HIGH] += step_ratio * bucket[ERROR] * (above - _MISS_FRAC)
        gain = bucket[SPREAD] / (forget + bucket[SPREAD])
        bucket[BIAS] += gain * (actual - mean - bucket[BIAS])
        bucket[SPREAD] = (1.0 - gain) * bucket[SPREAD] / forget
        for column in range(SPREAD):
            bucket[column] = min(max(bucket[column], -bound_w), bound_w)


def learned(state: FloatArray, where: IntArray, rows: FloatArray, rule: Rule) -> FloatArray:
    """The state after some outcomes, in the order in which they came.

    The sub-gradient is taken at what was said, not at what would be said now: outcomes come up to two days after the
    issue, and judging them by a state that has seen their neighbours would count too many hits. Its long-run coverage
    is 80 % whatever the outcomes do, as far as the bound allows (Gibbs and Candes 2021, prop. 4.1; Angelopoulos, Candes
    and Tibshirani 2023, the P of conformal PID). The bias is recursive least squares of one constant with forgetting
    (Ljung 1999, eq. 11.12).

    Parameters
    ----------
    state : float64[BUCKETS, 7]
        Columns as ``COLUMNS``.
    where : int64[n]
        Bucket of each outcome.
    rows : float64[n, 4]
        What came, the raw mean, P10 and P90 as said; a row with a NaN teaches nothing. [W]
    rule : Rule
        Step, memory and bound.

    Returns
    -------
    float64[BUCKETS, 7]
    """
    result = np.array(check_matrix("state", state, rows=BUCKETS, columns=len(COLUMNS)))
    _learn(result, np.ascontiguousarray(where), check_matrix("rows", rows, rows=where.shape[0], columns=4), *rule)
    return result


def sure_bias_w(state: FloatArray) -> FloatArray:
    """Bias of each bucket beyond what chance makes of it [W]: less by a standard error, and never past 0."""
    chance_w = _SPREAD_OF_ERROR * state[:, ERROR] * np.sqrt(_ALIKE_COUNT * state[:, SPREAD])
    return np.asarray(np.sign(state[:, BIAS]) * np.maximum(np.abs(state[:, BIAS]) - chance_w, 0.0))


def applied(state: FloatArray, where: IntArray, raw: FloatArray, cap_w: float) -> FloatArray:
    """Quantiles and mean moved by what was learned, within 0 and the cap, and in order.

    Parameters
    ----------
    state : float64[BUCKETS, 7]
        As of the issue.
    where : int64[n]
        Bucket of each slot.
    raw : float64[n, 4]
        P10, P50, P90 and mean; NaN in, NaN out. [W]
    cap_w : float
        The most that there can be. [W]

    Returns
    -------
    float64[n, 4]
        The same. [W]
    """
    rows = check_matrix("raw", raw, rows=where.shape[0], columns=4)
    bias_w = sure_bias_w(state)[where]
    low = np.clip(rows[:, 0] - state[where, LOW], 0.0, cap_w)
    high = np.maximum(np.clip(rows[:, 2] + state[where, HIGH], 0.0, cap_w), low)
    middle, mean = np.clip(rows[:, 1] + bias_w, low, high), np.clip(rows[:, 3] + bias_w, 0.0, cap_w)
    return np.column_stack([low, middle, high, mean])


def at_bound(state: FloatArray, bound_w: float) -> IntArray:
    """The buckets that would have to be moved further than they may be: their model wants to be trained again."""
    moved_w = np.abs(state[:, LOW:SPREAD]).max(axis=1)
    return np.flatnonzero((moved_w >= _AT_BOUND_FRAC * bound_w) & (bound_w > 0.0))
