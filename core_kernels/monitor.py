"""One pass over a signal in constant memory: the device's judge of every channel, and of a recorded column alike.

One sample goes in, its flags come out: missing, range, rate, counter reset, stuck, gap, duplicate, irregular time and
spike; beside it runs the mean, variance, least and greatest of what was good. All that is remembered is one float64
array, rules included, so that a monitor survives a restart. The batch form is a loop of the same step.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from core_kernels.checks import JITTER_FRAC, STUCK_SAMPLES
from core_kernels.ew_spikes import judge_spike, rules_of
from core_kernels.flags import Flag
from core_kernels.jit import JIT_ENABLED, kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, check_times
from core_kernels.units import FlagArray, FloatArray

_MISSING, _RANGE, _RATE = int(Flag.MISSING), int(Flag.RANGE), int(Flag.RATE)
_STUCK, _SPIKE, _GAP, _RESET = int(Flag.STUCK), int(Flag.SPIKE), int(Flag.GAP), int(Flag.COUNTER_RESET)
_DUPLICATE, _IRREGULAR = int(Flag.DUPLICATE), int(Flag.IRREGULAR_TIME)
_IN = "Array(float64, 1, 'C', readonly=True)"

# Places in the state: first the rules, then what was seen.
_LOW, _HIGH, _SLOT, _MAX_RATE, _STEP, _COUNTER, _REST, _STUCK_S = 0, 1, 2, 3, 4, 5, 6, 7
_SIGMAS_SQUARED, _SPIKE_MINIMUM, _ALPHA, _WARM_UP = 8, 9, 10, 11
_COUNT, _TIME, _SAMPLE, _KNOWN, _KNOWN_TIME, _RUN_TIME, _RUN = 12, 13, 14, 15, 16, 17, 18
_EW_MEAN, _EW_VARIANCE, _EW_COUNT, _SPIKES = 19, 20, 21, 22
_GOOD, _MEAN, _SQUARES, _LEAST, _GREATEST = 23, 24, 25, 26, 27
STATE_SIZE = 28
_JITTER_SLOTS = JITTER_FRAC + 1e-9
_GAP_SLOTS = 2.0 - JITTER_FRAC

OwnUnit: TypeAlias = float  # a number in the unit of the signal that is watched


@kernel("int64(float64, float64)", inline=True)
def _judge_time(passed_s: float, slot_s: float) -> int:
    """DUPLICATE, GAP and IRREGULAR_TIME by the time since the sample before (``checks.flag_times``)."""
    if passed_s == slot_s:
        return 0
    if passed_s == 0.0:
        return _DUPLICATE
    slots = passed_s / slot_s
    mask = _GAP if slots >= _GAP_SLOTS else 0
    nearest = max(math.floor(slots + 0.5), 1.0)
    return mask if abs(slots - nearest) <= _JITTER_SLOTS else mask | _IRREGULAR


@kernel("int64(float64, float64, float64, boolean)", inline=True)
def _judge_change(change: OwnUnit, passed_s: float, allowed: OwnUnit, counter: bool) -> int:
    """RATE and COUNTER_RESET against the last known value (:func:`core_kernels.checks.flag_rate`)."""
    if counter and change < 0.0:
        return _RESET
    return _RATE if passed_s > 0.0 and abs(change) > allowed else 0


@kernel("void(float64[::1], float64)")
def _learn(state: FloatArray, value: float) -> None:
    """Welford (1962): count, mean and sum of squared deviations; least and greatest beside them."""
    count = state[_GOOD] + 1.0
    deviation = value - state[_MEAN]
    gained = deviation * (1.0 / count)  # this way the division waits for nothing
    state[_GOOD] = count
    state[_MEAN] += gained
    state[_SQUARES] += deviation * (deviation - gained)
    state[_LEAST] = min(state[_LEAST], value)
    state[_GREATEST] = max(state[_GREATEST], value)


@kernel("int64(float64[::1], float64, float64)")
def push_sample(state: FloatArray, time_s: float, value: float) -> int:
    """Flags of the next sample; ``state`` float64[28] is changed in place.

    A time that is not finite is IRREGULAR_TIME, and the sample is not remembered.
    """
    if not abs(time_s) < math.inf:
        return _IRREGULAR | (_MISSING if math.isnan(value) else 0)
    mask = _judge_time(time_s - state[_TIME], state[_SLOT]) if state[_COUNT] > 0.0 else 0
    state[_COUNT] += 1.0
    state[_TIME] = time_s
    if math.isnan(value):
        state[_SAMPLE] = value
        return mask | _MISSING
    passed_s = time_s - state[_KNOWN_TIME]
    allowed = state[_MAX_RATE] * passed_s + state[_STEP]
    mask |= _judge_change(value - state[_KNOWN], passed_s, allowed, state[_COUNTER] != 0.0)
    state[_KNOWN] = value
    state[_KNOWN_TIME] = time_s
    if value != state[_SAMPLE]:
        state[_RUN] = 0.0
        state[_RUN_TIME] = time_s
    state[_SAMPLE] = value
    state[_RUN] += 1.0
    if state[_RUN] >= STUCK_SAMPLES and time_s - state[_RUN_TIME] >= state[_STUCK_S] and value != state[_REST]:
        mask |= _STUCK
    if value < state[_LOW] or value > state[_HIGH]:
        return mask | _RANGE
    if abs(value) == math.inf:
        return mask
    if state[_SPIKE_MINIMUM] < math.inf:
        seen = (state[_EW_MEAN], state[_EW_VARIANCE], state[_EW_COUNT], state[_SPIKES])
        rules = (state[_SIGMAS_SQUARED], state[_SPIKE_MINIMUM], state[_ALPHA], state[_WARM_UP])
        spike, seen = judge_spike(seen, rules, value)
        state[_EW_MEAN], state[_EW_VARIANCE], state[_EW_COUNT], state[_SPIKES] = seen
        mask |= _SPIKE if spike else 0
    if mask == 0:
        _learn(state, value)
    return mask


@kernel(f"void(float64[::1], {_IN}, {_IN}, uint16[::1])")
def _push_all(state: FloatArray, times_s: FloatArray, values: FloatArray, flags: FlagArray) -> None:
    """:func:`push_sample` over a column."""
    for i in range(values.shape[0]):
        flags[i] = push_sample(state, times_s[i], values[i])


class MonitorRules(NamedTuple):
    """What is watched; infinity switches a test off. Values are in the signal's unit.

    Range, rate and stuck are those of :class:`core_kernels.quality.Rules`. A spike must leave the weighted mean by
    ``sigmas_count`` deviations and by ``spike_minimum``; ``memory_count`` samples is how far the weights reach.
    """

    low: OwnUnit = -math.inf
    high: OwnUnit = math.inf
    slot_s: float = 1.0
    max_rate_per_s: float = math.inf
    step: OwnUnit = 0.0
    counter: bool = False
    rest: OwnUnit = math.nan
    stuck_s: float = math.inf
    sigmas_count: float = 5.0
    spike_minimum: OwnUnit = math.inf
    memory_count: float = 60.0


class Summary(NamedTuple):
    """The good samples so far, in the signal's unit; NaN before the first, variance NaN before the second."""

    good_count: int
    mean: OwnUnit
    variance: OwnUnit
    least: OwnUnit
    greatest: OwnUnit


