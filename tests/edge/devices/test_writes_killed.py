"""A box killed by SIGKILL between two writes: the next one finds its journal and goes to native first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.config import Battery, Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.profile_file import load_profile
from edge.devices.transport import parse_url
from edge.devices.twin import World
from edge.devices.twin_battery import BatteryDevice
from edge.ingest.store import Store
from edge.messages import Command
from edge.writeledger import StoreLedger

BATTERY = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
BOX = """
import sys
sys.path[:0] = [{folder!r}]
from test_writes_killed import Box
box = Box.at({name!r}, {port}, {store!r}, {clock!r})
for battery_w in (-2000.0, 1500.0, 0.0):
    print(box.power(battery_w).outcome, flush=True)
print(box.native().outcome, flush=True)
"""


@dataclass
class Box:
    """Devices and their journal in a store on disk, as control has them."""

    devices: Devices
    store: Store

    @classmethod
    def at(cls, name: str, port: int, path: str, clock: str) -> Box:
        time_of, profile = Clock.parse(clock), load_profile(name)
        allow = tuple(control.name for control in profile.controls)
        link = Link(profile=name, url=f"tcp://127.0.0.1:{port}", unit=profile.link.default_unit, allow_control=allow)
        site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=BATTERY, links=(link,))
        store = Store(Path(path))
        box = cls(Devices(site, time_of, ledger=StoreLedger(store, time_of, site)), store)
        for _ in range(8):
            time_of.sleep(2.0)
            box.devices.read(60.0)
        return box

    def power(self, battery_w: float):
        return self.devices.write(Command(mode="power", battery_w=battery_w, lease_s=900.0, reason="test"))

    def native(self):
        return self.devices.write(Command.native("test"))

    def close(self) -> None:
        self.devices.close()
        self.store.close()


@dataclass
class Device:
    """A battery inverter on TCP that kills the box when it sees a certain write, before or after it takes it."""

    name: str
    clock: Clock
    kills_at: int = -1
    after: bool = False
    victim: int = 0
    count: int = 0
    free: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.profile = load_profile(self.name)
        self.battery = BatteryDevice(self.profile, {}, self.clock)

    def read(self, space, first, count):
        return self.battery.read(space, first, count)

    def write(self, function, first, words):
        number, self.count = self.count, self.count + 1
        if number == self.kills_at and not self.after:
            os.kill(self.victim, signal.SIGKILL)
            return
        self.battery.write(function, first, words)
        self.free.append(self.battery._order() is None)
        if number == self.kills_at:
            os.kill(self.victim, signal.SIGKILL)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "kills_at", "after"),
    [("growatt/sph", 1, False), ("growatt/sph", 1, True), ("sungrow/sh", 1, True), ("huawei/sun2000_luna", 4, False)],
)
def test_a_killed_box_is_followed_by_one_that_reaches_native_first(tmp_path, stack, name, kills_at, after):
    clock = Clock(start_s=1_717_243_200.0, origin_s=time.monotonic(), speed=50.0)
    device = Device(name, clock, kills_at, after)
    anywhere = replace(parse_url("tcp://127.0.0.1:502", device.profile.link), port=0)
    line = World(clock, {"inverter": device}, None).line("inverter", anywhere, device.profile.link.default_unit)
    stack.callback(line.close)
    store = str(tmp_path / "store.sqlite")
    code = BOX.format(folder=str(Path(__file__).parent), name=name, port=line.port, store=store, clock=clock.describe())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        device.victim = process.pid
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors.decode()
    device.kills_at = -1
    box = Box.at(name, line.port, store, clock.describe())
    stack.callback(box.close)
    unit = box.devices.units[0].name
    assert box.store.journal.unreleased(unit), "the journal knew before the first byte"
    was_free, count = device.battery._order() is None, len(device.free)
    result = box.power(1500.0)
    assert result.outcome == "applied", result
    states = [was_free, *device.free[count:]]
    forced = next(k for k in range(len(states)) if not any(states[k:]))
    assert any(states[:forced]), states
    assert box.native().outcome == "applied"
    assert device.battery._order() is None
    assert box.store.journal.unreleased(unit) == []
