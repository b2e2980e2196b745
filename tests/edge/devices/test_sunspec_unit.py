"""A SunSpec device on a wire: its map is read first, again after silence, and never guessed."""

from __future__ import annotations

import random
import struct

import pytest
from acme import ACME_SUN, chain
from memory_wire import connect_to
from wires import mbap, words_pdu

from edge.devices.bus import Link
from edge.devices.profile_file import parse_profile
from edge.devices.scheduler import Bus
from edge.devices.signals import readings
from edge.devices.transport import parse_url
from edge.devices.unit import Unit

PROFILE = parse_profile("acme/sun", ACME_SUN)
HYBRID = [(1, 66), (103, 50), (124, 40)]
NO_STORAGE = [(1, 66), (121, 30), (103, 50)]


class Now:
    """A clock that is moved by hand."""

    speed = 1000.0

    def __init__(self) -> None:
        self.time_s = 1_000_000.0

    def now_s(self) -> float:
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        self.time_s = max(self.time_s, time_s)


class Sun:
    """A device with a map at 40000; elsewhere exception 02."""

    def __init__(self, models: list[tuple[int, int]], power_raw: int = 321) -> None:
        self.asked: list[int] = []
        self.silent = False
        self.refusal = 0  # an exception code instead of every answer
        self.trouble_frac, self.troubles = 0.0, random.Random(1)  # lost answers, and older ones under the present id
        self.answers: list[bytes] = []
        self.install(models, power_raw)

    def install(self, models: list[tuple[int, int]], power_raw: int) -> None:
        self.registers = chain(40000, models) | {7: 50} | {40052 + place: 0x4142 for place in range(16)}
        for address, word in list(self.registers.items()):
            if word == 103 and self.registers.get(address + 1) == 50:
                self.registers |= {address + 14: power_raw, address + 15: 0xFFFF}
            if word == 124 and self.registers.get(address + 1) == 40:
                self.registers |= {address + 8: 730, address + 22: 0xFFFF, address + 13: 900, address + 30: 0}

    def script(self, frame: bytes) -> list[bytes]:
        function, address, count = struct.unpack_from(">BHH", frame, 7)
        self.asked.append(address)
        if self.silent:
            return []
        try:
            pdu = words_pdu(function, [self.registers[address + offset] for offset in range(count)])
        except KeyError:
            pdu = bytes((function | 0x80, 2))
        pdu = bytes((function | 0x80, self.refusal)) if self.refusal else pdu
        self.answers.append(pdu)
        trouble = self.troubles.random()
        if trouble < self.trouble_frac / 2.0:
            return []
        late = trouble < self.trouble_frac and len(self.answers) > 3
        return [mbap(frame[0] << 8 | frame[1], 1, self.answers[-self.troubles.choice((2, 3))] if late else pdu)]


def unit_of(sun: Sun) -> tuple[Unit, Now]:
    now = Now()
    link = Link(parse_url("tcp://sun", PROFILE.link), PROFILE.link, now, connect=connect_to(sun.script))
    bus = Bus(link, PROFILE.link, now)
    bus.share(1, PROFILE.link)
    return Unit(PROFILE, bus, 1, now), now


def poll(unit: Unit, now: Now, seconds: int) -> None:
    """All that is due, once a second."""
    for _ in range(seconds):
        now.time_s += 1.0
        for turn in unit.due(now.now_s()):
            unit.poll(turn)


def told(unit: Unit, now: Now) -> dict[str, tuple[float, str, str]]:
    return {one.signal: (one.value, one.state, one.reason) for one in readings(unit, now.now_s(), 1.0)}


def good(unit: Unit, now: Now) -> dict[str, float]:
    return {name: value for name, (value, state, _) in told(unit, now).items() if state == "good"}


def test_nothing_is_read_before_the_map():
    sun = Sun(HYBRID)
    unit, now = unit_of(sun)
    assert told(unit, now)["soc_frac"][1:] == ("invalid", "not read yet")
    assert not unit.complete
    assert "map is to be read first" in unit.why_unconfirmed
    poll(unit, now, 1)
    assert sun.asked[0] == 40000
    assert max(sun.asked) < 40180
    assert 40084 not in sun.asked


