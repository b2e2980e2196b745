"""What a request costs: expected by the line's rate, then fitted to what it took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.cost import CostFit, RequestCost, expected_cost


def test_at_9600_baud_a_word_takes_2_08_ms_and_100_words_a_quarter_of_a_second():
    cost = expected_cost(9600)  # shared/hardware/design.md: 2.08 ms a word, 225 ms for 100 words and 14 ms fixed
    assert cost.word_s == pytest.approx(0.00208, rel=0.01)
    assert cost.of(100) == pytest.approx(0.225, abs=0.02)


def test_a_paced_device_makes_words_free_until_its_period_is_full():
    cost = RequestCost(fixed_s=0.03, word_s=0.002, period_s=0.85)
    assert cost.of(1) == cost.of(125) == 0.85
    assert cost.of(1000) == pytest.approx(2.03)


def test_nothing_measured_is_the_expectation():
    assert CostFit(9600).cost == expected_cost(9600)


@given(st.floats(1e-3, 0.5), st.floats(1e-5, 1e-2), st.permutations([1, 10, 40, 125]))
def test_the_fit_finds_fixed_part_and_slope_and_does_not_see_late_answers(fixed_s, word_s, counts):
    fit = CostFit(0)
    for turn in range(8):
        for count in counts:
            late_s = 5.0 if turn == 3 else 0.0
            fit.note(count, fixed_s + word_s * count + late_s)
    assert fit.cost.fixed_s == pytest.approx(fixed_s, rel=1e-6, abs=1e-9)
    assert fit.cost.word_s == pytest.approx(word_s, rel=1e-6, abs=1e-9)


def test_one_length_alone_moves_the_fixed_part_only():
    fit = CostFit(9600)
    fit.note(40, 0.3)
    assert fit.cost.word_s == expected_cost(9600).word_s
    assert fit.cost.of(40) == pytest.approx(0.3)


def test_noise_never_makes_words_or_requests_earn_time():
    fit = CostFit(0)
    fit.note(100, 0.001)
    fit.note(1, 0.05)
    assert fit.cost.word_s == 0.0
    assert fit.cost.fixed_s > 0.0


def test_old_lengths_and_old_times_are_forgotten():
    fit = CostFit(0)
    for count in range(1, 125):
        fit.note(count, 1.0)
    assert len(fit._times_s) == 24
    for turn in range(16 * 24):
        fit.note(101 + turn % 24, 0.01)
    assert fit.cost.of(124) == pytest.approx(0.01)
