import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core_kernels.quantiles import (
    conformal_offsets,
    coverage_frac,
    crossing_frac,
    empirical,
    mean_of,
    pinball,
    uncross,
)

FINITE = st.floats(-1e4, 1e4, allow_nan=False)


def test_pinball_of_known_errors():
    actual = np.array([10.0, 0.0])
    quantiles = np.array([[0.0, 10.0, 20.0], [5.0, 5.0, 5.0]])
    # by hand: level * error above, (1 - level) * error below
    assert pinball(actual, quantiles) == pytest.approx(((1.0 + 4.5) / 2, (0.0 + 2.5) / 2, (1.0 + 0.5) / 2))


def test_missing_rows_do_not_count():
    actual = np.array([1.0, np.nan, 3.0])
    quantiles = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [np.nan, 3.0, 4.0]])
    assert pinball(actual, quantiles) == pytest.approx((0.1, 0.0, 0.1))
    assert coverage_frac(actual, quantiles[:, 0], quantiles[:, 2]) == 1.0


def test_nothing_known_is_nan():
    nothing = np.full(2, np.nan)
    assert np.isnan(pinball(nothing, np.zeros((2, 3)))).all()
    assert np.isnan(coverage_frac(nothing, nothing, nothing))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="quantiles must have 2 rows"):
        pinball(np.zeros(2), np.zeros((3, 3)))


def test_crossing_is_counted_and_sorted_away():
    crossed = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    assert crossing_frac(crossed) == 0.5
    assert crossing_frac(uncross(crossed)) == 0.0
    assert crossing_frac(np.zeros((0, 3))) == 0.0


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, (6, 3), elements=FINITE), arrays(np.float64, 6, elements=FINITE))
def test_sorting_never_raises_the_pinball_loss(quantiles, actual):
    assert sum(pinball(actual, uncross(quantiles))) <= sum(pinball(actual, quantiles)) + 1e-6


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, (4, 7), elements=st.one_of(FINITE, st.just(np.nan))))
def test_empirical_is_numpys_nanquantile(samples):
    samples[:, 0] = 1.0
    expected = np.nanquantile(samples, (0.1, 0.5, 0.9), axis=1, method="weibull").T
    assert empirical(samples) == pytest.approx(expected, abs=1e-6)


def test_empirical_of_nothing_is_nan():
    assert np.isnan(empirical(np.full((2, 3), np.nan))).all()
    assert empirical(np.empty((2, 0))).shape == (2, 3)


def test_conformal_offsets_bring_the_held_out_coverage_to_80_percent():
    random = np.random.default_rng(0)
    actual = random.normal(size=4000)
    too_narrow = np.tile([-0.2, 0.3, 0.4], (4000, 1))
    shifted = too_narrow + np.asarray(conformal_offsets(actual, too_narrow))
    assert coverage_frac(actual, shifted[:, 0], shifted[:, 2]) == pytest.approx(0.8, abs=0.002)
    # the quantiles of the normal distribution
    assert shifted[0] == pytest.approx([-1.2816, 0.0, 1.2816], abs=0.06)
    assert conformal_offsets(np.full(1, np.nan), np.zeros((1, 3))) == (0.0, 0.0, 0.0)


def test_swansons_mean_is_near_the_mean_of_a_skewed_load():
    sample = np.random.default_rng(1).lognormal(0.0, 0.6, 100_000)
    p10, p50, p90 = (np.array([value]) for value in np.quantile(sample, (0.1, 0.5, 0.9)))
    assert mean_of(p10, p50, p90)[0] == pytest.approx(sample.mean(), rel=0.03)
    assert p50[0] < 0.9 * sample.mean()
