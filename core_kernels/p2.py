"""A quantile of a stream in constant memory: five markers that follow it.

Jain and Chlamtac (1985), The P2 algorithm for dynamic calculation of quantiles and histograms without storing
observations, Comm. ACM 28, 1076-1085.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the signal

_MARKERS = 5
STATE_SIZE = 12  # level, count, five heights, five positions
_LEVEL, _COUNT, _HEIGHT, _POSITION = 0, 1, 2, 7
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel("float64(float64[::1], int64, float64)")
def _moved(state: FloatArray, k: int, step: float) -> float:
    """Height of marker ``k`` one place further: by the parabola (eq. 1), by the line where that leaves its bounds."""
    low, here, high = state[_HEIGHT + k - 1], state[_HEIGHT + k], state[_HEIGHT + k + 1]
    before = state[_POSITION + k] - state[_POSITION + k - 1]
    after = state[_POSITION + k + 1] - state[_POSITION + k]
    rising = (before + step) * (high - here) / after
    falling = (after - step) * (here - low) / before
    moved = here + step / (before + after) * (rising + falling)
    if low < moved < high:
        return float(moved)
    return float(here + (high - here) / after if step > 0.0 else here - (here - low) / before)


@kernel("void(float64[::1], float64)")
def _push(state: FloatArray, value: float) -> None:
    """Take one observation; NaN is passed over."""
    if not abs(value) < math.inf:
        return
    count = int(state[_COUNT])
    state[_COUNT] += 1.0
    if count < _MARKERS:
        k = count
        while k > 0 and state[_HEIGHT + k - 1] > value:
            state[_HEIGHT + k] = state[_HEIGHT + k - 1]
            k -= 1
        state[_HEIGHT + k] = value
        return
    state[_HEIGHT] = min(state[_HEIGHT], value)
    state[_HEIGHT + 4] = max(state[_HEIGHT + 4], value)
    for k in range(1, 5):
        if k == 4 or value < state[_HEIGHT + k]:
            state[_POSITION + k] += 1.0
    level = state[_LEVEL]
    for k in range(1, 4):
        share = 0.5 * level if k == 1 else (level if k == 2 else 0.5 * (1.0 + level))
        lag = 1.0 + count * share - state[_POSITION + k]
        forward = lag >= 1.0 and state[_POSITION + k + 1] - state[_POSITION + k] > 1.0
        backward = lag <= -1.0 and state[_POSITION + k - 1] - state[_POSITION + k] < -1.0
        if forward or backward:
            step = 1.0 if forward else -1.0
            state[_HEIGHT + k] = _moved(state, k, step)
            state[_POSITION + k] += step


@kernel(f"void(float64[::1], {_IN})")
def _push_all(state: FloatArray, values: FloatArray) -> None:
    """:func:`_push` over a column."""
    for i in range(values.shape[0]):
        _push(state, values[i])


class StreamQuantile:
    """Follows one quantile; ``state`` is all that is remembered, float64[12]."""

    __slots__ = ("_state",)

    def __init__(self, level_frac: float) -> None:
        if not 0.0 < level_frac < 1.0:
            raise ValueError(f"level_frac must lie between 0 and 1, got {level_frac}")
        self._state = np.zeros(STATE_SIZE)
        self._state[_LEVEL] = level_frac
        self._state[_POSITION:] = 1.0, 2.0, 3.0, 4.0, 5.0

    @classmethod
    def restore(cls, state: FloatArray) -> StreamQuantile:
        """A quantile that goes on where :attr:`state` was taken."""
        check_f64("state", state)
        if state.shape[0] != STATE_SIZE:
            raise ValueError(f"state has {state.shape[0]} values, not {STATE_SIZE}")
        stream = cls(float(state[_LEVEL]))
        stream._state = state.copy()
        return stream

    @property
    def state(self) -> FloatArray:
        """A copy of all that is remembered."""
        return self._state.copy()

    def push(self, value: OwnUnit) -> None:
        """Take one observation; NaN and infinities are passed over."""
        _push(self._state, value)

    def run(self, values: FloatArray) -> None:
        """Take observations in turn."""
        check_f64("values", values)
        _push_all(self._state, values)

    @property
    def quantile(self) -> OwnUnit:
        """The estimate; exact up to five observations, NaN before the first."""
        count = int(self._state[_COUNT])
        if count == 0:
            return math.nan
        if count <= _MARKERS:
            return float(np.quantile(self._state[_HEIGHT : _HEIGHT + count], self._state[_LEVEL]))
        return float(self._state[_HEIGHT + 2])


def _example() -> tuple[FloatArray, float]:
    values = np.sin(0.37 * np.arange(300.0)) * np.arange(300.0)
    values[17] = math.nan
    return values, 0.9


@registered(
    name="stream_quantile",
    unit="unit of the values",
    source="Jain and Chlamtac 1985 (10.1145/4372.4378), eq. 1 and box 1",
    reference="the paper's example of 20 observations; numpy.quantile",
    tolerance=0.05,
    example=_example,
)
def stream_quantile(values: FloatArray, level_frac: float) -> float:
    """Quantile of a column by the five markers of P2.

    Parameters
    ----------
    values : float64[n]
        In their order; NaN and infinities are passed over.
    level_frac : float
        0..1, both excluded. [1]

    Returns
    -------
    float
        In the unit of the values; NaN for none.
    """
    stream = StreamQuantile(level_frac)
    stream.run(values)
    return stream.quantile
