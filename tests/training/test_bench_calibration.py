"""The calibration bench: made-up issues whose coverage is known."""

import numpy as np
import pytest

from training.bench.calibration import Issues, case_rows, hourly_coverage_frac, interval_score_w, judged

pytestmark = pytest.mark.training
DAY = 96


def issues(days: int, spread_w: float, *, is_pv: bool = False) -> Issues:
    """1000 W that are said to spread by 128 W of standard deviation, and spread by another; nights without PV."""
    random = np.random.default_rng(7)
    count = (days + 3) * DAY
    hour = np.arange(count) // 4 % 24
    light = (hour >= 6) & (hour < 18) if is_pv else np.ones(count, dtype=bool)
    first = np.arange(0, days * DAY, 20)
    raw_w = np.tile([836.0, 1000.0, 1164.0], (first.size, 192, 1))
    raw_w[~light[first[:, None] + np.arange(192)]] = 0.0
    actual_w = np.where(light, random.normal(1000.0, spread_w, count), 0.0)
    return Issues(first=first, raw_w=raw_w, actual_w=actual_w, hour=hour, cap_w=2000.0, is_pv=is_pv)


@pytest.fixture(scope="module")
def narrow():
    return judged(issues(150, 256.0))


def test_a_band_of_half_the_width_is_mended_in_nearly_every_hour(narrow):
    share, worst, score = case_rows("made", narrow)
    assert share.value > 85.0
    assert share.reference_value == 0.0
    assert worst.value < 4.0
    assert score.ok


def test_frozen_offsets_hold_where_nothing_changes(narrow):
    assert case_rows("made", narrow)[1].reference_value < 8.0


def test_raw_coverage_is_that_of_the_normal_distribution(narrow):
    assert hourly_coverage_frac(narrow, narrow.raw_w).mean() == pytest.approx(0.478, abs=0.02)  # erf(0.64 / sqrt 2)


def test_each_outcome_is_judged_once_a_band_by_issues_from_before(narrow):
    count = np.unique(narrow.slot, return_counts=True)[1]
    assert count.max() == 3
    assert (count[2 * DAY :] == 3).all()


def test_nights_are_not_judged():
    found = judged(issues(40, 256.0, is_pv=True))
    assert set(np.unique(found.bucket % 24).tolist()) == set(range(6, 18))


def test_the_interval_score_of_known_bands():
    actual_w = np.array([5.0, -1.0, 13.0])
    bands = np.tile([0.0, 5.0, 10.0], (3, 1))
    # widths of 10, and ten times the distance outside: 1 below, 3 above
    assert interval_score_w(actual_w, bands) == pytest.approx((10.0 + 20.0 + 40.0) / 3.0)
