"""The parent of the three processes, on processes that do nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge import daemon
from edge.clock import Clock
from edge.daemon import Run, Stop, run_all, run_one

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


def test_a_planner_without_a_battery_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\nname = "t"\nlatitude_deg = 1\nlongitude_deg = 1\n')
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with pytest.raises(daemon.ConfigError, match="battery is missing"):
            run_one("planner", Run(site_path=tmp_path / "site.toml", state=tmp_path, clock=Clock.real()))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
