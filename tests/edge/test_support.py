"""The support archive: whole, without secrets, and good for a replay; and the frames of the field bus in it."""

from __future__ import annotations

import json
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import pems
from fakes import make_plan
from memory_wire import connect_to

from edge.box import ControlPorts
from edge.clock import Clock
from edge.config import load_site
from edge.cycle import control_cycle
from edge.devices.trace import KEPT, Trace
from edge.devices.transport import Address
from edge.errors import EdgeError
from edge.files import RECORDER_NAME, SOCKET_NAME
from edge.ipc import Service
from edge.messages import RegisterWrite
from edge.recording.again import decide_again
from edge.recording.control import RecordingPorts
from edge.recording.tape import Tape, read
from edge.redact import without_secrets
from edge.support import versions, write_archive

NOW_S = 1_717_236_000.0
SECRET = "hunter2"
ADDRESS = Address(url="tcp://10.0.0.5:502", kind="tcp", place="10.0.0.5", port=502)
SITE = f"""
[site]
name = "home"
latitude_deg = 49.2
longitude_deg = 16.6
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
[tariff]
source = "entsoe"
area = "10YCZ-CEPS-----N"
token = "{SECRET}"  # pasted where a path belongs
url = "http://user:{SECRET}@127.0.0.1:9/api"
[mqtt]
host = "127.0.0.1"
secrets = "{SECRET}.toml"
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Path]:
    """A box that runs without devices, with some history."""
    (tmp_path / "site.toml").write_text(SITE)
    state = tmp_path / "state"
    site = load_site(tmp_path / "site.toml")
    ports = ControlPorts(site, state, Clock(start_s=NOW_S, origin_s=time.monotonic()), period_s=1.0)
    ports._store.add_plan(make_plan(issued_s=NOW_S))
    ports._store.add_event(NOW_S, "alarm", "it rained")
    ports._store.journal.note(NOW_S, [RegisterWrite(register="a#1 holding 5", raw=1, wear="volatile", reason="r")])
    recording = RecordingPorts(ports, Tape(state / RECORDER_NAME, without_secrets(SITE)))
    for _ in range(3):
        control_cycle(recording, site)
    recording.flush()
    service = Service(state / SOCKET_NAME, ports.handlers())
    yield tmp_path
    service.close()
    recording.close()
    ports.release()


def test_the_archive_holds_what_a_helper_needs_and_no_secret(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = house / "support.zip"
    assert pems("doctor", "--site", str(house / "site.toml"), "--bundle", str(target), "--json") == 1
    assert "it holds no secrets" in capsys.readouterr().err
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {
        *("README.txt", "site.toml", "versions.json", "doctor.json", "status.json", "frames.json", "feeds.json"),
        *("events.json", "plans.json", "writes.json", "recorder/2024-06-01.sqlite"),
    }
    assert all(SECRET.encode() not in data for data in files.values())
    assert json.loads(files["status.json"])["house"] is not None
    assert json.loads(files["plans.json"])[0]["source"] == "mpc"
    assert json.loads(files["writes.json"])[0]["register"] == "a#1 holding 5"
    assert [NOW_S, "alarm", "it rained"] in json.loads(files["events.json"])
    assert "feeds.sqlite" in json.loads(files["feeds.json"])["missing"], "what cannot be had is said"
    assert json.loads(files["versions.json"])["packages"]["pems-edge"]
    (house / "copy.sqlite").write_bytes(files["recorder/2024-06-01.sqlite"])
    assert all(SECRET not in json.dumps(block.data) for block in read(house / "copy.sqlite"))


def test_a_replay_takes_the_archive_as_it_is(house: Path) -> None:
    target = house / "support.zip"
    pems("doctor", "--site", str(house / "site.toml"), "--bundle", str(target))
    found = decide_again(target)
    assert (found.same, found.cycle_count) == (True, 3)


def test_without_a_running_box_the_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    site = load_site(tmp_path / "site.toml")
    names = write_archive(tmp_path / "s.zip", tmp_path / "site.toml", site, tmp_path / "state", {}, NOW_S)
    assert "status.json" in names
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert "the box is not running" in json.loads(archive.read("status.json"))["missing"]
        assert "store.sqlite" in json.loads(archive.read("plans.json"))["missing"]
    with pytest.raises(EdgeError, match="No such file"):
        write_archive(tmp_path / "no" / "s.zip", tmp_path / "site.toml", site, tmp_path, {}, NOW_S)


def test_a_redacted_site_file_is_still_one(tmp_path: Path) -> None:
    text = without_secrets(SITE + '[[link]]\nprofile = "growatt/sph"\nurl = "tcp://10.0.0.5:502"\n')
    assert SECRET not in text
    assert "tcp://10.0.0.5:502" in text
    (tmp_path / "site.toml").write_text(text)
    assert load_site(tmp_path / "site.toml").tariff.token == "***"


def test_versions_name_program_and_packages() -> None:
    found = versions()
    assert found["packages"]["numpy"]
    assert found["python"].startswith("3.")


def test_the_last_frames_of_a_link_are_kept_with_their_direction() -> None:
    clock = Clock(start_s=NOW_S, origin_s=time.monotonic())
    trace = Trace(clock, connect_to(lambda data: [bytes(reversed(data)), 0.0]))
    wire = trace.connect(ADDRESS, 1.0)
    wire.send(b"\x01\x02")
    assert wire.receive(1.0) == b"\x02\x01"
    assert wire.receive(1.0) == b"", "silence leaves no frame"
    assert [(frame.direction, frame.data) for frame in trace.frames()] == [("out", "01 02"), ("in", "02 01")]
    assert trace.frames()[0].link == "tcp://10.0.0.5:502"
    for _ in range(KEPT):
        wire.send(b"\x03")
    assert len(trace.frames()) == KEPT
    wire.close()
