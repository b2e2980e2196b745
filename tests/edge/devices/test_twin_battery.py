"""The bench device of any profile, asked in bytes: what it takes, what it refuses, and what its battery makes of it."""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Sequence
from typing import Any

import pytest
from hand_clock import HandClock

from edge.devices.image import ImageDevice, respond
from edge.devices.profile import Profile
from edge.devices.profile_file import FOLDER, load_profile, parse_profile
from edge.devices.sunspec_twin import served
from edge.devices.twin_battery import BatteryDevice
from edge.errors import ConfigError

EMS_MODE, EMS_POWER = 47511, 47512
AUTO, STANDBY, CHARGE, DISCHARGE = 1, 8, 11, 12


def device(name: str, **state: float) -> BatteryDevice:
    return BatteryDevice(load_profile(name), state, HandClock())


def edited(name: str, change: Any) -> Profile:
    data = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    change(data)
    return parse_profile(name, data)


def write_many(served: BatteryDevice, first: int, *words: int) -> bytes:
    return respond(served, struct.pack(f">BHHB{len(words)}H", 16, first, len(words), 2 * len(words), *words))


def write_one(served: BatteryDevice, address: int, word: int) -> bytes:
    return respond(served, struct.pack(">BHH", 6, address, word))


def words(served: BatteryDevice, first: int, count: int) -> Sequence[int]:
    return tuple(served.read("holding", first, count))


def test_declared_registers_are_taken_and_shown_again() -> None:
    goodwe = device("goodwe/et")
    assert words(goodwe, EMS_MODE, 2) == (AUTO, 0)
    assert write_many(goodwe, EMS_MODE, CHARGE, 900)[0] == 16
    assert words(goodwe, EMS_MODE, 2) == (CHARGE, 900)
    assert write_one(goodwe, EMS_MODE, STANDBY)[0] == 6
    assert words(goodwe, EMS_MODE, 2) == (STANDBY, 900)


@pytest.mark.parametrize(
    ("name", "first", "block"),
    [
        ("goodwe/et", 47510, (1,)),  # the export limit: documented, but not declared
        ("goodwe/et", 47511, (1, 0, 0)),  # one register too many
        ("goodwe/et", 37007, (50,)),  # telemetry
        ("huawei/sun2000_luna", 47247, (0,)),  # half a 32-bit value
        ("huawei/sun2000_luna", 47246, (0, 0, 2500, 0)),  # the second one cut
    ],
)
def test_what_no_profile_declares_is_exception_two(name: str, first: int, block: Sequence[int]) -> None:
    served = device(name)
    assert write_many(served, first, *block) == b"\x90\x02"


def test_one_register_out_of_range_is_exception_three_and_nothing_acts() -> None:
    goodwe = device("goodwe/et")
    rest_w = goodwe.battery_w
    assert write_many(goodwe, EMS_MODE, CHARGE, 10_001) == b"\x90\x03"
    assert words(goodwe, EMS_MODE, 2) == (AUTO, 0)
    assert goodwe.battery_w == rest_w


def test_family_without_function_six_refuses_it() -> None:
    profile = edited("goodwe/et", lambda data: data["link"].update(write_single=False, max_write_words=2))
    served = BatteryDevice(profile, {}, HandClock())
    assert write_one(served, EMS_MODE, CHARGE) == b"\x86\x01"
    assert write_many(served, EMS_MODE, CHARGE, 900)[0] == 16
    assert write_many(served, EMS_MODE, CHARGE, 900, 1) == b"\x90\x03"


def test_masked_register_keeps_what_the_writer_sends_and_means_its_own_bits() -> None:
    def change(data: dict[str, Any]) -> None:
        read = next(row for row in data["point"] if row["name"] == "ems_power")
        data["point"].append({**read, "name": "flag", "address": 47513, "mask": 0x0030, "golden_value": 2.0})
        data["point"][-1]["golden_raw"] = 0x0020
        data["link"]["read_windows"]["holding"][-1] = [47511, 47513]
        wide = next(row for row in data["write"] if row["name"] == "ems_power")
        data["write"].append(
            {**wide, "name": "flag", "address": 47513, "mask": 0x0030, "range": [0, 2], "readback": "flag"}
        )

    served = BatteryDevice(edited("goodwe/et", change), {}, HandClock())
    assert words(served, 47513, 1) == (0x0020,)
    assert write_one(served, 47513, 0xA50F)[0] == 6
    assert words(served, 47513, 1) == (0xA50F,)
    assert write_one(served, 47513, 0x0030) == b"\x86\x03"


