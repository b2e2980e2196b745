"""Faults of the device behind a right wire, through the whole device layer: what is read, and for how long.

Rows 9, 10, 11, 22-27 and 32 of the matrix (``test_fault_matrix.py``).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise

import pytest
from hand_clock import NOON_S, HandClock
from hand_wires import METER, SPH, HandHouse, HandWire, golden_bank, put_raw, sph_house
from hypothesis import given
from hypothesis import strategies as st
from wires import RegisterBank

from core_kernels.signals import Kind, signal
from edge.config import Battery
from edge.config_links import Link
from edge.devices.bonds import atoms
from edge.devices.bus import Link as Wiring
from edge.devices.cost import expected_cost
from edge.devices.planner import plan_reads
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.registers import split_words
from edge.devices.samples import Samples
from edge.devices.scheduler import Bus
from edge.devices.transport import parse_url
from edge.devices.unit import Unit
from edge.messages import Reading

PROFILE = load_profile(SPH)
NIGHT_S = NOON_S + 11.5 * 3600.0  # 23:30 UTC


def states(readings: dict[str, Reading]) -> set[str]:
    return {reading.state for reading in readings.values()}


def refusing(bank: RegisterBank, code: int, when: Callable[[int, int, int], bool]) -> None:
    """The bank refuses the reads for which ``when`` (function, address, count) holds."""
    answer = bank.answer

    def refuse(pdu: bytes) -> bytes:
        asked = struct.unpack_from(">BHH", pdu)
        return bytes([pdu[0] | 0x80, code]) if when(*asked) else answer(pdu)

    bank.answer = refuse


# --- 9: illegal address -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_refused_register_costs_its_own_value_only_and_is_asked_for_again_after_an_hour(code):
    house, bank = sph_house()
    refusing(bank, code, lambda function, address, count: function == 4 and address <= 1096 < address + count)
    readings = house.cycles(40)
    lost = readings.pop("1 soh_frac")
    assert (lost.state, lost.cause) == ("invalid", "refused")
    assert states(readings) == {"good"}
    del bank.answer
    assert house.cycles(60)["1 soh_frac"].state == "invalid"
    house.clock.sleep(3600.0)
    assert house.cycles(30)["1 soh_frac"].state == "good"
    assert bank.writes == []


def test_a_refusal_on_a_troubled_line_parts_nothing():
    house, bank = sph_house()
    house.cycles(30)
    (unit,) = house.devices.units
    before = [turn.block for turn in unit._agenda.turns]
    bank.silent = True
    house.cycle()
    bank.silent = False
    refusing(bank, 2, lambda *asked: True)
    house.cycles(6)
    assert [turn.block for turn in unit._agenda.turns] == before
    del bank.answer
    assert states(house.cycles(30)) == {"good"}


# --- 10: busy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [4, 5, 6])
def test_a_busy_device_is_asked_later_and_later_and_its_old_values_age(code):
    house, bank = sph_house()
    fresh = house.cycles(30)["1 battery_w"]
    asked_s: list[float] = []

    def busy(function: int, address: int, count: int) -> bool:
        hit = function == 4 and address >= 1000
        if hit:
            asked_s.append(house.clock.now_s())
        return hit

    refusing(bank, code, busy)
    old = house.cycles(25)["1 battery_w"]
    assert (old.state, old.value, old.cause) == ("stale", fresh.value, "busy")
    gaps_s = [later - earlier for earlier, later in pairwise(asked_s)]
    assert gaps_s == sorted(gaps_s)
    assert gaps_s[-1] >= 8.0
    del bank.answer
    assert house.cycles(40)["1 battery_w"].state == "good"
    assert bank.writes == []


def test_a_device_failure_that_never_ends_is_a_missing_register():
    house, bank = sph_house()
    refusing(bank, 4, lambda function, address, count: function == 4 and address <= 1096 < address + count)
    readings = house.cycles(120)
    assert readings.pop("1 soh_frac").cause == "refused"
    assert states(readings) == {"good"}


# --- 11: a gateway without its device -------------------------------------------------------------------------------


def gateway(banks: dict[int, RegisterBank], code: int = 11):
    def script(request: bytes):
        bank = banks.get(request[6])
        if bank is not None and not bank.silent:
            return bank.tcp(request)
        (transaction,) = struct.unpack_from(">H", request)
        return [struct.pack(">HHHBBB", transaction, 0, 3, request[6], request[7] | 0x80, code)]

    return script


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_marks_its_dead_unit_and_keeps_the_living_one(code):
    url = "tcp://gateway:502"
    banks = {1: golden_bank(METER), 2: golden_bank(METER, 2)}
    house = HandHouse({url: gateway(banks, code)}, tuple(Link(profile=METER, url=url, unit=unit) for unit in (1, 2)))
    assert states(house.cycles(3)) == {"good"}
    banks[2].silent = True
    for _ in range(60):
        readings = house.cycle()
        assert {r.state for name, r in readings.items() if name.startswith("1 ")} == {"good"}
    assert {r.cause for name, r in readings.items() if name.startswith("2 ")} == {"gateway"}
    assert house.connections == [url]
    banks[2].silent = False
    assert states(house.cycles(70)) == {"good"}


def test_a_gateway_on_which_nothing_answers_is_connected_to_anew():
    url = "tcp://gateway:502"
    bank = golden_bank(METER)
    house = HandHouse({url: gateway({1: bank})}, (Link(profile=METER, url=url),))
    house.cycles(3)
    bank.silent = True
    house.cycles(600)
    assert len(house.connections) > 1


# --- 22: night --------------------------------------------------------------------------------------------------------


def dusk(fall_asleep: Callable[[RegisterBank], None]) -> tuple[HandHouse, RegisterBank, dict[str, Reading]]:
    """An SPH that was read in the evening sun and then fell asleep; and its last readings."""
    house, bank = sph_house(clock=HandClock(NOON_S + 6.5 * 3600.0))
    awake = house.cycles(30)
    assert states(awake) == {"good"}
    house.clock.sleep_until(NIGHT_S)
    house.cycles(30)
    fall_asleep(bank)
    return house, bank, awake


def falls_silent(bank: RegisterBank) -> None:
    bank.silent = True


def says_zeros(bank: RegisterBank) -> None:
    bank.kept = dict(bank.words)
    bank.words = dict.fromkeys(bank.words, 0)


def says_nothing_is_there(bank: RegisterBank) -> None:
    bank.kept = dict(bank.words)
    bank.words = dict.fromkeys(bank.words, 0xFFFF)


@pytest.mark.parametrize("fall_asleep", [falls_silent, says_zeros, says_nothing_is_there])
def test_an_inverter_without_sun_is_asleep_keeps_its_totals_and_says_no_zero(fall_asleep):
    house, bank, awake = dusk(fall_asleep)
    for _ in range(300):
        readings = house.cycle()
        assert all(reading.value != 0.0 for reading in readings.values() if reading.state == "good")
    assert {reading.cause for reading in readings.values()} == {"asleep"}
    for name, reading in readings.items():
        total = signal(reading.signal).kind is Kind.COUNTER
        assert (reading.state, reading.value) == ("stale", awake[name].value) if total else reading.state == "invalid"
        assert total or math.isnan(reading.value)
    bank.silent, bank.words = False, getattr(bank, "kept", bank.words)
    house.clock.sleep_until(NOON_S + 19.0 * 3600.0)
    assert states(house.cycles(320)) == {"good"}
    assert bank.writes == []


@pytest.mark.parametrize("fall_asleep", [falls_silent, says_zeros])
def test_a_sleeping_inverter_is_looked_at_now_and_then_only(fall_asleep):
    house, *_ = dusk(fall_asleep)
    house.cycles(300)
    house.spent_s.clear()
    house.cycles(1800)
    assert 0.0 < house.spent_s[1] < 0.1 * 1800.0


def test_an_inverter_that_shows_zeros_from_the_first_is_read_on_by_night():
    bank = golden_bank(SPH)
    for point in PROFILE.points:
        if point.signal:
            put_raw(bank, PROFILE, point.name, 0)
    house, _ = sph_house(bank, clock=HandClock(NIGHT_S))
    assert {name: r.cause for name, r in house.cycles(30).items() if r.cause} == {"1 grid_hz": "implausible"}


def test_the_same_silence_in_the_sun_is_a_fault_and_not_sleep():
    house, bank = sph_house()
    house.cycles(30)
    bank.silent = True
    assert {reading.cause for reading in house.cycles(60).values()} <= {"unreachable", "late"}


# --- 23, 25: sentinels and signs ------------------------------------------------------------------------------------


def sentinels() -> list[tuple[str, str, int]]:
    rows = []
    for name in profile_names():
        profile = load_profile(name)
        rows += [(name, p.name, raw) for p in profile.points if p.signal for raw in p.sentinels if not p.models]
    return rows


@pytest.mark.parametrize(("name", "point", "raw"), sentinels())
def test_a_sentinel_of_any_family_is_no_value(name, point, raw):
    profile = load_profile(name)
    atom = next(atom for atom in atoms(profile.points) if any(one.name == point for one in atom))
    words_at: dict[int, int] = {}
    for one in sorted(atom, key=lambda one: one.name == point):  # two points may share a register
        pattern = raw if one.name == point else one.golden_raw
        order = one.order(profile.link.word_order)
        words = pattern if isinstance(pattern, tuple) else split_words(pattern, one.words, order)
        words_at |= dict(zip(one.addresses, words, strict=True))
    samples = Samples(profile)
    (block,) = plan_reads(atom, profile.link, expected_cost(9600))
    assert samples.take(block, words_at, NOON_S)
    found = samples.latest[point]
    assert math.isnan(found.value)
    assert found.cause == "sentinel"


@pytest.mark.parametrize("raw", [0xFFFFFFFE, 0xFFFF0000, 0x80000000, 0x7FFFFFFF])
def test_a_power_of_millions_of_watts_is_not_passed_on(raw):
    house, bank = sph_house()
    house.cycles(30)
    put_raw(bank, PROFILE, "grid_import_power", raw)
    for _ in range(10):
        reading = house.cycle()["1 grid_w"]
        assert reading.state != "good" or reading.value == pytest.approx(8123.4 - 6580.1)
    assert (reading.state, reading.cause) == ("invalid", "implausible")


def test_a_battery_beyond_its_rating_is_not_believed():
    rated = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0, rated_w=5000.0)
    house, bank = sph_house(battery=rated)
    put_raw(bank, PROFILE, "battery_discharge_power", 76_000)
    put_raw(bank, PROFILE, "battery_charge_power", 0)
    reading = house.cycles(30)["1 battery_w"]
    assert (reading.state, reading.cause) == ("invalid", "implausible")
    assert reading.reason == "7600 W is beyond the rated 5000 W"


# --- 24: a failed read is not 0 -------------------------------------------------------------------------------------


def test_a_block_that_fails_keeps_its_values_until_they_are_stale_and_never_shows_0():
    house, bank = sph_house()
    fresh = house.cycles(30)
    script = bank.rtu
    house.devices.close()
    house.scripts["serial:///dev/hand"] = lambda request: [] if request[2:4] >= b"\x03\xe8" else script(request)
    for _ in range(40):
        readings = house.cycle()
        assert {reading.state for reading in readings.values()} <= {"good", "stale"}
        assert {name: reading.value for name, reading in readings.items()} == pytest.approx(
            {name: reading.value for name, reading in fresh.items()}
        )
    assert readings["1 battery_w"].state == "stale"
    assert bank.writes == []


# --- 26: torn values --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-9000, 9000), min_size=5, max_size=25), st.lists(st.booleans(), min_size=25, max_size=25))
def test_a_power_whose_words_are_of_two_instants_is_never_good(steps, highs):
    house, bank = sph_house()
    house.cycles(8)
    put_raw(bank, PROFILE, "grid_export_power", 0)
    truth, true_w = 65_000, {0.0}
    put_raw(bank, PROFILE, "grid_import_power", truth)
    house.cycles(6)
    for step, high_is_new in zip(steps, highs, strict=False):
        before, truth = truth, max(truth + step, 0)
        true_w |= {before / 10.0, truth / 10.0}
        new, old = divmod(truth, 65_536), divmod(before, 65_536)
        mixed = new[0] * 65_536 + old[1] if high_is_new else old[0] * 65_536 + new[1]
        put_raw(bank, PROFILE, "grid_import_power", mixed)
        reading = house.cycle()["1 grid_w"]
        put_raw(bank, PROFILE, "grid_import_power", truth)
        later = house.cycle()["1 grid_w"]
        # Where no word was carried over, the mixture is a power between the two instants.
        true_w |= {mixed / 10.0} if abs(mixed - before) < 32_768 else set()
        for found in (reading, later):
            assert found.state != "good" or any(math.isclose(found.value, w, abs_tol=1e-6) for w in true_w)
    assert house.cycles(3)["1 grid_w"].value == pytest.approx(truth / 10.0)


def test_partners_of_a_balance_are_of_one_instant():
    house, bank = sph_house()
    put_raw(bank, PROFILE, "battery_charge_power", 35_000)
    put_raw(bank, PROFILE, "battery_discharge_power", 0)
    house.cycles(30)
    put_raw(bank, PROFILE, "battery_charge_power", 0)  # leaps by more than half a word
    put_raw(bank, PROFILE, "battery_discharge_power", 20_000)  # does not
    seen_w = [house.cycle()["1 battery_w"].value for _ in range(4)]
    assert {round(value) for value in seen_w} <= {-3500, 2000}
    assert seen_w[-1] == pytest.approx(2000.0)


def test_a_split_value_whose_high_word_changes_while_it_is_read_is_torn():
    meter = load_profile(METER)
    far = replace(meter.by_name["power_total"], type="u32", address=0, high_address=70, sentinels=(), scale=1.0, sign=1)
    profile = replace(meter, points=(far,), link=replace(meter.link, gap_words=4, align_words=1))
    clock, bank, highs = HandClock(), RegisterBank(), count()
    answer, is_torn = bank.answer, [True]

    def counting(pdu: bytes) -> bytes:
        bank.put(4, 0, 500)
        if struct.unpack_from(">H", pdu, 1) == (70,):
            bank.put(4, 70, next(highs) % 2 if is_torn[0] else 0)
        return answer(pdu)

    bank.answer = counting
    address = parse_url("tcp://meter", profile.link)
    wiring = Wiring(address, profile.link, clock, connect=lambda *_: HandWire(bank.tcp, clock, {}, 6))
    unit = Unit(profile, Bus(wiring, profile.link, clock), 1, clock)

    def sample():
        clock.sleep(1.0)
        for turn in unit.due(clock.now_s()):
            unit.poll(turn)
        return unit.samples["power_total"]

    seen = [sample() for _ in range(8)]
    assert {one.cause for one in seen} == {"torn"}
    assert all(math.isnan(one.value) for one in seen)
    is_torn[0] = False
    assert [sample().value for _ in range(3)][-1] == 500.0


# --- 27: a scale factor of another instant ----------------------------------------------------------------------------


@pytest.mark.parametrize("apart_words", [1, 30])
def test_a_value_is_scaled_by_the_factor_of_its_own_answer(apart_words):
    meter = load_profile(METER)
    power = replace(meter.by_name["power_total"], type="s16", words=1, address=0, sign=1, scale_point="factor")
    factor = replace(power, name="factor", signal="", address=2 * apart_words, scale_point="", sentinels=())
    profile = replace(meter, points=(power, factor))
    clock, bank, turns = HandClock(), RegisterBank(), count()
    told = [(1234, 0), (123, 1), (12_340, -1), (12_341, 0x8000)]
    answer = bank.answer

    def ever_new(pdu: bytes) -> bytes:
        raw, exponent = told[next(turns) % len(told)]
        bank.put(4, power.address, raw)
        bank.put(4, factor.address, exponent & 0xFFFF)
        return answer(pdu)

    bank.answer = ever_new
    address = parse_url("tcp://meter", profile.link)
    link = Wiring(address, profile.link, clock, connect=lambda *_: HandWire(bank.tcp, clock, {}, 6))
    unit = Unit(profile, Bus(link, profile.link, clock), 1, clock)
    values = []
    for _ in range(40):
        clock.sleep(1.0)
        for turn in unit.due(clock.now_s()):
            unit.poll(turn)
        values.append(unit.samples[power.name].value)
    good = [value for value in values if not math.isnan(value)]
    assert set(good) == {1234.0, 1230.0}
    assert len(good) < len(values)  # 0x8000 is no factor


# --- 32: counters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "what"), [(0, "fell"), (75_609, "fell"), (75_610 + 65_536, "leapt")])
def test_a_counter_that_steps_back_or_leaps_is_invalid_until_it_is_itself_again(raw, what):
    house, bank = sph_house()
    total = house.cycles(30)["1 grid_export_wh"]
    assert total.value == 7_561_000.0
    put_raw(bank, PROFILE, "grid_export_total", raw)
    reading = house.cycles(30)["1 grid_export_wh"]
    assert (reading.state, reading.cause) == ("invalid", "reset")
    assert what in reading.reason
    put_raw(bank, PROFILE, "grid_export_total", 75_611)
    assert house.cycles(4)["1 grid_export_wh"].value == 7_561_100.0
    assert bank.writes == []


# --- the dead and the living on one line ------------------------------------------------------------------------------


def test_a_dead_unit_takes_a_tenth_of_the_line_from_the_living_one():
    url = "serial:///dev/hand"
    links = (Link(profile=METER, url=url, unit=2), Link(profile=METER, url=url, unit=9))
    house = HandHouse({url: golden_bank(METER, 2).rtu}, links)
    house.cycles(4)
    house.spent_s.clear()
    began_s, ages_s = house.clock.now_s(), []
    for _ in range(900):
        grid = house.cycle()["2 grid_w"]
        assert grid.state == "good"
        ages_s.append(house.clock.now_s() - grid.measured_s)
    assert house.spent_s[9] <= 0.1 * (house.clock.now_s() - began_s)
    assert sorted(ages_s)[len(ages_s) // 2] <= 1.1
    assert max(ages_s) <= 3.0


def test_several_dead_units_share_the_tenth():
    url = "serial:///dev/hand"
    links = tuple(Link(profile=METER, url=url, unit=unit) for unit in (2, 7, 8, 9))
    house = HandHouse({url: golden_bank(METER, 2).rtu}, links)
    house.cycles(30)
    house.spent_s.clear()
    began_s = house.clock.now_s()
    house.cycles(900)
    dead_s = sum(spent_s for unit, spent_s in house.spent_s.items() if unit != 2)
    assert 0.0 < dead_s <= 0.1 * (house.clock.now_s() - began_s)


def test_a_dead_unit_is_probed_with_any_of_its_reads_and_found_when_it_is_back():
    house, bank = sph_house()
    house.cycles(30)
    bank.silent = True
    house.cycles(5)
    (unit,) = house.devices.units
    probes = [unit.due(house.clock.now_s() + 10_000.0) for _ in range(50)]
    assert all(len(probe) == 1 for probe in probes)
    assert len({probe[0].block.address for probe in probes}) > 2
    house.cycles(1200)
    bank.silent = False
    assert states(house.cycles(320)) == {"good"}


def test_an_absent_port_is_looked_for_every_second_and_read_within_two_of_its_return():
    house, bank = sph_house()
    house.cycles(30)
    house.scripts["serial:///dev/hand"] = None
    house.devices.close()
    house.clock.sleep(1.0)
    lost = house.cycles(100)["1 battery_w"]
    assert (lost.state, lost.cause) == ("stale", "unreachable")
    house.scripts["serial:///dev/hand"] = bank.rtu
    back_s = house.clock.now_s()
    while house.cycle()["1 battery_w"].state != "good":
        assert house.clock.now_s() - back_s < 3.0


def test_a_device_that_takes_the_connection_and_says_nothing_is_called_mute():
    url = "tcp://inverter:502"
    house = HandHouse({url: lambda request: []}, (Link(profile=METER, url=url),))
    reading = house.cycles(5)["1 grid_w"]
    assert (reading.state, reading.cause) == ("invalid", "mute")
    assert "it may be serving another client" in reading.reason
