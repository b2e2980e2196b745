"""The questions of commissioning as pure functions: costs, shifts, word orders, clocks, balances, pulses."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liars import SPH

from edge.config_links import Link
from edge.devices.commissioning.balance import Change, explanations, judge_balance
from edge.devices.commissioning.blocks import Run, runs_of, shift_of
from edge.devices.commissioning.deviceclock import judge_clock
from edge.devices.commissioning.orders import judge_order, vote
from edge.devices.commissioning.pulse_verdict import Pulse, Sample, judge_pulses
from edge.devices.commissioning.report import Check, Report
from edge.devices.commissioning.wire import compare_settings, fit_cost, judge_replay
from edge.devices.cost import RequestCost
from edge.devices.planner import plan_reads
from edge.devices.profile_file import load_profile
from edge.devices.registers import encode, split_words

METER = load_profile("eastron/sdm630")


# --- what a request costs ---------------------------------------------------------------------------------------------


@given(st.floats(0.0, 2.0), st.floats(0.0, 0.01))
def test_the_fit_finds_the_costs_that_made_the_durations(fixed_s, per_word_s):
    counts = [4, 20, 60, 97, 125]
    cost = fit_cost(counts, [fixed_s + per_word_s * count for count in counts])
    assert cost.fixed_s == pytest.approx(fixed_s, abs=1e-6)
    assert cost.per_word_s == pytest.approx(per_word_s, abs=1e-6)


def test_a_fit_of_one_length_or_of_falling_durations_never_goes_below_zero():
    assert fit_cost([2, 2], [0.1, 0.3]) == (0.2, 0.0)
    assert fit_cost([1, 100], [0.5, 0.1]).per_word_s == 0.0


# --- block against pieces ---------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 0xFFFF), min_size=12, max_size=40, unique=True), st.data())
def test_a_shift_is_seen_whatever_the_words_are(words, data):
    start = data.draw(st.integers(4, len(words) - 4))
    early = data.draw(st.integers(0, 4))
    run = Run(start=start, count=3, name="x")
    device = words[start : start + 3]
    whole = [*words[: start - early], *device, *words[start + 3 :], *[0] * early]
    assert shift_of(whole, run, device) == early


def test_empty_registers_tell_nothing():
    assert shift_of([0] * 20, Run(start=10, count=4, name="x"), [0] * 4) is None


def test_every_point_of_a_block_with_gaps_lies_in_one_run_and_no_run_spans_a_gap():
    for profile in (SPH, METER):
        for block in plan_reads(profile.points, profile.link, RequestCost(fixed_s=1.0, word_s=0.0)):
            runs = runs_of(block, profile.link.align_words)
            spans = [range(block.address + run.start, block.address + run.start + run.count) for run in runs]
            held = [point for point in block.points if any(point.address in s and point.last in s for s in spans)]
            assert len(runs) == 1 or len(held) == len(block.points)
            assert all(run.start % profile.link.align_words == 0 for run in runs)


# --- word order -------------------------------------------------------------------------------------------------------


@given(st.floats(1.0, 90_000.0), st.sampled_from(["big", "little"]))
def test_a_power_votes_for_the_order_in_which_it_was_sent(power_w, order):
    point = SPH.by_name["pv_power"]
    words = encode(point, power_w, order)
    other = "little" if order == "big" else "big"
    assert vote(point, words, order) >= 0
    assert vote(point, words, other) <= 0
    if power_w < 6000.0 and words != words[::-1] and power_w > 26.0:
        assert vote(point, words, order) == 1


@given(st.floats(0.5, 1e6), st.sampled_from([1.0, -1.0]))
def test_a_float_read_the_wrong_way_round_never_wins(value, sign):
    point = METER.by_name[next(p.name for p in METER.points if p.type == "f32")]
    words = encode(point, sign * value, "big")
    assert vote(point, words, "big") >= vote(point, words, "little")


def test_one_strange_value_among_many_is_a_finding_and_no_refusal():
    points = [point for point in SPH.points if point.type == "u32"][:4]
    found = [(point, split_words(500, 2, "big"), "big") for point in points[:3]]
    check = judge_order([*found, (points[3], (500, 0), "big")])
    assert (check.state, check.data["against"]) == ("finding", [points[3].name])
    assert judge_order([]).state == "unknown"


# --- the device's clock -----------------------------------------------------------------------------------------------

NOON = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()
CLOCK = [SPH.by_name[name] for name in SPH.clock]


@pytest.mark.parametrize(
    ("fields", "zone", "state", "words"),
    [
        ((2026, 6, 1, 14, 0, 30), "Europe/Prague", "ok", "30 s fast of Europe/Prague"),
        ((26, 6, 1, 13, 55, 0), "Europe/Prague", "finding", "5 min slow of Europe/Prague"),
        ((2026, 6, 1, 13, 0, 0), "Europe/Prague", "finding", "60 min slow of Europe/Prague"),
        ((2026, 6, 1, 14, 0, 30), None, "ok", "30 s fast of UTC+2.00 h"),
        ((2020, 1, 1, 0, 0, 0), "UTC", "finding", "h slow of UTC"),
        ((2026, 13, 1, 0, 0, 0), "UTC", "finding", "which is no time"),
        ((math.nan,) * 6, "UTC", "finding", "which is no time"),
    ],
)
def test_a_device_clock_is_judged(fields, zone, state, words):
    check = judge_clock(fields, NOON, ZoneInfo(zone) if zone else None, CLOCK)
    assert check.state == state
    assert words in check.text
    assert ("holding 45..50" in check.advice) == (state == "finding")


# --- the balance ------------------------------------------------------------------------------------------------------

TRUTH = [
    {
        "pv_w": 3000.0 + 40.0 * i,
        "battery_w": -1200.0 - 10.0 * i,
        "grid_w": -1000.0 - 25.0 * i,
        "load_w": 800.0 + 5.0 * i,
    }
    for i in range(20)
]


def seen(**factors: float) -> list[dict[str, float]]:
    return [{name: value * factors.get(name, 1.0) for name, value in row.items()} for row in TRUTH]


def test_a_house_that_adds_up_passes():
    check = judge_balance(TRUTH)
    assert check.state == "ok"
    assert "within 0 W over 20 readings" in check.text


@pytest.mark.parametrize("name", ["battery_w", "grid_w"])
@pytest.mark.parametrize("factor", [-1.0, 10.0, 0.1, -0.1])
def test_a_wrong_sign_or_scale_of_one_signal_is_the_only_explanation(name, factor):
    assert explanations(seen(**{name: factor})) == [(Change(signal=name, factor=1.0 / factor),)]
    assert judge_balance(seen(**{name: factor})).state == "refuse"


def test_two_wrong_signs_are_named_together():
    check = judge_balance(seen(battery_w=-1.0, grid_w=-1.0))
    assert "battery_w has the wrong sign and grid_w has the wrong sign" in check.text


def test_values_that_do_not_balance_are_not_shrunk_until_they_do():
    rows = [{"pv_w": 3000.0 + i, "battery_w": 0.0, "grid_w": 0.0, "load_w": 800.0} for i in range(20)]
    check = judge_balance(rows)
    assert (check.state, check.data["explanations"]) == ("refuse", [])
    assert "no wrong sign or scale explains it" in check.text


def test_a_second_inverter_is_no_wrong_sign():
    rows = [{**row, "load_w": row["load_w"] + 600.0 + 17.0 * index} for index, row in enumerate(TRUTH)]
    check = judge_balance(rows)
    assert (check.state, check.data["explanations"]) == ("refuse", [])
    assert "second inverter" in check.advice


def test_what_stands_still_cannot_be_told():
    rows = [{**row, "battery_w": 0.0, "grid_w": row["load_w"] - row["pv_w"]} for row in TRUTH]
    check = judge_balance(rows)
    assert check.state == "unknown"
    assert "battery_w stayed under 150 W" in check.text


def test_without_a_load_register_a_house_that_feeds_is_refused():
    rows = [{name: value for name, value in row.items() if name != "load_w"} for row in TRUTH]
    assert judge_balance(rows).state == "unknown"
    feeding = [{**row, "grid_w": 3.0 * row["grid_w"]} for row in rows]
    assert judge_balance(feeding).state == "refuse"
    assert judge_balance(rows[:2]).state == "unknown"


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_that_cannot_be_watched_are_said_so():
    assert compare_settings({}, {}).state == "unknown"
    assert compare_settings({"a": (1,)}, {"a": (1,)}).state == "ok"
    assert "a 1 -> 2" in compare_settings({"a": (1,)}, {"a": (2,)}).text


def test_silence_is_a_finding_and_a_foreign_answer_a_refusal():
    assert judge_replay(12, [], 0).state == "ok"
    assert judge_replay(12, [], 2).text == "2 of 12 requests were not answered"
    assert judge_replay(12, ["3 words came for 2 asked"], 2).state == "refuse"


# --- pulses -----------------------------------------------------------------------------------------------------------

PULSES = [Pulse(start_s=100.0 + 120.0 * i, power_w=w) for i, w in enumerate((-1000.0, -500.0, 500.0, 1000.0))]


def house(*, battery=1.0, grid=1.0, does=1.0, dead_s=4.0, leg_frac=1.0, load_w=lambda time_s: 800.0) -> list[Sample]:
    """What is read while a battery does ``does`` of each command: readings times ``battery`` and ``grid``."""
    samples = []
    for step in range(300):
        time_s = 2.0 * step
        told = next((p.power_w for p in reversed(PULSES) if time_s >= p.start_s + dead_s), 0.0)
        own_w = does * told
        bus_w = own_w * (leg_frac if own_w > 0.0 else 1.0 / leg_frac)
        samples.append(
            Sample(time_s=time_s, battery_w=battery * own_w, grid_w=grid * (load_w(time_s) - bus_w), soc_frac=0.5)
        )
    return samples


def test_a_battery_that_obeys_passes_with_its_dead_time():
    check = judge_pulses(house(dead_s=6.0), PULSES)
    assert check.state == "ok"
    assert check.data["battery_per_told"] == pytest.approx(1.0)
    assert check.data["dead_time_s"] == pytest.approx(6.0, abs=2.0)
    assert check.data["efficiency_frac"] == pytest.approx(1.0)


def test_conversion_is_seen_where_the_registers_count_in_the_cells():
    check = judge_pulses(house(leg_frac=0.95), PULSES)
    assert check.state == "ok"
    assert check.data["efficiency_frac"] == pytest.approx(0.95**2, abs=0.005)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"battery": -1.0}, "battery_w has the wrong sign"),
        ({"grid": -1.0}, "grid_w has the wrong sign"),
        ({"does": -1.0}, "commands go the wrong way"),
        ({"does": 0.5}, "the battery does 50% of what it is told"),
        ({"battery": 0.1}, "battery_w shows 10% of what the meter confirms"),
        ({"does": 0.0}, "the commands had no effect"),
    ],
)
def test_every_lie_has_its_own_name(lie, words):
    check = judge_pulses(house(**lie), PULSES)
    assert check.state == "refuse"
    assert words in check.text


def test_a_restless_house_leaves_the_question_open():
    check = judge_pulses(house(load_w=lambda time_s: 3000.0 if 220.0 < time_s < 340.0 else 300.0), PULSES)
    assert check.state == "unknown"
    assert "load moved too much" in check.text


def test_too_few_readings_leave_the_question_open():
    assert judge_pulses(house()[:120], PULSES).state == "unknown"


# --- the report -------------------------------------------------------------------------------------------------------


def report(*states: str) -> Report:
    checks = tuple(Check(name=str(index), state=state, text="") for index, state in enumerate(states))
    link = Link(profile="a/b", url="tcp://x")
    return Report(time_s=0.0, link=link, serial_number="", firmware="", checks=checks)


@pytest.mark.parametrize(
    ("states", "verdict"),
    [((), "ok"), (("ok", "unknown"), "ok"), (("ok", "finding"), "finding"), (("finding", "refuse", "ok"), "refuse")],
)
def test_the_worst_check_is_the_verdict(states, verdict):
    assert report(*states).verdict == verdict
    assert report(*states).body()["verdict"] == verdict
    assert report().body()["time_utc"] == "1970-01-01T00:00:00+00:00"
