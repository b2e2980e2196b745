"""Three minutes at true speed: the serial line is truly 9600 baud and the inverter gets its 850 ms."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from boxes import bench, read_floats

pytestmark = [pytest.mark.e2e, pytest.mark.realtime]
RUN_S = 180.0


@pytest.mark.timeout(400)
def test_three_minutes_at_9600_baud_with_all_signals_fresh(tmp_path: Path) -> None:
    with bench(tmp_path, speed=1.0, price=lambda _: 0.3, period_s=1.0) as running:
        running.until("the first good cycle", lambda s: s["house"] is not None and not s["house"]["findings"], 60)
        findings, cycles, ages = set(), set(), []
        until = time.monotonic() + RUN_S
        while time.monotonic() < until:
            status = running.status()
            findings.update(status["house"]["findings"])
            cycles.add(status["house"]["time_s"])
            ages += [
                status["time_s"] - r["measured_s"] for r in status["readings"] if r["signal"] in ("grid_w", "battery_w")
            ]
            time.sleep(0.25)
        assert not findings
        assert len(cycles) > 0.85 * RUN_S, "a cycle a second"
        assert max(ages) < 6.0
        [total_w] = read_floats(running.port, 52, 1)
        assert total_w == pytest.approx(status["house"]["grid_w"], abs=150.0)
