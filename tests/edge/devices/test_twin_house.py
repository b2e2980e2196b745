"""``pems twin`` as users start it: its own process, real wires, a journal that adds up, errors in one line."""

from __future__ import annotations

import csv
import errno
import io
import math
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import serial

from edge.cli import main
from edge.clock import Clock
from edge.devices.plant import PlantParams, Snapshot
from edge.devices.plant_series import read_series
from edge.devices.twin import HouseSpec, open_house, parse_state
from edge.devices.twin_journal import Journal
from edge.devices.twin_wire import seal
from edge.errors import ConfigError, DeviceUnreachable, StoreError
from edge.timetext import parse_time_s

START = datetime(2024, 6, 1, 9, 0, tzinfo=UTC)
SPEED = 3600.0
TWIN = (sys.executable, "-m", "edge.cli", "twin")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "house.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_utc", "pv_w", "load_w"])
        for slot in range(96):
            pv_w = 4000.0 * max(0.0, math.sin(math.pi * slot / 40.0))
            rows.writerow([(START + timedelta(minutes=15 * slot)).isoformat(), pv_w, 400.0 + 1800.0 * (slot % 5 == 0)])
    return path


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(processes: list[subprocess.Popen[str]], *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    process = subprocess.Popen([*TWIN, *arguments], stdout=pipe, stderr=pipe, text=True)
    processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def read_float(port: int, address: int) -> float:
    with socket.create_connection(("127.0.0.1", port), timeout=2.0) as client:
        client.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, address, 2))
        return float(struct.unpack(">f", client.recv(13, socket.MSG_WAITALL)[9:])[0])


def test_journal_of_a_served_house_adds_up(
    processes: list[subprocess.Popen[str]], house: Path, port: int, tmp_path: Path
) -> None:
    epoch = Clock(start_s=START.timestamp(), origin_s=time.monotonic() + 1.0, speed=SPEED)
    link = tmp_path / "sph"
    twin = start(
        processes,
        *("--house", str(house), "--inverter", f"serial://{link}?baud=9600", "--meter", f"tcp://127.0.0.1:{port}"),
        *("--clock", epoch.describe(), "--journal", str(tmp_path / "journal"), "--timezone", "Europe/Prague"),
    )
    epoch.sleep_until(START.timestamp() + 2000.0)
    with serial.Serial(str(link), baudrate=9600, timeout=1.0, exclusive=True) as line:
        for body in (struct.pack(">BHHBHH", 16, 30408, 2, 4, 30, 40), struct.pack(">BHH", 6, 30407, 1)):
            line.write(seal(b"\x01" + body))
            assert line.read(8)[:2] == bytes((1, body[0]))
            epoch.sleep(1.0)
    assert read_float(port, 72) >= 1000.0
    epoch.sleep_until(START.timestamp() + 4 * 3600.0 + 60.0)
    twin.send_signal(signal.SIGTERM)
    assert twin.wait(5.0) == 0
    assert not link.is_symlink()

    rows = table(tmp_path / "journal" / "quarters.csv")
    times_s = [parse_time_s(row["time_utc"]) for row in rows]
    assert times_s == [START.timestamp() + 900.0 * slot for slot in range(len(rows))]
    assert len(rows) >= 17
    gained = {name: float(rows[-1][name]) - float(rows[0][name]) for name in rows[0] if name.endswith("_wh")}
    drawn_wh = gained["load_wh"] - gained["pv_wh"] + gained["battery_charge_wh"] - gained["battery_discharge_wh"]
    assert gained["grid_import_wh"] - gained["grid_export_wh"] == pytest.approx(drawn_wh, abs=0.5)
    assert "vpp" in {row["mode"] for row in rows}
    assert rows[-1]["mode"] == "native"

    wire = table(tmp_path / "journal" / "wire.csv")
    assert [(row["function"], row["address"], row["values"], row["answer"]) for row in wire if row["address"]] == [
        ("16", "30408", "30 40", "ok"),
        ("6", "30407", "1", "ok"),
    ]
    modes = [(row["values"], parse_time_s(row["time_utc"])) for row in wire if row["function"] == "mode"]
    assert [mode for mode, _ in modes] == ["vpp", "native"]
    assert modes[1][1] - modes[0][1] == pytest.approx(1800.0, abs=1.0)


