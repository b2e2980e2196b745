"""What a careful house does when its hardware, its parent or its neighbour is not what it seems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from boxes import ENVIRONMENT, START_S, battery_w, bench, cheap_now

pytestmark = pytest.mark.e2e
SPEED = 120.0


def test_a_battery_that_gives_more_than_commanded_is_left_alone(tmp_path: Path) -> None:
    """The site says 1 kW and no rating, the inverter has 5 kW: 100 % means five times as much as was meant."""
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0, limit_w=1000.0) as running:
        running.until("over-delivery", lambda s: battery_w(s) < -3000)
        status = running.until(
            "distrust", lambda s: s["command"]["mode"] == "native" and "does not obey" in s["command"]["reason"]
        )
        assert "rated_w" in status["command"]["vetoes"][-1]
        running.until("the inverter on its own", lambda s: s["mode"] == "native")
        assert running.native_since_s() > START_S


def test_a_child_whose_parent_is_gone_already_leaves_at_once(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        running.until("the first cycle", lambda s: s["house"] is not None)
        running.box.terminate()
        running.box.wait(60)
        command = [sys.executable, "-m", "edge.cli", "run", "--only", "control", "--parent", "999999"]
        where = ["--site", str(tmp_path / "site.toml"), "--clock", running.clock.describe(), "--period", "10"]
        done = subprocess.run([*command, *where], check=False, capture_output=True, timeout=120, env=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        assert running.twin_mode() == "native"


def test_a_second_box_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        running.until("the first cycle", lambda s: s["house"] is not None)
        command = [sys.executable, "-m", "edge.cli", "run", "--site", str(tmp_path / "site.toml")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
        assert done.returncode == 78
        assert "another box" in done.stderr
        assert "cannot listen" in done.stderr
        assert running.status()["house"] is not None
