"""Matrix exponential and zero-order hold against scipy and against what can be written down."""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.matrix_exp import expm, invert, zero_order_hold


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1, 2, 8, 14])
def test_the_exponential_is_scipys(seed, size):
    a = np.random.default_rng(seed).standard_normal((size, size)) * 10.0 ** (seed - 4)
    expected = scipy.linalg.expm(a)
    assert np.abs(expm(a) - expected).max() <= 1e-14 * max(1.0, np.linalg.norm(a, 1)) * np.abs(expected).max()


def test_a_stable_stiff_system_is_exact_to_1e_14():
    rng = np.random.default_rng(4)
    links = rng.uniform(0.0, 1.0, (8, 8))
    a = links + links.T
    a -= np.diag(a.sum(axis=1) + 0.01)
    for dt_s in (0.01, 1.0, 12.0):
        assert np.abs(expm(a * dt_s) - scipy.linalg.expm(a * dt_s)).max() <= 1e-14


def test_a_nilpotent_matrix_is_exact():
    a = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert expm(a).tolist() == [[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]


@given(st.floats(-20.0, 3.0))
def test_one_element_is_the_common_exponential(x):
    assert expm(np.array([[x]]))[0, 0] == pytest.approx(math.exp(x), rel=1e-13)


def test_the_hold_of_one_room_is_known():
    # dT/dt = (Tout - T) / tau: T relaxes with exp(-dt/tau)
    step, effect = zero_order_hold(np.array([[-1.0 / 7200.0]]), np.array([[1.0 / 7200.0]]), 3600.0)
    assert step[0, 0] == pytest.approx(math.exp(-0.5), rel=1e-15)
    assert effect[0, 0] == pytest.approx(1.0 - math.exp(-0.5), rel=1e-15)


def test_the_hold_is_that_of_the_augmented_matrix_in_scipy():
    rng = np.random.default_rng(9)
    a, b = rng.standard_normal((8, 8)) - 4.0 * np.eye(8), rng.standard_normal((8, 6))
    augmented = np.zeros((14, 14))
    augmented[:8, :8], augmented[:8, 8:] = a, b
    expected = scipy.linalg.expm(augmented * 0.7)
    step, effect = zero_order_hold(a, b, 0.7)
    assert np.abs(step - expected[:8, :8]).max() <= 1e-14
    assert np.abs(effect - expected[:8, 8:]).max() <= 1e-14


def test_an_integrator_has_a_hold_too():
    step, effect = zero_order_hold(np.zeros((1, 1)), np.ones((1, 1)), 60.0)
    assert (step[0, 0], effect[0, 0]) == (1.0, 60.0)


def test_two_half_steps_are_one():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((5, 5))
    assert expm(a) == pytest.approx(expm(0.5 * a) @ expm(0.5 * a), rel=1e-12, abs=1e-12)


def test_missing_stays_missing():
    a = np.eye(3)
    a[1, 2] = math.nan
    assert np.isnan(expm(a)).all()
    assert np.isnan(zero_order_hold(a, np.ones((3, 1)), 1.0)[1]).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_inverse_is_numpys(seed):
    a = np.random.default_rng(seed).standard_normal((6, 6))
    out = np.empty((6, 6))
    invert(a.copy(), out)
    assert out == pytest.approx(np.linalg.inv(a), rel=1e-9, abs=1e-10)


def test_wrong_shapes_are_named():
    with pytest.raises(TypeError, match="a must be a float64 matrix"):
        expm([[1.0]])
    with pytest.raises(ValueError, match="a must have 3 rows"):
        expm(np.ones((2, 3)))
    with pytest.raises(ValueError, match="b must have 2 rows"):
        zero_order_hold(np.eye(2), np.ones((3, 1)), 1.0)
    with pytest.raises(ValueError, match="dt_s"):
        zero_order_hold(np.eye(2), np.ones((2, 1)), -1.0)
