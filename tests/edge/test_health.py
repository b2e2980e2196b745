"""The one verdict on a box, from a control process that answers, and from one that does not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import pems
from energy import make_site

from edge import health, selftest
from edge.config import load_site
from edge.errors import PlanError
from edge.files import SOCKET_NAME
from edge.health import Verdict, gate, verdict
from edge.ipc import Service

BARE = '[site]\nname = "t"\nlatitude_deg = 49\nlongitude_deg = 16\n'
WITH_BATTERY = BARE + "[battery]\ncapacity_wh = 1\ncharge_w = 1\ndischarge_w = 1\n"


def well(**changes: Any) -> dict[str, Any]:
    now_s = time.time()
    status = {
        "time_s": now_s,
        "speed": 1.0,
        "house": {"time_s": now_s - 0.5},
        "verified": {"count": 5, "why": ""},
        "planning": {"wall_s": 0.1},
        "no_plan": "",
    }
    return {**status, **changes}


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands leave a word in the environment; here it is taken back."""
    monkeypatch.setenv("PEMS_JIT", "0")


@pytest.fixture
def control(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A control process that says what the test puts here."""
    said: dict[str, Any] = {}
    service = Service(tmp_path / SOCKET_NAME, {"status": lambda _: {**well(), **said}})
    yield said
    service.close()


def site_file(folder: Path, text: str = BARE) -> Path:
    (folder / "site.toml").write_text(text)
    return folder / "site.toml"


def findings(found: Verdict) -> dict[str, str]:
    return {check.name: check.text for check in found.checks if not check.ok}


def test_a_box_with_nothing_configured_is_well_when_its_planner_passes_its_own_test(tmp_path, control):
    found = verdict(load_site(site_file(tmp_path)), tmp_path)
    assert findings(found) == {}
    assert {check.name for check in found.checks} == {"control", "cycles", "clock", "configuration", "disk", "planner"}


@pytest.mark.parametrize(
    ("said", "name", "words"),
    [
        ({"house": None}, "control", "has not finished its first cycle"),
        ({"house": {"time_s": 1.0}}, "control", "s ago"),
        ({"verified": {"count": 0, "why": "inverter: no answer"}}, "cycles", "inverter: no answer"),
        ({"verified": {"count": 4, "why": ""}}, "cycles", "4 in a row"),
        ({"verified": None}, "cycles", "control is of an older release"),
    ],
)
def test_each_trouble_of_control_is_named(tmp_path, control, said, name, words):
    control.update(said)
    found = findings(Verdict(checks=tuple(health.live(load_site(site_file(tmp_path)), tmp_path))))
    assert set(found) == {name}
    assert words in found[name]


def test_a_planner_must_have_spoken_since_control_began(tmp_path, control):
    site = load_site(site_file(tmp_path, WITH_BATTERY))
    assert findings(Verdict(checks=tuple(health.live(site, tmp_path)))) == {}
    control.update(planning={})
    assert "has not spoken" in findings(Verdict(checks=tuple(health.live(site, tmp_path))))["planner"]
    control.update(no_plan="no prices")
    assert findings(Verdict(checks=tuple(health.live(site, tmp_path)))) == {}


def test_a_machine_whose_time_was_never_set_is_not_well():
    assert not health.clock(well(), 0.0).ok
    assert not health.clock(well(), time.time() + 60.0).ok
    assert health.clock(well(speed=60.0), time.time() + 60.0).ok


def test_a_box_that_does_not_run_is_not_well_and_the_gate_waits_for_it(tmp_path):
    site = load_site(site_file(tmp_path))
    started_s = time.monotonic()
    assert "is not running" in findings(gate(site, tmp_path, within_s=1.5))["control"]
    assert time.monotonic() - started_s >= 1.5


def test_the_gate_opens_as_soon_as_the_box_is_well(tmp_path, control):
    assert gate(load_site(site_file(tmp_path)), tmp_path, within_s=600.0).ok


def test_a_folder_without_room_is_named(tmp_path, monkeypatch):
    assert health.disk(tmp_path).ok
    assert not health.disk(tmp_path / "none").ok
    real = os.statvfs(tmp_path)
    full = list(real)
    full[4] = 0  # blocks for those who are not root
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(full))
    assert not health.disk(tmp_path).ok


def test_the_planner_passes_its_own_test_and_a_planner_without_an_answer_does_not(monkeypatch):
    site = make_site(battery=None)
    assert selftest.planner_problem(site, 1_767_225_600) == ""

    def no_plan(site, start_s):
        raise PlanError("solver: none")

    monkeypatch.setattr(selftest, "_plan_w", no_plan)
    assert selftest.planner_problem(site, 0) == "the planner finds no answer: solver: none"


def test_a_missing_library_of_the_planner_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(selftest.importlib, "import_module", missing)
    assert "does not load: onnxruntime" in selftest.planner_problem(make_site(battery=None), 0)


def test_the_command_prints_the_verdict_and_its_exit_code(tmp_path, control, capsys):
    where = ("--site", str(site_file(tmp_path)), "--state", str(tmp_path))
    assert pems("health", *where, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    control.update(verified={"count": 0, "why": "the inverter is away"})
    assert pems("health", "gate", "--within", "0", *where) == 1
    assert "FINDING  cycles         the inverter is away" in capsys.readouterr().out


def test_the_command_needs_a_site(capsys):
    assert pems("health") == 2
    assert "--site" in capsys.readouterr().err