def test_device_of_a_state_is_served_until_interrupted(processes: list[subprocess.Popen[str]], port: int) -> None:
    state = "grid_w=-1500,grid_export_wh=2500000"
    twin = start(processes, "--profile", "eastron/sdm630", "--url", f"tcp://127.0.0.1:{port}", "--state", state)
    assert read_float(port, 52) == -1500.0
    assert read_float(port, 74) == 2500.0
    twin.send_signal(signal.SIGINT)
    assert twin.wait(5.0) == 0


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll (Debian) is not installed")
def test_mbpoll_reads_both_wires(processes: list[subprocess.Popen[str]], port: int, tmp_path: Path) -> None:
    start(processes, "--profile", "eastron/sdm630", "--url", f"tcp://127.0.0.1:{port}", "--state", "grid_w=1234.5")
    start(processes, "--profile", "growatt/sph", "--url", f"serial://{tmp_path}/sph", "--state", "soc_frac=0.73")
    asked = ("-0", "-1", "-a", "1", "-c", "1", "-o", "2")
    tcp = ("mbpoll", "-m", "tcp", "-p", str(port), "-t", "3:float", "-B", "-r", "52", *asked, "127.0.0.1")
    rtu = ("mbpoll", "-m", "rtu", "-b", "9600", "-P", "none", "-t", "3", "-r", "1014", *asked, str(tmp_path / "sph"))
    for words, expected in ((tcp, "1234.5"), (rtu, "73")):
        result = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout


def serve_for(spec: HouseSpec, wall_s: float) -> Snapshot:
    stop = threading.Event()
    with closing(open_house(spec)) as twin:
        threading.Timer(wall_s, stop.set).start()
        twin.serve(stop)
        state = twin.world.snapshot()
    assert state is not None
    return state


def spec(house: Path, port: int, folder: Path, clock: Clock) -> HouseSpec:
    return HouseSpec(
        series=house,
        inverter=f"serial://{folder}/sph",
        meter=f"tcp://127.0.0.1:{port}",
        params=PlantParams(),
        clock=clock,
    )


def test_house_lives_without_being_asked_and_needs_no_journal(house: Path, port: int, tmp_path: Path) -> None:
    clock = Clock(start_s=START.timestamp() + 0.4, origin_s=time.monotonic(), speed=SPEED)
    state = serve_for(spec(house, port, tmp_path, clock), 0.5)
    assert state.load_wh > 0.0
    assert state.time_s > START.timestamp() + 1200.0


