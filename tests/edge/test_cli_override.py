"""``pems override`` against a control process' own answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.box import ControlPorts
from edge.cli import group
from edge.clock import Clock
from edge.config import Battery, Site
from edge.cycle import control_cycle
from edge.files import SOCKET_NAME, STORE_NAME
from edge.ingest.store import StoreReader
from edge.ipc import IpcError, Service

SITE_TOML = '[site]\nname = "t"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n'
SITE = Site(
    name="t", latitude_deg=1.0, longitude_deg=1.0, battery=Battery(capacity_wh=10_000, charge_w=5000, discharge_w=5000)
)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlPorts]:
    (tmp_path / "site.toml").write_text(SITE_TOML)
    (tmp_path / "state").mkdir()
    clock = Clock(start_s=1_717_416_000.0, origin_s=time.monotonic())
    ports = ControlPorts(SITE, tmp_path / "state", clock, period_s=1.0)
    service = Service(tmp_path / "state" / SOCKET_NAME, ports.handlers())
    try:
        yield ports
    finally:
        service.close()
        ports.release()


def pems(folder: Path, *arguments: str) -> object:
    result = CliRunner().invoke(group, ["override", "--site", str(folder / "site.toml"), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    line = result.output.splitlines()[-1]  # before it stands the log of control, which runs in this process
    return json.loads(line) if "--json" in arguments else line


def test_an_override_reaches_control_and_its_journal(control: ControlPorts, tmp_path: Path) -> None:
    answer = pems(tmp_path, "charge", "--power", "2000", "--minutes", "90", "--json")
    assert isinstance(answer, dict)
    assert (answer["mode"], answer["battery_w"]) == ("charge", -2000.0)
    assert answer["until_s"] - answer["since_s"] == 5400.0
    held = control.handlers()["status"]({})["override"]
    assert held.battery_w == -2000.0
    control_cycle(control, SITE)
    events = StoreReader(tmp_path / "state" / STORE_NAME).events(0.0, "override")
    assert events[0][2].endswith("charge with 2000 W")


def test_an_override_is_ended(control: ControlPorts, tmp_path: Path) -> None:
    assert pems(tmp_path, "end") == "There was no override."
    assert "hold until Mon" in str(pems(tmp_path, "hold"))
    assert pems(tmp_path, "end", "--json") == {"ended": True}
    assert control.override() is None


@pytest.mark.parametrize("words", [("charge",), ("hold", "--power", "100"), ("hold", "--minutes", "1441")])
def test_a_wrong_call_is_a_usage_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "site.toml").write_text(SITE_TOML)
    result = CliRunner().invoke(group, ["override", "--site", str(tmp_path / "site.toml"), *words])
    assert result.exit_code == 2


def test_without_a_battery_there_is_nothing_to_override(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE_TOML)
    bare = Site(name="t", latitude_deg=1.0, longitude_deg=1.0)
    ports = ControlPorts(bare, tmp_path / "state", Clock.real(), period_s=1.0)
    service = Service(tmp_path / "state" / SOCKET_NAME, ports.handlers())
    try:
        with pytest.raises(IpcError, match="there is no battery"):
            pems(tmp_path, "hold")
    finally:
        service.close()
        ports.release()
