"""What the box writes, seen by the kernel: its state folder, and nothing besides."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boxes import free_port

from edge.files import SOCKET_NAME
from edge.ipc import Client, IpcError

pytestmark = [
    pytest.mark.appliance,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (make debian-packages)"),
]
CALLS = "trace=open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
CREATES = re.compile(r"^(?:\d+ +)?(?:mkdir|rename|link|symlink|creat)|O_WRONLY|O_RDWR|O_CREAT")
NAMED = re.compile(r'"([^"]*)"')
NOBODYS = ("/dev/", "/proc/")  # terminals, shared memory, the process' own


def written(trace: Path) -> set[str]:
    """What was opened to be written, made or renamed, and that with success."""
    lines = [line for line in trace.read_text(errors="replace").splitlines() if CREATES.search(line)]
    done = [line for line in lines if not re.search(r"= -1 E|unfinished|resumed", line)]
    return {name for line in done for name in NAMED.findall(line) if not name.startswith(NOBODYS)}


def environment(home: Path) -> dict[str, str]:
    """A user's own, who never heard of a telemetry to turn off."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "NUMBA_", "XDG_"))}
    return {**kept, "HOME": str(home), "PEMS_JIT": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def up(state: Path) -> bool:
    """Claims that the box has verified some cycles."""
    try:
        return bool(Client(state / SOCKET_NAME).ask("status")["verified"]["count"] > 2)
    except IpcError:
        return False


def test_the_three_processes_and_onnx_runtime_write_below_the_state_folder_only(tmp_path: Path) -> None:
    home, state, site = tmp_path / "home", tmp_path / "state", tmp_path / "site.toml"
    home.mkdir()
    text = '[site]\nname = "t"\nlatitude_deg = 49\nlongitude_deg = 16\n[web]\nport = {}\n'
    site.write_text(text.format(free_port()))
    traced = ["strace", "-f", "-qq", "-s", "300", "-e", CALLS, "-o"]
    pems, where = [sys.executable, "-m", "edge.cli"], ["--site", str(site), "--state", str(state)]
    box = subprocess.Popen([*traced, str(tmp_path / "box"), *pems, "run", *where], env=environment(home))
    try:
        deadline_s = time.monotonic() + 120.0
        while not up(state):
            assert time.monotonic() < deadline_s, "the box does not come up"
            assert box.poll() is None
            time.sleep(0.2)
        # its self-test loads ONNX Runtime, OSQP and HiGHS as the planner does
        health = [*traced, str(tmp_path / "health"), *pems, "health", *where]
        assert subprocess.run(health, env=environment(home), timeout=120, check=False).returncode == 0
    finally:
        box.send_signal(signal.SIGTERM)
        subprocess.run(["pkill", "-TERM", "-P", str(box.pid)], check=False)
        box.wait(60)
    found = written(tmp_path / "box") | written(tmp_path / "health")
    assert {name for name in found if str(state) in name}, "the trace sees what is written"
    assert sorted(name for name in found if not name.startswith(str(state))) == []
    assert list(home.iterdir()) == []
