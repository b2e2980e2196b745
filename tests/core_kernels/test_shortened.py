"""The shortened polynomials keep their promised errors, compiled or not."""

import math

import pytest

from core_kernels import shortened


@pytest.mark.parametrize("x", [0.0, -1e-9, -0.3, -1.0, -2.7182818, -6.5, -10.0, 0.4, 3.0])
def test_decay_is_the_exponential(x):
    assert shortened.decay(x) == pytest.approx(math.exp(x), rel=2e-15)


def test_decay_is_all_but_nothing_far_below_zero_and_keeps_missing():
    assert 0.0 < shortened.decay(-math.inf) < 1e-300
    assert 0.0 < shortened.decay(-1e6) < 1e-300
    assert math.isnan(shortened.decay(math.nan))


@pytest.mark.parametrize("angle_deg", range(-720, 1081, 15))
def test_the_cosine_of_degrees(angle_deg):
    for part_deg in (0.0, 0.1, 7.3):
        want = math.cos(math.radians(angle_deg + part_deg))
        assert shortened.cos_deg(angle_deg + part_deg) == pytest.approx(want, abs=4e-15)


def test_the_cosine_of_a_missing_angle_is_missing():
    assert math.isnan(shortened.cos_deg(math.nan))


@pytest.mark.parametrize("step", range(4, 128))
def test_the_path_of_kasten_and_young(step):
    for x in (step, step + 0.37, step + 0.99):
        top, bottom = shortened.kasten_young(float(x))
        assert top / bottom == pytest.approx(0.50572 * x**-1.6364, rel=5e-14)


@pytest.mark.parametrize("step", range(2, 128))
def test_the_path_of_kasten(step):
    for x in (step, step + 0.37, step + 0.99):
        top, bottom = shortened.kasten(float(x))
        assert top / bottom == pytest.approx(0.15 * x**-1.253, rel=4e-14)
