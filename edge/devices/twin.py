"""The digital twin: a house, or one device, behind real Modbus. It shares only the wire and the clock with the box."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edge.clock import Clock
from edge.devices.blocks import block_of
from edge.devices.bonds import atoms
from edge.devices.image import WRITE_MANY, WRITE_ONE, ImageDevice, Served, Values, respond
from edge.devices.plant import HousePlant, PlantParams, Series, Snapshot
from edge.devices.plant_series import read_series
from edge.devices.profile import Profile
from edge.devices.profile_file import load_profile
from edge.devices.registers import Decoded, decode_all
from edge.devices.sunspec_twin import served
from edge.devices.transport import Address, parse_url
from edge.devices.twin_battery import BatteryDevice
from edge.devices.twin_journal import QUARTER_S, Journal
from edge.devices.twin_sph import PROFILE as SPH
from edge.devices.twin_sph import SphInverter
from edge.devices.twin_wire import Answer, SerialLine, TcpLine
from edge.errors import ConfigError

METER = "eastron/sdm630"
_TICK_WALL_S = 0.2
_METER_HISTORY_WH = 1_000_000.0  # float32 kWh still resolves 0.06 Wh here


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseSpec:
    """A house to serve: its series, its hardware, and where its two devices answer."""

    series: Path
    inverter: str
    meter: str
    params: PlantParams
    clock: Clock
    has_vpp: bool = True
    unit: int = 1
    journal: Path | None = None


def meter_values(plant: HousePlant) -> dict[str, float | str]:
    """What the meter shows: power within 0.5 % of the truth, exact counters."""
    state = plant.snapshot()
    grid_w = state.grid_w * (1.0 + 0.0025 * min(max(plant.noise(11), -2.0), 2.0))
    return {
        "grid_w": grid_w,
        **{f"power_l{phase}": grid_w / 3.0 for phase in (1, 2, 3)},
        "grid_v": 230.0 + 1.5 * plant.noise(4),
        "grid_hz": 50.0 + 0.02 * plant.noise(5),
        "grid_import_wh": _METER_HISTORY_WH + state.grid_import_wh,
        "grid_export_wh": _METER_HISTORY_WH + state.grid_export_wh,
    }


def read_signal(device: Served, signal: str) -> float:
    """A signal as a client decodes it from the device's registers."""
    profile = device.profile
    values: dict[str, Decoded] = {}
    for atom in atoms(profile.with_partners(profile.signals()[signal])):
        block = block_of(atom, profile.link)
        at: dict[int, int] = {}
        for address, count in block.requests if block is not None else ():
            at |= dict(enumerate(device.read(atom[0].space, address, count), address))
        values |= decode_all(atom, at, profile.link.word_order)
    return sum(values[point.name].value for point in profile.signals()[signal])


