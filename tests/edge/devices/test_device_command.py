"""``pems device`` as a user meets it: tables, JSON, exit codes and one-line errors."""

from __future__ import annotations

import errno
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import serial
from boxes import free_port
from click.testing import CliRunner
from liars import fast_clock, fronius_with_meter
from wires import PtyServer, RegisterBank, TcpServer

from edge.cli import main
from edge.cli.device import group
from edge.clock import Clock
from edge.devices.profile_file import load_profile
from edge.devices.registers import split_words
from edge.devices.twin import open_device

HUAWEI = "huawei/sun2000_luna"
FUNCTION = {"holding": 3, "input": 4}


@pytest.fixture
def clock() -> str:
    real = Clock.real()
    return Clock(start_s=real.start_s, origin_s=real.origin_s, speed=200.0).describe()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def bank(name: str) -> RegisterBank:
    profile, registers = load_profile(name), RegisterBank()
    for point in profile.points:
        raw = point.golden_raw
        words = raw if isinstance(raw, tuple) else split_words(raw, point.words, profile.link.word_order)
        registers.put(FUNCTION[point.space], point.address, *words)
    return registers


def run(*arguments: str):
    return CliRunner().invoke(group, arguments, catch_exceptions=True)


def test_read_prints_a_table(opened):
    server = opened.enter_context(TcpServer(bank("eastron/sdm630").tcp))
    result = run("read", "--profile", "eastron/sdm630", "--url", server.url)
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert rows["grid_w"] == ["-4321.500", "W", "0", "s", "good"]
    assert rows["grid_import_wh"] == ["8123500.000", "Wh", "0", "s", "good"]


def test_read_prints_json_with_utc_times(opened, clock):
    server = opened.enter_context(PtyServer(bank("growatt/sph").rtu))
    result = run("read", "--profile", "growatt/sph", "--url", server.url, "--json", "--clock", clock)
    rows = {row["signal"]: row for row in json.loads(result.output)}
    assert result.exit_code == 0
    assert rows["battery_w"]["value"] == pytest.approx(-3858.5)
    assert {row["state"] for row in rows.values()} == {"good"}
    assert rows["pv_w"]["measured_utc"].endswith("+00:00")
    assert rows["pv_w"]["age_s"] >= 0.0


def test_older_firmware_reads_without_a_complaint(opened, clock):
    registers = bank("growatt/sph")
    registers.refused = {(3, address) for address in range(30000, 30500)}
    server = opened.enter_context(PtyServer(registers.rtu))
    result = run("read", "--profile", "growatt/sph", "--url", server.url, "--json", "--clock", clock)
    assert result.exit_code == 0
    assert {row["reason"] for row in json.loads(result.output)} == {""}


def test_read_of_nothing_is_exit_1_and_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["device", "read", "--profile", "growatt/sph", "--url", "serial:///dev/ttyNONE", "--json"])
    printed = capsys.readouterr()
    assert caught.value.code == 1
    assert printed.err == "pems: serial:///dev/ttyNONE cannot be opened: No such file or directory\n"
    assert all(row["value"] is None for row in json.loads(printed.out))


@pytest.mark.parametrize(
    ("profile", "url", "expected"),
    [
        ("acme/box", "tcp://x", "acme/box: no such profile; known are "),
        ("growat/sph", "tcp://x", "growat/sph: no such profile; did you mean growatt/sph?; known are "),
        ("growatt/sph", "COM3", "link[0].url 'COM3' is neither serial:///path?baud=9600 nor tcp://host:port"),
    ],
)
def test_a_wrong_configuration_is_exit_78_and_one_line(capsys, profile, url, expected):
    with pytest.raises(SystemExit) as caught:
        main(["device", "read", "--profile", profile, "--url", url])
    assert caught.value.code == 78
    assert expected in capsys.readouterr().err


