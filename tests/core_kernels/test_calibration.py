import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core_kernels.calibration import (
    BIAS,
    BUCKETS,
    COUNT,
    ERROR,
    HIGH,
    INSIDE,
    LOW,
    SPREAD,
    Rule,
    applied,
    at_bound,
    buckets,
    fresh,
    judges,
    learned,
    sure_bias_w,
)

RULE = Rule(bound_w=300.0, step_ratio=0.1, memory_count=50.0)
POWER = st.floats(0.0, 5000.0)


def twin(state, where, rows, rule):
    """The docstring read off, outcome by outcome; recursive least squares as a weighted mean with a prior."""
    state = state.copy()
    forget = 1.0 - 1.0 / rule.memory_count
    for bucket, (actual, mean, p10, p90) in zip(where, rows, strict=True):
        if np.isnan([actual, mean, p10, p90]).any():
            continue
        row = state[bucket]
        row[COUNT] += 1.0
        share = max(1.0 / row[COUNT], 1.0 / rule.memory_count)
        row[INSIDE] = (1.0 - share) * row[INSIDE] + share * (p10 <= actual <= p90)
        row[ERROR] = (1.0 - share) * row[ERROR] + share * abs(actual - mean)
        step_w = rule.step_ratio * row[ERROR]
        row[LOW] = np.clip(row[LOW] + step_w * ((actual < p10) - 0.1), -rule.bound_w, rule.bound_w)
        row[HIGH] = np.clip(row[HIGH] + step_w * ((actual > p90) - 0.1), -rule.bound_w, rule.bound_w)
        weight = forget / row[SPREAD] + 1.0  # the information, of which each outcome adds one
        bias_w = (row[BIAS] * (weight - 1.0) + actual - mean) / weight
        row[BIAS], row[SPREAD] = np.clip(bias_w, -rule.bound_w, rule.bound_w), 1.0 / weight
    return state


def live(random, days, spread_w, *, shift_w=0.0, rule=RULE):
    """Outcomes of one bucket around a raw forecast of 1000 W +- 100 W, each said by the state of the moment."""
    state, said = fresh(), []
    for _ in range(days):
        p10, _, p90, _ = applied(state, np.array([5]), np.array([[900.0, 1000.0, 1100.0, 1000.0]]), 1e4)[0]
        actual = 1000.0 + shift_w + spread_w * random.standard_normal()
        said.append(p10 <= actual <= p90)
        state = learned(state, np.array([5]), np.array([[actual, 1000.0, p10, p90]]), rule)
    return state, np.array(said)


@settings(max_examples=40)
@given(
    arrays(np.float64, (30, 4), elements=POWER | st.just(float("nan"))),
    st.lists(st.integers(0, 2), min_size=30, max_size=30),
)
def test_the_kernel_learns_what_its_description_says(rows, places):
    where = np.array(places, dtype=np.int64)
    assert learned(fresh(), where, rows, RULE) == pytest.approx(twin(fresh(), where, rows, RULE), rel=1e-9, abs=1e-9)


def test_a_band_turned_inside_out_holds_nothing():
    state = learned(fresh(), np.array([0]), np.array([[500.0, 500.0, 900.0, 100.0]]), RULE)
    assert state[0, INSIDE] == 0.0


def test_a_band_that_is_too_narrow_or_too_wide_comes_to_hold_four_in_five():
    for spread_w in (20.0, 250.0):
        _, inside = live(np.random.default_rng(3), 3000, spread_w)
        assert inside[1000:].mean() == pytest.approx(0.8, abs=0.01)


def test_a_bias_is_found_and_chance_is_not_taken_for_one():
    state, _ = live(np.random.default_rng(4), 400, 100.0, shift_w=150.0)
    assert state[5, BIAS] == pytest.approx(150.0, abs=40.0)
    assert 0.0 < sure_bias_w(state)[5] < state[5, BIAS]
    state, _ = live(np.random.default_rng(5), 400, 100.0)
    assert sure_bias_w(state)[5] == 0.0


def test_an_hour_learns_for_itself_alone():
    state, _ = live(np.random.default_rng(6), 50, 250.0)
    assert state[5, COUNT] == 50.0
    assert np.array_equal(np.delete(state, 5, axis=0), np.delete(fresh(), 5, axis=0))


def test_what_is_missing_teaches_nothing():
    row = np.array([[np.nan, 1.0, 1.0, 1.0], [1.0, np.nan, 1.0, 1.0], [1.0, 1.0, np.nan, 1.0], [1.0, 1.0, 1.0, np.nan]])
    assert np.array_equal(learned(fresh(), np.zeros(4, dtype=np.int64), row, RULE), fresh())


def test_nothing_is_moved_beyond_the_bound_and_the_bound_is_told():
    where = np.zeros(2000, dtype=np.int64)
    rows = np.tile([9000.0, 0.0, 0.0, 100.0], (2000, 1))
    state = learned(fresh(), where, rows, RULE)
    assert state[0, HIGH] == state[0, BIAS] == 300.0
    assert state[0, LOW] == -300.0
    assert at_bound(state, 300.0).tolist() == [0]
    assert at_bound(fresh(), 300.0).size == at_bound(fresh(), 0.0).size == 0


@given(
    arrays(np.float64, (BUCKETS, 7), elements=st.floats(-4000.0, 4000.0)), arrays(np.float64, (48, 4), elements=POWER)
)
def test_what_is_said_stays_in_order_and_within_the_plant(state, raw):
    state[:, SPREAD], state[:, ERROR] = np.abs(state[:, SPREAD]), np.abs(state[:, ERROR])
    moved = applied(state, np.arange(48), raw, 5000.0)
    assert (np.diff(moved[:, :3], axis=1) >= 0.0).all()
    assert (moved >= 0.0).all()
    assert (moved <= 5000.0).all()


def test_without_anything_learned_the_forecast_is_the_models():
    raw = np.array([[100.0, 200.0, 400.0, 230.0], [0.0, 0.0, 0.0, 0.0]])
    assert np.array_equal(applied(fresh(), np.array([0, 71]), raw, 1000.0), raw)
    assert np.isnan(applied(fresh(), np.array([0]), np.full((1, 4), np.nan), 1000.0)).all()


def test_a_bucket_is_an_hour_and_a_band_of_the_horizon():
    ahead_s = np.array([0.0, 6 * 3600.0 - 1.0, 6 * 3600.0, 24 * 3600.0, 60 * 3600.0])
    assert buckets(np.array([0, 23, 0, 7, 7]), ahead_s).tolist() == [0, 23, 24, 55, 55]


def test_one_issue_a_band_judges_and_those_of_a_band_take_turns():
    issued_s = np.arange(0.0, 48 * 3600.0, 5 * 3600.0)
    start_s = 48 * 3600.0
    chosen = {judges(issued_s, start_s, turn) for turn in range(60)}
    ahead_h = {tuple((start_s - issued_s[list(each)]) / 3600.0) for each in chosen}
    assert {each[0] for each in ahead_h} == {3.0}
    assert {each[1] for each in ahead_h} == {8.0, 13.0, 18.0, 23.0}
    assert {each[2] for each in ahead_h} == {28.0, 33.0, 38.0, 43.0}
    assert judges(issued_s, -1.0, 0) == (), "an issue never judges what came before it"


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="rows must have 1 rows"):
        learned(fresh(), np.zeros(1, dtype=np.int64), np.zeros((2, 4)), RULE)
