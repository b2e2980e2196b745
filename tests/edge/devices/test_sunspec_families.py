"""SunSpec devices behind real TCP, as different as they are built: what is read, what is missing, what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hand_clock import HandClock

from edge.config import Battery, Link, Site
from edge.devices.driver import Devices
from edge.devices.image import ImageDevice, Served, Values
from edge.devices.profile import Profile, Space
from edge.devices.profile_file import load_profile
from edge.devices.sunspec_twin import served
from edge.devices.transport import parse_url
from edge.devices.twin import World
from edge.devices.twin_battery import BatteryDevice
from edge.devices.wear import MemoryLedger
from edge.messages import Command, Reading

FLT_MAX = 3.4028234663852886e38


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
    """A device with these models, and the box that reads and commands it."""

    def __init__(
        self,
        stack: ExitStack,
        name: str,
        models: Sequence[int] = (),
        state: Values | None = None,
        source: Callable[[], Values] | None = None,
    ) -> None:
        self.clock, shown = HandClock(speed=1000.0), served(load_profile(name), models)
        commanded = bool(shown.writes) and source is None
        device = BatteryDevice(shown, state or {}, self.clock) if commanded else ImageDevice(shown, state or {}, source)
        self.device = Recorder(device)
        unit = shown.link.default_unit
        anywhere = replace(parse_url("tcp://127.0.0.1:502", shown.link), port=0)
        line = World(self.clock, {"inverter": self.device}, None).line("inverter", anywhere, unit)
        stack.callback(line.close)
        link = Link(profile=name, url=f"tcp://127.0.0.1:{line.port}", unit=unit, allow_control=("setpoint",))
        battery = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)
        site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=battery, links=(link,))
        self.devices = Devices(site, self.clock, ledger=MemoryLedger(self.clock))
        stack.callback(self.devices.close)

    def read(self) -> dict[str, Reading]:
        for _ in range(6):
            self.clock.sleep(2.0)
            readings = {reading.signal: reading for reading in self.devices.read(60.0)}
        return readings

    def good(self) -> dict[str, float]:
        return {name: reading.value for name, reading in self.read().items() if reading.state == "good"}

    def power(self, battery_w: float) -> str:
        command = Command(mode="power", battery_w=battery_w, lease_s=900.0, reason="test")
        return self.devices.write(command).outcome


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.parametrize(
    ("models", "pv_w", "names"),
    [
        ((1, 101), 2345.6, {"pv_w", "pv_energy_wh", "grid_v", "grid_hz", "inverter_c"}),
        ((1, 112), 2345.5, {"pv_w", "pv_energy_wh", "grid_v", "grid_hz", "inverter_c"}),
        ((1, 701), 2340.0, {"pv_w", "pv_energy_wh", "grid_hz", "inverter_c"}),
        ((1, 103, 113, 701), 2345.6, {"pv_w", "pv_energy_wh", "grid_v", "grid_hz", "inverter_c"}),
    ],
)
def test_an_inverter_is_read_by_whatever_models_it_has(stack, models, pv_w, names):
    good = Pair(stack, "sunspec/inverter", models).good()
    assert good["pv_w"] == pytest.approx(pv_w)
    assert set(good) == names


def test_a_meter_of_one_phase_in_floats_is_read(stack):
    good = Pair(stack, "sunspec/meter", (1, 211)).good()
    assert good["grid_w"] == -1234.5
    assert good["grid_export_wh"] == 7654400.0


def test_a_gen24_without_storage_says_what_it_lacks_and_is_not_commanded(stack):
    pair = Pair(stack, "fronius/gen24", (1, 103, 120, 160))
    readings = pair.read()
    assert (readings["soc_frac"].reason, readings["soc_frac"].cause) == ("the device has no model 124", "absent")
    assert readings["pv_w"].value == pytest.approx(3580.1)
    assert pair.power(-2000.0) == "refused"
    assert pair.device.writes == []


def test_a_gen24_is_charged_by_bounds_that_end_before_they_count(stack):
    pair = Pair(stack, "fronius/gen24", state={"grid_charging": 0.0})
    pair.read()
    assert pair.power(-2000.0) == "applied"
    at = {point.name: point.address for point in pair.device.profile.points}
    # Upper bound -40.00 %, lower bound 100.00 %, at once, for 900 s; then the grid, then what makes it count.
    assert pair.device.writes == [
        (at["upper_rate"], (0x10000 - 4000, 10_000, 0, 900)),
        (at["grid_charging"], (1,)),
        (at["storage_mode"], (2,)),
    ]
    assert pair.good()["battery_w"] == pytest.approx(-2000.0)


def test_a_percent_is_one_of_what_the_device_itself_can(stack):
    pair = Pair(stack, "fronius/gen24", state={"storage_power": 4000.0})
    pair.read()
    assert pair.power(2000.0) == "applied"
    at = {point.name: point.address for point in pair.device.profile.points}
    assert pair.device.writes[0] == (at["upper_rate"], (10_000, 0x10000 - 5000, 0, 900))  # 50 % of 4000 W


def test_a_scale_factor_that_moves_with_its_value_never_shows_a_wrong_one(stack):
    turn = iter(range(10_000))

    def source() -> Values:
        return {"power_sf": float(-(next(turn) % 3)), "pv_w": 320.0}

    pair = Pair(stack, "sunspec/inverter", (1, 103), source=source)
    for _ in range(8):
        assert pair.good()["pv_w"] == 320.0


def test_a_solaredge_block_has_its_low_word_first_and_its_models_the_high_one():
    shown = served(load_profile("solaredge/storedge"))
    device = ImageDevice(shown, {"soc_frac": 0.735})
    assert tuple(device.read("holding", 57732, 2)) == (0x0000, 0x4293)  # 73.5 as a float32 is 0x42930000
    assert tuple(device.read("holding", 40000, 2)) == (0x5375, 0x6E53)
    energy = shown.by_name["charge_energy"]
    assert tuple(device.read("holding", energy.address, 4)) == (0xBFF8, 0x0085, 0, 0)  # 8765432 = 0x85BFF8


@pytest.mark.parametrize("raw", [FLT_MAX, -FLT_MAX])
def test_the_largest_floats_of_solaredge_are_no_value_for_battery_and_pv(stack, raw):
    readings = Pair(stack, "solaredge/storedge", state={"battery_power": raw}).read()
    for name in ("battery_w", "pv_w"):
        assert (readings[name].state, readings[name].cause) == ("invalid", "sentinel")
    assert readings["grid_w"].state == "good"


@pytest.mark.parametrize(
    ("dc_power_w", "charge_w", "pv_w"),
    [(3000.0, 2000.0, 5000.0), (-200.0, 2200.0, 2000.0), (1000.0, -1012.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_pv_of_solaredge_is_what_its_dc_side_and_its_battery_take(stack, dc_power_w, charge_w, pv_w):
    state = {"dc_power": dc_power_w, "battery_power": -charge_w}
    assert Pair(stack, "solaredge/storedge", state=state).good()["pv_w"] == pytest.approx(pv_w)


def test_a_pv_power_far_below_nothing_is_not_believed(stack):
    readings = Pair(stack, "solaredge/storedge", state={"dc_power": 0.0, "battery_power": 500.0}).read()
    assert (readings["pv_w"].state, readings["pv_w"].cause) == ("invalid", "implausible")


def test_a_foreign_device_on_a_known_map_is_no_gen24(stack):
    pair = Pair(stack, "fronius/gen24", state={"manufacturer": "Acme"})
    readings = pair.read()
    assert {reading.state for reading in readings.values()} == {"invalid"}
    assert readings["pv_w"].reason == "this is no Fronius GEN24 Plus: manufacturer says 'Acme'"
    assert pair.power(-2000.0) == "refused"
    assert pair.device.writes == []


def test_a_battery_inverter_ends_before_it_counts(stack):
    pair = Pair(stack, "sunspec/battery")
    pair.read()
    assert pair.power(-2000.0) == "applied"
    at = {point.name: point.address for point in pair.device.profile.points}
    assert pair.device.writes[-3:] == [
        (at["reversion_enable"], (0, 0, 900)),
        (at["setpoint"], (0xFFFF, 0x10000 - 20_000)),  # -2000.0 W
        (at["setpoint_enable"], (1, 1)),
    ]
