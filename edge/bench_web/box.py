"""A box without devices: control and web as the processes that they are, with a store that has days in it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid, floor_s
from edge.errors import EdgeError
from edge.files import SOCKET_NAME, STORE_NAME
from edge.ingest.store import SLOT_S, Store
from edge.ipc import Client, IpcError
from edge.messages import Plan
from edge.web.serving import listen

PERIOD_S = 0.25
_READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1
_DAYS = 7
_HORIZON = 192
_SITE = """[site]
name = "bench"
latitude_deg = 49.2
longitude_deg = 16.6
[battery]
capacity_wh = 10000
charge_w = 5000
discharge_w = 5000
[web]
port = {port}
open_reads = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBox:
    """A control and a web process, and where they answer."""

    state: Path
    host: str
    port: int
    web_pid: int

    def wait_ready(self) -> None:
        """Until both answer, with a plan in force."""
        client, until = Client(self.state / SOCKET_NAME), time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < until:
            with contextlib.suppress(IpcError, OSError), socket.create_connection((self.host, self.port), timeout=5.0):
                if client.ask("status")["house"] is not None:
                    client.ask("publish_plan", plan=_plan(time.time()))
                    return
            time.sleep(0.1)
        raise EdgeError("the box did not start")

    def lateness_ms(self, span_s: float) -> list[float]:
        """How late after its instant each control cycle of a span saw the house."""
        client, until, seen = Client(self.state / SOCKET_NAME), time.monotonic() + span_s, set()
        while time.monotonic() < until:
            seen.add(float(client.ask("status", plan_known_s=None)["house"]["time_s"]))
            time.sleep(_LOOK_EVERY_S)
        return [1000.0 * (time_s % PERIOD_S) for time_s in seen]

    def bare_bytes(self) -> int:
        """Private memory of an interpreter that only waits."""
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            time.sleep(1.0)
            found = private_bytes(process.pid)
            process.communicate(b"\n")
        return found


def private_bytes(pid: int) -> int:
    """Resident memory that a process shares with no other: what the machine gets back when it ends."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def cpu_share_frac(pid: int, span_s: float) -> float:
    """Processor time of a process in a span, as a share of one core."""
    before = _ticks(pid)
    time.sleep(span_s)
    return (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / span_s


def _ticks(pid: int) -> int:
    parts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(parts[11]) + int(parts[12])


@contextlib.contextmanager
def running_box(folder: Path) -> Iterator[RunningBox]:
    """Both processes in a folder; ended at the end."""
    with listen("127.0.0.1", 0) as probe:
        port = int(probe.getsockname()[1])
    (folder / "site.toml").write_text(_SITE.format(port=port), encoding="utf-8")
    state = folder / "state"
    state.mkdir()
    _fill(state)
    run = [sys.executable, "-m", "edge.cli", "run", "--site", str(folder / "site.toml"), "--period", str(PERIOD_S)]
    environment = {**os.environ, "PEMS_JIT": "0"}
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        processes = [
            subprocess.Popen([*run, "--only", name], stdout=log, stderr=log, env=environment)
            for name in ("control", "web")
        ]
        try:
            yield RunningBox(state=state, host="127.0.0.1", port=port, web_pid=processes[1].pid)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30.0)


def _fill(state: Path) -> None:
    """Days of quarter hours."""
    count = _DAYS * 96
    grid = TimeGrid(start_s=floor_s(time.time(), SLOT_S) - count * SLOT_S, slot_s=SLOT_S, count=count)
    hour = (grid.starts_s() % 86_400) / 3600.0
    sun_w = 4000.0 * np.maximum(np.sin((hour - 5.0) / 14.0 * np.pi), 0.0) * (hour < 19.0)
    columns = {"pv_w": sun_w, "load_w": 500.0 + 20.0 * hour, "grid_w": 500.0 - sun_w, "soc_frac": 0.5 + 0.01 * hour}
    store = Store(state / STORE_NAME)
    store.import_frame(Frame(grid=grid, columns=columns))
    for index in range(200):
        store.add_event(time.time() - 60.0 * index, "command", "native: nothing to do")
    store.close()


def _plan(now_s: float) -> Plan:
    """A plan like any other."""
    flat = (500.0,) * _HORIZON
    return Plan(
        issued_s=now_s, valid_until_s=now_s + 3000.0, start_s=floor_s(now_s, SLOT_S), slot_s=SLOT_S, source="bench",
        reason="none", violations=(), water_value_eur_per_kwh=0.1, wear_eur_per_kwh=0.02, cost_eur=1.0,
        price_import_eur_per_kwh=(0.3,) * _HORIZON, price_export_eur_per_kwh=(0.1,) * _HORIZON,
        pv_p10_w=flat, pv_p50_w=flat, pv_p90_w=flat, load_p10_w=flat, load_p50_w=flat, load_p90_w=flat,
        battery_w=flat, grid_w=flat, soc_frac=(0.5,) * (_HORIZON + 1),
    )  # fmt: skip