def test_watch_reads_again_and_again(opened, clock):
    server = opened.enter_context(TcpServer(bank("eastron/sdm630").tcp))
    arguments = ("--profile", "eastron/sdm630", "--url", server.url, "--every", "1", "--count", "3", "--clock", clock)
    result = run("watch", *arguments)
    assert result.exit_code == 0
    assert result.output.count("grid_hz") == 3
    assert len(server.requests) == 3


def test_watch_on_a_terminal_keeps_one_table_in_its_place(opened):
    server = opened.enter_context(TcpServer(bank("eastron/sdm630").tcp))
    command = [sys.executable, "-m", "edge.cli", "device", "watch", "--profile", "eastron/sdm630"]
    main_end, terminal = pty.openpty()
    opened.callback(os.close, main_end)
    arguments = ("--url", server.url, "--every", "0.1", "--count", "3")
    with subprocess.Popen([*command, *arguments], stdout=terminal, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(terminal)
        shown = _all_bytes(main_end).decode()
        assert process.wait(20) == 0
    assert shown.count("grid_hz") >= 3
    assert "\x1b[1A" in shown  # the cursor goes back up: the table is drawn over itself
    assert "\x1b[32mgood" in shown


def _all_bytes(descriptor: int) -> bytes:
    """What is written until the other end of a pty is closed, which Linux tells as an error."""
    parts = []
    with suppress(OSError):
        while part := os.read(descriptor, 4096):
            parts.append(part)
    return b"".join(parts)


def test_watch_prints_one_line_of_json_each_time(opened, clock):
    server = opened.enter_context(TcpServer(bank("eastron/sdm630").tcp))
    arguments = ("--profile", "eastron/sdm630", "--url", server.url, "--count", "2", "--json", "--clock", clock)
    lines = run("watch", *arguments).output.splitlines()
    assert [{row["signal"] for row in json.loads(line)} >= {"grid_w", "grid_hz"} for line in lines] == [True, True]


def test_a_port_that_is_in_use_or_forbidden_says_what_to_do(opened, capsys, monkeypatch):
    server = opened.enter_context(PtyServer(bank("growatt/sph").rtu))
    words = ["device", "read", "--profile", "growatt/sph", "--url", server.url]
    with serial.Serial(server.path, exclusive=True), pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr().err == f"pems: {server.url} cannot be opened: it is in use by another program\n"

    def forbidden(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("serial.serialposix.os.open", forbidden)
    with pytest.raises(SystemExit):
        main(words)
    assert "Permission denied; add yourself to the group 'dialout'" in capsys.readouterr().err


def test_watch_ends_quietly_by_ctrl_c(opened, clock):
    registers = bank("eastron/sdm630")
    server = opened.enter_context(TcpServer(registers.tcp))
    command = [sys.executable, "-m", "edge.cli", "device", "watch", "--profile", "eastron/sdm630", "--url", server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("signal")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def at_rest(registers: RegisterBank) -> None:
    """No way of control is in force: else the first write would bring the inverter to native."""
    for address in (30407, 1082, 1102):
        registers.put(3, address, 0)


def test_set_is_a_dry_run_until_yes(opened, clock):
    registers = bank("growatt/sph")
    at_rest(registers)
    server = opened.enter_context(PtyServer(registers.rtu))
    asked = ("set", "--profile", "growatt/sph", "--url", server.url, "--clock", clock, "--rated-w", "5000")
    dry = run(*asked, "--mode", "charge", "--power-w", "1000")
    assert dry.exit_code == 0
    assert "vpp: vpp_duration=15, vpp_power=20: write" in dry.output
    assert "dry run" in dry.output
    assert registers.writes == []
    wet = run(*asked, "--mode", "charge", "--power-w", "1000", "--yes")
    assert wet.exit_code == 0
    assert "applied: 3 registers written" in wet.output
    assert registers.words[3, 30407] == 1
    back = run(*asked, "--mode", "native", "--yes")
    assert "applied" in back.output
    assert registers.words[3, 30407] == 0


def test_set_prints_json_alone(opened, clock):
    registers = bank("growatt/sph")
    at_rest(registers)
    server = opened.enter_context(PtyServer(registers.rtu))
    asked = ("set", "--profile", "growatt/sph", "--url", server.url, "--clock", clock, "--mode", "hold", "--json")
    dry, wet = json.loads(run(*asked).output), json.loads(run(*asked, "--yes").output)
    assert (dry["dry_run"], dry["result"]) == (True, None)
    assert (wet["dry_run"], wet["result"]["outcome"], wet["result"]["writes"]) == (False, "applied", 3)
    assert wet["steps"] == dry["steps"]


def test_set_needs_a_permission_for_a_mode_that_stays_for_ever(opened):
    bench = fast_clock(50.0)
    url = f"tcp://127.0.0.1:{free_port()}"
    opened.callback(open_device("goodwe/et", url, unit=247, clock=bench, state={}).close)
    words = ("set", "--profile", "goodwe/et", "--url", url, "--clock", bench.describe(), "--rated-w", "5000")
    refused = run(*words, "--mode", "hold", "--yes")
    assert refused.exit_code == 1
    assert "for ever; --minutes" not in refused.output
    allowed = run(*words, "--mode", "hold", "--allow", "ems_mode")
    assert "the device stays in this mode for ever; --minutes does not end it" in allowed.output
    assert "--allow ems_mode --mode native --yes" in allowed.output
    assert "only with allow_control in the site file" in refused.output
    assert run(*words, "--mode", "hold", "--yes", "--allow", "ems_mode").exit_code == 0
    back = run(*words, "--mode", "native", "--yes")  # the way back needs no permission
    assert (back.exit_code, back.output.splitlines()[-1].split(":")[0]) == (0, "applied")


def test_a_permission_for_a_way_of_control_that_the_profile_lacks_is_named(capsys):
    words = ["device", "set", "--profile", "goodwe/et", "--url", "tcp://x", "--mode", "hold", "--allow", "ems"]
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 78
    expected = "link[0].allow_control 'ems' is no way of control; goodwe/et has ems_mode"
    assert expected in capsys.readouterr().err


def test_set_that_is_not_taken_is_exit_1(opened, clock):
    registers = bank("growatt/sph")
    at_rest(registers)
    registers.lost_writes = {30407}
    server = opened.enter_context(PtyServer(registers.rtu))
    result = run("set", "--profile", "growatt/sph", "--url", server.url, "--clock", clock, "--mode", "hold", "--yes")
    assert result.exit_code == 1
    assert "acknowledged but not taken: vpp_enable" in result.output


def test_set_without_its_numbers_is_a_usage_error():
    result = run("set", "--profile", "growatt/sph", "--url", "tcp://x", "--mode", "charge", "--power-w", "5")
    assert result.exit_code == 2
    assert "--mode charge needs --power-w and --rated-w" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--power-w", "6000", "--rated-w", "5000"), "--power-w 6000 is above --rated-w 5000"),
        (
            ("--power-w", "0.001", "--rated-w", "5000"),
            "--power-w 0.001 is no more than a register's step (25): that is",
        ),
        (("--power-w", "1000", "--rated-w", "5000", "--restore", "a=1"), "--restore belongs to --mode native"),
        (("--power-w", "nan", "--rated-w", "5000"), "'nan' is not a finite number"),
        (("--power-w", "1000", "--rated-w", "inf"), "'inf' is not a finite number"),
        (("--power-w", "1000", "--rated-w", "5000", "--minutes", "61"), "61.0 is not in the range 1.0<=x<=60.0"),
        (("--power-w", "1000", "--rated-w", "5000", "--minutes", "nan"), "'nan' is not a finite number"),
    ],
)
def test_set_takes_no_number_that_it_cannot_mean(arguments, words):
    result = run("set", "--profile", "growatt/sph", "--url", "tcp://x", "--mode", "charge", "--yes", *arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("mode", ["hold", "native"])
def test_only_charge_and_discharge_take_a_power(mode):
    result = run("set", "--profile", "growatt/sph", "--url", "tcp://x", "--mode", mode, "--power-w", "500")
    assert result.exit_code == 2
    assert f"--mode {mode} takes no --power-w" in result.output


@pytest.mark.parametrize(
    ("restore", "words"),
    [
        ("grid_charge", "is not NAME=VALUE"),
        ("grid_charge=-1", "is not NAME=VALUE"),
        ("power=1", "settings that are changed are grid_charge"),
        ("grid_charge=7", "7 is not in 0..1; set it at the device"),
    ],
)
def test_only_settings_that_a_command_changes_are_put_back(restore, words):
    result = run("set", "--profile", HUAWEI, "--url", "tcp://x", "--mode", "native", "--restore", restore)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_set_says_which_settings_it_changed_and_puts_them_back_in_another_run(opened):
    bench = fast_clock(50.0)
    url = f"tcp://127.0.0.1:{free_port()}"
    device = open_device(HUAWEI, url, unit=1, clock=bench, state={"grid_charge": 0.0})
    opened.callback(device.close)
    words = ("set", "--profile", HUAWEI, "--url", url, "--unit", "1", "--clock", bench.describe())
    wet = run(*words, "--rated-w", "5000", "--mode", "charge", "--power-w", "1000", "--yes")
    assert wet.exit_code == 0, wet.output
    assert "settings of the owner were changed: grid_charge (was 0)" in wet.output
    command = next(line for line in wet.output.splitlines() if line.startswith("back to its own rules: "))
    assert command.endswith("--mode native --restore grid_charge=0 --yes")
    native = shlex.split(command.removeprefix("back to its own rules: pems device "))
    assert run(*native, "--clock", bench.describe()).exit_code == 0
    again = run(*words, "--rated-w", "5000", "--mode", "charge", "--power-w", "1000", "--yes")
    assert "grid_charge (was 0)" in again.output


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_set_of_a_slot_says_that_it_comes_back_every_day(opened, yes):
    bench = fast_clock(50.0)
    url = f"tcp://127.0.0.1:{free_port()}"
    opened.callback(open_device("growatt/mod_xh", url, unit=1, clock=bench, state={}).close)
    words = ("set", "--profile", "growatt/mod_xh", "--url", url, "--unit", "1", "--rated-w", "5000")
    result = run(*words, "--mode", "charge", "--power-w", "1000", "--clock", bench.describe(), *yes)
    assert result.exit_code == 0, result.output
    assert "the time slot stays in the device's memory and comes back at the same hours every day" in result.output
    expected = f"back to its own rules: pems device set --profile growatt/mod_xh --url {url} --unit 1"
    assert expected in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "--site", "s", "--table", "t", "--soc-frac", "nan"),
        ("quality", "t", "--slot-s", "inf"),
        ("run", "--site", "s", "--period", "nan"),
        ("demo", "--speed", "nan"),
        ("twin", "--capacity-wh", "inf"),
        ("device", "watch", "--profile", "p", "--url", "u", "--every", "inf"),
    ],
)
def test_no_command_takes_a_number_that_is_not_finite(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    assert caught.value.code == 2
    assert "is not a finite number" in capsys.readouterr().err


def test_a_meter_has_no_battery_to_command():
    result = run("set", "--profile", "eastron/sdm630", "--url", "tcp://x", "--mode", "native")
    assert result.exit_code == 2
    assert "has no battery to command" in result.output


class Port:
    def __init__(self, device: str) -> None:
        self.device = device
        self.description = "test port"


def test_scan_lists_ports_and_asks_them(opened, monkeypatch, clock):
    server = opened.enter_context(PtyServer(bank("eastron/sdm630").rtu))
    ports = [Port(server.path), Port("/dev/ttyNONE")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    plain = run("scan", "--list")
    assert plain.exit_code == 0
    assert plain.output.count("not asked") == 2
    result = run("scan", "--profile", "eastron/sdm630", "--json", "--clock", clock)
    rows = {row["url"]: row for row in json.loads(result.stdout)}
    url = f"serial://{server.path}"
    assert result.exit_code == 0
    assert rows[url]["answer"].startswith("eastron/sdm630 unit 1: grid_v, grid_w, grid_hz")
    assert rows[url]["link"] == f'[[link]]\nprofile = "eastron/sdm630"\nurl = "{url}?baud=9600"\nunit = 1'
    assert "No such file" in rows["serial:///dev/ttyNONE"]["answer"]
    assert f"... {url}: eastron/sdm630" in result.stderr


def test_scan_of_a_named_host_says_what_to_paste_and_what_to_do_next(opened, clock):
    server = opened.enter_context(TcpServer(bank("eastron/sdm120").tcp))
    host = server.url.removeprefix("tcp://")
    words = ("scan", "--tcp", host, "--tcp", "127.0.0.1:1", "--clock", clock)
    result = run(*words, "--profile", "eastron/sdm120", "--profile", "eastron/sdm630")
    assert result.exit_code == 0
    assert "127.0.0.1:1 cannot be reached: Connection refused" in result.stdout
    assert f'profile = "eastron/sdm120"\nurl = "{server.url}"\nunit = 1\n# or eastron/sdm630 unit 1' in result.stdout
    assert result.stdout.endswith(
        f"# next: pems device commission --profile eastron/sdm120 --url '{server.url}' --unit 1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "urls"),
    [
        ((), ["serial:///dev/ttyNONE"]),
        (("--tcp", "h"), ["serial:///dev/ttyNONE", "tcp://h"]),
        (("--tcp", "h", "--port", "none"), ["tcp://h"]),
        (("--tcp", "h", "--port", "/dev/ttyX"), ["serial:///dev/ttyX", "tcp://h"]),
    ],
)
def test_a_named_host_is_asked_beside_the_serial_ports(monkeypatch, arguments, urls):
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Port("/dev/ttyNONE")])
    assert [row["url"] for row in json.loads(run("scan", "--list", "--json", *arguments).stdout)] == urls


