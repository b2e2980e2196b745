"""Values that arrived whole and are not true: torn halves, and counters that run backwards."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.profile_file import load_profile
from edge.devices.trust import Halves, Totals, can_tear

SPH = load_profile("growatt/sph")
POWER = SPH.by_name["grid_import_power"]  # u32, 0.1 W
TOTAL = SPH.by_name["grid_import_total"]  # u32, 0.1 kWh
WORD = 0x10000


def torn(before: int, after: int, high_is_new: bool) -> int:
    """What a reader gets that catches one word before and one after the update."""
    new, old = divmod(after, WORD), divmod(before, WORD)
    return new[0] * WORD + old[1] if high_is_new else old[0] * WORD + new[1]


@given(st.integers(0, 900_000), st.integers(-15_000, 15_000), st.booleans())
def test_a_torn_value_is_never_taken_and_the_next_read_is(before, step, high_is_new):
    after = max(before + step, 0)
    halves, wrong = Halves(), torn(before, after, high_is_new)
    assert halves.judge(POWER, before) == "good"
    if abs(wrong - before) >= WORD // 2:  # else both words are of one instant but for a natural step
        assert halves.judge(POWER, wrong) == "again"
    assert halves.judge(POWER, after) == "good"
    assert halves.judge(POWER, after) == "good"


def test_a_real_leap_is_taken_when_the_second_read_agrees():
    halves = Halves()
    assert halves.judge(POWER, 1_000) == "good"
    assert halves.judge(POWER, 70_000) == "again"
    assert halves.judge(POWER, 71_000) == "good"
    assert halves.judge(POWER, 70_000) == "good"


def test_two_reads_that_agree_with_nothing_are_torn_until_two_agree():
    halves = Halves()
    assert [halves.judge(POWER, raw) for raw in (0, 100_000, 300_000, 600_000, 600_100)] == [
        *("good", "again", "torn", "torn", "good")
    ]


@pytest.mark.parametrize(
    ("changes", "tears"),
    [
        ({}, True),
        ({"scale": 0.001}, False),  # a word is 65 W: no more than noise
        ({"type": "f32"}, False),
        ({"type": "u16", "words": 1}, False),
        ({"signal": ""}, True),
    ],
)
def test_only_whole_numbers_of_several_words_that_matter_can_tear(changes, tears):
    from dataclasses import replace

    assert can_tear(replace(POWER, **changes)) is tears


def judged(values_and_times: list[tuple[float, float]], point=TOTAL) -> list[bool]:
    totals = Totals()
    return [not totals.judge(point, value, time_s) for value, time_s in values_and_times]


def test_a_counter_that_counts_is_good():
    assert judged([(1000.0 + 100.0 * n, 120.0 * n) for n in range(10)]) == [True] * 10


def test_a_torn_counter_is_not_passed_on_and_the_next_reading_is():
    wh = 65_536 * 100.0
    assert judged([(wh - 100.0, 0.0), (2 * wh - 100.0, 120.0), (wh + 100.0, 240.0)]) == [True, False, True]
    assert judged([(wh - 100.0, 0.0), (0.0, 120.0), (wh + 100.0, 240.0)]) == [True, False, True]


def test_a_counter_that_was_reset_is_good_again_when_it_has_counted_on_for_a_minute():
    readings = [(5e6, 0.0), (100.0, 120.0), (100.0, 140.0), (200.0, 160.0), (200.0, 185.0), (300.0, 300.0)]
    assert judged(readings) == [True, False, False, False, True, True]


def test_a_counter_that_shows_0_for_hours_is_never_good():
    readings = [(5e6, 0.0), *((0.0, 120.0 * n) for n in range(1, 200)), (5e6 + 1000.0, 24_120.0)]
    assert judged(readings) == [True, *([False] * 199), True]


def test_a_leap_forward_is_not_passed_on():
    totals = Totals()
    assert totals.judge(TOTAL, 5e6, 0.0) == ""
    assert totals.judge(TOTAL, 9e6, 120.0) == "the counter leapt from 5e+06 to 9e+06"
    assert totals.judge(TOTAL, 5.001e6, 240.0) == ""


def test_a_full_register_is_told_from_a_reset():
    totals, full_wh = Totals(), 2.0**32 * 100.0
    assert totals.judge(TOTAL, full_wh - 200.0, 0.0) == ""
    assert "is full and began again" in totals.judge(TOTAL, 300.0, 120.0)


@given(st.lists(st.floats(0.0, 1e9), min_size=2, max_size=30))
def test_what_is_passed_on_right_after_a_good_reading_never_runs_backwards(values):
    totals, last_wh = Totals(), -math.inf
    for index, value in enumerate(values):
        good = not totals.judge(TOTAL, value, 10.0 * index)
        if good and totals.last(TOTAL).seen_count == 0 and index < 7:  # sooner than any reset can be confirmed
            assert value >= last_wh
            last_wh = value


def test_points_that_are_no_counters_are_not_judged_as_such():
    totals = Totals()
    assert [totals.judge(POWER, value, 0.0) for value in (5.0, -5.0)] == ["", ""]
    assert totals.last(POWER) is None
