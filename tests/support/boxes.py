"""A twin and a box as real processes on real wires, for the end-to-end tests."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.files import SOCKET_NAME
from edge.ipc import Client, IpcError
from edge.timetext import parse_time_s

START_S = 1_370_325_600  # 2013-06-04 06:00 UTC

SITE = """
[site]
name = "e2e"
latitude_deg = 39.742
longitude_deg = -105.1727
timezone = "America/Denver"
[[array]]
dc_w = 4000
tilt_deg = 45
azimuth_deg = 158
inverter_w = 3500
[battery]
capacity_wh = {capacity_wh}
charge_w = {limit_w}
discharge_w = {limit_w}
[tariff]
prices = "prices.csv"
[[link]]
profile = "growatt/sph"
url = "serial://{serial}?baud=9600"
[[link]]
profile = "eastron/sdm630"
url = "tcp://127.0.0.1:{port}"
[web]
port = {web_port}
"""


# The product runs as it is shipped, with its kernels compiled, also while the tests measure kernels as plain Python.
ENVIRONMENT = {**os.environ, "NUMBA_DISABLE_JIT": "0"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_rows(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def cheap_now(time_s: float) -> float:
    """So cheap in the first hours, and so dear later, that the box charges from the grid all the time."""
    return 0.01 if time_s < START_S + 6 * 3600 else 0.60


def battery_w(status: dict[str, Any]) -> float:
    """What the box measures at the battery; NaN before its first cycle and while the value is missing."""
    value = None if status["house"] is None else status["house"]["battery_w"]
    return math.nan if value is None else float(value)


def utc(time_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


@dataclass
class Bench:
    """A running twin and box."""

    folder: Path
    clock: Clock
    twin: subprocess.Popen[bytes]
    box: subprocess.Popen[bytes]
    port: int
    web_port: int

    def status(self) -> dict[str, Any]:
        return dict(Client(self.folder / "state" / SOCKET_NAME).ask("status"))

    def until(self, what: str, holds: Callable[[dict[str, Any]], bool], within_s: float = 150.0) -> dict[str, Any]:
        """Ask control until something holds; wall seconds."""
        end = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < end:
            with contextlib.suppress(IpcError):
                status = self.status()
                if holds(status):
                    return status
                last = (status["command"], status["house"], status["plan"] and status["plan"]["source"])
            time.sleep(0.05)
        raise AssertionError(f"{what} did not come true; last: {last}\n{self.logs()}")

    def logs(self) -> str:
        return "\n".join(f"--- {n}\n" + (self.folder / n).read_text()[-3000:] for n in ("box.log", "twin.log"))

    def pids(self) -> dict[str, int]:
        """The box's processes by name, as the system sees them."""
        found = {"parent": self.box.pid}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_text().split("\0")
                    if "--only" in words and str(self.folder / "site.toml") in words:
                        found[words[words.index("--only") + 1]] = int(entry.name)
        return found

    def are_left(self, names: set[str], within_s: float = 60.0) -> bool:
        """Whether these, and no others, are left of the box's processes, at the latest after so many wall seconds."""
        end = time.monotonic() + within_s
        while set(self.pids()) != names and time.monotonic() < end:
            time.sleep(0.1)
        return set(self.pids()) == names

    def kill(self, *names: str) -> None:
        pids = self.pids()
        for name in names:
            os.kill(pids[name], signal.SIGKILL)

    def wait(self, simulated_s: float) -> None:
        self.clock.sleep(simulated_s)

    def twin_mode(self) -> str:
        """The inverter's mode by the twin's own journal."""
        with (self.folder / "journal" / "wire.csv").open() as handle:
            modes = [row["values"] for row in csv.DictReader(handle) if row["function"] == "mode"]
        return modes[-1] if modes else "native"

    def native_since_s(self, within_s: float = 60.0) -> float:
        """Wait, in wall seconds, until the inverter is on its own; the simulated time at which it became so."""
        end = time.monotonic() + within_s
        while self.twin_mode() != "native":
            assert time.monotonic() < end, f"still {self.twin_mode()}\n{self.logs()}"
            time.sleep(0.05)
        times = [row["time_utc"] for row in self.wire() if row["function"] == "mode"]
        return parse_time_s(times[-1]) if times else float(START_S)

    def wire(self) -> list[dict[str, str]]:
        with (self.folder / "journal" / "wire.csv").open() as handle:
            return list(csv.DictReader(handle))


def read_floats(port: int, address: int, count: int) -> list[float]:
    """float32 input registers of the meter by a client that shares no code with the product."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(struct.pack(">HHHBBHH", 77, 0, 6, 1, 4, address, 2 * count))
        data = b""
        while len(data) < 9 + 4 * count:
            part = link.recv(1000)
            assert part, "the meter hung up"
            data += part
    assert data[7] == 4, data
    return list(struct.unpack(f">{count}f", data[9 : 9 + 4 * count]))


@contextlib.contextmanager
def bench(
    folder: Path,
    *,
    speed: float,
    price: Callable[[float], float],
    period_s: float,
    vpp: bool = True,
    soc_frac: float = 0.5,
    capacity_wh: float = 30_000.0,
    limit_w: float = 5000.0,
    hours: int = 60,
    extra: str = "",
) -> Iterator[Bench]:
    """A twin and a box in a folder; ``price`` gives EUR/kWh at a time, ``extra`` ends the site file."""
    port, web_port, serial = free_port(), free_port(), folder / "sph"
    site = SITE.format(serial=serial, port=port, web_port=web_port, capacity_wh=capacity_wh, limit_w=limit_w)
    (folder / "site.toml").write_text(site + extra, encoding="utf-8")
    times = [START_S + 3600 * hour for hour in range(-24, hours)]
    rows = [f"{utc(t)},{price(t)},{price(t) - 0.09}" for t in times]
    write_rows(folder / "prices.csv", "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh", rows)
    write_rows(
        folder / "house.csv", "time_utc,pv_w,load_w", [f"{utc(START_S + 900 * i)},0,600" for i in range(4 * hours)]
    )
    clock = Clock(start_s=float(START_S), origin_s=time.monotonic() + 5.0, speed=speed)
    pems = [sys.executable, "-m", "edge.cli"]
    twin = [
        *(*pems, "twin", "--house", str(folder / "house.csv"), "--inverter", f"serial://{serial}?baud=9600"),
        *("--meter", f"tcp://127.0.0.1:{port}", "--clock", clock.describe(), "--soc-frac", str(soc_frac)),
        *("--capacity-wh", str(capacity_wh), "--timezone", "America/Denver", "--state", f"vpp={int(vpp)}"),
        *("--journal", str(folder / "journal")),
    ]
    run = ["run", "--site", str(folder / "site.toml"), "--clock", clock.describe(), "--period", str(period_s)]
    with contextlib.ExitStack() as stack:
        twin_log, box_log = (stack.enter_context((folder / n).open("wb")) for n in ("twin.log", "box.log"))
        twin_process = stack.enter_context(
            _ended(subprocess.Popen(twin, stdout=twin_log, stderr=twin_log, env=ENVIRONMENT))
        )
        deadline = time.monotonic() + 60
        while "up" not in (folder / "twin.log").read_text().split():
            assert time.monotonic() < deadline, (folder / "twin.log").read_text()
            time.sleep(0.05)
        box_process = stack.enter_context(
            _ended(subprocess.Popen([*pems, *run], stdout=box_log, stderr=box_log, env=ENVIRONMENT))
        )
        running = Bench(folder, clock, twin_process, box_process, port, web_port)
        try:
            yield running
        finally:
            for pid in running.pids().values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
