"""The twin's Growatt SPH, asked in bytes: what it shows, what it obeys, and how it lies."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hand_clock import NOON_S, HandClock

from edge.devices.image import respond
from edge.devices.plant import HousePlant, PlantParams, Series
from edge.devices.profile_file import load_profile
from edge.devices.twin import World, meter_values
from edge.devices.twin_battery import BatteryDevice
from edge.devices.twin_sph import SphInverter, measured
from edge.errors import ConfigError, DeviceRejected

START, END, ENABLE = 1100, 1101, 1102
GRID_START = 1080
VPP_ENABLE, VPP_MINUTES, VPP_POWER = 30407, 30408, 30409


class Bench:
    """An inverter in a house, asked through its PDUs."""

    def __init__(self, *, has_vpp: bool = True, pv_w: float = 0.0, constants: dict[str, float] | None = None) -> None:
        self.clock = HandClock()
        params = replace(PlantParams(), hunting_w=0.0, clock_drift_s_per_day=0.0)
        series = Series(start_s=NOON_S, slot_s=900.0, pv_w=[pv_w], load_w=[600.0])
        self.plant = HousePlant(params, series, start_s=NOON_S)
        device = SphInverter(load_profile("growatt/sph"), self.plant, has_vpp=has_vpp, constants=constants)
        self.ask = World(self.clock, {"inverter": device}, self.plant).answer("inverter")

    def wait(self, seconds: float) -> None:
        self.clock.time_s += seconds

    def read(self, first: int, count: int = 1, *, function: int = 3) -> tuple[int, ...]:
        reply = self.ask(struct.pack(">BHH", function, first, count))
        assert reply[0] == function, f"exception {reply[1]}"
        assert reply[1] == 2 * count
        return struct.unpack(f">{count}H", reply[2:])

    def refusal(self, pdu: bytes) -> int:
        reply = self.ask(pdu)
        assert reply[0] == pdu[0] | 0x80
        return reply[1]

    def write_one(self, address: int, word: int) -> None:
        pdu = struct.pack(">BHH", 6, address, word)
        assert self.ask(pdu) == pdu

    def write_many(self, first: int, words: Sequence[int]) -> None:
        pdu = write_many(first, words)
        assert self.ask(pdu) == pdu[:5]


def write_many(first: int, words: Sequence[int]) -> bytes:
    return struct.pack(f">BHHB{len(words)}H", 16, first, len(words), 2 * len(words), *words)


def test_telemetry_is_within_one_percent_and_the_load_is_only_derived() -> None:
    bench = Bench(pv_w=3000.0)
    bench.wait(60.0)
    words = bench.read(1000, 40, function=4)
    charge_w = (words[11] << 16 | words[12]) / 10.0
    export_w = (words[29] << 16 | words[30]) / 10.0
    load_w = (words[37] << 16 | words[38]) / 10.0
    pv_words = bench.read(1, 2, function=4)
    pv_w = (pv_words[0] << 16 | pv_words[1]) / 10.0
    assert pv_w == pytest.approx(3000.0, rel=0.0101)
    assert charge_w == pytest.approx(2400.0, rel=0.0101)
    assert load_w == pytest.approx(pv_w - charge_w - export_w, abs=0.31)
    assert words[14] == 50 or words[14] == 51
    assert words[0] == 5


def test_noise_of_inverter_and_meter_stays_in_its_class() -> None:
    bench = Bench(pv_w=9000.0)
    bench.plant.command_power(0.0, 1e6)
    bench.plant.advance(NOON_S + 10.0)
    seen_pv, seen_grid = set(), set()
    for _ in range(200):
        bench.plant.advance(bench.plant.time_s + 1.0)
        seen_pv.add(float(measured(bench.plant)["pv_w"]))
        seen_grid.add(float(meter_values(bench.plant)["grid_w"]))
    assert 8910.0 <= min(seen_pv) < 8960.0 < 9040.0 < max(seen_pv) <= 9090.0
    assert -8442.0 <= min(seen_grid) < max(seen_grid) <= -8358.0


def test_unmapped_registers_inside_a_window_read_zero_and_swallow_writes() -> None:
    bench = Bench()
    assert bench.read(1110, 4) == (0, 0, 0, 0)
    bench.write_one(1112, 7)
    assert bench.read(1112) == (0,)


@pytest.mark.parametrize(("first", "count"), [(125, 1), (120, 10), (999, 2), (1125, 1), (29999, 1)])
def test_outside_windows_is_exception_two(first: int, count: int) -> None:
    assert Bench().refusal(struct.pack(">BHH", 3, first, count)) == 2


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (struct.pack(">BHH", 3, 0, 126), 3),
        (struct.pack(">BHH", 3, 0, 0), 3),
        (struct.pack(">BHH", 1, 0, 1), 1),
        (b"\x2b\x0e\x01\x00", 1),
        (b"\x03\x00", 3),
        (struct.pack(">BHHBH", 16, 1100, 2, 4, 1), 3),
        (write_many(1500, [1]), 2),
        (struct.pack(">BHH", 6, VPP_POWER, 101), 3),
        (struct.pack(">BHH", 6, VPP_POWER, 0x10000 - 101), 3),
        (struct.pack(">BHH", 6, 1070, 101), 3),
        (struct.pack(">BHH", 6, 1082, 2), 3),
        (write_many(1103, [10 * 256 + 60, 0, 0]), 3),
        (write_many(1103, [0, 0, 2]), 3),
    ],
)
def test_bad_requests_get_their_exception(pdu: bytes, code: int) -> None:
    assert Bench().refusal(pdu) == code


def test_old_firmware_has_no_vpp_registers() -> None:
    bench = Bench(has_vpp=False)
    for address in (30099, VPP_ENABLE):
        assert bench.refusal(struct.pack(">BHH", 3, address, 1)) == 2
        assert bench.refusal(struct.pack(">BHH", 6, address, 1)) == 2
    assert Bench().read(30099) == (203,)


def test_single_write_to_a_slot_time_is_acknowledged_and_reverts_after_six_seconds() -> None:
    bench = Bench()
    bench.write_one(START, 12 * 256)
    assert bench.read(START) == (12 * 256,)
    bench.wait(5.0)
    assert bench.read(START) == (12 * 256,)
    bench.wait(2.0)
    assert bench.read(START) == (0,)


def test_block_write_of_the_whole_triple_holds() -> None:
    bench = Bench()
    bench.write_one(END, 13 * 256)
    bench.write_many(START, [12 * 256, 13 * 256, 1])
    bench.wait(30.0)
    assert bench.read(START, 3) == (12 * 256, 13 * 256, 1)
    assert bench.plant.mode == "battery_first"


def test_block_write_of_half_a_triple_reverts_but_enable_alone_holds() -> None:
    bench = Bench()
    bench.write_many(START, [12 * 256, 13 * 256])
    bench.write_one(ENABLE, 1)
    assert bench.plant.mode == "battery_first"
    bench.wait(10.0)
    assert bench.read(START, 3) == (0, 0, 1)
    assert bench.plant.mode == "native"


def test_battery_first_slot_charges_until_its_end_and_stays_enabled() -> None:
    bench = Bench()
    bench.write_many(1090, [40, 100, 1])
    bench.write_many(START, [12 * 256, 12 * 256 + 15, 1])
    bench.wait(60.0)
    bench.read(0)
    assert bench.plant.snapshot().battery_w == pytest.approx(-2000.0)
    bench.wait(840.0)
    assert bench.read(ENABLE) == (1,)
    assert bench.plant.mode == "native"


def test_grid_first_slot_discharges_and_second_slots_count_too() -> None:
    bench = Bench()
    bench.write_many(1070, [20, 15])
    bench.write_many(GRID_START + 3, [12 * 256, 23 * 256 + 59, 1])
    bench.wait(30.0)
    bench.read(0)
    assert bench.plant.mode == "grid_first"
    assert bench.plant.snapshot().battery_w == pytest.approx(1000.0)


def test_vpp_power_ends_by_itself_and_clears_its_enable() -> None:
    bench = Bench()
    bench.write_many(VPP_MINUTES, [15, 30])
    assert bench.plant.mode == "native"
    bench.write_one(VPP_ENABLE, 1)
    bench.wait(30.0)
    assert bench.read(30474) == (30,)
    assert bench.plant.snapshot().battery_w == pytest.approx(-1500.0)
    bench.wait(869.0)
    assert bench.read(VPP_ENABLE, 3) == (1, 15, 30)
    bench.wait(1.0)
    assert bench.read(VPP_ENABLE, 3) == (0, 15, 30)
    assert bench.read(30474) == (0,)
    assert bench.plant.mode == "native"


def test_vpp_duration_written_again_extends_the_lease_and_power_alone_does_not() -> None:
    bench = Bench()
    bench.write_many(VPP_ENABLE, [1, 10, 0x10000 - 20])
    bench.wait(300.0)
    bench.write_one(VPP_POWER, 0x10000 - 40)
    assert bench.plant.lease_left_s == pytest.approx(300.0)
    bench.wait(30.0)
    bench.read(0)
    assert bench.plant.snapshot().battery_w == pytest.approx(2000.0)
    bench.write_one(VPP_MINUTES, 10)
    assert bench.plant.lease_left_s == pytest.approx(600.0)


def test_vpp_without_a_duration_runs_until_cancelled() -> None:
    bench = Bench()
    bench.write_one(VPP_POWER, 10)
    bench.write_one(VPP_ENABLE, 1)
    bench.wait(7200.0)
    assert bench.read(VPP_ENABLE) == (1,)
    bench.write_one(VPP_ENABLE, 0)
    assert bench.plant.mode == "native"


def test_clock_shows_local_time_and_can_be_set() -> None:
    bench = Bench()
    bench.wait(61.0)
    assert bench.read(45, 6) == (2024, 6, 1, 12, 1, 1)
    bench.write_many(45, [2024, 6, 1, 18, 30, 0])
    bench.wait(5.0)
    assert bench.read(45, 6) == (2024, 6, 1, 18, 30, 5)
    bench.write_one(49, 45)
    assert bench.read(45, 6) == (2024, 6, 1, 18, 45, 5)
    assert bench.refusal(struct.pack(">BHH", 6, 46, 13)) == 3


def test_identity_is_readable_text() -> None:
    words = Bench().read(23, 5)
    assert b"".join(word.to_bytes(2, "big") for word in words) == b"TWN0123456"


def test_constant_state_stays_while_commands_still_run() -> None:
    bench = Bench(constants={"pv_w": 3000.0, "load_w": 800.0, "soc_frac": 0.5, "battery_w": -2200.0})
    bench.write_many(VPP_ENABLE, [1, 1, 50])
    bench.wait(50.0)
    assert bench.read(1, 2, function=4) == (0, 30000)
    assert bench.read(1009, 6, function=4) == (0, 0, 0, 22000, 0, 50)
    assert bench.read(VPP_ENABLE) == (1,)
    bench.wait(10.0)
    assert bench.read(VPP_ENABLE) == (0,)


def test_state_that_the_profile_does_not_know_is_refused_whole() -> None:
    with pytest.raises(ConfigError) as caught:
        Bench(constants={"nonsense": 1.0, "load_w": -5.0})
    assert len(caught.value.problems) == 2


def test_image_of_any_profile_keeps_known_writes_in_their_range_and_refuses_others() -> None:
    device = BatteryDevice(load_profile("growatt/sph"), {"soc_frac": 0.7}, HandClock())
    assert respond(device, write_many(1090, [40, 95]))[0] == 16
    assert device.read("holding", 1090, 2) == (40, 95)
    assert device.read("input", 1014, 1) == (70,)
    assert respond(device, write_many(1090, [40, 101])) == b"\x90\x03"
    assert respond(device, write_many(1110, [1])) == b"\x90\x02"


def test_an_empty_request_is_refused() -> None:
    class Mute:
        profile = load_profile("growatt/sph")

        def read(self, space: str, first: int, count: int) -> tuple[int, ...]:
            raise DeviceRejected("no", 4)

        def write(self, function: int, first: int, words: Sequence[int]) -> None:
            raise DeviceRejected("no", 4)

    assert respond(Mute(), b"") == b"\x80\x01"
    assert respond(Mute(), struct.pack(">BHH", 4, 0, 1)) == b"\x84\x04"
    assert respond(Mute(), struct.pack(">BHH", 6, 0, 1)) == b"\x86\x04"