def test_a_hybrid_tells_all_its_signals():
    unit, now = unit_of(Sun(HYBRID))
    poll(unit, now, 4)
    assert good(unit, now) == pytest.approx({"pv_w": 32.1, "soc_frac": 0.73, "battery_w": 900.0, "grid_hz": 50.0})
    assert unit.confirmed
    assert unit.complete


def test_a_device_without_storage_says_so():
    unit, now = unit_of(Sun(NO_STORAGE))
    poll(unit, now, 4)
    assert good(unit, now) == pytest.approx({"pv_w": 32.1, "grid_hz": 50.0})
    assert told(unit, now)["soc_frac"][1:] == ("invalid", "the device has no model 124")
    assert unit.profile.controls == ()
    assert [control.name for control in unit.family.controls] == ["storage"]


def test_after_silence_the_map_is_read_again_and_nothing_of_the_old_one_is_believed():
    sun = Sun(HYBRID)
    unit, now = unit_of(sun)
    poll(unit, now, 4)
    sun.silent = True
    poll(unit, now, 2)
    assert not unit.confirmed
    sun.silent = False
    sun.install(NO_STORAGE, power_raw=555)  # a new firmware: what was the power is now something else
    sun.asked.clear()
    for _ in range(60):
        poll(unit, now, 1)
        assert good(unit, now).get("pv_w", 55.5) == pytest.approx(55.5) or not sun.asked
    assert sun.asked[0] in (40000, 40052)  # the constant first, where one is known, then the map
    assert good(unit, now) == pytest.approx({"pv_w": 55.5, "grid_hz": 50.0})
    assert "soc_frac" not in good(unit, now)
    assert unit.confirmed


def test_after_silence_the_same_map_keeps_what_is_known():
    sun = Sun(HYBRID)
    unit, now = unit_of(sun)
    poll(unit, now, 4)
    sun.silent = True
    poll(unit, now, 1)
    sun.silent = False
    before = unit.profile
    poll(unit, now, 20)
    assert unit.profile is before
    assert unit.confirmed


@pytest.mark.parametrize(
    ("registers", "reason"),
    [
        ({7: 50}, "no SunSpec map begins at 40000, 0"),
        (chain(40000, HYBRID) | {40071: 30}, "the SunSpec map goes astray at"),
        ({40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 66}, "the SunSpec map goes astray at 40070"),
    ],
)
def test_a_device_without_an_honest_map_tells_nothing_and_is_asked_seldom(registers, reason):
    sun = Sun(HYBRID)
    sun.registers = registers
    unit, now = unit_of(sun)
    poll(unit, now, 60)
    assert good(unit, now) == {}
    assert reason in unit.why_unconfirmed
    assert len(sun.asked) < 60


@pytest.mark.parametrize(("code", "cause"), [(6, "busy"), (11, "gateway")])
def test_a_device_that_is_not_ready_says_nothing_about_its_map(code, cause):
    sun = Sun(HYBRID)
    sun.refusal = code
    unit, now = unit_of(sun)
    poll(unit, now, 5)
    assert good(unit, now) == {}
    assert unit.absent["pv_w"][1] == cause
    sun.refusal = 0
    poll(unit, now, 60)
    assert good(unit, now)["pv_w"] == pytest.approx(32.1)


@pytest.mark.parametrize("seed", range(12))
def test_lost_and_repeated_answers_never_lead_to_a_wrong_map_or_value(seed):
    sun = Sun(HYBRID)
    unit, now = unit_of(sun)
    sun.troubles, sun.trouble_frac = random.Random(seed), 0.2
    right = {"pv_w": 32.1, "soc_frac": 0.73, "battery_w": 900.0, "grid_hz": 50.0}
    for second in range(600):
        if second == 300:
            sun.trouble_frac = 0.0
        poll(unit, now, 1)
        assert all(value == pytest.approx(right[name]) for name, value in good(unit, now).items())
    assert set(good(unit, now)) == set(right)
