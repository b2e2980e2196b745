"""Commissioning against real wires: it must pass the honest device, and find and name each lie."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from boxes import free_port
from liars import (
    ANY_PORT,
    BATTERY,
    METER,
    PARAMS,
    SPH,
    GapCloser,
    House,
    fast_clock,
    other_order,
    other_scale,
    other_sign,
    serial_url,
    serve,
)
from wires import PtyServer, RegisterBank, rtu

from edge.clock import Clock
from edge.config import Battery, Site
from edge.config_links import Link
from edge.devices.commissioning.report import Check, Report
from edge.devices.commissioning.run import Wishes, commission
from edge.devices.commissioning.subject import Subject
from edge.devices.commissioning.wire import listen, try_replay
from edge.devices.driver import Devices
from edge.devices.profile_file import load_profile, profile_names
from edge.devices.twin import open_device
from edge.devices.twin_wire import TcpLine
from edge.devices.wear import MemoryLedger

SPEED = 100.0
SERIAL_SPEED = 40.0  # bytes are paced, and a loaded machine is late


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def told() -> list[str]:
    return []


def prove(house: House, told: list[str], previous=None, zone: str = "UTC") -> Report:
    """The report on the inverter of a house, with half a minute of balance."""
    devices = house.devices()
    wishes = Wishes(minutes=0.5, zone=ZoneInfo(zone), pulse=None, previous=lambda _: previous)
    try:
        (report,) = commission(devices, house.clock, wishes, told.append)
    finally:
        devices.close()
    return report


def check(report: Report, name: str) -> Check:
    return next(found for found in report.checks if found.name == name)


def findings(report: Report) -> dict[str, str]:
    return {found.name: found.text for found in report.checks if found.state in ("finding", "refuse")}


def open_house(opened: ExitStack, url: str = "tcp", **lies) -> House:
    house = serve(url, fast_clock(SPEED if url == "tcp" else SERIAL_SPEED), **lies)
    opened.callback(house.close)
    return house


def test_an_honest_inverter_on_a_serial_line_passes_every_check(opened, told, tmp_path):
    report = prove(open_house(opened, serial_url(tmp_path)), told)
    assert findings(report) == {}
    assert report.verdict == "ok"
    assert report.serial_number == "TWN0123456"
    names = {found.name for found in report.checks if found.state == "ok"}
    assert names == {
        *("signals", "identity", "silence", "replay", "blocks", "latency", "word order", "clock", "settings", "balance")
    }
    assert told[0] == "first reads"


def test_an_honest_inverter_over_tcp_passes(opened, told):
    report = prove(open_house(opened), told)
    assert findings(report) == {}
    assert check(report, "silence").state == "unknown"
    assert check(report, "balance").data["rows"] >= 5


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (("battery_discharge_power", "battery_charge_power"), "battery_w has the wrong sign"),
        (("grid_import_power", "grid_export_power"), "grid_w has the wrong sign"),
    ],
)
def test_a_sign_that_is_the_other_way_round_is_named_and_refused(opened, told, points, words):
    report = prove(open_house(opened, profile=other_sign(*points)), told)
    assert check(report, "balance").text.endswith(words)
    assert report.verdict == "refuse"


@pytest.mark.parametrize(
    ("signal", "factor", "words"),
    [
        ("battery_w", 10.0, "battery_w is 10 times too small"),
        ("pv_w", 0.1, "pv_w is 10 times too large"),
        ("grid_w", 0.1, "grid_w is 10 times too large"),
    ],
)
def test_another_scale_is_named_and_refused(opened, told, signal, factor, words):
    report = prove(open_house(opened, profile=other_scale(signal, factor)), told)
    assert words in check(report, "balance").text
    assert report.verdict == "refuse"


def test_swapped_words_are_named_and_refused(opened, told):
    report = prove(open_house(opened, profile=other_order()), told)
    assert "make sense only with their words the other way round" in check(report, "word order").text
    assert report.verdict == "refuse"


def test_a_device_that_closes_gaps_is_found_by_single_reads(opened, told):
    hole = ("input", 1009 - 3)  # nobody declared it; battery power and all that follows come one register early
    report = prove(open_house(opened, wrap=lambda device: GapCloser(device, [hole])), told)
    blocks = check(report, "blocks")
    assert blocks.state == "refuse"
    assert all("it comes 1 registers too early" in line for line in blocks.data["shifted"])
    assert "input 1009" in blocks.data["shifted"][0]


def test_a_gateway_that_replays_answers_is_found(opened, told):
    house = open_house(opened)
    answer, kept = house.world.answer("inverter"), [b"\x04\x02\x00\x07"]
    asked = iter(range(10_000))

    def replaying(pdu: bytes) -> bytes:
        kept.append(answer(pdu))
        return kept[-2] if next(asked) % 5 == 4 else kept[-1]

    line = TcpLine(ANY_PORT, 1, replaying)
    opened.callback(line.close)
    house.url = f"tcp://127.0.0.1:{line.port}"
    report = prove(house, told)
    assert "answers belonged to another question" in check(report, "replay").text
    assert report.verdict == "refuse"


def test_a_second_master_that_changes_settings_is_found(opened, told):
    house = open_house(opened)
    answer, stop = house.world.answer("inverter"), threading.Event()

    def meddle() -> None:
        power = 40
        while not stop.wait(0.1):
            power = 41 if power == 40 else power + 1
            answer(struct.pack(">BHH", 6, 1070, power % 100))

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        report = prove(house, told)
    finally:
        stop.set()
        meddler.join()
    settings = check(report, "settings")
    assert settings.data["changed"] == ["grid_first_power"]
    assert "nothing of ours was written: grid_first_power" in settings.text
    assert report.verdict == "refuse"


def test_a_second_master_that_asks_on_the_same_line_is_heard(opened, told):
    bank = RegisterBank()
    server = opened.enter_context(PtyServer(bank.rtu))
    stop = threading.Event()

    def chatter() -> None:
        while not stop.wait(0.02):
            server.speak(rtu(1, struct.pack(">BHH", 4, 1000, 40)))

    foreign = threading.Thread(target=chatter)
    foreign.start()
    try:
        clock = fast_clock(SPEED)
        (unit,) = one_device(server.url, clock).units
        heard = listen(Subject(unit=unit, clock=clock), told.append)
    finally:
        stop.set()
        foreign.join()
    assert heard.state == "refuse"
    assert "01 04 03 e8 00 28" in heard.text


def one_device(url: str, clock: Clock, battery: Battery | None = None) -> Devices:
    site = Site(
        name="one", latitude_deg=0.0, longitude_deg=0.0, battery=battery, links=(Link(profile=SPH.name, url=url),)
    )
    return Devices(site, clock, ledger=MemoryLedger(clock))


def test_a_clock_that_is_off_is_told_with_what_to_do(opened, told):
    house = open_house(opened, params=replace(PARAMS, clock_offset_s=400.0))
    clock = check(prove(house, told), "clock")
    assert clock.state == "finding"
    assert clock.text == "the device's clock is 7 min fast of UTC"
    assert "holding 45..50: year to second" in clock.advice


def test_a_firmware_that_changed_a_scale_is_found_and_the_change_of_firmware_named(opened, told):
    first = prove(open_house(opened), told).body()
    newer = other_scale("battery_w", 10.0)
    points = tuple(point if point.name != "firmware" else _renamed(point, "RA2.0ZBDA007") for point in newer.points)
    report = prove(open_house(opened, profile=replace(newer, points=points)), told, previous=first)
    assert check(report, "identity").text == "firmware was RA1.0ZBDA005, is RA2.0ZBDA007"
    assert "battery_w is 10 times too small" in check(report, "balance").text
    assert report.verdict == "refuse"


def _renamed(point, text: str):
    words = struct.unpack(f">{point.words}H", text.encode())
    return replace(point, golden_raw=words, golden_value=text)


def test_what_does_not_answer_is_refused_without_more_questions(told):
    clock = fast_clock(SPEED)
    devices = one_device("tcp://127.0.0.1:1", clock, BATTERY)
    wishes = Wishes(minutes=0.5, zone=None, pulse=None, previous=lambda _: None)
    (report,) = commission(devices, clock, wishes, told.append)
    assert report.verdict == "refuse"
    assert "Connection refused" in check(report, "signals").text
    assert told == ["first reads"]


def test_a_device_of_another_family_is_refused_by_what_it_says_of_itself(opened, told):
    renamed = tuple(
        replace(point, golden_raw=5100, golden_value=5100.0) if point.name == "vpp_device_type_code" else point
        for point in SPH.points
    )
    report = prove(open_house(opened, profile=replace(SPH, points=renamed)), told)
    assert check(report, "identity").text == "this is no Growatt SPH: vpp_device_type_code says 5100"
    assert report.verdict == "refuse"


@pytest.mark.parametrize("name", profile_names())
def test_the_golden_device_of_every_family_answers_every_question_of_the_wire(opened, told, name):
    clock, unit = fast_clock(200.0), load_profile(name).link.default_unit
    url = f"tcp://127.0.0.1:{free_port()}"
    opened.callback(open_device(name, url, unit=unit, clock=clock, state={}).close)
    site = Site(name="one", latitude_deg=0.0, longitude_deg=0.0, links=(Link(profile=name, url=url, unit=unit),))
    devices = Devices(site, clock, ledger=MemoryLedger(clock))
    opened.callback(devices.close)
    wishes = Wishes(minutes=0.1, zone=None, pulse=None, previous=lambda _: None)
    (report,) = commission(devices, clock, wishes, told.append)
    states = {found.name: found.state for found in report.checks}
    assert {states[question] for question in ("replay", "blocks", "latency")} == {"ok"}
    assert states["identity"] in ("ok", "unknown")
    assert states["word order"] in ("ok", "unknown")
    assert states.get("settings", "ok") == "ok"


def test_a_device_that_sometimes_does_not_answer_is_a_finding(opened, told):
    house = open_house(opened)
    answer, deafness = house.world.answer("inverter"), []

    def deaf(pdu: bytes) -> bytes:
        return deafness.pop() if deafness else answer(pdu)

    line = TcpLine(ANY_PORT, 1, deaf)
    opened.callback(line.close)
    house.url = f"tcp://127.0.0.1:{line.port}"
    (unit,) = one_device(house.url, house.clock).units
    opened.callback(unit.link.close)
    subject = Subject(unit=unit, clock=house.clock)
    subject.words(SPH.points)
    deafness += [b""] * 3
    told_of = try_replay(subject, told.append)
    assert told_of.state in ("finding", "refuse")
    assert told_of.data["silent"] + told_of.data["foreign"] >= 1


def test_a_link_that_dies_meanwhile_is_a_finding_of_every_later_question(told):
    house = serve("tcp", fast_clock(SPEED))
    devices = house.devices()
    wishes = Wishes(minutes=0.1, zone=None, pulse=None, previous=lambda _: None)

    def cut(text: str) -> None:
        if "against the clock" in text:
            house.close()

    (report,) = commission(devices, house.clock, wishes, cut)
    devices.close()
    assert check(report, "latency").state == "finding"
    assert "could not be finished" in check(report, "latency").text
    assert check(report, "clock").state == "finding"
    assert check(report, "settings").state == "unknown"


@pytest.mark.parametrize(("is_reversed", "verdict"), [(False, "ok"), (True, "refuse")])
def test_meter_and_inverter_of_a_site_are_judged_together(opened, told, is_reversed, verdict):
    power = replace(METER.by_name["power_total"], sign=-1)
    points = tuple(power if is_reversed and point.name == power.name else point for point in METER.points)
    house = open_house(opened, meter=replace(METER, points=points))
    meter = house.world.line("meter", ANY_PORT, 1)
    opened.callback(meter.close)
    links = (Link(profile=SPH.name, url=house.url), Link(profile=METER.name, url=f"tcp://127.0.0.1:{meter.port}"))
    site = Site(name="two", latitude_deg=0.0, longitude_deg=0.0, battery=BATTERY, links=links)
    devices = Devices(site, house.clock, ledger=MemoryLedger(house.clock))
    opened.callback(devices.close)
    wishes = Wishes(minutes=0.5, zone=ZoneInfo("UTC"), pulse=None, previous=lambda _: None)
    inverter, other = commission(devices, house.clock, wishes, told.append)
    assert [inverter.link, other.link] == list(links)
    assert (inverter.verdict, other.verdict) == (verdict, "ok")
    assert ("grid_w has the wrong sign" in check(inverter, "balance").text) == is_reversed
