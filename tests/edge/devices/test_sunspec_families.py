"""SunSpec devices behind real TCP, as different as they are built: what is read, what is missing, what is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pair import Pair

from edge.clock import Clock
from edge.config import Site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.image import ImageDevice, Values
from edge.devices.profile_file import load_profile
from edge.devices.sunspec_twin import served
from edge.devices.twin import open_device
from edge.devices.twin_battery import BatteryDevice
from edge.devices.wear import MemoryLedger
from edge.messages import Command, Reading

FLT_MAX = 3.4028234663852886e38


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
    good = Pair(stack, "sunspec/inverter", models=models).good()
    assert good["pv_w"] == pytest.approx(pv_w)
    assert set(good) == names


def test_a_meter_of_one_phase_in_floats_is_read(stack):
    good = Pair(stack, "sunspec/meter", models=(1, 211)).good()
    assert good["grid_w"] == -1234.5
    assert good["grid_export_wh"] == 7654400.0


def test_a_gen24_without_storage_says_what_it_lacks_and_is_not_commanded(stack):
    pair = Pair(stack, "fronius/gen24", models=(1, 103, 120, 160))
    readings = pair.read()
    assert (readings["soc_frac"].reason, readings["soc_frac"].cause) == ("the device has no model 124", "absent")
    assert readings["pv_w"].value == pytest.approx(3580.1)
    assert pair.power(-2000.0).outcome == "refused"
    assert pair.wire.writes == []


def test_a_gen24_is_charged_by_bounds_that_end_before_they_count(stack):
    pair = Pair(stack, "fronius/gen24", state={"grid_charging": 0.0, "rate_revert": 0.0})
    pair.read()
    assert pair.power(-2000.0).outcome == "applied"
    at = {point.name: point.address for point in pair.device.profile.points}
    # Upper bound -40.00 %, lower bound 100.00 %, at once, for 900 s; then the grid, then what makes it count.
    assert pair.wire.writes == [
        (at["upper_rate"], (0x10000 - 4000, 10_000, 0, 900)),
        (at["grid_charging"], (1,)),
        (at["storage_mode"], (2,)),
    ]
    assert pair.good()["battery_w"] == pytest.approx(-2000.0)
    assert pair.devices.write(Command.native("test")).outcome == "applied"
    assert tuple(pair.device.read("holding", at["grid_charging"], 1)) == (0,)  # as the owner had it
    assert tuple(pair.device.read("holding", at["rate_revert"], 1)) == (0,)  # a time left behind ends others' holds
    assert tuple(pair.device.read("holding", at["storage_mode"], 1)) == (0,)


def test_a_percent_is_one_of_what_the_device_itself_can(stack):
    pair = Pair(stack, "fronius/gen24", state={"storage_power": 4000.0})
    pair.read()
    assert pair.power(2000.0).outcome == "applied"
    at = {point.name: point.address for point in pair.device.profile.points}
    assert pair.wire.writes[0] == (at["upper_rate"], (10_000, 0x10000 - 5000, 0, 900))  # 50 % of 4000 W


def test_a_scale_factor_that_moves_with_its_value_never_shows_a_wrong_one(stack):
    turn = iter(range(10_000))

    def source() -> Values:
        return {"power_sf": float(-(next(turn) % 3)), "pv_w": 320.0}

    pair = Pair(stack, "sunspec/inverter", models=(1, 103), source=source)
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
    assert pair.power(-2000.0).outcome == "refused"
    assert pair.wire.writes == []


def test_a_battery_inverter_ends_before_it_counts(stack):
    pair = Pair(stack, "sunspec/battery", allow=("setpoint",))
    pair.read()
    assert pair.power(-2000.0).outcome == "applied"
    at = {point.name: point.address for point in pair.device.profile.points}
    assert pair.wire.writes[-3:] == [
        (at["reversion_enable"], (0, 0, 900)),
        (at["setpoint"], (0xFFFF, 0x10000 - 20_000)),  # -2000.0 W
        (at["setpoint_enable"], (1, 1)),
    ]


@pytest.mark.parametrize("models", [(1, 124, 120, 160, 103), (1, 103, 160), (1, 103)])
def test_a_device_that_comes_back_with_another_map_is_not_written_to_by_the_old_one(stack, models):
    pair = Pair(stack, "fronius/gen24")
    pair.read()
    assert pair.power(-2000.0).outcome == "applied"
    pair.swap(BatteryDevice(served(pair.profile, models), {"manufacturer": "Fronius"}, pair.clock))
    assert pair.power(-1000.0).outcome in ("refused", "failed")
    assert pair.devices.write(Command.native("test")).outcome in ("refused", "failed")
    assert pair.wire.writes == []
    for _ in range(4):
        pair.read()
    readings = pair.read()
    assert readings["grid_hz"].state == "good"
    at = {write.name: write.address for write in pair.wire.profile.writes}
    if 124 in models:  # the power of before is gone, which is said once
        assert [pair.power(-1000.0).outcome for _ in range(2)] == ["reverted", "applied"]
        assert pair.good()["battery_w"] == pytest.approx(-1000.0)
    else:
        assert pair.power(-1000.0).outcome == "refused"
    assert {address for address, _ in pair.wire.writes} <= set(at.values())


def test_a_meter_on_a_serial_line_is_found_and_read(stack, tmp_path):
    clock = Clock(start_s=1_717_243_200.0, origin_s=time.monotonic(), speed=50.0)
    url = f"serial://{tmp_path}/line?baud=9600"
    stack.callback(open_device("fronius/meter", url, clock=clock, state={"grid_w": -777.7}).close)
    link = Link(profile="fronius/meter", url=url, unit=200)
    site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, links=(link,))
    devices = Devices(site, clock, ledger=MemoryLedger(clock))
    stack.callback(devices.close)
    readings: dict[str, Reading] = {}
    for _ in range(20):
        readings = {reading.signal: reading for reading in devices.read(5.0)}
        if all(reading.state == "good" for reading in readings.values()):
            break
    assert readings["grid_w"].value == pytest.approx(-777.7)
    assert {name for name, reading in readings.items() if reading.state != "good"} == set()


def test_a_solaredge_owner_gets_every_setting_back(stack):
    before = {"control_mode": 2.0, "ac_charge_policy": 3.0, "default_mode": 5.0}
    pair = Pair(stack, "solaredge/storedge", state=before)
    pair.read()
    assert pair.power(-2000.0).outcome == "applied"
    assert pair.good()["battery_w"] == pytest.approx(-2000.0)
    assert pair.devices.write(Command.native("test")).outcome == "applied"
    assert [tuple(pair.device.read("holding", address, 1)) for address in (57348, 57349, 57354)] == [(2,), (3,), (5,)]
