"""An SPH behind a twin's line that can play any fault, read through the whole device layer."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wires import RegisterBank

from edge.clock import Clock
from edge.config import Battery, Site
from edge.config_links import Link
from edge.devices import bus
from edge.devices.driver import Devices
from edge.devices.profile_file import load_profile
from edge.devices.registers import split_words
from edge.devices.transport import Address, parse_url
from edge.devices.twin_lies import play
from edge.devices.twin_wire import SerialLine, TcpLine, faithful
from edge.devices.wear import MemoryLedger
from edge.messages import Reading

PROFILE = load_profile("growatt/sph")
FUNCTION = {"holding": 3, "input": 4}
SPEED = 20.0
TIMEOUT_WALL_S = 0.1
LATE_WALL_S = 0.15  # after the timeout, inside the drain or the question after it
DISCHARGE = PROFILE.by_name["battery_discharge_power"]
CYCLE_S = 1.0


class LivingBank(RegisterBank):
    """Golden registers, but for the discharge power: it tells by which request it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_count = 0
        self.served: list[int] = []
        for point in PROFILE.points:
            raw = point.golden_raw
            words = raw if isinstance(raw, tuple) else split_words(raw, point.words, PROFILE.link.word_order)
            self.put(FUNCTION[point.space], point.address, *words)
        for address in (30407, 1082, 1102):  # no command is running
            self.put(3, address, 0)

    def answer(self, pdu: bytes) -> bytes:
        function, address, count = struct.unpack_from(">BHH", pdu)
        if function == FUNCTION[DISCHARGE.space] and address <= DISCHARGE.address < address + count:
            self.asked_count += 1
            self.put(function, DISCHARGE.address, *split_words(10 * self.asked_count, 2, "big"))
            self.served.append(self.asked_count)
        return super().answer(pdu)


@dataclass(slots=True)
class Story:
    """What a fault did: wrong values taken for good, good ones, and how long until all was well again."""

    wrong: list[str] = field(default_factory=list)
    good_count: int = 0
    lost_count: int = 0
    recovery_cycles_count: int = 0
    recovery_s: float = math.nan


class FaultHouse:
    """The house, its line and its readers."""

    def __init__(self, line: SerialLine | TcpLine, bank: LivingBank, devices: Devices, clock: Clock) -> None:
        self.line, self.bank, self.devices, self.clock = line, bank, devices, clock
        self.truth: dict[str, float] = {}
        self.charge_w = math.nan

    def cycle(self) -> dict[str, Reading]:
        self.clock.sleep(CYCLE_S)
        return {reading.signal: reading for reading in self.devices.read(CYCLE_S)}

    def settle(self) -> FaultHouse:
        """Read until everything is good, and take that for the truth."""
        for _ in range(20):
            found = self.cycle()
            if all(reading.state == "good" for reading in found.values()):
                break
        assert {name: r.reason for name, r in found.items() if r.state != "good"} == {}
        self.truth = {name: reading.value for name, reading in found.items()}
        self.charge_w = self.truth["battery_w"] - self.bank.served[-1]
        return self

    def wrong(self, found: dict[str, Reading], began_s: float, before_count: int) -> list[str]:
        """Good readings that are not the truth; of the living one, whatever was not served in its own cycle."""
        lies = []
        for name, reading in found.items():
            if reading.state != "good":
                continue
            if name == "battery_w":
                fresh = reading.measured_s >= began_s
                served = self.bank.served[before_count:] if fresh else self.bank.served
                right = any(math.isclose(reading.value, count + self.charge_w, abs_tol=1e-6) for count in served)
            else:
                right = math.isclose(reading.value, self.truth[name], rel_tol=1e-9)
            if not right:
                lies.append(f"{name} {reading.value}")
        return lies

    def story(self, fault: str, cycles: int = 6, patience_s: float = 400.0) -> Story:
        """Play a fault for some cycles, then none until every signal is good and fresh."""
        self.settle()
        play(self.line, PROFILE, fault, late_wall_s=LATE_WALL_S)
        return self.told(cycles, patience_s)

    def told(self, cycles: int, patience_s: float) -> Story:
        """What comes of the fault that plays now, and then of none."""
        story = Story()
        for _ in range(cycles):
            began_s, before = self.clock.now_s(), len(self.bank.served)
            found = self.cycle()
            story.wrong += self.wrong(found, began_s, before)
            fresh = [r for r in found.values() if r.state == "good" and r.measured_s >= began_s]
            story.good_count += bool(fresh)
            story.lost_count += not fresh
        self.line.script, self.line.answer = faithful, self.bank.answer
        ended_s = self.clock.now_s()
        while self.clock.now_s() < ended_s + patience_s:
            began_s, before = self.clock.now_s(), len(self.bank.served)
            found = self.cycle()
            story.wrong += self.wrong(found, began_s, before)
            story.recovery_cycles_count += 1
            if found["battery_w"].measured_s > ended_s and all(r.state == "good" for r in found.values()):
                story.recovery_s = self.clock.now_s() - ended_s
                break
        return story


@contextmanager
def fault_house(kind: str, folder: Path, monkeypatch, speed: float = SPEED) -> Iterator[FaultHouse]:
    """An SPH over this kind of wire, twenty times as fast as real, with timeouts to match."""
    monkeypatch.setattr(bus, "MIN_TIMEOUT_WALL_S", TIMEOUT_WALL_S)
    clock = Clock(start_s=1_717_243_200.0, origin_s=time.monotonic(), speed=speed)
    bank = LivingBank()
    line = open_line(kind, folder, clock, bank)
    url = f"serial://{folder}/sph?baud=115200" if isinstance(line, SerialLine) else f"tcp://127.0.0.1:{line.port}"
    battery = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
    links = (Link(profile="growatt/sph", url=url),)
    site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=battery, links=links)
    devices = Devices(site, clock, ledger=MemoryLedger(clock))
    house = FaultHouse(line, bank, devices, clock)
    try:
        yield house
    finally:
        devices.close()
        house.line.close()


def open_line(kind: str, folder: Path, clock: Clock, bank: LivingBank, port: int = 0) -> SerialLine | TcpLine:
    """The device's end of the wire."""
    if kind == "serial":
        address = parse_url(f"serial://{folder}/sph?baud=115200", PROFILE.link)
        return SerialLine(address, 1, clock, bank.answer, min_command_period_s=0.85)
    anywhere = Address(url="tcp://127.0.0.1", kind="tcp", place="127.0.0.1", port=port)
    return TcpLine(anywhere, 1, bank.answer)
