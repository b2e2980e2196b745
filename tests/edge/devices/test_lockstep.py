"""Answers that come late, twice or for another question: length and constant tell them apart, for ever."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_wire import connect_to
from wires import mbap, rtu, words_pdu

from edge.devices.bus import Link
from edge.devices.lockstep import Lockstep, Place
from edge.devices.profile_file import load_profile
from edge.devices.transport import parse_url
from edge.errors import DeviceError, DeviceMismatch, DeviceRejected, DeviceUnreachable

SPH = load_profile("growatt/sph").link
METER = load_profile("eastron/sdm630").link
URLS = {"serial": "serial:///dev/null", "tcp": "tcp://box"}
SERIAL_NUMBER = Place(space="holding", address=23, count=5)
NAME = (18, 52, 86, 120, 137)


class Now:
    """A clock that never waits."""

    speed = 1000.0

    def now_s(self) -> float:
        return 0.0

    def sleep_until(self, time_s: float) -> None:
        """There is nothing to wait for."""


class Device:
    """Every word tells by which request it was made; ``lag``: the answer to the question so many before is sent."""

    def __init__(self, kind: str, lag: int = 0, refuses=None) -> None:
        self.kind = kind
        self.lag = lag
        self.silent = False
        self.refuses = refuses or (lambda _address, _count: False)
        self.pdus: list[bytes] = []
        self.lengths: list[tuple[int, int]] = []
        self.truth: dict[int, int] = {}
        self.name = NAME

    def script(self, frame: bytes):
        pdu = frame[1:-2] if self.kind == "serial" else frame[7:]
        function, address, count = struct.unpack_from(">BHH", pdu)
        self.lengths.append((function, count))
        serial = len(self.pdus) + 1
        self.truth = {place: (97 * place + 1009 * serial) & 0xFFFF for place in range(address, address + count)}
        if function == 3:
            self.truth.update({23 + offset: word for offset, word in enumerate(self.name)})
        words = [self.truth[place] for place in range(address, address + count)]
        refused = self.refuses(address, count)
        self.pdus.append(bytes([function | 0x80, 2]) if refused else words_pdu(function, words))
        if self.silent or len(self.pdus) <= self.lag:
            return []
        pdu = self.pdus[-1 - self.lag]
        return [rtu(1, pdu) if self.kind == "serial" else mbap(frame[0] << 8 | frame[1], 1, pdu)]


def link_to(device: Device, facts=SPH) -> Link:
    return Link(parse_url(URLS[device.kind], facts), facts, Now(), connect=connect_to(device.script))


def outcomes(link: Link, device: Device, blocks, rounds: int) -> list[str]:
    """What came of so many reads of each block: right, WRONG, or the name of our error."""
    found = []
    for _ in range(rounds):
        for space, address, count in blocks:
            try:
                words = link.read(1, space, address, count)
            except DeviceError as error:
                found.append(type(error).__name__)
            else:
                truth = [device.truth[place] for place in range(address, address + count)]
                found.append("right" if list(words) == truth else "WRONG")
    return found


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
