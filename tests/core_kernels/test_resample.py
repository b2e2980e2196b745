"""Irregular samples to slots, against a slow obvious twin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.resample import resample
from core_kernels.signals import Kind
from core_kernels.timegrid import TimeGrid

GRID = TimeGrid(start_s=0, slot_s=900, count=4)
nan = math.nan


def arrays(*pairs):
    table = np.array(pairs, dtype=np.float64)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def test_a_mean_weighs_each_sample_by_its_time():
    times_s, values = arrays((0, 100), (300, 400), (900, 1000), (1800, 7), (2700, 8))
    assert resample(times_s, values, Kind.MEAN, GRID).tolist() == [300.0, 1000.0, 7.0, 8.0]


def test_a_slot_known_for_less_than_half_is_missing():
    times_s, values = arrays((0, 5), (300, nan), (900, 6), (1350, nan), (1800, nan), (2700, 9))
    assert resample(times_s, values, Kind.MEAN, GRID) == pytest.approx([nan, 6.0, nan, 9.0], nan_ok=True)


def test_a_sample_speaks_for_one_slot_unless_told_otherwise():
    times_s, values = arrays((0, 5), (3600, 6))
    assert resample(times_s, values, Kind.MEAN, GRID) == pytest.approx([5.0, nan, nan, nan], nan_ok=True)
    assert resample(times_s, values, Kind.PRICE, GRID, hold_s=3600.0).tolist() == [5.0] * 4


def test_a_lone_sample_holds_for_its_slot():
    times_s, values = arrays((900, 3))
    assert resample(times_s, values, Kind.MEAN, GRID) == pytest.approx([nan, 3.0, nan, nan], nan_ok=True)


def test_a_state_is_the_last_one_seen():
    times_s, values = arrays((0, 0.1), (450, 0.2), (899, 0.3), (1000, 0.4), (2700, 0.5), (2800, nan), (2900, 0.6))
    have = resample(times_s, values, Kind.STATE, GRID)
    assert have == pytest.approx([0.3, 0.4, nan, nan], nan_ok=True)


def test_a_counter_gives_what_was_counted():
    times_s, values = arrays((0, 1000), (450, 1100), (900, 1300), (1350, 1300), (1800, 1500))
    have = resample(times_s, values, Kind.COUNTER, GRID)
    assert have == pytest.approx([300.0, 200.0, nan, nan], nan_ok=True)


def test_readings_off_the_edges_are_split_linearly():
    times_s, values = arrays((-300, 0), (600, 900), (1200, 1500), (1800, 2100))
    assert resample(times_s, values, Kind.COUNTER, GRID)[:2] == pytest.approx([900.0, 900.0])


def test_a_counter_reset_is_unknown_never_negative():
    times_s, values = arrays((0, 1000), (900, 1100), (1800, 5), (2700, 105), (3600, 205))
    have = resample(times_s, values, Kind.COUNTER, GRID)
    assert have == pytest.approx([100.0, nan, 100.0, 100.0], nan_ok=True)


def test_a_register_that_rolls_over_goes_on_counting():
    times_s, values = arrays((0, 65_000), (900, 65_500), (1800, 464), (2700, 5), (3600, 105))
    have = resample(times_s, values, Kind.COUNTER, GRID, modulus=65_536.0)
    assert have == pytest.approx([500.0, 500.0, nan, 100.0], nan_ok=True)


def test_a_missing_reading_does_not_break_the_count():
    times_s, values = arrays((0, 0), (450, nan), (900, 90), (900, 90), (1800, 180))
    assert resample(times_s, values, Kind.COUNTER, GRID)[:2] == pytest.approx([90.0, 90.0])


def test_no_samples_give_no_values():
    assert np.isnan(resample(np.empty(0), np.empty(0), Kind.MEAN, GRID)).all()


def slow_mean(times_s, values, grid, hold_s):
    """Second by second."""
    out = []
    for start_s in grid.starts_s():
        seconds = []
        for second in range(int(start_s), int(start_s) + grid.slot_s):
            before = [i for i, time_s in enumerate(times_s) if time_s <= second]
            if before and second < times_s[before[-1]] + hold_s and not math.isnan(values[before[-1]]):
                seconds.append(values[before[-1]])
        out.append(sum(seconds) / len(seconds) if 2 * len(seconds) >= grid.slot_s else nan)
    return out


@given(
    st.lists(
        st.tuples(st.integers(-20, 140), st.one_of(st.just(nan), st.integers(-50, 50))),
        min_size=2,
        max_size=12,
        unique_by=lambda pair: pair[0],
    ),
    st.integers(1, 60),
)
def test_the_mean_is_that_of_counting_seconds(pairs, hold_s):
    grid = TimeGrid(start_s=0, slot_s=30, count=4)
    times_s, values = arrays(*sorted(pairs))
    have = resample(times_s, values, Kind.MEAN, grid, hold_s=float(hold_s))
    closing = min(times_s[-1] - times_s[-2], hold_s)
    closed = np.append(times_s, times_s[-1] + closing), np.append(values, nan)
    assert have == pytest.approx(slow_mean(*closed, grid, hold_s), nan_ok=True, abs=1e-9)


@pytest.mark.parametrize(
    ("times_s", "values", "hold_s", "problem"),
    [
        (np.array([1.0, 0.0]), np.zeros(2), None, "must not decrease"),
        (np.array([0.0, 1.0]), np.zeros(3), None, "values must .*got 3"),
        (np.array([0.0, 1.0]), np.zeros(2), 0.0, "hold_s"),
    ],
)
def test_unfit_input_is_refused_by_name(times_s, values, hold_s, problem):
    with pytest.raises(ValueError, match=problem):
        resample(times_s, values, Kind.MEAN, GRID, hold_s)
