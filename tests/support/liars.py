"""Devices on real wires that are not what their profile says: twins of this product, each with one lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wires import Action, TcpServer, mbap

from edge.clock import Clock
from edge.config import Battery, Grid, Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.image import ImageDevice, Served, respond
from edge.devices.plant import HousePlant, PlantParams, Series
from edge.devices.profile import Point, Profile
from edge.devices.profile_file import load_profile
from edge.devices.sunspec_twin import served
from edge.devices.transport import Address, parse_url
from edge.devices.twin import World, meter_values
from edge.devices.twin_battery import BatteryDevice
from edge.devices.twin_sph import SphInverter
from edge.devices.twin_wire import SerialLine, TcpLine
from edge.devices.wear import MemoryLedger
from edge.errors import DeviceRejected

SPH = load_profile("growatt/sph")
METER = load_profile("eastron/sdm630")
START_S = 1_717_236_000.0  # 2024-06-01 10:00 UTC
LIMIT_W = 1200.0
PARAMS = PlantParams(charge_w=LIMIT_W, discharge_w=LIMIT_W, clock_drift_s_per_day=0.0, hunting_w=0.0)
BATTERY = Battery(capacity_wh=10_000.0, charge_w=LIMIT_W, discharge_w=LIMIT_W)

ANY_PORT = Address(url="tcp://127.0.0.1:0", kind="tcp", place="127.0.0.1")
SITE = """
[site]
name = "bench"
latitude_deg = 50.0
longitude_deg = 14.0
[battery]
capacity_wh = 10000
charge_w = 1200
discharge_w = 1200
[grid]
import_w = 20000
export_w = 20000
[[link]]
profile = "growatt/sph"
url = "{url}"
"""

Line = SerialLine | TcpLine
Wrap = Callable[[Served], Served]


def fast_clock(speed: float) -> Clock:
    return Clock(start_s=START_S, origin_s=time.monotonic(), speed=speed)


@dataclass
class House:
    """A served SPH and the house around it: PV 3000 W, load 800 W, a battery that takes 1200 W of the surplus."""

    world: World
    plant: HousePlant
    line: Line
    url: str
    clock: Clock

    def close(self) -> None:
        self.line.close()

    def devices(self, battery: Battery | None = None, grid: Grid | None = None) -> Devices:
        link = Link(profile=SPH.name, url=self.url)
        site = Site(
            name="liar", latitude_deg=0.0, longitude_deg=0.0, battery=battery, links=(link,), grid=grid or Grid()
        )
        return Devices(site, self.clock, ledger=MemoryLedger(self.clock))


def serve(
    url: str,  # serial:///path, or just tcp
    clock: Clock,
    *,
    profile: Profile = SPH,
    params: PlantParams = PARAMS,
    wrap: Wrap = lambda device: device,
    inverter: type[SphInverter] = SphInverter,
    meter: Profile | None = None,
) -> House:
    series = Series(start_s=START_S, slot_s=900.0, pv_w=[3000.0] * 40, load_w=[800.0] * 40)
    plant = HousePlant(params, series, start_s=START_S)
    device = wrap(inverter(profile, plant, has_vpp=True))
    reads = meter or METER
    world = World(clock, {"inverter": device, "meter": ImageDevice(reads, {}, lambda: meter_values(plant))}, plant)
    line = world.line("inverter", ANY_PORT if url == "tcp" else parse_url(url, profile.link), 1)
    shown = f"tcp://127.0.0.1:{line.port}" if isinstance(line, TcpLine) else url
    return House(world, plant, line, shown, clock)


def serial_url(folder: Path) -> str:
    return f"serial://{folder / 'sph'}?baud=9600"


def with_points(profile: Profile, change: Callable[[Point], Point]) -> Profile:
    """The profile as a device of another firmware would have it."""
    return replace(profile, points=tuple(change(point) for point in profile.points))


def other_sign(*names: str) -> Profile:
    """The device counts these points the other way round than the profile says."""
    swapped = dict(zip(names, reversed(names), strict=True))

    def change(point: Point) -> Point:
        if point.name not in swapped:
            return point
        twin = SPH.by_name[swapped[point.name]]
        return replace(point, address=twin.address)

    return with_points(SPH, change)


def other_scale(signal: str, factor: float) -> Profile:
    return with_points(SPH, lambda p: replace(p, scale=p.scale * factor) if p.signal == signal else p)


def other_order() -> Profile:
    return replace(SPH, link=replace(SPH.link, word_order="little"))


class GapCloser:
    """Leaves out the registers that nobody declared, and fills up at the end (faults.md, 8)."""

    def __init__(self, device: Served, missing: Iterable[tuple[str, int]]) -> None:
        self._device, self._missing = device, set(missing)

    @property
    def profile(self) -> Profile:
        return self._device.profile

    def read(self, space, first: int, count: int) -> Sequence[int]:
        words = self._device.read(space, first, count)
        kept = [word for offset, word in enumerate(words) if (space, first + offset) not in self._missing]
        return [*kept, *[0] * (count - len(kept))]

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        self._device.write(function, first, words)


class Backwards(SphInverter):
    """Understands charge as discharge."""

    def _obey_vpp(self, *, restarts: bool) -> None:
        address = 30409
        word = self._registers.word(address)
        self._registers.store(address, ((-word) & 0xFFFF,))
        super()._obey_vpp(restarts=restarts)
        self._registers.store(address, (word,))


class Stubborn(SphInverter):
    """Lets nobody write."""

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        raise DeviceRejected("locked", 4)


def fronius_with_meter(clock: Clock) -> TcpServer:
    """A GEN24 at unit 1 whose Smart Meter answers at unit 200 of the same address; other units get exception 0B."""
    gen24, meter = (served(load_profile(name)) for name in ("fronius/gen24", "fronius/meter"))
    devices: dict[int, Served] = {1: BatteryDevice(gen24, {}, clock), 200: ImageDevice(meter, {})}

    def script(request: bytes) -> list[Action]:
        device, pdu = devices.get(request[6]), request[7:]
        answer = respond(device, pdu) if device is not None else bytes((pdu[0] | 0x80, 0x0B))
        return [mbap(int.from_bytes(request[:2], "big"), request[6], answer)]

    return TcpServer(script)