def _start(rules: MonitorRules) -> FloatArray:
    """The state before the first sample."""
    if not (math.isfinite(rules.slot_s) and rules.slot_s > 0.0):
        raise ValueError(f"slot_s must be positive, got {rules.slot_s}")
    state = np.zeros(STATE_SIZE)
    state[:_SIGMAS_SQUARED] = rules[: _STUCK_S + 1]
    state[_SIGMAS_SQUARED : _WARM_UP + 1] = rules_of(rules.sigmas_count, rules.spike_minimum, rules.memory_count)
    state[[_SAMPLE, _KNOWN, _KNOWN_TIME]] = math.nan
    state[_LEAST], state[_GREATEST] = math.inf, -math.inf
    return state


class Monitor:
    """Watches one signal.

    Without the JIT (the control process) the state is a list: plain Python is three times faster on it than on an
    array. Both give the same bits.
    """

    __slots__ = ("_state",)

    def __init__(self, rules: MonitorRules) -> None:
        self._state = self._hold(_start(rules))

    @staticmethod
    def _hold(state: FloatArray) -> FloatArray:
        return state if JIT_ENABLED else cast("FloatArray", cast("MutableSequence[float]", state.tolist()))

    @classmethod
    def restore(cls, state: FloatArray) -> Monitor:
        """A monitor that goes on where :attr:`state` was taken."""
        check_f64("state", state)
        if state.shape[0] != STATE_SIZE:
            raise ValueError(f"state has {state.shape[0]} values, not {STATE_SIZE}")
        monitor = cls.__new__(cls)
        monitor._state = cls._hold(state.copy())
        return monitor

    @property
    def state(self) -> FloatArray:
        """A copy of all that is remembered, rules included, float64[28]."""
        return np.array(self._state, dtype=np.float64)

    def push(self, time_s: float, value: OwnUnit) -> int:
        """Flags of the next sample."""
        return push_sample(self._state, time_s, value)

    def run(self, times_s: FloatArray, values: FloatArray) -> FlagArray:
        """Flags of the next samples, uint16[n]: what :meth:`push` says of each in turn."""
        check_times(times_s)
        check_f64("values", values, times_s.shape[0])
        flags = np.zeros(values.shape[0], dtype=np.uint16)
        if JIT_ENABLED:
            _push_all(self._state, times_s, values, flags)
        else:
            flags[:] = [self.push(*pair) for pair in zip(times_s.tolist(), values.tolist(), strict=True)]
        return flags

    @property
    def summary(self) -> Summary:
        """What the samples without any flag were like."""
        count = int(self._state[_GOOD])
        if count == 0:
            return Summary(0, math.nan, math.nan, math.nan, math.nan)
        variance = float(self._state[_SQUARES]) / (count - 1) if count > 1 else math.nan
        mean, least, greatest = (float(self._state[place]) for place in (_MEAN, _LEAST, _GREATEST))
        return Summary(count, mean, variance, least, greatest)


def _example() -> tuple[FloatArray, FloatArray, MonitorRules]:
    times_s = 1.7e9 + 60.0 * np.arange(300.0)
    times_s[200:] += 600.0
    values = 20.0 + np.sin(0.1 * np.arange(300.0))
    values[[50, 120]] = math.nan, 45.0
    values[150:180] = 20.5
    return times_s, values, MonitorRules(low=-40.0, high=60.0, slot_s=60.0, stuck_s=600.0, spike_minimum=5.0)


@registered(
    name="monitor",
    unit="1",
    source="Welford 1962; Finch 2009, Incremental calculation of weighted mean and variance, eq. 140-143",
    reference="the flags of core_kernels.checks; numpy mean and var",
    tolerance=0.0,
    example=_example,
)
def watch(times_s: FloatArray, values: FloatArray, rules: MonitorRules) -> FlagArray:
    """Flags of a column as a fresh :class:`Monitor` pushes them.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, in any order. [s]
    values : float64[n]
        In the unit of the rules; NaN is MISSING, ends a run and teaches nothing.
    rules : MonitorRules

    Returns
    -------
    uint16[n]
        Bits of :class:`core_kernels.flags.Flag`.
    """
    return Monitor(rules).run(times_s, values)
