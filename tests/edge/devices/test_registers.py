"""Words and numbers: known patterns, round trips, and no value that was not there."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.devices.profile import WORDS
from edge.devices.profile_file import load_profile
from edge.devices.registers import (
    NO_VALUE,
    contributions,
    decode,
    decode_all,
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


@given(
    st.sampled_from(["u16", "s16", "u32", "s32", "u64", "s64"]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["big", "little"]),
)
def test_integers_survive_the_wire(kind, bits, order):
    count = WORDS[kind]
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


KINDS = ("u16", "s16", "u32", "s32", "u64", "s64", "f32")


@st.composite
def registers(draw):
    """A point of any type, order, scale, offset and sign, and an exponent for it."""
    kind = draw(st.sampled_from(KINDS))
    return replace(
        POWER,
        type=kind,
        words=WORDS[kind],
        scale=draw(st.sampled_from([0.001, 0.01, 0.1, 1.0, 10.0, 100.0])),
        offset=draw(st.sampled_from([0.0, -100.0])),
        sign=draw(st.sampled_from([1, -1])),
        sentinels=(),
        word_order=draw(st.sampled_from([None, "big", "little"])),
    ), draw(st.integers(-3, 3))


@given(registers(), st.integers(0, 2**64 - 1), st.sampled_from(["big", "little"]))
def test_a_value_that_was_decoded_goes_back_to_its_words(register, bits, order):
    point, exponent = register
    # Within 2**40 a float64 holds the number, its offset and its scale without losing a unit.
    number = bits % 2 ** min(16 * point.words - 1, 40)
    pattern = pattern_from_number(float(number), point.type)
    words = split_words(pattern, point.words, point.order(order))
    value = decode(point, words, order, exponent)
    if point.type != "f32":
        assert encode(point, value, order, exponent) == words
    again = decode(point, encode(point, value, order, exponent), order, exponent)
    assert again == pytest.approx(value, rel=1e-6, abs=1e-4 * 10.0**exponent)


@given(st.integers(1, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_masked_value_leaves_the_other_bits_alone(mask, number, base):
    point = replace(POWER, type="u16", words=1, scale=1.0, mask=mask, sentinels=())
    number = (number & mask) // (mask & -mask)
    point = replace(POWER, type="u16", words=1, scale=1.0, mask=mask, sentinels=())
    words = encode(point, float(number), "big", base=base)
    assert words[0] & ~mask == base & ~mask
    assert decode(point, words, "big") == number


def test_a_value_that_its_mask_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="does not fit into mask 0x30"):
        encode(replace(POWER, type="u16", words=1, scale=1.0, mask=0x30), 4.0, "big")


def test_a_number_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match="does not fit into f32"):
        pattern_from_number(1e39, "f32")


def test_a_split_value_joins_its_low_and_its_high_word():
    point = replace(POWER, address=78, high_address=80, scale=0.1, word_order=None)
    assert decode_all([point], {78: 0x86A0, 80: 0x0001}, "big")["pv_power"].value == pytest.approx(10000.0)


@pytest.mark.parametrize(
    ("factor", "value", "reason"),
    [
        (0x0002, 12300.0, ""),
        (0xFFFE, 1.23, ""),
        (0x8000, math.nan, "the device gives no scale factor"),
        (0x000B, math.nan, "the scale factor 11 is not one"),
        (0xFFF5, math.nan, "the scale factor -11 is not one"),
    ],
)
def test_a_scale_factor_counts_only_inside_its_range(factor, value, reason):
    scale = replace(POWER, name="sf", type="s16", words=1, address=9, scale=1.0, sentinels=(0x8000,))
    point = replace(POWER, name="w", type="s16", words=1, address=8, scale=1.0, scale_point="sf", sentinels=(0x8000,))
    found = decode_all([point, scale], {8: 123, 9: factor}, "big")["w"]
    assert found.value == pytest.approx(value, nan_ok=True)
    assert found.reason == reason


@pytest.mark.parametrize(("online", "value"), [(1, 123.0), (0, math.nan), (0xFFFF, math.nan)])
def test_a_value_counts_only_while_what_it_needs_is_not_zero(online, value):
    gate = replace(POWER, name="online", type="u16", words=1, address=9, scale=1.0, sentinels=(0xFFFF,))
    point = replace(POWER, name="w", type="s16", words=1, address=8, scale=1.0, needs="online", sentinels=())
    found = decode_all([point, gate], {8: 123, 9: online}, "big")["w"]
    assert found.value == pytest.approx(value, nan_ok=True)
    assert found.reason == ("" if online == 1 else f"{NO_VALUE} while online is 0")


def test_no_value_says_so():
    absent = replace(POWER, sentinels=(0xFFFFFFFF,), address=0)
    assert decode_all([absent], {0: 0xFFFF, 1: 0xFFFF}, "big")["pv_power"].reason == NO_VALUE


def test_a_signal_of_several_like_registers_is_shared_alike():
    assert contributions([METER, METER], -6.0) == (-3.0, -3.0)
