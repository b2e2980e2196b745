"""Shadows beside a running box: one is followed, a spoilt one is set aside, and a promotion changes what forecasts."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boxes import ENVIRONMENT, bench, cheap_now
from workshop import Workshop, golden_bytes, graph_bytes

from edge.files import SHADOWS_NAME

pytestmark = pytest.mark.e2e
SPEED = 80.0
BUNDLE = """
[bundle]
path = "state/bundles"
public_key = "bundle.pub"
"""
WORSE = (0.01, 0.02, 0.03)


def pems(folder: Path, *words: str) -> Any:
    """A command of its own beside the box; what it says as JSON."""
    command = [sys.executable, "-m", "edge.cli", *words, "--site", str(folder / "site.toml"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_for(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + 120.0
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def test_shadows_never_stop_the_champion_and_a_promoted_one_takes_its_place(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    assert workshop.public.exists()
    champion = workshop.bundle(name="champion.zip", seq=5, version="a", site="*")
    files = workshop.files(pv_dot_onnx=graph_bytes(WORSE), load_dot_onnx=graph_bytes(WORSE))
    worse = workshop.bundle(
        {**files, "golden.npz": golden_bytes(WORSE)}, name="worse.zip", seq=7, version="b", site="*"
    )
    (tmp_path / "site.toml").write_text('[site]\nname = "e2e"\nlatitude_deg = 39.7\nlongitude_deg = -105.2\n' + BUNDLE)
    for words in (("install", str(champion)), ("install", str(worse), "--shadow", "worse")):
        pems(tmp_path, "bundle", *words)
    folder = tmp_path / "state" / "bundles"
    (folder / "shadows" / "spoilt@6-x.zip").write_bytes(b"spoilt on the disk")
    with bench(tmp_path, speed=SPEED, price=cheap_now, period_s=10.0, extra=BUNDLE) as running:
        first = running.until("a plan", lambda s: s["plan"] is not None)["plan"]["issued_s"]
        wait_for(lambda: "shadow spoilt (6-x) is set aside" in (tmp_path / "box.log").read_text(), running.logs)
        planner = running.pids()["planner"]
        found = pems(tmp_path, "models")["followed"]
        assert {row["name"]: bool(row["aside"]) for row in found["shadows"]} == {"spoilt": True, "worse": False}
        pems(tmp_path, "bundle", "promote", "worse", "--force", "to see that it works")
        wait_for(lambda: running.pids().get("planner", planner) != planner, running.logs)
        later = running.until("plans go on", lambda s: s["plan"]["issued_s"] > first + 900)
        assert later["plan"]["source"].startswith("mpc")
    database = sqlite3.connect(tmp_path / "state" / SHADOWS_NAME)
    said = {bundle for (bundle,) in database.execute("SELECT DISTINCT bundle FROM issue")}
    database.close()
    assert {"5-a", "7-b"} <= said
    assert "6-x" not in said
    told = [row["told"] for row in found["history"]]
    assert told == ["5-a.zip was installed"]
    assert json.loads((folder / "history.json").read_text())[1]["told"].endswith("by hand: to see that it works")
