"""The flight recorder on a real box: what it decided comes out again, to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from boxes import ENVIRONMENT, bench, cheap_now

from edge.ingest.store import StoreReader
from edge.recording.tape import days, read

pytestmark = pytest.mark.e2e


def test_every_command_and_plan_of_a_recorded_box_comes_out_again(tmp_path: Path) -> None:
    plans: set[float] = set()

    def three_plans(status: dict[str, Any]) -> bool:
        plans.update([status["plan"]["issued_s"]] if status["plan"] else [])
        return len(plans) >= 3

    with bench(tmp_path, speed=240.0, price=cheap_now, period_s=20.0) as running:
        running.until("a forced charge", lambda s: s["command"] is not None and s["command"]["mode"] == "power")
        running.until("three plans", three_plans)
    (file,) = days(tmp_path / "state" / "recorder")
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli", "replay", "--recording", str(file), "--json"],
        capture_output=True, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["differences"] == []
    assert done.returncode == 0
    assert found["same"]
    assert found["skipped_count"] == 0
    reader = StoreReader(tmp_path / "state" / "store.sqlite")
    published = reader.plans(0.0)
    reader.close()
    assert found["plan_count"] >= len(published) >= 3
    assert found["cycle_count"] > 60
    forced = [
        cycle["command"]
        for block in read(file)
        if block.kind == "control"
        for cycle in block.data
        if "command" in cycle and cycle["command"]["mode"] == "power"
    ]
    assert forced, "what was compared holds forced powers"
