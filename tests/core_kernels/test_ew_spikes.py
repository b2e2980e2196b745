"""Exponentially weighted spikes of a column: slow twin, pandas as oracle, the monitor's verdict."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.ew_spikes import exponential_spikes
from core_kernels.flags import Flag
from core_kernels.monitor import MonitorRules, watch

NUMBERS = st.floats(-50.0, 50.0) | st.sampled_from([math.nan, math.inf, 1000.0])


def slow(values, sigmas_count, minimum, memory_count):
    """The definition with all learned samples kept and their weights written out."""
    alpha, learned, spikes, found = 2.0 / (memory_count + 1.0), [], 0, []
    for value in values:
        if not math.isfinite(value):
            found.append(False)
            continue
        weights = np.array([(1 - alpha) ** k * (1.0 if k == len(learned) - 1 else alpha) for k in range(len(learned))])
        past = np.array(learned[::-1])
        mean = float(weights @ past) if learned else 0.0
        deviation = math.sqrt(float(weights @ (past - mean) ** 2)) if learned else 0.0
        far = abs(value - mean) > sigmas_count * deviation and abs(value - mean) > minimum
        found.append(len(learned) >= memory_count and far)
        spikes = spikes + 1 if found[-1] else 0
        if spikes == 5:
            learned = []
        elif not found[-1]:
            learned.append(value)
    return found


@given(st.lists(NUMBERS, max_size=60), st.floats(1.5, 6.0), st.floats(1.0, 12.0))
def test_the_slow_twin_finds_the_same(samples, sigmas_count, memory_count):
    minimum = 0.01  # keeps clear of ties that rounding decides
    values = np.round(np.array(samples, dtype=np.float64), 1)
    have = exponential_spikes(values, sigmas_count, minimum, memory_count)
    assert have.tolist() == slow(values, sigmas_count, minimum, memory_count)


@given(st.lists(NUMBERS, max_size=120))
def test_the_monitor_finds_the_same(samples):
    values = np.array(samples, dtype=np.float64)
    rules = MonitorRules(spike_minimum=2.0, memory_count=8.0)
    flags = watch(np.arange(float(values.size)), values, rules)
    assert np.array_equal(exponential_spikes(values, 5.0, 2.0, 8.0), flags & int(Flag.SPIKE) != 0)


@pytest.mark.training
def test_the_first_spike_is_where_pandas_weighted_moments_say():
    pd = pytest.importorskip("pandas")
    values = np.random.default_rng(4).normal(10.0, 1.0, 400)
    values[300] += 12.0
    past = pd.Series(values).ewm(alpha=2.0 / 31.0, adjust=False)
    far = np.abs(values[1:] - past.mean()[:-1].to_numpy()) > 5.0 * np.sqrt(past.var(bias=True)[:-1].to_numpy())
    want = np.flatnonzero(far & (np.arange(1, 400) >= 30)) + 1
    assert np.flatnonzero(exponential_spikes(values, 5.0, 0.0, 30.0)).tolist() == want.tolist() == [300]


def test_a_new_level_is_learned_after_five_spikes():
    values = np.concatenate([np.tile([1.0, 1.2], 50), np.tile([9.0, 9.2], 50)])
    assert np.flatnonzero(exponential_spikes(values, memory_count=20.0)).tolist() == [100, 101, 102, 103, 104]


@pytest.mark.parametrize("unfit", [{"sigmas_count": 0.0}, {"sigmas_count": math.nan}, {"memory_count": 0.5}])
def test_unfit_rules_are_refused_by_name(unfit):
    with pytest.raises(ValueError, match=next(iter(unfit))):
        exponential_spikes(np.ones(5), **unfit)
