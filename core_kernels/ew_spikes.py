"""Spikes by exponentially weighted mean and variance: O(1) memory, for a column here and in the device's monitor."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.arguments import check_positive
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]
OwnUnit: TypeAlias = float  # a number in the unit of the signal
Quadruple: TypeAlias = tuple[float, float, float, float]

RELEARN_SAMPLES = 5.0  # so many spikes in a row are a new level
_FOUR = "UniTuple(float64, 4)"
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"Tuple((boolean, {_FOUR}))({_FOUR}, {_FOUR}, float64)", inline=True)
def judge_spike(seen: Quadruple, rules: Quadruple, value: float) -> tuple[bool, Quadruple]:
    """Whether a finite value is a spike (Finch 2009, eq. 140-143), and what is remembered; a spike is not learned from.

    ``seen``: mean, variance, samples learned, spikes in a row. ``rules``: squared sigmas, least deviation, weight of
    the newest sample, samples to learn before anything is judged.
    """
    mean, variance, count, spikes = seen
    sigmas_squared, minimum, alpha, warm_up = rules
    deviation = value - mean
    squared = deviation * deviation
    if count >= warm_up and squared > sigmas_squared * variance and abs(deviation) > minimum:
        relearn = spikes + 1.0 >= RELEARN_SAMPLES
        return True, (mean, variance, 0.0 if relearn else count, spikes + 1.0)
    if count == 0.0:
        return False, (value, 0.0, 1.0, 0.0)
    gained = alpha * deviation
    return False, (mean + gained, (1.0 - alpha) * (variance + gained * deviation), count + 1.0, 0.0)


@kernel(f"void({_IN}, {_FOUR}, boolean[::1])")
def _spikes_kernel(values: FloatArray, rules: Quadruple, found: BoolArray) -> None:
    """:func:`judge_spike` over a column; what is not finite is passed over."""
    seen = (0.0, 0.0, 0.0, 0.0)
    for i in range(values.shape[0]):
        if abs(values[i]) < math.inf:
            found[i], seen = judge_spike(seen, rules, values[i])


def rules_of(sigmas_count: float, minimum: OwnUnit, memory_count: float) -> Quadruple:
    """The rules as :func:`judge_spike` takes them; impossible ones raise ``ValueError``."""
    check_positive(sigmas_count=sigmas_count)
    if not memory_count >= 1.0:
        raise ValueError(f"memory_count must be at least 1, got {memory_count}")
    return sigmas_count * sigmas_count, float(minimum), 2.0 / (memory_count + 1.0), float(memory_count)


def _example() -> tuple[FloatArray]:
    values = np.sin(0.1 * np.arange(300.0))
    values[[90, 150]] = math.nan, math.inf
    values[[120, 200]] += 9.0
    values[250:] += 20.0
    return (values,)


@registered(
    name="exponential_spikes",
    unit="1",
    source="Finch 2009, Incremental calculation of weighted mean and variance, eq. 140-143",
    reference="pandas Series.ewm(alpha, adjust=False) mean and var(bias=True); core_kernels.monitor",
    tolerance=0.0,
    example=_example,
)
def exponential_spikes(
    values: FloatArray, sigmas_count: float = 5.0, minimum: OwnUnit = 0.0, memory_count: float = 60.0
) -> BoolArray:
    """Samples that leave the exponentially weighted mean of those before by many deviations.

    Parameters
    ----------
    values : float64[n]
        In any unit; NaN and infinities are passed over and teach nothing.
    sigmas_count : float
        Deviations that make a spike. [1]
    minimum : float
        What a spike must leave the mean by in any case, in the unit of the values.
    memory_count : float
        How far the weights reach, and the samples that are learned before anything is judged; at least 1.

    Returns
    -------
    bool[n]
        True for a spike. Five in a row are a new level, which is then learned afresh.
    """
    check_f64("values", values)
    found = np.zeros(values.shape[0], dtype=np.bool_)
    _spikes_kernel(values, rules_of(sigmas_count, minimum, memory_count), found)
    return found
