"""Devices on wires without an operating system, and time that passes only when somebody waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hand_clock import HandClock
from memory_wire import MemoryWire
from wires import RegisterBank, Script

from edge.config import Battery, Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.profile import Profile
from edge.devices.profile_file import load_profile
from edge.devices.registers import split_words
from edge.devices.signals import readings
from edge.devices.transport import Address, LinkDown, Wire
from edge.devices.wear import MemoryLedger
from edge.messages import Reading

FUNCTION = {"holding": 3, "input": 4}
_BYTES_PER_S = 960.0  # 9600 baud
SPH, METER = "growatt/sph", "eastron/sdm630"


class HandWire(MemoryWire):
    """Bytes take their time at 9600 baud, and silence the time that is waited for it."""

    def __init__(self, script: Script, clock: HandClock, spent_s: dict[int, float], unit_at: int) -> None:
        super().__init__(script)
        self._clock, self._spent_s, self._unit_at = clock, spent_s, unit_at
        self._asked = 0

    def send(self, data: bytes) -> None:
        self._asked = data[self._unit_at]
        self._pass(len(data) / _BYTES_PER_S)
        super().send(data)

    def receive(self, timeout_s: float) -> bytes:
        data = super().receive(timeout_s)
        self._pass(len(data) / _BYTES_PER_S if data else timeout_s)
        return data

    def _pass(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._spent_s[self._asked] = self._spent_s.get(self._asked, 0.0) + seconds


def golden_bank(name: str, unit: int = 1) -> RegisterBank:
    profile, bank = load_profile(name), RegisterBank(unit)
    for point in profile.points:
        put_raw(bank, profile, point.name, point.golden_raw)
    return bank


def put_raw(bank: RegisterBank, profile: Profile, name: str, raw: int | tuple[int, ...]) -> None:
    point = profile.by_name[name]
    order = point.order(profile.link.word_order)
    words = raw if isinstance(raw, tuple) else split_words(raw, point.words, order)
    for address, word in zip(point.addresses, words, strict=True):
        bank.put(FUNCTION[point.space], address, word)


@dataclass(slots=True)
class HandHouse:
    """Devices of a site on hand-driven wires: ``scripts`` by URL; ``spent_s`` is the links' time by unit."""

    scripts: dict[str, Script | None]
    links: tuple[Link, ...]
    clock: HandClock = field(default_factory=HandClock)
    battery: Battery | None = None
    spent_s: dict[int, float] = field(default_factory=dict)
    connections: list[str] = field(default_factory=list)
    devices: Devices = field(init=False)

    def __post_init__(self) -> None:
        battery = self.battery or Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
        site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=battery, links=self.links)
        self.devices = Devices(site, self.clock, ledger=MemoryLedger(self.clock), connect=self._connect)

    def _connect(self, address: Address, timeout_s: float) -> Wire:
        self.connections.append(address.url)
        script = self.scripts[address.url]
        if script is None:
            raise LinkDown(f"{address.url} cannot be opened: No such file or directory")
        return HandWire(script, self.clock, self.spent_s, 0 if address.kind == "serial" else 6)

    def cycle(self, period_s: float = 1.0, budget_s: float = 0.9) -> dict[str, Reading]:
        """One control cycle's reading, at its period: every device's own word."""
        next_s = self.clock.now_s() + period_s
        self.devices.read(budget_s)
        rated_w, now_s = self.devices._rated_w, self.clock.now_s()
        found = {
            f"{unit.number} {reading.signal}": reading
            for unit in self.devices.units
            for reading in readings(unit, now_s, period_s, rated_w)
        }
        self.clock.sleep_until(next_s)
        return found

    def cycles(self, count: int) -> dict[str, Reading]:
        """The last of so many readings."""
        for _ in range(count - 1):
            self.cycle()
        return self.cycle()


def sph_house(bank: RegisterBank | None = None, **more: object) -> tuple[HandHouse, RegisterBank]:
    """An SPH alone on a serial line."""
    device = bank or golden_bank(SPH)
    url = "serial:///dev/hand"
    house = HandHouse({url: device.rtu}, (Link(profile=SPH, url=url),), **more)
    return house, device
