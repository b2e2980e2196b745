"""Three minutes at true speed: the serial line is truly 9600 baud and the inverter gets its 850 ms."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from boxes import ENVIRONMENT, bench, read_floats

pytestmark = [pytest.mark.e2e, pytest.mark.realtime]
RUN_S, LOOK_S, FRESH_S = 180.0, 0.25, 6.0
STALL_S = 0.5
FAST = ("grid_w", "battery_w")


def doctor_finds_nothing(site: Path) -> bool:
    """At true speed nothing is late for long; one look in three may fall on a busy moment of the machine."""
    command = [sys.executable, "-m", "edge.cli", "doctor", "--site", str(site)]
    looks = []
    for _ in range(3):
        looks.append(subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT))
        if looks[-1].returncode == 0:
            return True
    raise AssertionError("\n".join(look.stdout + look.stderr for look in looks))


@pytest.mark.timeout(400)
def test_three_minutes_at_9600_baud_with_all_signals_fresh(tmp_path: Path) -> None:
    """A look after the machine itself stood still is not judged: then this test was late as well."""
    with bench(tmp_path, speed=1.0, price=lambda _: 0.3, period_s=1.0) as running:
        running.until("the first good cycle", lambda s: s["house"] is not None and not s["house"]["findings"], 60)
        findings, cycles, ages_s, stalled_s = set(), set(), [], 0.0
        turn_s = calm_s = time.monotonic()
        until_s = turn_s + RUN_S
        while turn_s < until_s:
            status = running.status()
            cycles.add(status["house"]["time_s"])
            if turn_s >= calm_s:
                findings.update(status["house"]["findings"])
                ages_s += [status["time_s"] - r["measured_s"] for r in status["readings"] if r["signal"] in FAST]
            time.sleep(LOOK_S)
            late_s, turn_s = time.monotonic() - turn_s - LOOK_S, time.monotonic()
            if late_s > STALL_S:
                stalled_s, calm_s = stalled_s + late_s, turn_s + FRESH_S
        assert not findings
        assert max(ages_s) < FRESH_S
        assert len(ages_s) > 200, "most of the time was judged"
        assert len(cycles) > 0.85 * (RUN_S - stalled_s), "a cycle a second"
        assert doctor_finds_nothing(tmp_path / "site.toml")
        [total_w] = read_floats(running.port, 52, 1)
        assert total_w == pytest.approx(status["house"]["grid_w"], abs=150.0)
