"""The parent of the three processes, on processes that do nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge import daemon, notify
from edge.clock import Clock
from edge.daemon import run_all, run_one
from edge.process import Run, Stop

SLEEP = "import time; time.sleep(60)"


def test_a_command_line_carries_site_state_clock_and_period() -> None:
    clock = Clock(start_s=1.0, origin_s=2.0, speed=3.0)
    run = Run(site_path=Path("s.toml"), state=Path("st"), clock=clock, period_s=60.0)
    words = run.command("control")
    assert words[words.index("--only") + 1] == "control"
    assert words[words.index("--clock") + 1] == "1.0:2.0:3.0"
    assert "--only" not in run.command()


def test_the_parent_keeps_its_children_alive_and_ends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = tmp_path / "started"
    code = f"open({str(started)!r}, 'a').write('x'); {SLEEP}"
    lines = {"control": code, "planner": SLEEP, "web": f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEP}"}
    monkeypatch.setattr(Run, "command", lambda self, only=None: [sys.executable, "-c", lines[only]])
    monkeypatch.setattr(daemon, "_STOP_WITHIN_S", 0.5)
    asked = iter([False] * 12 + ["kill"] + [False] * 12)

    class Script(Stop):
        def asked(self) -> bool:
            step = next(asked, None)
            if step is None:
                return True
            if step == "kill":
                pids = subprocess.run(
                    ["pgrep", "-P", str(os.getpid()), "-f", "started"], capture_output=True, text=True, check=True
                )
                os.kill(int(pids.stdout.split()[0]), signal.SIGKILL)
            return False

    monkeypatch.setattr(daemon, "Stop", Script)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        run_all(Run(site_path=Path("s"), state=tmp_path, clock=Clock.real()))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["text"] for event in events] == ["control ended with -9; it is started again"]
    assert started.read_text() == "xx"


def test_waiting_ends_at_the_instant_or_at_the_signal() -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = Stop()
        clock = Clock(start_s=0.0, origin_s=time.monotonic(), speed=100.0)
        stop.wait_until(clock, 10.0)
        assert clock.now_s() >= 10.0
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked()
        stop.wait_until(clock, 1e9)
        assert clock.now_s() < 1e6
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts back the signals' handlers that a process of the box takes over."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_planner_without_a_battery_stands_by(
    tmp_path: Path, handlers: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text('[site]\nname = "t"\nlatitude_deg = 1\nlongitude_deg = 1\n')
    beats: list[str] = []
    monkeypatch.setattr(notify, "_tell", beats.append)
    monkeypatch.setattr(Stop, "asked", lambda self: len(beats) > 3)
    run_one("planner", Run(site_path=tmp_path / "site.toml", state=tmp_path, clock=Clock.real()))
    assert beats == ["READY=1", *["WATCHDOG=1"] * 3]
    assert "nothing to plan" in capsys.readouterr().out


def test_a_process_that_keeps_this_machines_time_leaves_when_that_is_set(handlers: None) -> None:
    set_forth = Clock(start_s=time.time() - 60.0, origin_s=time.monotonic())
    run = Run(site_path=Path("s"), state=Path("st"), clock=set_forth)
    assert not Stop.of(run).asked()
    assert Stop.of(replace(run, keeps_wall_time=True)).asked()
    assert not Stop.of(replace(run, keeps_wall_time=True, clock=Clock.real())).asked()


def test_work_that_lasts_shows_that_it_goes_on_by_asking(handlers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[str] = []
    monkeypatch.setattr(notify, "_tell", beats.append)
    assert not Stop().asked_while_busy()
    assert beats == ["WATCHDOG=1"]


def test_control_beats_at_the_end_of_each_cycle_and_not_before(
    tmp_path: Path, handlers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.toml").write_text('[site]\nname = "t"\nlatitude_deg = 1\nlongitude_deg = 1\n')
    said: list[str] = []
    real = daemon.control_cycle

    def cycle(ports: Any, site: Any) -> Any:
        said.append("cycle begins")
        return real(ports, site)

    monkeypatch.setattr(notify, "_tell", said.append)
    monkeypatch.setattr(daemon, "control_cycle", cycle)
    monkeypatch.setattr(Stop, "asked", lambda self: len(said) >= 6)
    clock = Clock(start_s=time.time(), origin_s=time.monotonic(), speed=60.0)
    run_one("control", Run(site_path=tmp_path / "site.toml", state=tmp_path, clock=clock))
    assert said == [*["cycle begins", "READY=1\nWATCHDOG=1"] * 3, "STOPPING=1"]
