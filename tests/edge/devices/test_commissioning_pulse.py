"""The pulse test against a house on a wire: what it finds, what it refuses to begin, and that it always ends native."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from boxes import free_port
from liars import ANY_PORT, BATTERY, PARAMS, SITE, Backwards, House, Stubborn, fast_clock, serve

from edge.config import Battery, Grid, Site
from edge.config_links import Link
from edge.devices.commissioning.pulse import PARTS, PulsePlan, default_power_w, run_pulses
from edge.devices.commissioning.report import Check
from edge.devices.commissioning.run import Wishes, commission
from edge.devices.driver import Devices
from edge.devices.twin import open_device
from edge.devices.twin_wire import TcpLine
from edge.devices.wear import MemoryLedger
from edge.messages import Command

SPEED = 200.0
POWER_W = 600.0
OPEN_GRID = Grid(import_w=20_000.0, export_w=20_000.0)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def house(opened: ExitStack, speed: float = SPEED, **lies) -> House:
    found = serve("tcp", fast_clock(speed), **lies)
    opened.callback(found.close)
    return found


def read_until_complete(devices: Devices) -> None:
    """Read until nothing is unread, however slow the machine: a budget is wall time divided by the house's speed."""
    for _ in range(200):
        devices.read(60.0)
        if all(unit.confirmed and unit.complete for unit in devices.units):
            return
    raise AssertionError([unit.why_unconfirmed for unit in devices.units])


def pulses(home: House, battery: Battery = BATTERY, grid: Grid = OPEN_GRID, told: list[str] | None = None) -> Check:
    devices = home.devices(battery, grid)
    try:
        read_until_complete(devices)
        plan = PulsePlan(power_w=POWER_W, battery=battery, grid=grid)
        for _ in range(4):  # "repeat it", it says itself where too little could be read meanwhile
            heard: list[str] = []
            check = run_pulses(devices, home.clock, plan, heard.append)
            if check.state != "unknown":
                break
        if told is not None:
            told += heard
        return check
    finally:
        devices.close()


def test_a_battery_that_obeys_passes_and_is_native_at_the_end(opened):
    home, told = house(opened), []
    check = pulses(home, told=told)
    assert check.state == "ok", check
    assert check.data["battery_per_told"] == pytest.approx(1.0, abs=0.05)
    assert check.data["meter_per_told"] == pytest.approx(-1.0, abs=0.1)
    assert 0.0 < check.data["dead_time_s"] <= 12.0  # the twin's 2 s and its ramp; from the end of the read-back
    assert told == [
        *(f"{'charge' if part < 0 else 'discharge'} {abs(part) * POWER_W:.0f} W for 120 s" for part in PARTS),
        "back to native",
    ]
    assert home.plant.mode == "native"


def test_commands_that_go_the_wrong_way_are_refused(opened):
    home = house(opened, inverter=Backwards)
    check = pulses(home)
    assert check.state == "refuse"
    assert "commands go the wrong way" in check.text
    assert home.plant.mode == "native"


def test_a_rating_that_is_not_the_device_s_is_refused(opened):
    battery = replace(BATTERY, rated_w=2400.0)  # the device means 1200 W by 100 %
    check = pulses(house(opened), battery)
    assert check.state == "refuse"
    assert check.text == "the battery does 50% of what it is told"
    assert "battery.rated_w" in check.advice


@pytest.mark.parametrize(
    ("params", "grid", "words"),
    [
        ({"soc_frac": 0.97}, OPEN_GRID, "the charge is 97%; both directions need it between 15% and 95%"),
        ({}, Grid(import_w=20_000.0, export_w=2000.0), "discharging 600 W would pass grid.export_w (2000 W)"),
        ({}, Grid(import_w=20_000.0, export_w=500.0), "grid.export_w allows 500 W"),
    ],
)
def test_it_does_not_begin_where_it_would_go_too_far(opened, params, grid, words):
    home = house(opened, params=replace(PARAMS, **params))
    check = pulses(home, grid=grid)
    assert check.state == "refuse"
    assert words in check.text
    assert home.plant.take_mode_changes() == []


def test_a_command_that_is_refused_stops_it(opened):
    home = house(opened, inverter=Stubborn)
    check = pulses(home)
    assert check.state == "refuse"
    assert check.text.startswith("stopped: the command was refused")
    assert home.plant.take_mode_changes() == []


