"""Whatever dies, 16 simulated minutes later the inverter does what the living say, or its own thing when none do."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from boxes import Bench, battery_w, bench, cheap_now

pytestmark = pytest.mark.e2e
SPEED = 120.0
LEASE_S = 16 * 60.0  # 15 minutes, and what a write takes


def charging(running: Bench) -> None:
    """Wait until a forced charge has really reached the inverter."""
    running.until("a forced charge", lambda s: s["command"] is not None and s["command"]["mode"] == "power")
    running.until("the inverter charging", lambda s: s["mode"] == "charge" and battery_w(s) < -1000)
    assert running.twin_mode() != "native"


def agreed(running: Bench) -> dict[str, Any]:
    """Wait until the box commands what the inverter does; between a command and its effect they may differ."""
    return running.until(
        "the inverter does as told",
        lambda s: s["command"] is not None and (s["command"]["mode"] == "native") == (running.twin_mode() == "native"),
    )


@pytest.mark.parametrize("vpp", [True, False], ids=["vpp", "slots"])
def test_all_processes_killed_leave_the_inverter_on_its_own_rules(tmp_path: Path, vpp: bool) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0, vpp=vpp) as running:
        charging(running)
        running.kill("parent", "control", "planner", "web")
        killed_s = running.clock.now_s()
        assert running.twin_mode() != "native"
        running.wait(LEASE_S)
        assert running.native_since_s() <= killed_s + LEASE_S
        late = [row for row in running.wire() if row["function"] != "mode" and row["time_utc"] > _text(killed_s + 300)]
        assert late == []


def _text(time_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def test_a_killed_control_comes_back_and_the_inverter_follows_it(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        charging(running)
        before = running.pids()["control"]
        running.kill("control")
        running.wait(LEASE_S)
        running.until("control back", lambda s: s["command"] is not None)
        assert running.pids()["control"] != before
        status = agreed(running)
        assert status["plan"] is not None, "the kept plan goes on"


def test_a_killed_control_without_its_parent_ends_in_native(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        charging(running)
        running.kill("parent", "control")
        killed_s = running.clock.now_s()
        running.wait(LEASE_S)
        assert running.native_since_s() <= killed_s + LEASE_S
        assert running.are_left({"parent"}), "planner and web leave when their parent is gone"


def test_a_killed_planner_comes_back_and_control_never_stops(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        charging(running)
        before = running.pids()
        running.kill("planner")
        running.wait(LEASE_S)
        status = agreed(running)
        assert running.pids()["control"] == before["control"]
        fresh = running.until("a new plan", lambda s: s["plan"]["issued_s"] > status["time_s"] - 1200)
        assert fresh["plan"]["source"].startswith("mpc")


def test_a_killed_web_costs_sight_only(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        charging(running)
        running.kill("web")
        running.wait(LEASE_S)
        status = running.until("still charging", lambda s: s["mode"] == "charge" and battery_w(s) < -1000)
        assert not math.isnan(status["cycle_s"])


def test_a_killed_parent_takes_the_box_down_gently(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        charging(running)
        running.kill("parent")
        killed_s = running.clock.now_s()
        assert running.native_since_s() <= killed_s + LEASE_S
        assert running.are_left({"parent"})
        running.wait(LEASE_S)
        assert running.twin_mode() == "native"


def test_a_stopped_box_leaves_native_within_seconds(tmp_path: Path) -> None:
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0) as running:
        charging(running)
        running.box.terminate()
        assert running.box.wait(60) == 0
        assert running.twin_mode() == "native"
