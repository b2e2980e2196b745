"""A device of any family behind real TCP, and the box that reads and commands it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from hand_clock import HandClock

from edge.config import Battery, Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.image import ImageDevice, Served, Values
from edge.devices.profile import Profile, Space
from edge.devices.profile_file import load_profile
from edge.devices.sunspec_twin import served
from edge.devices.transport import parse_url
from edge.devices.twin import World
from edge.devices.twin_battery import RATED_W, BatteryDevice
from edge.devices.twin_wire import TcpLine
from edge.devices.wear import MemoryLedger
from edge.messages import Command, Reading, WriteResult

BATTERY = Battery(capacity_wh=10_000.0, charge_w=RATED_W, discharge_w=RATED_W)


class Recorder:
    """A device whose writes are noted as they come."""

    def __init__(self, device: Served) -> None:
        self.device = device
        self.writes: list[tuple[int, tuple[int, ...]]] = []

    @property
    def profile(self) -> Profile:
        return self.device.profile

    def read(self, space: Space, first: int, count: int) -> Sequence[int]:
        return self.device.read(space, first, count)

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        self.device.write(function, first, words)
        self.writes.append((first, tuple(words)))


class Pair:
    """``models``: those of a SunSpec device; ``source``: values that change while it is read, and no battery."""

    def __init__(
        self,
        stack: ExitStack,
        name: str,
        *,
        allow: tuple[str, ...] = (),
        state: Values | None = None,
        models: Sequence[int] = (),
        source: Callable[[], Values] | None = None,
    ) -> None:
        self.profile, self.clock = load_profile(name), HandClock(speed=1000.0)
        shown, told = served(self.profile, models), state or {}
        writable = bool(self.profile.writes) and source is None
        self.device = BatteryDevice(shown, told, self.clock) if writable else ImageDevice(shown, told, source)
        self.wire = Recorder(self.device)
        self.line = self._serve(0)
        stack.callback(self.close)
        unit = self.profile.link.default_unit
        link = Link(profile=name, url=f"tcp://127.0.0.1:{self.line.port}", unit=unit, allow_control=allow)
        site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=BATTERY, links=(link,))
        self.devices = Devices(site, self.clock, ledger=MemoryLedger(self.clock))

    def close(self) -> None:
        self.devices.close()
        self.line.close()

    def swap(self, device: Served) -> None:
        """Take the device off its wire; after some silence another one answers at its address."""
        port = self.line.port
        self.line.close()
        self.read()
        self.wire = Recorder(device)
        self.line = self._serve(port)

    def _serve(self, port: int) -> TcpLine:
        where = replace(parse_url("tcp://127.0.0.1:502", self.profile.link), port=port)
        line = World(self.clock, {"inverter": self.wire}, None).line("inverter", where, self.profile.link.default_unit)
        assert isinstance(line, TcpLine)
        return line

    def read(self) -> dict[str, Reading]:
        for _ in range(6):
            self.clock.sleep(2.0)
            readings = {reading.signal: reading for reading in self.devices.read(60.0)}
        return readings

    def good(self) -> dict[str, float]:
        return {name: reading.value for name, reading in self.read().items() if reading.state == "good"}

    def power(self, battery_w: float) -> WriteResult:
        return self.devices.write(Command(mode="power", battery_w=battery_w, lease_s=900.0, reason="test"))
