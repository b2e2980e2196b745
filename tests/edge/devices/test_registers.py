"""Words and numbers: known patterns, round trips, and no value that was not there."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.profile_file import load_profile
from edge.devices.registers import (
    contributions,
    decode,
    encode,
    join_words,
    number_from_pattern,
    pattern_from_number,
    split_words,
    text_from_words,
)

SPH = load_profile("growatt/sph")
POWER = SPH.by_name["pv_power"]
METER = load_profile("eastron/sdm630").by_name["power_total"]


@pytest.mark.parametrize(
    ("pattern", "kind", "number"),
    [
        (0xFFFF, "u16", 65535.0),
        (0xFFFF, "s16", -1.0),
        (0x8000, "s16", -32768.0),
        (0xFFFFFFFF, "u32", 4294967295.0),
        (0xFFFFFFFF, "s32", -1.0),
        (0x42F6E979, "f32", 123.45600128173828),  # IEEE 754 single of 123.456
    ],
)
def test_known_patterns(pattern, kind, number):
    assert number_from_pattern(pattern, kind) == number
    assert pattern_from_number(number, kind) == pattern


@given(st.sampled_from(["u16", "s16", "u32", "s32"]), st.integers(0, 2**32 - 1), st.sampled_from(["big", "little"]))
def test_integers_survive_the_wire(kind, bits, order):
    count = 1 if kind.endswith("16") else 2
    pattern = bits % 2 ** (16 * count)
    words = split_words(pattern, count, order)
    assert join_words(words, order) == pattern
    assert pattern_from_number(number_from_pattern(pattern, kind), kind) == pattern


def test_little_word_order_sends_the_low_word_first():
    assert split_words(0x00012345, 2, "little") == (0x2345, 0x0001)


def test_sentinels_and_float_nan_are_missing_never_zero():
    absent = replace(POWER, sentinels=(0xFFFFFFFF,))
    assert math.isnan(decode(absent, (0xFFFF, 0xFFFF), "big"))
    assert math.isnan(decode(METER, (0x7FC0, 0x0000), "big"))
    assert math.isnan(decode(METER, (0x7F80, 0x0000), "big"))
    assert math.isnan(decode(SPH.by_name["firmware"], (0x4141,) * 6, "big"))


@pytest.mark.parametrize(
    ("number", "kind"), [(-1, "u16"), (65536, "u16"), (40000, "s16"), (math.nan, "u32"), (1, "str")]
)
def test_what_does_not_fit_is_refused(number, kind):
    with pytest.raises(ValueError, match="fit|not a number"):
        pattern_from_number(number, kind)


@given(st.floats(-50_000, 50_000))
def test_a_signal_of_two_registers_is_their_sum(battery_w):
    points = SPH.signals()["battery_w"]
    parts = contributions(points, battery_w)
    wire = [encode(point, part, "big") for point, part in zip(points, parts, strict=True)]
    back = sum(decode(point, words, "big") for point, words in zip(points, wire, strict=True))
    assert back == pytest.approx(battery_w, abs=0.0501)


def test_one_register_takes_the_whole_signal():
    assert contributions([METER], -5.0) == (-5.0,)


def test_text_drops_padding_and_hides_noise():
    assert text_from_words((0x4142, 0x4300)) == "ABC"
    assert text_from_words((0x41FF, 0x0742)) == "A??B"
