"""Cross-channel suspicion: frozen channels, wrong units, wrong signs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.flags import Flag
from core_kernels.suspicion import flag_frozen, suspect_factor, suspect_signs, suspect_temperature

nan = math.nan
EXPECTED_W = 2000.0 + 1500.0 * np.sin(0.2 * np.arange(200.0))
NOISE = np.random.default_rng(5).normal(1.0, 0.03, 200)


def slow_frozen(values, witness, count, resolution, movement):
    found, start = [0] * len(values), 0
    for i in range(len(values) + 1):
        if start < i < len(values) and abs(values[i] - values[start]) <= resolution:
            continue
        known = [w for w in witness[start:i] if not math.isnan(w)]
        if i - start >= count and known and max(known) - min(known) >= movement:
            found[start:i] = [int(Flag.STUCK)] * (i - start)
        start = i
    return found


ROWS = st.lists(
    st.tuples(st.sampled_from([nan, 0.0, 0.0, 0.1, 1.0]), st.sampled_from([nan, 0.0, 1.0, 2.0])), max_size=40
)


@given(ROWS, st.integers(2, 6))
def test_frozen_runs_are_those_of_the_slow_twin(rows, count):
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    values, witness = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
    want = slow_frozen(values.tolist(), witness.tolist(), count, 0.15, 1.0)
    assert flag_frozen(values, witness, count, 0.15, 1.0).tolist() == want


def test_a_channel_that_rests_with_its_witness_is_good():
    night, day = np.zeros(50), EXPECTED_W[:50]
    assert not flag_frozen(np.zeros(50), night, 10, 1.0, 100.0).any()
    assert flag_frozen(np.zeros(50), day, 10, 1.0, 100.0).all()


@pytest.mark.parametrize("factor", [1.0, -1.0, 1000.0, 0.001, -0.1, 4.0, 3.6])
def test_a_usual_factor_and_sign_are_recognised(factor):
    suspicion = suspect_factor(factor * EXPECTED_W * NOISE, EXPECTED_W)
    assert suspicion.factor == factor
    assert suspicion.confidence_frac > 0.95


def test_an_unusual_ratio_is_no_suspicion():
    assert suspect_factor(2.0 * EXPECTED_W, EXPECTED_W) == (1.0, 0.0, 0.0)
    assert suspect_factor(0.0 * EXPECTED_W, EXPECTED_W) == (1.0, 0.0, 0.0)


def test_few_samples_say_nothing():
    few = np.full(200, nan)
    few[:10] = 1.0
    assert math.isnan(suspect_factor(few, EXPECTED_W).confidence_frac)
    assert math.isnan(suspect_factor(np.full(200, nan), EXPECTED_W).confidence_frac)
    assert math.isnan(suspect_temperature(few, EXPECTED_W).confidence_frac)


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1.8, 32.0), (1.0, 273.15)])
def test_fahrenheit_and_kelvin_are_recognised(factor, offset):
    outdoor_c = 8.0 + 7.0 * np.sin(0.1 * np.arange(200.0))
    suspicion = suspect_temperature(factor * (outdoor_c + NOISE) + offset, outdoor_c)
    assert (suspicion.factor, suspicion.offset) == (factor, offset)
    assert suspicion.confidence_frac > 0.95


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, 1, -1), (-1, 1, -1)])
def test_turned_signs_are_found_by_the_balance(signs):
    random = np.random.default_rng(9)
    pv_w, battery_w = random.uniform(0.0, 5000.0, 300), random.uniform(-2500.0, 2500.0, 300)
    load_w = random.uniform(200.0, 3000.0, 300)
    grid_w = load_w - pv_w - battery_w
    grid_w[7] = nan
    read = tuple(sign * power for sign, power in zip(signs, (grid_w, pv_w, battery_w), strict=True))
    found, ratio = suspect_signs((*read, load_w + random.normal(0.0, 20.0, 300)))
    assert found == signs
    assert ratio == 1.0 if signs == (1, 1, 1) else ratio < 0.1


def test_no_known_row_says_nothing():
    nothing = np.full(3, nan)
    assert math.isnan(suspect_signs((nothing, nothing, nothing, nothing))[1])


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: flag_frozen(np.zeros(3), np.zeros(2), 3, 0.0, 1.0), "witness must .*got 2"),
        (lambda: flag_frozen(np.zeros(3), np.zeros(3), 1, 0.0, 1.0), "run_count"),
        (lambda: suspect_factor(np.zeros(3), np.zeros(2)), "expected must .*got 2"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
