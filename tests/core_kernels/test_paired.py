"""Paired days: an interval that holds what it says, and verdicts that luck rarely brings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.paired import LEAST_DAYS, compared, student_ratio


def weather(rng: np.random.Generator, days: int, mean_eur: float) -> np.ndarray:
    """Differences that hang together from day to day (autocorrelation 0.2), spread 0.30 EUR."""
    found = np.empty(days)
    last = rng.normal()
    for day in range(days):
        last = 0.2 * last + math.sqrt(1.0 - 0.04) * rng.normal()
        found[day] = mean_eur + 0.3 * last
    return found


def test_two_alike_are_seldom_told_apart_and_thirty_cents_a_day_are_seen_in_a_month() -> None:
    rng = np.random.default_rng(7)
    alike = [compared(weather(rng, 30, 0.0)).verdict for _ in range(200)]
    cheaper = [compared(weather(rng, 30, -0.3)).verdict for _ in range(50)]
    assert sum(verdict != "not known yet" for verdict in alike) / 200 <= 0.10
    assert sum(verdict == "better" for verdict in cheaper) / 50 >= 0.9
    assert "worse" not in cheaper


def test_a_surer_interval_is_wider_around_the_same_mean() -> None:
    days = weather(np.random.default_rng(3), 28, 0.1)
    usual, surer = compared(days), compared(days, 0.99)
    assert usual.mean_eur == surer.mean_eur == pytest.approx(days.mean())
    assert surer.low_eur < usual.low_eur < usual.mean_eur < usual.high_eur < surer.high_eur


def test_the_interval_of_days_that_are_independent_is_that_of_the_textbook() -> None:
    """Student's t of 200 normal days: mean -+ 1.972 s / sqrt(n)."""
    days = np.random.default_rng(11).normal(0.05, 0.2, 200)
    found = compared(days)
    half_eur = 1.972 * days.std(ddof=1) / math.sqrt(200)
    assert found.high_eur - found.low_eur == pytest.approx(2 * half_eur, rel=0.15)


def test_few_degrees_of_freedom_widen_as_the_table_of_students_t_has_it() -> None:
    """t(0.975) is 2.228 with 10 degrees of freedom and 2.571 with 5; that of the normal distribution is 1.960."""
    assert student_ratio(0.025, 10) == pytest.approx(2.228 / 1.960, rel=0.002)
    assert student_ratio(0.025, 5) == pytest.approx(2.571 / 1.960, rel=0.01)


def test_before_two_weeks_nothing_is_known_however_clear_it_looks() -> None:
    found = compared(np.full(LEAST_DAYS - 1, -1.0))
    assert (found.verdict, found.high_eur) == ("not known yet", -1.0)
    assert compared(np.full(LEAST_DAYS, -1.0)).verdict == "better"
    assert compared(np.full(LEAST_DAYS, 1.0)).verdict == "worse"


@pytest.mark.parametrize("days", [[], [math.nan], [0.5], [0.5, math.nan]])
def test_less_than_two_days_have_no_interval(days: list[float]) -> None:
    found = compared(np.array(days))
    assert math.isnan(found.low_eur)
    assert found.verdict == "not known yet"


@given(st.lists(st.floats(-100.0, 100.0), min_size=2, max_size=40))
def test_who_is_compared_the_other_way_round_is_told_the_opposite(days: list[float]) -> None:
    differences = np.array(days)
    one, other = compared(differences), compared(-differences)
    assert one.low_eur == pytest.approx(-other.high_eur, abs=1e-9)
    assert one.low_eur <= one.high_eur
