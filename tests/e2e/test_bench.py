"""The benchmark commands run and print what the design says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from boxes import ENVIRONMENT

pytestmark = pytest.mark.e2e


def test_replay_is_measured_against_real_time() -> None:
    command = [sys.executable, "-m", "edge.cli", "bench", "replay", "--json"]
    compiled = {**ENVIRONMENT, "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=compiled)
    [row] = json.loads(done.stdout)["rows"]
    assert row["reference"] == "real time"
    assert row["ratio"] == pytest.approx(row["value"] / row["reference_value"])
    assert done.returncode == (0 if row["ok"] else 1)