def test_battery_stays_inside_its_rating_and_inside_what_it_allows_now() -> None:
    goodwe = BatteryDevice(load_profile("goodwe/et"), {}, HandClock(), rated_w=3000.0)
    write_many(goodwe, EMS_MODE, DISCHARGE, 9000)
    assert goodwe.battery_w == 3000.0
    huawei = device("huawei/sun2000_luna", max_charge_power=1200.0)
    write_many(huawei, 47083, 15)
    write_many(huawei, 47246, 0, 0, 4000, 0, 0)
    write_many(huawei, 47100, 1)
    assert huawei.battery_w == -1200.0


def test_state_may_start_in_a_forced_mode() -> None:
    assert device("goodwe/et", ems_mode=float(CHARGE), ems_power=800.0).battery_w == -800.0


def test_grid_balances_the_battery_and_the_rest_stands_still() -> None:
    sungrow = device("sungrow/sh", battery_w=0.0, grid_w=500.0)
    write_many(sungrow, 13050, 0xBB, 1800)
    write_one(sungrow, 13049, 2)
    low, high = sungrow.read("input", 13009, 2)
    assert (high, low) == (0, 1300)  # export, because 1800 W less 500 W go out
    assert sungrow.read("input", 5213, 2) == (1800, 0)


def test_lease_starts_again_with_each_refresh() -> None:
    clock = HandClock()
    solax = BatteryDevice(load_profile("solax/hybrid"), {"pv_w": 3000.0}, clock)

    def refresh() -> None:
        # 13 words: mode, set, power (low word first, -1000 W: to the house), reactive, 60 s, SoC, Wh, W, timeout
        assert write_many(solax, 124, 1, 1, 0xFC18, 0xFFFF, 0, 0, 60, 0, 0, 0, 0, 0, 0)[0] == 16

    refresh()
    assert solax.battery_w == -2000.0
    clock.time_s += 50.0
    refresh()
    clock.time_s += 59.0
    assert solax.battery_w == -2000.0
    assert solax.read("input", 256, 1) == (1,)
    clock.time_s += 2.0
    assert solax.read("input", 256, 1) == (0,)
    assert solax.battery_w != -2000.0


def test_clock_of_the_device_runs() -> None:
    clock = HandClock()
    served = BatteryDevice(load_profile("growatt/mod_xh"), {}, clock)
    assert served.read("holding", 45, 6) == (2024, 6, 1, 12, 0, 0)
    clock.time_s += 3661.0
    assert served.read("holding", 45, 6) == (2024, 6, 1, 13, 1, 1)


def test_unknown_state_names_what_there_is() -> None:
    with pytest.raises(ConfigError) as caught:
        device("sungrow/sh", moon=1.0)
    text = str(caught.value.problems)
    assert "moon: sungrow/sh has no such signal or point" in text
    assert "battery_w" in text
    assert "ems_mode" in text


def test_meter_takes_no_writes() -> None:
    meter = ImageDevice(load_profile("carlo_gavazzi/em24"), {})
    assert respond(meter, struct.pack(">BHH", 6, 0, 1)) == b"\x86\x02"


def test_battery_does_no_more_than_the_registers_can_say() -> None:
    """The meter of the golden SolarEdge counts tenths of a watt in 16 bits: no more than 3276.7 W go out."""
    state = {"control_mode": 4.0, "command_mode": 4.0, "discharge_limit": 4900.0, "grid_w": 1000.0, "battery_w": 500.0}
    storedge = BatteryDevice(served(load_profile("solaredge/storedge")), state, HandClock())
    assert storedge.battery_w == pytest.approx(3276.7 + 1500.0)