def test_scan_pastes_a_link_for_each_unit_that_answers(opened):
    clock = fast_clock(20.0)
    server = opened.enter_context(fronius_with_meter(clock))
    host = server.url.removeprefix("tcp://")
    words = ("scan", "--port", "none", "--tcp", host, "--profile", "fronius/gen24", "--profile", "fronius/meter")
    text = run(*words, "--clock", clock.describe()).stdout
    assert text.count("[[link]]") == text.count("# next: ") == 2
    assert "fronius/gen24 unit 1: its manufacturer says so; fronius/meter unit 200: its manufacturer says so" in text
    (row,) = json.loads(run(*words, "--json", "--clock", clock.describe()).stdout)
    assert "unit = 1\n\n[[link]]" in row["link"]
    assert row["link"].endswith("unit = 200")


def test_scan_that_finds_nothing_is_exit_1(monkeypatch, clock):
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    empty = run("scan")
    assert (empty.exit_code, "this machine has no serial port" in empty.output) == (1, True)
    assert run("scan", "--list").exit_code == 1
    closed = run("scan", "--tcp", "127.0.0.1:1", "--json")
    assert (closed.exit_code, json.loads(closed.stdout)[0]["candidates"]) == (1, [])


def test_scan_takes_no_host_or_family_that_cannot_be(capsys):
    assert run("scan", "--tcp", "a b/c").exit_code == 2
    with pytest.raises(SystemExit) as caught:
        main(["device", "scan", "--profile", "eastron/sdm63"])
    assert caught.value.code == 78
    assert "did you mean eastron/sdm630?" in capsys.readouterr().err