def test_a_mode_that_would_outlive_a_killed_test_is_not_tried(opened):
    clock, url = fast_clock(50.0), f"tcp://127.0.0.1:{free_port()}"
    opened.callback(open_device("goodwe/et", url, unit=247, clock=clock, state={}).close)
    link = Link(profile="goodwe/et", url=url, unit=247, allow_control=("ems_mode",))
    site = Site(name="one", latitude_deg=0.0, longitude_deg=0.0, battery=BATTERY, links=(link,))
    devices = Devices(site, clock, ledger=MemoryLedger(clock))
    opened.callback(devices.close)
    plan = PulsePlan(power_w=POWER_W, battery=BATTERY, grid=OPEN_GRID)
    (report,) = commission(
        devices, clock, Wishes(minutes=0.1, zone=None, pulse=plan, previous=lambda _: None), lambda _: None
    )
    check = next(found for found in report.checks if found.name == "pulse")
    assert check.state == "unknown"
    assert check.text == "not done: ems_mode would stay for ever if this test were killed"


def test_the_default_power_spares_taper_and_fuse():
    assert default_power_w(BATTERY) == 600.0
    assert default_power_w(Battery(capacity_wh=1e4, charge_w=9000.0, discharge_w=8000.0)) == 1500.0


# --- ended from outside -----------------------------------------------------------------------------------------------


def until(what: Callable[[], bool], within_s: float) -> float:
    """Wall seconds until something holds."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < within_s, "it did not come true"
        time.sleep(0.01)
    return time.monotonic() - started


def command_of(folder: Path, home: House) -> list[str]:
    path = folder / "site.toml"
    path.write_text(SITE.format(url=home.url))
    words = [
        "device",
        "commission",
        "--site",
        str(path),
        "--minutes",
        "0.2",
        "--pulse",
        "--clock",
        home.clock.describe(),
    ]
    return [sys.executable, "-m", "edge.cli", *words]


def mode_of(home: House) -> str:
    home.world.advance()
    return home.plant.mode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_end_from_outside_leads_back_to_native(opened, tmp_path, number):
    home = house(opened, speed=60.0)
    with subprocess.Popen(
        [*command_of(tmp_path, home), "--yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: mode_of(home) == "vpp", 40.0)
        process.send_signal(number)
        process.communicate(timeout=20.0)
    if number == signal.SIGKILL:
        until(lambda: mode_of(home) == "native", 8.0)  # by its lease of 4 minutes, 4 s of wall time
    else:
        assert mode_of(home) == "native"
        assert process.returncode != 0


def test_on_a_terminal_it_asks_and_no_means_no(opened, tmp_path):
    home = house(opened)
    main_end, terminal = pty.openpty()
    opened.callback(os.close, main_end)
    with subprocess.Popen(
        command_of(tmp_path, home), stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(terminal)
        os.write(main_end, b"n\n")
        printed, asked = process.communicate(timeout=20.0)
    assert printed == ""
    assert "For 9 minutes the battery is told to charge 600 W" in asked
    assert "Do it? [y/N]" in asked
    assert process.returncode == 1
    assert home.plant.take_mode_changes() == []


def test_a_pulse_test_through_the_command_line_is_in_the_report(opened, tmp_path):
    home = house(opened)
    result = subprocess.run(
        [*command_of(tmp_path, home), "--yes"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok       pulse       the battery does" in result.stdout
    assert mode_of(home) == "native"


def ready(home: House) -> Devices:
    """The house's devices, read often enough to be written to."""
    devices = home.devices(BATTERY, OPEN_GRID)
    read_until_complete(devices)
    return devices


def test_native_that_does_not_come_about_is_said():
    home = serve("tcp", fast_clock(SPEED))
    devices = ready(home)
    plan = PulsePlan(power_w=POWER_W, battery=BATTERY, grid=OPEN_GRID)

    def cut_the_cable(text: str) -> None:
        if text == "back to native":
            home.close()

    check = run_pulses(devices, home.clock, plan, cut_the_cable)
    devices.close()
    assert check.state == "refuse"
    assert "native at the end was" in check.text


def test_native_after_an_interrupted_write_is_written_and_not_taken_for_granted(opened):
    home = house(opened)
    answer, armed = home.world.answer("inverter"), [True]

    def interrupting(pdu: bytes) -> bytes:
        reply = answer(pdu)
        if pdu[:3] == b"\x06\x76\xc7" and armed:  # FC06 on 30407: the device obeys, we are interrupted before we know
            armed.clear()
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.2)
        return reply

    line = TcpLine(ANY_PORT, 1, interrupting)
    opened.callback(line.close)
    home.url = f"tcp://127.0.0.1:{line.port}"
    devices = ready(home)
    opened.callback(devices.close)
    with pytest.raises(KeyboardInterrupt):
        devices.write(Command(mode="power", battery_w=-POWER_W, lease_s=240.0, reason="test"))
    assert mode_of(home) == "vpp"
    assert devices.write(Command.native("test")).outcome == "applied"
    assert mode_of(home) == "native"
