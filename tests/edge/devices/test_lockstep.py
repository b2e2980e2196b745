"""Answers that come late, twice or for another question: length and constant tell them apart, for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lagging_device import NAME, SERIAL_NUMBER, SPH, URLS, Device, Now, link_to, outcomes
from memory_wire import connect_to
from wires import rtu, words_pdu

from edge.devices.bus import Link
from edge.devices.lockstep import Lockstep
from edge.devices.profile_file import load_profile
from edge.devices.transport import parse_url
from edge.errors import DeviceMismatch, DeviceRejected, DeviceUnreachable

METER = load_profile("eastron/sdm630").link


PLANS = {
    "one block": [("input", 1000, 40)],
    "one word": [("input", 1000, 1)],
    "two of one length": [("input", 1000, 40), ("input", 0, 40)],
    "three of one length": [("input", 1000, 9), ("input", 0, 9), ("input", 1040, 9)],
    "a whole window": [("input", 0, 125)],
    "two whole windows": [("input", 0, 125), ("input", 1000, 125)],
    "the end of a window": [("input", 1120, 5), ("input", 1115, 10)],
    "both functions": [("input", 1000, 7), ("holding", 1070, 7)],
    "with the serial number": [("input", 1000, 5), ("holding", 23, 5), ("holding", 1080, 5)],
}


@pytest.mark.parametrize("kind", ["serial", "tcp"])
@pytest.mark.parametrize("lag", [1, 2])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_stream_that_lags_by_one_or_two_answers_for_ever_never_brings_a_wrong_word(plan, known, lag, kind):
    device = Device(kind)
    link = link_to(device)
    if known:
        link.know(1, SERIAL_NUMBER, NAME)
    assert set(outcomes(link, device, plan, 5)) == {"right"}
    device.lag = lag
    assert "right" not in (lagging := outcomes(link, device, plan, 60)[lag:])
    assert "WRONG" not in lagging
    device.lag = 0
    assert "right" in outcomes(link, device, plan[:1], 2)
    assert set(outcomes(link, device, plan, 5)) == {"right"}


@pytest.mark.parametrize("lag", [1, 2])
def test_a_device_that_refuses_every_longer_read_is_told_apart_as_well(lag):
    device = Device("serial", refuses=lambda address, count: count > 4 and address == 1000)
    link = link_to(device)
    plan = [("input", 1000, 4)]
    assert set(outcomes(link, device, plan, 6)) == {"right"}
    device.lag = lag
    assert "WRONG" not in outcomes(link, device, plan, 60)


def test_a_device_that_is_silent_for_longer_reads_is_asked_plainly_in_the_end():
    device = Device("serial")
    link = link_to(device)
    found = []
    for _ in range(30):
        device.silent = False
        plain = device.script

        def only_plain(frame, plain=plain):
            reply = plain(frame)
            return reply if device.lengths[-1][1] <= 4 else []

        link._connect = connect_to(only_plain)
        link.close()
        found += outcomes(link, device, [("input", 1000, 4)], 1)
    assert "WRONG" not in found
    assert set(found[-15:]) == {"right"}


FACTS = [SPH, METER, replace(SPH, max_read_words=3), replace(SPH, gap_words=1), replace(METER, sunspec_bases=(0,))]
blocks = st.tuples(st.sampled_from(["input", "holding"]), st.integers(1000, 1060), st.integers(1, 64))


@given(st.lists(blocks, min_size=1, max_size=12), st.sampled_from(FACTS))
def test_three_reads_in_a_row_of_one_function_never_ask_for_one_length(plan, facts):
    device = Device("serial")
    link = link_to(device, facts)
    assert set(outcomes(link, device, plan, 3)) == {"right"}
    for function in (3, 4):
        lengths = [count for code, count in device.lengths if code == function]
        assert all(one != other for one, other in pairwise(lengths))
        assert all(one != other for one, other in zip(lengths, lengths[2:], strict=False))


def test_nothing_more_is_asked_for_where_lengths_differ_by_themselves():
    device = Device("serial")
    outcomes(link_to(device), device, [("input", 1000, 32), ("input", 0, 95), ("input", 1040, 60)], 3)
    assert [count for _, count in device.lengths] == [32, 95, 60] * 3


def test_one_block_alone_turns_through_three_lengths():
    device = Device("tcp")
    outcomes(link_to(device, METER), device, [("input", 52, 2)], 6)
    assert [count for _, count in device.lengths] == [2, 4, 6, 2, 4, 6]


def test_one_late_answer_costs_one_request():
    device = Device("serial")
    late: list[bytes] = []

    def script(frame):
        reply = device.script(frame)
        if len(device.pdus) == 6:  # past the timeout and past the drain, into the question after
            late.extend(reply)
            return []
        return [late.pop(), *reply] if late else reply

    link = Link(parse_url(URLS["serial"], SPH), SPH, Now(), connect=connect_to(script))
    link.know(1, SERIAL_NUMBER, NAME)
    found = outcomes(link, device, [("input", 1000, 3)], 12)
    assert found == ["right"] * 5 + ["DeviceUnreachable"] + ["right"] * 6


def test_four_silent_reads_whose_answers_all_come_late_bring_no_wrong_word():
    device = Device("serial")
    late: list[bytes] = []

    def script(frame):
        reply = device.script(frame)
        if 4 <= len(device.pdus) < 9:
            late.extend(reply)
            return []
        coming = [*late, *reply]
        late.clear()
        return coming

    link = Link(parse_url(URLS["serial"], SPH), SPH, Now(), connect=connect_to(script))
    link.know(1, SERIAL_NUMBER, NAME)
    found = outcomes(link, device, [("input", 1000, 3), ("input", 0, 3)], 10)
    assert Counter(found) == {"right": 15, "DeviceUnreachable": 5}
    assert found[8:] == ["right"] * 12


def test_another_device_in_the_same_place_is_believed_after_three_contradictions():
    device = Device("serial")
    link = link_to(device)
    link.know(1, SERIAL_NUMBER, NAME)
    device.silent = True
    with pytest.raises(DeviceUnreachable):
        link.read(1, "input", 1000, 3)
    device.silent, device.name = False, (1, 2, 3, 4, 5)
    for _ in range(3):
        with pytest.raises(DeviceMismatch, match="not in step: what never changes came otherwise"):
            link.read(1, "input", 1000, 3)
    assert outcomes(link, device, [("input", 1000, 3)], 2) == ["right", "right"]


def test_a_refused_proof_is_no_refusal_of_what_was_asked_for():
    device = Device("serial", refuses=lambda address, _: address == 23)
    link = link_to(device)
    link.know(1, SERIAL_NUMBER, NAME)
    device.silent = True
    with pytest.raises(DeviceUnreachable):
        link.read(1, "input", 1000, 3)
    device.silent = False
    with pytest.raises(DeviceMismatch, match="refused what never changes"):
        link.read(1, "input", 1000, 3)


def test_without_a_constant_a_refusal_of_the_probe_is_an_answer():
    device = Device("serial", refuses=lambda _, count: count == 1)
    link = link_to(device)
    device.silent = True
    with pytest.raises(DeviceUnreachable):
        link.read(1, "input", 1000, 3)
    device.silent = False
    assert outcomes(link, device, [("input", 1000, 3)], 1) == ["right"]


def test_a_refused_block_is_refused_with_its_code():
    device = Device("serial", refuses=lambda _address, _count: True)
    with pytest.raises(DeviceRejected, match="02"):
        link_to(device).read(1, "input", 1000, 3)


def test_when_every_length_is_owed_the_constant_decides():
    step = Lockstep(facts=SPH)
    for length in range(1, 20):
        step.distrust((3, length))
    assert step.proof(SERIAL_NUMBER) == 5
    step.asked("holding", 5)
    assert step.proof(SERIAL_NUMBER) != 5


def test_an_absent_unit_costs_less_and_less_but_now_and_then_gets_its_time():
    step = Lockstep(facts=SPH)
    assert step.patience_s(1.0) == 1.0
    step.heard(0.1)
    waits = []
    for _ in range(8):
        step.distrust((4, 3))
        waits.append(step.patience_s(1.0))
    assert waits == pytest.approx([1.0, 0.3, 0.3, 1.0, 0.3, 0.3, 0.3, 1.0])
    step.heard(0.05)
    step.distrust((4, 3), silent=False)
    assert (step.slowest_s, step.patience_s(1.0)) == (pytest.approx(0.095), 1.0)


def test_what_stands_behind_an_answer_is_none_to_the_next_question():
    device = Device("serial")
    left = [rtu(1, words_pdu(4, (1, 2, 3)))]

    def script(frame):
        reply = device.script(frame)
        return [b"".join([*reply, *left])]

    link = Link(parse_url(URLS["serial"], SPH), SPH, Now(), connect=connect_to(script))
    assert set(outcomes(link, device, [("input", 1000, 2), ("input", 0, 3)], 9)) == {"right"}


def test_a_device_that_hangs_up_on_every_longer_read_is_read_without_them():
    device = Device("tcp")

    def script(frame):
        reply = device.script(frame)
        return [None] if device.lengths[-1][1] > 4 else reply

    link = Link(parse_url(URLS["tcp"], SPH), SPH, Now(), connect=connect_to(script))
    told = outcomes(link, device, [("input", 1000, 4)], 9)
    assert told[-5:] == ["right"] * 5
    assert max(count for _, count in device.lengths[-6:]) == 4


def test_after_a_hang_up_no_length_is_asked_for_twice():
    device = Device("tcp")
    hanging = iter([False, True])

    def script(frame):
        reply = device.script(frame)
        return [None] if next(hanging, False) else reply

    link = Link(parse_url(URLS["tcp"], SPH), SPH, Now(), connect=connect_to(script))
    assert outcomes(link, device, [("input", 1000, 4)], 2) == ["right", "right"]
    assert [count for _, count in device.lengths] == [4, 5, 6]
