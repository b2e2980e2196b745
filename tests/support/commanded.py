"""A battery inverter of any family on a hand-driven wire, with an imp between box and device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hand_clock import HandClock
from hand_wires import HandWire
from wires import Action, mbap

from edge.config import Battery, Grid, Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.image import Values, respond
from edge.devices.profile import Control, Profile
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.sunspec_twin import served
from edge.devices.transport import Address, Wire
from edge.devices.twin_battery import BatteryDevice
from edge.devices.wear import MemoryLedger, WriteLedger
from edge.messages import Command, WriteResult

RATED_W = 5000.0
BATTERY = Battery(capacity_wh=10_000.0, charge_w=RATED_W, discharge_w=RATED_W)
URL = "tcp://hand:502"
FAMILIES = [(name, control.name) for name in profile_names() for control in load_profile(name).controls]


class Killed(BaseException):
    """The box dies here: no handler of its own may run."""


@dataclass
class Imp:
    """What happens to the box' writes, by their number: each is taken, and acknowledged, unless ``tricks`` says else.

    ``refuse`` exception 03; ``ignore`` acknowledged, not taken; ``silent`` neither; ``mute`` taken, not acknowledged;
    ``die`` and ``die after``: the box ends before or after the device took it.
    """

    device: BatteryDevice
    tricks: dict[int, str] = field(default_factory=dict)
    always: str = ""
    writes: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    free: list[bool] = field(default_factory=list)  # after each write: the device follows its own rules
    silent: bool = False

    def answer(self, request: bytes) -> list[Action]:
        transaction, pdu = int.from_bytes(request[:2], "big"), request[7:]
        if pdu[0] not in (6, 16):
            return [] if self.silent else [mbap(transaction, request[6], respond(self.device, pdu))]
        trick = "silent" if self.silent else self.tricks.get(len(self.writes), self.always)
        words = (pdu[3:5],) if pdu[0] == 6 else tuple(pdu[6 + k : 8 + k] for k in range(0, pdu[5], 2))
        self.writes.append((int.from_bytes(pdu[1:3], "big"), tuple(int.from_bytes(word, "big") for word in words)))
        if trick == "die":
            raise Killed
        reply = pdu[:5] if trick in ("ignore", "silent") else respond(self.device, pdu)
        if trick == "refuse":
            reply = bytes((pdu[0] | 0x80, 3))
        self.free.append(self.is_free)
        if trick == "die after":
            raise Killed
        return [] if trick in ("silent", "mute") else [mbap(transaction, request[6], reply)]

    @property
    def is_free(self) -> bool:
        """The device follows its own rules now."""
        return self.device._order() is None


@dataclass(slots=True)
class Commanded:
    """A device that lives on, and a box that may be born anew: ``start`` gives it a new life with the old ledger."""

    name: str
    control: str = ""
    state: Values = field(default_factory=dict)
    battery: Battery = BATTERY
    grid: Grid = field(default_factory=Grid)
    allow: tuple[str, ...] | None = None
    clock: HandClock = field(default_factory=HandClock)
    ledger: WriteLedger = field(init=False)
    imp: Imp = field(init=False)
    devices: Devices = field(init=False)

    def __post_init__(self) -> None:
        preferred = _before(self.profile.controls, self.control)
        without = {control.requires: 0.0 for control in preferred if control.requires}
        self.imp = Imp(BatteryDevice(self.profile, {**without, **self.state}, self.clock))
        self.ledger = MemoryLedger(self.clock)
        self.start()

    @property
    def profile(self) -> Profile:
        return served(load_profile(self.name))

    @property
    def device(self) -> BatteryDevice:
        return self.imp.device

    def start(self) -> None:
        """A new process: it knows nothing but what the ledger says."""
        allow = tuple(control.name for control in self.profile.controls) if self.allow is None else self.allow
        link = Link(profile=self.name, url=URL, unit=self.profile.link.default_unit, allow_control=allow)
        site = Site(
            name="t", latitude_deg=49.0, longitude_deg=16.0, battery=self.battery, grid=self.grid, links=(link,)
        )
        self.devices = Devices(site, self.clock, ledger=self.ledger, connect=self._connect)
        self.ready()

    def _connect(self, address: Address, timeout_s: float) -> Wire:
        return HandWire(self.imp.answer, self.clock, {}, 6)

    def ready(self, cycles: int = 6) -> None:
        """Read until the device is trusted."""
        for _ in range(cycles):
            self.clock.sleep(2.0)
            self.devices.read(60.0)

    def power(self, battery_w: float, lease_s: float = 900.0) -> WriteResult:
        return self.devices.write(Command(mode="power", battery_w=battery_w, lease_s=lease_s, reason="test"))

    def native(self) -> WriteResult:
        return self.devices.write(Command.native("test"))

    def wait(self, seconds: float) -> None:
        """Let time pass, then read one cycle."""
        self.clock.sleep(seconds)
        self.devices.read(60.0)

    def set(self, values: Mapping[str, float]) -> None:
        """Another master writes registers, by write name and in their own unit."""
        for name, value in values.items():
            self.device._hold(self.profile.write_by_name[name], value)


def _before(controls: tuple[Control, ...], name: str) -> tuple[Control, ...]:
    names = [control.name for control in controls]
    return controls[: names.index(name)] if name else ()