def test_failed_meter_port_takes_the_serial_line_down_again(house: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        with pytest.raises(DeviceUnreachable, match="cannot be served"):
            open_house(spec(house, int(taken.getsockname()[1]), tmp_path, Clock.real()))
    assert not (tmp_path / "sph").is_symlink()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the lines for people of a command that must not start; never a traceback."""
    with pytest.raises(SystemExit) as caught:
        main(["twin", *arguments])
    words = capsys.readouterr().err
    assert "Traceback" not in words
    return int(str(caught.value.code)), words


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--profile", "acme/none", "--url", "tcp://127.0.0.1:1"), 78, "acme/none"),
        (("--profile", "growatt/sph", "--url", "nonsense"), 78, "nonsense"),
        (("--profile", "growatt/sph", "--url", "serial:///absent/sph"), 1, "/absent/sph"),
        (("--profile", "growatt/sph", "--url", "tcp://127.0.0.1:1", "--state", "pv_w=x,b"), 78, "pv_w=x"),
        (("--profile", "growatt/sph", "--url", "tcp://127.0.0.1:1", "--state", "nonsense=1"), 78, "nonsense"),
        (("--profile", "growatt/sph", "--url", "tcp://127.0.0.1:1", "--state", "pv_w=nan"), 78, "not finite"),
        (("--profile", "growatt/sph", "--url", "tcp://127.0.0.1:1", "--state", "vpp=2"), 78, "vpp"),
        (("--profile", "growatt/sph"), 2, "--url"),
        ((), 2, "--house"),
        (("--clock", "yesterday"), 2, "yesterday"),
        (("--house", "HOUSE"), 2, "--inverter and --meter"),
        (("--house", "/absent.csv", "--inverter", "serial:///tmp/x", "--meter", "tcp://127.0.0.1:1"), 1, "/absent.csv"),
        (("--house", "HOUSE", "--inverter", "serial:///absent/x", "--meter", "tcp://127.0.0.1:1"), 1, "/absent/x"),
        (
            ("--house", "H", "--inverter", "serial:///x", "--meter", "tcp://h:1", "--timezone", "Mars/Base"),
            78,
            "Mars/Base",
        ),
        (("--house", "H", "--inverter", "serial:///x", "--meter", "tcp://h:1", "--state", "mood=1"), 78, "mood"),
        (("--house", "H", "--inverter", "serial:///x", "--meter", "tcp://h:1", "--capacity-wh", "-1"), 2, "capacity"),
    ],
)
def test_command_line_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], house: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    got, said = refused(capsys, *(str(house) if part == "HOUSE" else part for part in arguments))
    assert got == code
    assert words in said


def test_command_serves_until_its_signal_comes(
    capsys: pytest.CaptureFixture[str], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: dict[int, object] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)

    def interrupt() -> None:
        handler = handlers[signal.SIGTERM]
        assert callable(handler)
        handler(signal.SIGTERM, None)

    threading.Timer(0.3, interrupt).start()
    with pytest.raises(SystemExit) as caught:
        main(["twin", "--profile", "growatt/sph", "--url", f"tcp://127.0.0.1:{port}", "--state", "soc_frac=0.5,vpp=0"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "up\n"


def test_any_family_is_served_at_its_own_unit_with_golden_values(
    processes: list[subprocess.Popen[str]], port: int
) -> None:
    start(processes, "--profile", "victron/gx", "--url", f"tcp://127.0.0.1:{port}", "--state", "soc_frac=0.42")
    with socket.create_connection(("127.0.0.1", port), timeout=2.0) as client:
        client.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 100, 4, 842, 2))
        assert struct.unpack(">hH", client.recv(13, socket.MSG_WAITALL)[9:]) == (-2240, 42)


def test_state_of_another_family_is_refused_with_a_list(capsys: pytest.CaptureFixture[str], port: int) -> None:
    url = f"tcp://127.0.0.1:{port}"
    with pytest.raises(SystemExit) as caught:
        main(["twin", "--profile", "eastron/sdm120", "--url", url, "--state", "vpp=1"])
    assert caught.value.code == 78
    said = capsys.readouterr().err
    assert "vpp: eastron/sdm120 has no such signal or point; it has grid_v, grid_w" in said


def test_whims_of_the_house_come_from_its_state(
    processes: list[subprocess.Popen[str]], house: Path, port: int, tmp_path: Path
) -> None:
    wires = ("--inverter", f"tcp://127.0.0.1:{port}", "--meter", f"tcp://127.0.0.1:{free_port()}")
    clock = Clock(start_s=START.timestamp(), origin_s=time.monotonic() + 60.0)
    start(
        processes, "--house", str(house), *wires, "--clock", clock.describe(), "--state", "clock_offset_s=-125,seed=3"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=2.0) as client:
        client.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 45, 6))
        assert struct.unpack(">6H", client.recv(21, socket.MSG_WAITALL)[9:]) == (2024, 6, 1, 8, 57, 55)


def test_state_words_become_numbers() -> None:
    assert parse_state("pv_w=3000, soc_frac=0.5") == {"pv_w": 3000.0, "soc_frac": 0.5}
    assert parse_state("") == {}
    with pytest.raises(ConfigError) as caught:
        parse_state("a=1,b=x,c")
    assert len(caught.value.problems) == 2


def test_house_file_is_read_as_it_stands(house: Path) -> None:
    series = read_series(house)
    assert series.start_s == START.timestamp()
    assert series.slot_s == 900.0
    assert series.at(START.timestamp())[1] == 2200.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "needs the columns"),
        ("time_utc,pv_w\n2024-06-01T00:00Z,1\n2024-06-01T00:15Z,1\n", "needs the columns"),
        ("time_utc,pv_w,load_w\n2024-06-01T00:00Z,1,1\n", "at least two rows"),
        ("time_utc,pv_w,load_w\n2024-06-01T00:00Z,1,1\n2024-06-01T00:15Z,,1\n", "line 3"),
        ("time_utc,pv_w,load_w\n2024-06-01T00:00Z,1,1\n2024-06-01T00:15Z\n", "line 3"),
        ("time_utc,pv_w,load_w\nyesterday,1,1\n2024-06-01T00:15Z,1,1\n", "line 2"),
        ("time_utc,pv_w,load_w\n2024-06-01T00:00Z,1,1\n2024-06-01T00:15Z,nan,1\n", r"pv_w\[1\] is nan"),
        (
            "time_utc,pv_w,load_w\n2024-06-01T00:00Z,1,1\n2024-06-01T00:15Z,1,1\n2024-06-01T00:45Z,1,1\n",
            "line 4: the step is 1800 s, not 900 s",
        ),
        ("time_utc,pv_w,load_w\n2024-06-01T00:15Z,1,1\n2024-06-01T00:00Z,1,1\n", "slot_s must be positive"),
    ],
)
def test_house_file_with_a_fault_is_refused_with_its_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "house.csv"
    path.write_text(content)
    with pytest.raises(StoreError, match=words):
        read_series(path)


def test_house_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "house.csv"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(StoreError, match="is not CSV"):
        read_series(path)


def test_journal_is_appended_to_and_a_bad_folder_is_named(tmp_path: Path) -> None:
    for _ in range(2):
        journal = Journal(tmp_path)
        journal.mode(START.timestamp(), "vpp")
        journal.write(START.timestamp(), "inverter", struct.pack(">BHH", 6, 1, 2), b"\x86\x02")
        journal.close()
    rows = table(tmp_path / "wire.csv")
    assert [row["answer"] for row in rows] == ["", "exception 2"] * 2
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Journal(tmp_path / "file")


class FullDisk(io.StringIO):
    """A file on a disk that has no room left."""

    name = "wire.csv"

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    journal._wire = FullDisk()
    with pytest.raises(StoreError, match="wire.csv: No space left"):
        journal.mode(START.timestamp(), "vpp")
