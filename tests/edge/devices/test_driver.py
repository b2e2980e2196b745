"""The devices of a site as the control cycle sees them: readings that say how good they are, and guarded writes."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from hand_clock import HandClock
from hand_wires import golden_bank
from wires import PtyServer, RegisterBank, TcpServer

from edge.config import Battery, Site, parse_site
from edge.config_links import Link
from edge.devices.driver import Devices
from edge.devices.wear import MemoryLedger
from edge.errors import ConfigError, StoreError
from edge.messages import Command, Reading, RegisterWrite, WriteResult

METER = "eastron/sdm630#1"
METER_POWER = 52  # its grid_w, a float
SPH = "growatt/sph#1"
BATTERY = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0)


class FullDisk(MemoryLedger):
    """A journal that takes so many notes and then fails."""

    room_count = 10_000

    def count_today(self, register: str) -> int:
        if self.room_count <= 0:
            raise StoreError("database or disk is full")
        return super().count_today(register)

    def note(self, writes: Sequence[RegisterWrite], sequence: int | None) -> None:
        if self.room_count <= 0:
            raise StoreError("database or disk is full")
        self.room_count -= 1
        super().note(writes, sequence)


class House:
    """An SPH on a pty and a meter on TCP, with a hand-driven clock."""

    def __init__(
        self,
        stack: ExitStack,
        *,
        vpp: bool = True,
        meter: bool = True,
        battery: Battery = BATTERY,
        beside: Sequence[Link] = (),
    ) -> None:
        self.clock = HandClock(speed=1000.0)
        self.sph, self.meter = golden_bank("growatt/sph"), golden_bank("eastron/sdm630")
        self.set(30407, 0)
        self.set(1082, 0)
        self.set(1102, 0)
        self.at(10, 30)
        if not vpp:
            self.sph.refused = {(3, address) for address in (30099, 30407, 30408, 30409, 30474)}
        links = [Link(profile="growatt/sph", url=stack.enter_context(PtyServer(self.sph.rtu)).url)]
        if meter:
            self.tcp = stack.enter_context(TcpServer(self.meter.tcp))
            links.append(Link(profile="eastron/sdm630", url=self.tcp.url))
        self.ledger = FullDisk(self.clock)
        self.site = Site(name="t", latitude_deg=49.0, longitude_deg=16.0, battery=battery, links=(*links, *beside))
        self.devices = Devices(self.site, self.clock, ledger=self.ledger)
        stack.callback(self.devices.close)

    def set(self, address: int, *words: int) -> None:
        self.sph.put(3, address, *words)

    def at(self, hour: int, minute: int) -> None:
        self.set(48, hour, minute, 0)

    def read(self, budget_s: float = 60.0) -> dict[str, Reading]:
        readings = self.devices.read(budget_s)
        assert len({reading.signal for reading in readings}) == len(readings)
        return {reading.signal: reading for reading in readings}

    def ready(self) -> House:
        for _ in range(4):
            self.clock.sleep(2.0)
            self.read()
        return self

    def power(self, battery_w: float, lease_s: float = 900.0):
        return self.devices.write(Command(mode="power", battery_w=battery_w, lease_s=lease_s, reason="test"))

    def native(self):
        return self.devices.write(Command.native("test"))

    def wrote(self) -> list[tuple[int, int, tuple[int, ...]]]:
        rows, self.sph.writes = self.sph.writes, []
        return rows


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def house(stack: ExitStack) -> House:
    return House(stack).ready()


@pytest.fixture
def old_house(stack: ExitStack) -> House:
    """Older firmware: no VPP registers, only slots."""
    return House(stack, vpp=False).ready()


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_golden_house_reads_as_stated(house):
    readings = house.read()
    assert all(reading.state == "good" for reading in readings.values())
    assert readings["pv_w"].value == pytest.approx(5432.1)
    assert readings["battery_w"].value == pytest.approx(3141.5 - 7000.0)
    assert readings["soc_frac"].value == pytest.approx(0.73)
    assert readings["load_w"].value == pytest.approx(1234.5)


def car_meter(stack: ExitStack, grid_w: float) -> Link:
    """A meter of its own before the car."""
    bank = golden_bank("eastron/sdm630")
    bank.put(4, METER_POWER, *struct.unpack(">HH", struct.pack(">f", grid_w)))
    server = stack.enter_context(TcpServer(bank.tcp))
    return Link(profile="eastron/sdm630", url=server.url, measures="ev.car")


@pytest.mark.parametrize(("metered_w", "car_w"), [(7200.0, 7200.0), (-12.0, 0.0)])
def test_a_meter_before_the_car_says_what_the_car_draws_and_nothing_of_the_house(stack, metered_w, car_w):
    house = House(stack, beside=(car_meter(stack, metered_w),)).ready()
    readings = house.read()
    assert readings["ev_car_w"].value == pytest.approx(car_w)
    assert (readings["ev_car_w"].state, readings["ev_car_w"].unit) == ("good", "W")
    assert readings["grid_w"].value == pytest.approx(-4321.5)
    assert readings["grid_import_wh"].device == readings["grid_w"].device == METER


def test_a_car_that_feeds_has_its_meter_the_wrong_way_round(stack):
    reading = House(stack, beside=(car_meter(stack, -7200.0),)).ready().read()["ev_car_w"]
    assert math.isnan(reading.value)
    assert (reading.state, reading.cause) == ("invalid", "implausible")
    assert "the right way round" in reading.reason


def test_a_silent_meter_before_the_car_is_a_missing_car_never_a_still_one(stack):
    link = Link(profile="eastron/sdm630", url="tcp://127.0.0.1:9", measures="ev.car")
    reading = House(stack, beside=(link,)).ready().read()["ev_car_w"]
    assert math.isnan(reading.value)
    assert reading.state == "invalid"
    assert reading.reason


def test_only_a_meter_can_stand_before_a_consumer(stack):
    link = Link(profile="sunspec/inverter", url="tcp://127.0.0.1:9", measures="ev.car")
    with pytest.raises(ConfigError, match=r"link\[2\]\.measures needs a meter of power, sunspec/inverter is none"):
        House(stack, beside=(link,))


def test_the_meter_is_heard_before_the_inverter(house):
    readings = house.read()
    assert readings["grid_w"].value == pytest.approx(-4321.5)
    assert readings["grid_import_wh"].value == pytest.approx(8_123_500.0)
    assert {readings[name].device for name in ("grid_w", "grid_import_wh", "grid_v")} == {METER}


def test_a_dead_meter_is_replaced_for_power_but_not_for_counters(house):
    house.meter.silent = True
    for _ in range(6):
        house.clock.sleep(3.0)
        readings = house.read(budget_s=3.0)
    assert readings["grid_w"].value == pytest.approx(8123.4 - 6580.1)
    assert readings["grid_w"].device == SPH
    assert readings["grid_w"].reason.startswith(f"in place of {METER}, which is stale")
    assert readings["grid_import_wh"].device == METER
    assert readings["grid_import_wh"].state == "stale"


def test_before_the_first_read_everything_is_invalid_and_nan(stack):
    for reading in House(stack).read(budget_s=0.0).values():
        assert reading.state == "invalid"
        assert math.isnan(reading.value)
        assert reading.reason == "not read yet"


def test_a_small_budget_reads_one_block_a_link_and_forgets_none(stack):
    house = House(stack, meter=False)
    for _ in range(20):
        house.clock.sleep(1.0)
        before = house.clock.now_s()
        house.read(budget_s=0.5)
        assert house.clock.now_s() - before <= 0.5
    readings = house.read(budget_s=0.5)
    assert {reading.state for reading in readings.values()} == {"good"}
    assert house.devices.mode() == "native"


def test_a_silent_inverter_goes_stale_with_its_age_and_reason(house):
    house.sph.silent = True
    for _ in range(6):
        house.clock.sleep(3.0)
        reading = house.read(budget_s=3.0)["pv_w"]
    assert reading.state == "stale"
    assert reading.value == pytest.approx(5432.1)
    assert "s old: " in reading.reason
    assert "does not answer" in reading.reason


def test_failed_requests_are_counted_by_device_and_cause(old_house):
    before = old_house.devices.link_errors()
    assert before[SPH]["refused"] >= 1, "older firmware lacks registers"
    assert before[METER] == {}
    old_house.meter.silent = True
    for _ in range(6):
        old_house.clock.sleep(3.0)
        old_house.read(budget_s=3.0)
    after = old_house.devices.link_errors()
    assert after[METER]["unreachable"] >= 1
    assert after[SPH] == before[SPH]


def test_a_silent_unit_is_left_alone_longer_and_longer(stack):
    house = House(stack, meter=False)
    house.sph.silent = True
    asked = []
    unit = house.devices.units[0]
    for _ in range(300):
        house.clock.sleep(1.0)
        if not unit.is_silent(house.clock.now_s()):
            asked.append(house.clock.now_s())
            house.devices.read(0.5)
            if len(asked) == 5:
                break
    gaps_s = [b - a for a, b in pairwise(asked)]
    assert gaps_s == sorted(gaps_s)
    assert gaps_s[0] == 1.0  # one lost answer does not make a dead unit
    assert gaps_s[1] >= 2.0
    assert gaps_s[-1] >= 8.0
    assert all("does not answer" in reading.reason for reading in house.devices.read(0.5))


def test_a_value_outside_its_plausible_range_is_invalid(house):
    house.sph.put(4, 1, 0xFFFF, 0xFFFE)
    reading = house.ready().read()["pv_w"]
    assert reading.state == "invalid"
    assert math.isnan(reading.value)
    assert reading.reason == "4.29497e+08 W is outside 0..100000"


def test_two_wild_parts_do_not_cancel_out(house):
    house.sph.put(4, 1009, 0x7FFF, 0xFFFF, 0x7FFF, 0xFFFF)
    reading = house.ready().read()["battery_w"]
    assert reading.state == "invalid"
    assert reading.reason == "2.14748e+08 W is outside -100000..100000"


def fill(bank: RegisterBank, word: int) -> None:
    """Every register of the device reads the same."""
    spans = [*range(1250), *range(30000, 30500)]
    bank.words = {(function, address): word for function in (3, 4) for address in spans}


@pytest.mark.parametrize("word", [0, 0xFFFF])
@pytest.mark.parametrize("vpp", [True, False])
def test_a_device_of_all_zeros_or_all_ones_says_nothing_and_gets_nothing(stack, word, vpp):
    house = House(stack, vpp=vpp)
    fill(house.sph, word)
    fill(house.meter, word)
    readings = house.ready().ready().read()
    assert {reading.state for reading in readings.values()} == {"invalid"}
    assert readings["pv_w"].reason == f"every register reads {word}: this is no device"
    assert house.devices.mode() == "unknown"
    for result in (house.power(-2000.0), house.native()):
        assert (result.outcome, result.detail) == ("refused", f"every register reads {word}: this is no device")
    assert house.wrote() == []


def test_all_ones_are_no_value_even_when_one_register_lives(stack):
    house = House(stack, meter=False)
    fill(house.sph, 0xFFFF)
    house.set(9, 0x4142)
    readings = house.ready().ready().read()
    assert {reading.state for reading in readings.values()} == {"invalid"}
    assert readings["grid_w"].reason == "the device says that there is no value"
    assert house.devices.mode() == "unknown"
    assert house.native().detail == "the serial number is blank or no text"
    assert house.wrote() == []


def test_a_serial_number_is_waited_for(stack):
    house = House(stack)
    house.sph.refused = {(3, address) for address in range(23, 28)}
    assert house.ready().native().detail.startswith("start-up: no serial number: refused with exception 02")
    assert house.wrote() == []


@pytest.mark.parametrize("words", [(0,) * 5, (0x2020,) * 5, (0xFFFF,) * 5, (0x5457, 0x0107, 0x4141, 0, 0)])
def test_a_blank_or_unprintable_serial_number_is_no_identity(stack, words):
    house = House(stack)
    house.set(23, *words)
    assert house.ready().power(-2000.0).detail == "the serial number is blank or no text"
    assert house.wrote() == []


@pytest.mark.parametrize("version", [1, 199, 300, 0xFFFF])
def test_an_impossible_vpp_version_is_no_vpp(stack, version):
    house = House(stack)
    house.set(30099, version)
    house.ready().power(-2000.0)
    assert {address for _, address, _ in house.wrote()} == {1080, 1090, 1100}


def test_a_float_nan_of_the_meter_is_missing_not_zero(house):
    house.meter.put(4, 52, 0x7FC0, 0)
    house.clock.sleep(2.0)
    readings = house.read()
    assert readings["grid_w"].device == SPH
    assert "says that there is no value" in readings["grid_w"].reason


def test_one_refused_register_does_not_blank_its_block(stack):
    house = House(stack)
    house.sph.refused = {(4, 1096)}
    readings = house.ready().ready().read()
    assert readings["soh_frac"].state == "invalid"
    assert readings["soh_frac"].reason == "refused with exception 02 (illegal address)"
    assert all(reading.state == "good" for name, reading in readings.items() if name != "soh_frac")


def test_a_busy_device_is_asked_again(stack):
    house = House(stack, meter=False)
    busy = iter([True, True])
    answer = house.sph.answer
    house.sph.answer = lambda pdu: bytes([pdu[0] | 0x80, 6]) if next(busy, False) else answer(pdu)
    reading = house.read(0.5)["battery_w"]
    assert "exception 06 (busy)" in reading.reason
    assert reading.cause == "busy"
    assert house.ready().read()["battery_w"].state == "good"


def test_all_configuration_problems_are_reported_at_once():
    links = (
        Link(profile="acme/box", url="tcp://a"),
        Link(profile="growatt/sph", url="ttyUSB0"),
        Link(profile="growatt/sph", url="serial:///dev/ttyS0"),
        Link(profile="growatt/sph", url="serial:///dev/ttyS0"),
        Link(profile="eastron/sdm630", url="serial:///dev/ttyS0?baud=2400", unit=2),
    )
    site = Site(name="home", latitude_deg=0.0, longitude_deg=0.0, links=links)
    with pytest.raises(ConfigError) as caught:
        Devices(site, HandClock(speed=1000.0), ledger=MemoryLedger(HandClock(speed=1000.0)))
    assert len(caught.value.problems) == 4
    text = str(caught.value)
    for expected in (
        "link[0].profile acme/box: no such profile",
        "link[1].url 'ttyUSB0' is neither",
        "link[3].unit 1 is there twice",
        "link[4].url serial:///dev/ttyS0?baud=2400 opens the same port as serial:///dev/ttyS0 in another way",
    ):
        assert expected in text


def problems_of(*links: Link) -> tuple[str, ...]:
    site = Site(name="home", latitude_deg=0.0, longitude_deg=0.0, links=links)
    with pytest.raises(ConfigError) as caught:
        Devices(site, HandClock(speed=1000.0), ledger=MemoryLedger(HandClock(speed=1000.0)))
    return caught.value.problems


def test_two_spellings_of_one_serial_port_are_one_port(tmp_path):
    by_id = tmp_path / "usb-FTDI"
    by_id.symlink_to("/dev/ttyS0")
    (problem,) = problems_of(
        Link(profile="growatt/sph", url="serial:///dev/ttyS0"),
        Link(profile="eastron/sdm630", url=f"serial://{by_id}", unit=2),
    )
    assert problem == f"link[1].url serial://{by_id} opens the same port as serial:///dev/ttyS0 in another way"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "LOCALHOST"])
def test_two_spellings_of_one_host_are_one_host(host):
    (problem,) = problems_of(
        Link(profile="eastron/sdm630", url="tcp://localhost:502"), Link(profile="growatt/sph", url=f"tcp://{host}")
    )
    assert problem == f"link[1].unit 1 is there twice on tcp://{host}"


def test_a_second_battery_inverter_is_a_problem():
    (problem,) = problems_of(
        Link(profile="growatt/sph", url="tcp://one"), Link(profile="growatt/sph", url="tcp://two", unit=2)
    )
    assert problem == "link[1] is a second battery inverter; only one can be commanded"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("serial:///dev/tty\0S0", "holds a character that no name has"),
        ("tcp://a\0b", "holds a character that no name has"),
        ("tcp://box:0", "is not tcp://host:port"),
    ],
)
def test_a_url_that_names_nothing_is_a_problem(url, problem):
    assert problems_of(Link(profile="growatt/sph", url=url))[0].endswith(problem)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("tcp://é..x:1", "tcp://é..x:1 cannot be reached: this is no host name"),
        (f"tcp://{'a' * 300}:1", "a:1 cannot be reached: this is no host name"),
        ("serial:///dev/null", "serial:///dev/null cannot be opened: it is no serial port"),
    ],
)
def test_a_place_that_cannot_be_a_device_is_unreachable(url, reason):
    site = Site(name="t", latitude_deg=0.0, longitude_deg=0.0, links=(Link(profile="growatt/sph", url=url),))
    devices = Devices(site, HandClock(speed=1000.0), ledger=MemoryLedger(HandClock(speed=1000.0)))
    (found,) = {reading.reason for reading in devices.read(0.5)}
    assert found.endswith(reason)


def test_a_site_without_battery_has_nothing_to_command(stack):
    house = House(stack)
    site = Site(name="t", latitude_deg=0.0, longitude_deg=0.0, links=house.site.links[1:])
    devices = Devices(site, house.clock, ledger=house.ledger)
    assert devices.write(Command.native("x")) == WriteResult(
        outcome="unchanged", writes=0, detail="there is no battery to leave to itself"
    )
    power = Command(mode="power", battery_w=1000.0, lease_s=900.0, reason="x")
    assert devices.write(power).outcome == "refused"
    assert devices.mode() == "unknown"


# --- writing by VPP ---------------------------------------------------------------------------------------------------


def test_nothing_is_written_before_two_consistent_reads(stack):
    house = House(stack)
    assert house.native().detail == "start-up: 0 of 2 consistent reads"
    house.read()
    assert house.power(-1000.0).outcome == "refused"
    assert house.wrote() == []


def test_another_device_on_the_wire_must_be_confirmed_again(house):
    house.set(23, 0x4142)
    for _ in range(2):
        house.clock.sleep(120.0)
        house.read()
    assert not house.devices.units[0].confirmed
    assert house.ready().devices.units[0].confirmed


def test_a_charge_is_written_power_and_duration_first_then_enabled(house):
    result = house.power(-2000.0)
    assert (result.outcome, result.writes) == ("applied", 3)
    assert house.wrote() == [(16, 30408, (15, 40)), (6, 30407, (1,))]
    assert house.devices.mode() == "charge"


def test_a_discharge_is_negative_on_the_wire(house):
    house.power(3000.0)
    assert house.wrote()[0] == (16, 30408, (15, 0x10000 - 60))
    assert house.devices.mode() == "discharge"


@pytest.mark.parametrize(("battery_w", "percent"), [(-800.0, 16), (-5000.0, 20), (2000.0, -40), (5000.0, -60)])
def test_percent_registers_count_in_parts_of_the_inverters_rating(stack, battery_w, percent):
    battery = Battery(capacity_wh=10_000.0, charge_w=1000.0, discharge_w=3000.0, rated_w=5000.0)
    house = House(stack, battery=battery).ready()
    house.power(battery_w)
    assert house.wrote()[0] == (16, 30408, (15, percent & 0xFFFF))


def test_slot_power_counts_in_parts_of_the_inverters_rating(stack):
    battery = Battery(capacity_wh=10_000.0, charge_w=1000.0, discharge_w=3000.0, rated_w=5000.0)
    house = House(stack, vpp=False, battery=battery).ready()
    house.power(-5000.0)
    assert (16, 1090, (20, 100, 1)) in house.wrote()
    house.power(3000.0)
    assert (16, 1070, (60, 10)) in house.wrote()


def test_without_a_rating_the_larger_limit_is_the_rating(stack):
    house = House(stack, battery=Battery(capacity_wh=10_000.0, charge_w=2000.0, discharge_w=4000.0)).ready()
    house.power(-2000.0)
    assert house.wrote()[0] == (16, 30408, (15, 50))


@pytest.mark.parametrize(
    ("rated_w", "problem"),
    [
        (-1, "battery.rated_w must be >= 1"),
        (0, "battery.rated_w must be >= 1"),
        (4000, "battery.rated_w must be >= charge_w and discharge_w, got 4000"),
        (math.inf, "battery.rated_w must be a finite number"),
    ],
)
def test_a_rating_below_the_limits_is_a_problem(rated_w, problem):
    head = {"name": "t", "latitude_deg": 49.0, "longitude_deg": 16.0}
    battery = {"capacity_wh": 10_000, "charge_w": 3000, "discharge_w": 5000, "rated_w": rated_w}
    with pytest.raises(ConfigError) as caught:
        parse_site({"site": head, "battery": battery}, "site.toml", Path())
    assert any(line.startswith(problem) for line in caught.value.problems)


def test_zero_power_holds(house):
    house.power(10.0)
    assert house.wrote() == [(16, 30408, (15, 0)), (6, 30407, (1,))]
    assert house.devices.mode() == "hold"


def test_a_lease_is_never_longer_than_asked_and_never_endless(house):
    house.power(-2000.0, lease_s=899.0)
    assert house.wrote()[0][2][0] == 14
    house.native()
    house.wrote()
    house.power(-2000.0, lease_s=20.0)
    assert house.wrote()[0][2][0] == 1


def test_an_unchanged_command_writes_nothing_until_a_third_of_the_lease_is_used_up(house):
    house.power(-2000.0)
    house.wrote()
    house.clock.sleep(250.0)
    house.read()
    assert house.power(-2050.0).outcome == "unchanged"
    house.clock.sleep(60.0)
    house.read()
    assert house.power(-2050.0).outcome == "applied"
    assert house.wrote() == [(16, 30408, (15, 40)), (6, 30407, (1,))]


def test_a_moved_power_alone_does_not_extend_the_lease(house):
    house.power(-2000.0)
    house.wrote()
    assert house.power(-2500.0).outcome == "applied"
    assert house.wrote() == [(16, 30408, (15, 50))]


def test_a_mode_that_the_device_left_is_reported_and_then_written_again(house):
    house.power(-2000.0)
    house.wrote()
    house.set(30407, 0)
    house.clock.sleep(60.0)
    assert house.power(-2000.0).outcome == "reverted"
    assert house.power(-2000.0).outcome == "applied"
    assert (6, 30407, (1,)) in house.wrote()


def test_more_than_rated_is_rated(house):
    house.power(-9000.0)
    assert house.wrote()[0][2][1] == 100


def test_native_writes_once_then_nothing(house):
    house.power(-2000.0)
    house.wrote()
    house.clock.sleep(5.0)
    assert house.native().outcome == "applied"
    assert house.wrote() == [(6, 30407, (0,)), (16, 1100, (0, 0, 0)), (16, 1080, (0, 0, 0))]
    house.clock.sleep(5.0)
    assert house.native().outcome == "unchanged"
    assert house.wrote() == []
    assert house.devices.mode() == "native"


@pytest.mark.parametrize(("battery_w", "lease_s"), [(math.nan, 900.0), (1000.0, 0.0), (1000.0, math.inf)])
def test_a_power_command_without_power_or_lease_is_refused(house, battery_w, lease_s):
    assert house.power(battery_w, lease_s).outcome == "refused"
    assert house.wrote() == []


def test_a_write_that_does_not_stick_is_ignored_not_applied(house):
    house.sph.lost_writes = {30407}
    result = house.power(-2000.0)
    assert result.outcome == "ignored"
    assert result.detail == "acknowledged but not taken: vpp_enable"


def test_a_refusal_half_way_leads_back_to_native(house):
    house.power(-2000.0)
    house.wrote()
    house.sph.refused_writes = {30408}
    result = house.power(-4000.0)
    assert result.outcome == "refused"
    assert "exception 03" in result.detail
    assert house.wrote()[0] == (6, 30407, (0,))
    assert house.devices.mode() == "native"


def test_native_is_written_without_a_journal(house):
    house.power(-2000.0)
    house.wrote()
    house.ledger.room_count = 0
    house.clock.sleep(5.0)
    result = house.native()
    assert (result.outcome, result.detail) == ("applied", "not journalled: database or disk is full")
    assert (6, 30407, (0,)) in house.wrote()
    assert house.devices.mode() == "native"


@pytest.mark.parametrize("vpp", [True, False])
def test_a_power_without_a_journal_is_refused(stack, vpp):
    house = House(stack, vpp=vpp).ready()
    house.ledger.room_count = 0
    result = house.power(-2000.0)
    assert (result.outcome, result.writes) == ("refused", 0)
    assert result.detail == "no journal, no power: database or disk is full"
    assert house.wrote() == []


def test_a_journal_that_fails_half_way_leads_back_to_native(house):
    house.power(-2000.0)
    house.wrote()
    house.clock.sleep(700.0)
    house.read()
    house.ledger.room_count = 1
    result = house.power(-4000.0)
    assert result.outcome == "refused"
    assert result.detail.endswith("not journalled: database or disk is full")
    assert house.wrote()[:2] == [(16, 30408, (15, 80)), (6, 30407, (0,))]
    assert house.devices.mode() == "native"


def test_native_releases_what_it_can_when_one_register_refuses(house):
    house.power(-2000.0)
    house.wrote()
    house.sph.refused_writes = {30407}
    house.clock.sleep(5.0)
    assert house.native().outcome == "refused"
    assert house.wrote() == [(16, 1100, (0, 0, 0)), (16, 1080, (0, 0, 0))]


def test_a_device_that_falls_silent_is_a_failed_write(house):
    house.sph.silent = True
    result = house.power(-2000.0)
    assert result.outcome == "failed"
    assert "does not answer" in result.detail


def test_volatile_registers_have_no_daily_budget(house):
    for turn in range(25):
        assert house.power(-1000.0 - 200.0 * (turn % 2)).outcome == "applied"


def test_a_preview_writes_nothing(house):
    lines = house.devices.writer.preview(Command(mode="power", battery_w=-500.0, lease_s=600.0, reason=""))
    assert lines == ["vpp: vpp_duration=10, vpp_power=10: write", "vpp: vpp_enable=1: write"]
    assert "vpp: vpp_enable=0: already there" in house.devices.writer.preview(Command.native(""))
    assert house.wrote() == []


def test_a_write_does_not_cost_the_next_cycle_its_reading(house):
    for turn in range(6):
        house.clock.sleep(1.0)
        house.read(budget_s=0.3)
        house.power(-2000.0 - 300.0 * (turn % 2))
    assert {reading.state for name, reading in house.read(0.3).items() if name in ("pv_w", "battery_w")} == {"good"}


# --- writing by slots -------------------------------------------------------------------------------------------------


def hm(hour: int, minute: int) -> int:
    return hour * 256 + minute


def minutes_of(raw: int) -> int:
    return raw // 256 * 60 + raw % 256


def test_a_charge_by_slot_closes_the_other_slot_and_opens_its_own_last(old_house):
    old_house.set(1080, hm(9, 0), hm(11, 0), 1)
    old_house.clock.sleep(120.0)
    old_house.at(10, 32)
    old_house.read()
    result = old_house.power(-2000.0)
    assert result.outcome == "applied"
    left, closed, power, opened = old_house.wrote()
    assert (left, closed) == ((16, 1100, (0, 0, 0)), (16, 1080, (0, 0, 0)))
    assert power == (16, 1090, (40, 100, 1))
    assert opened[:2] == (16, 1100)
    start, end, enable = opened[2]
    assert minutes_of(start) == 10 * 60 + 32
    assert minutes_of(end) - minutes_of(start) in (15, 14)
    assert enable == 1
    assert old_house.devices.mode() == "charge"


def test_a_running_slot_keeps_its_start_when_it_is_extended(old_house):
    old_house.power(-2000.0)
    first = old_house.wrote()[-1][2]
    old_house.clock.sleep(660.0)
    assert old_house.power(-2000.0).outcome == "applied"
    (only,) = old_house.wrote()
    assert only[1] == 1100
    assert only[2][0] == first[0]
    assert minutes_of(only[2][1]) - minutes_of(first[1]) in (11, 12)


def test_a_slot_moves_its_power_only_beyond_a_tenth(old_house):
    old_house.power(-2000.0)
    old_house.wrote()
    assert old_house.power(-2400.0).outcome == "unchanged"
    assert old_house.power(-2600.0).outcome == "applied"
    assert old_house.wrote() == [(16, 1090, (52, 100, 1))]


def test_a_discharge_and_a_hold_by_slot(old_house):
    old_house.power(2500.0)
    assert (16, 1070, (50, 10)) in old_house.wrote()
    assert old_house.devices.mode() == "discharge"
    old_house.power(0.0)
    assert (16, 1090, (0, 100, 0)) in old_house.wrote()
    assert old_house.devices.mode() == "hold"


def test_a_slot_ends_by_the_inverters_own_clock(old_house):
    old_house.power(-2000.0)
    old_house.clock.sleep(901.0)
    old_house.at(10, 50)
    old_house.read()
    assert old_house.devices.mode() == "native"


def test_a_slot_left_by_a_dead_box_recurs_until_native_at_start_up_clears_it(stack):
    house = House(stack, vpp=False)
    house.set(1090, 100, 95, 1)
    house.set(1100, hm(9, 0), hm(9, 15), 1)
    assert house.ready().devices.mode() == "native"
    house.clock.sleep(130.0)
    house.at(9, 5)
    house.clock.sleep(3600.0)
    assert house.ready().devices.mode() == "charge"
    assert house.native().outcome == "applied"
    assert (16, 1100, (0, 0, 0)) in house.wrote()
    assert house.devices.mode() == "native"


def test_native_clears_a_slot_that_waits_for_tomorrow(old_house):
    old_house.set(1080, hm(17, 0), hm(17, 15), 1)
    assert old_house.native().outcome == "applied"
    assert (16, 1080, (0, 0, 0)) in old_house.wrote()


def test_a_slot_is_cut_at_midnight_and_never_empty(stack):
    house = House(stack, vpp=False)
    house.at(23, 50)
    house.ready()
    house.power(-2000.0)
    assert house.wrote()[-1][2][1] == hm(23, 59)
    house.clock.sleep(560.0)
    house.at(23, 59)
    house.clock.sleep(3600.0)
    result = house.ready().power(-2000.0)
    assert result.outcome == "refused"
    assert "midnight" in result.detail


def test_stored_registers_stop_at_their_daily_budget_but_native_never_does(old_house):
    results = [old_house.power(-1000.0 if turn % 2 else -4000.0) for turn in range(60)]
    assert {result.outcome for result in results[:20]} == {"applied"}
    assert {result.outcome for result in results[-9:]} == {"refused"}
    refused = [result.detail for result in results if result.outcome == "refused"]
    assert "wear budget: battery_first_power (holding 1090) was written 20 times today" in refused
    old_house.power(-1000.0)
    forced = Counter(write.register for _, write in old_house.ledger.rows if write.reason == "test")
    assert max(forced.values()) == 20
    assert old_house.devices.mode() == "native", "no budget for what is wanted, but always for native"
    old_house.set(1102, 1)
    old_house.clock.sleep(31.0)
    assert old_house.native().outcome == "reverted"
    assert (16, 1100, (0, 0, 0)) in old_house.wrote()
    old_house.clock.sleep(86_400.0)
    assert old_house.ready().power(-1000.0).outcome == "applied"


def test_what_was_written_is_in_the_ledger_with_its_reason(old_house):
    old_house.power(-2000.0)
    writes = [write for _, write in old_house.ledger.rows]
    assert {write.reason for write in writes} == {"test"}
    assert {write.wear for write in writes} == {"unknown"}
    assert f"{SPH} holding 1100" in {write.register for write in writes}


def test_a_version_of_0_means_no_vpp(stack):
    house = House(stack)
    house.set(30099, 0)
    house.ready()
    assert house.devices.mode() == "native"
    house.power(-2000.0)
    assert {address for _, address, _ in house.wrote()} == {1090, 1100, 1080}


def test_an_inverter_without_any_way_of_control_is_refused(stack):
    house = House(stack, vpp=False)
    house.sph.refused |= {(3, 43)}
    result = house.ready().power(-2000.0)
    assert result.outcome == "refused"
    assert "no way of control" in result.detail


def test_probes_are_asked_for_when_the_queue_has_not_reached_them(stack):
    house = House(stack, vpp=False, meter=False)
    unit = house.devices.units[0]
    serial = unit.profile.by_name["serial_number"]
    for _ in range(8):
        house.clock.sleep(1.0)
        now_s = house.clock.now_s()
        for turn in [turn for turn in unit.due(now_s) if turn.block.poll == "fast" or serial in turn.block.points]:
            unit.poll(turn)
    assert unit.confirmed
    assert house.devices.mode() == "unknown"
    assert house.power(-2000.0).outcome == "applied"
    assert house.devices.mode() == "charge"
