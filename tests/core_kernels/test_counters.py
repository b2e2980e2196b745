"""Counters: exact integers as twin, rollovers told from resets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.counters import counter_gains
from core_kernels.flags import Flag

nan = math.nan


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50), st.integers(0, 65535))
def test_a_register_of_16_bits_gives_what_was_counted(gains, start):
    values = (start + np.cumsum([0, *gains])) % 65536
    have = counter_gains(900.0 * np.arange(len(values)), values.astype(np.float64), 65536.0)
    assert math.isnan(have.gains[0])
    assert have.gains[1:].tolist() == gains
    assert have.rollovers_count == (start + sum(gains)) // 65536
    assert not have.flags.any()


def test_a_reset_is_unknown_and_flagged():
    have = counter_gains(900.0 * np.arange(4), np.array([5000.0, 5100.0, 3.0, 103.0]), 65536.0)
    assert have.gains == pytest.approx([nan, 100.0, nan, 100.0], nan_ok=True)
    assert have.flags.tolist() == [0, 0, Flag.COUNTER_RESET, 0]
    assert have.rollovers_count == 0


def test_without_a_register_size_a_fall_is_a_reset():
    assert counter_gains(900.0 * np.arange(2), np.array([65535.0, 3.0])).flags.tolist() == [0, Flag.COUNTER_RESET]


def test_a_leap_is_a_rate_and_a_hole_is_bridged():
    values = np.array([0.0, nan, 200.0, 90_000.0, 90_100.0])
    have = counter_gains(900.0 * np.arange(5), values)
    assert have.gains == pytest.approx([nan, nan, 200.0, nan, 100.0], nan_ok=True)
    assert have.flags.tolist() == [0, Flag.MISSING, 0, Flag.RATE, 0]


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: counter_gains(np.zeros(2), np.zeros(2), 0.0), "modulus"),
        (lambda: counter_gains(np.zeros(2), np.zeros(3)), "values must .*got 3"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