class World:
    """Devices that share one plant, one clock and one lock; every request first brings the plant up to now."""

    def __init__(
        self, clock: Clock, devices: Mapping[str, Served], plant: HousePlant | None, journal: Journal | None = None
    ) -> None:
        self.clock = clock
        self._devices = devices
        self._plant = plant
        self._journal = journal
        self._lock = threading.Lock()
        self._quarter_s = -(-clock.start_s // QUARTER_S) * QUARTER_S

    def advance(self) -> None:
        """Bring the house up to the clock."""
        with self._lock:
            self._advance()

    def snapshot(self) -> Snapshot | None:
        """The true state of the plant, where there is one."""
        with self._lock:
            self._advance()
            return self._plant.snapshot() if self._plant is not None else None

    def line(self, name: str, address: Address, unit: int) -> SerialLine | TcpLine:
        """Serve a device at an address from now on."""
        answer = self.answer(name)
        if address.kind == "tcp":
            return TcpLine(address, unit, answer)
        period_s = self._devices[name].profile.link.min_command_period_s
        return SerialLine(address, unit, self.clock, answer, min_command_period_s=period_s)

    def answer(self, name: str) -> Answer:
        """The function that answers a device's requests."""
        device = self._devices[name]

        def answer(pdu: bytes) -> bytes:
            with self._lock:
                self._advance()
                reply = respond(device, pdu)
                if self._journal is not None and pdu[:1] in (bytes((WRITE_ONE,)), bytes((WRITE_MANY,))):
                    self._journal.write(self.clock.now_s(), name, pdu, reply)
                    self._note_modes()
                return reply

        return answer

    def _advance(self) -> None:
        if self._plant is None:
            return
        now_s = self.clock.now_s()
        inverter = self._devices.get("inverter")
        while True:
            own_s = inverter.next_event_s if isinstance(inverter, SphInverter) else now_s
            until_s = min(now_s, self._quarter_s, own_s)
            self._plant.advance(until_s)
            if isinstance(inverter, SphInverter):
                inverter.settle(until_s)
            self._note_modes()
            if until_s >= self._quarter_s:
                self._note_quarter()
            if until_s >= now_s:
                return

    def _note_modes(self) -> None:
        if self._plant is not None and self._journal is not None:
            for time_s, mode in self._plant.take_mode_changes():
                self._journal.mode(time_s, mode)

    def _note_quarter(self) -> None:
        self._quarter_s += QUARTER_S
        if self._journal is not None and self._plant is not None:
            meter = self._devices["meter"]
            counters = (read_signal(meter, "grid_import_wh"), read_signal(meter, "grid_export_wh"))
            self._journal.quarter(self._plant.snapshot(), *counters)


class Twin:
    """A world on its wires; ``close`` when done."""

    def __init__(self, world: World, lines: list[SerialLine | TcpLine], close_last: Callable[[], None]) -> None:
        self.world = world
        self.lines = lines
        self._close_last = close_last

    def serve(self, stop: threading.Event) -> None:
        """Keep the plant near the clock until told to stop, and live up to that very moment."""
        while not stop.wait(_TICK_WALL_S):
            self.world.advance()
        self.world.advance()

    def close(self) -> None:
        """Bring the lines down, then the journal."""
        for line in self.lines:
            line.close()
        self._close_last()


def open_house(spec: HouseSpec) -> Twin:
    """Serve a whole house; raises the errors of series, journal, URLs and ports."""
    addresses = {
        "inverter": _address(spec.inverter, load_profile(SPH)),
        "meter": _address(spec.meter, load_profile(METER)),
    }
    plant = HousePlant(spec.params, read_series(spec.series), start_s=math.floor(spec.clock.start_s))
    meter = ImageDevice(load_profile(METER), {}, lambda: meter_values(plant))
    devices: dict[str, Served] = {
        "inverter": SphInverter(load_profile(SPH), plant, has_vpp=spec.has_vpp),
        "meter": meter,
    }
    journal = Journal(spec.journal) if spec.journal is not None else None
    world = World(spec.clock, devices, plant, journal)
    return _open(world, addresses, spec.unit, journal.close if journal is not None else _nothing)


def open_device(
    profile_name: str, url: str, *, clock: Clock, state: Values, unit: int | None = None, has_vpp: bool = True
) -> Twin:
    """Serve one device whose house stands still; commands to its battery still start, run out and revert.

    Without a unit it answers to the one that the family has by default.
    """
    profile = served(load_profile(profile_name))
    address = _address(url, profile)
    plant = None
    device: Served
    if profile_name == SPH:
        bench = Series(start_s=clock.start_s, slot_s=900.0, pv_w=[0.0], load_w=[0.0])
        plant = HousePlant(replace(PlantParams(), clock_drift_s_per_day=0.0), bench, start_s=math.floor(clock.start_s))
        device = SphInverter(profile, plant, has_vpp=has_vpp, constants=state)
    elif profile.writes:
        device = BatteryDevice(profile, state, clock)
    else:
        device = ImageDevice(profile, state)
    world = World(clock, {"inverter": device}, plant)
    return _open(world, {"inverter": address}, profile.link.default_unit if unit is None else unit, _nothing)


def _address(url: str, profile: Profile) -> Address:
    try:
        return parse_url(url, profile.link)
    except ValueError as error:
        raise ConfigError("twin", [str(error)]) from error


def _open(world: World, addresses: Mapping[str, Address], unit: int, close_last: Callable[[], None]) -> Twin:
    twin = Twin(world, [], close_last)
    with ExitStack() as opened:
        opened.callback(twin.close)
        for name, address in addresses.items():
            twin.lines.append(world.line(name, address, unit))
        opened.pop_all()
    return twin


def _nothing() -> None:
    """There is no journal to close."""


def parse_state(text: str) -> dict[str, float]:
    """Read ``name=number,...``; raises :class:`ConfigError` with every part that is not one, or not finite."""
    state: dict[str, float] = {}
    problems: list[str] = []
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        try:
            state[name.strip()] = float(number)
        except ValueError:
            problems.append(f"{part!r} is not NAME=NUMBER")
            continue
        if not math.isfinite(state[name.strip()]):
            problems.append(f"{part!r} is not finite")
    if problems:
        raise ConfigError("--state", problems)
    return state
