"""The units on a real systemd: whatever dies or hangs, the inverter is soon on its own rules or does as told again."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from boxes import free_port, utc, write_rows
from nspawn import Container, booted, until, why_not

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.devices.profile_file import load_profile
from edge.files import SOCKET_NAME, STORE_NAME
from edge.ingest.store import Store
from edge.ipc import Client, IpcError

pytestmark = [pytest.mark.appliance, pytest.mark.skipif(bool(why_not()), reason=why_not()), pytest.mark.timeout(900)]
UNITS = ("pems-control", "pems-planner", "pems-web")
SITE = """
[site]
name = "box"
latitude_deg = 49.2
longitude_deg = 16.6
[battery]
capacity_wh = 30000
charge_w = 5000
discharge_w = 5000
[tariff]
prices = "prices.csv"
[[link]]
profile = "growatt/sph"
url = "tcp://127.0.0.1:{inverter}"
[[link]]
profile = "eastron/sdm630"
url = "tcp://127.0.0.1:{meter}"
[web]
port = {web}
"""
REPLACED_WITHIN_S = 15.0  # a stuck loop, issue 8
RELEASED_WITHIN_S = 2.0
LEASE_S = 900.0
PEMS = "/opt/pems/current/bin/pems"
MEMORY_GROUPS = Path("/sys/fs/cgroup/memory" if Path("/sys/fs/cgroup/memory").exists() else "/sys/fs/cgroup")


@dataclass
class Box:
    """A booted box and the twin that it runs."""

    machine: Container
    state: Path
    journal: Path
    web_port: int

    def mode(self) -> str:
        """What the inverter does, by its own journal."""
        modes = [row["values"] for row in self.wire() if row["function"] == "mode"]
        return modes[-1] if modes else "native"

    def charge(self) -> None:
        """Force a charge by hand, which a restart of control ends, and see it reach the inverter."""
        until("control's ear", lambda: bool(self.status()))
        Client(self.state / SOCKET_NAME).ask("override", mode="charge", power_w=2000.0, duration_s=3600.0)
        until("a forced charge", lambda: self.mode() != "native" and self.status().get("mode") == "charge")

    def wire(self) -> list[dict[str, str]]:
        """All that was written, and each change of the inverter's mode."""
        with (self.journal / "wire.csv").open() as handle:
            return list(csv.DictReader(handle))

    def status(self) -> dict:
        """What control says; empty while it does not."""
        with contextlib.suppress(IpcError):
            return dict(Client(self.state / SOCKET_NAME).ask("status"))
        return {}


def prepare(folder: Path, root: Path, ports: dict[str, int]) -> None:
    """Site, prices that are cheap for six hours and dear later, and a week of history."""
    now_s = int(time.time()) // 3600 * 3600
    (root / "etc/pems/site.toml").write_text(SITE.format(**ports))
    times = [now_s + 3600 * hour for hour in range(-24, 72)]
    dear = ["0.01,-0.08" if t < now_s + 6 * 3600 else "0.60,0.51" for t in times]
    header = "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh"
    write_rows(root / "etc/pems/prices.csv", header, [f"{utc(t)},{p}" for t, p in zip(times, dear, strict=True)])
    quarters = [f"{utc(now_s + 900 * i)},0,600" for i in range(-8, 300)]
    write_rows(folder / "house.csv", "time_utc,pv_w,load_w", quarters)
    state = root / "var/lib/private/pems"
    state.parent.mkdir(mode=0o700, exist_ok=True)
    store = Store(state / STORE_NAME)
    grid = TimeGrid(start_s=now_s - 7 * 86_400, slot_s=900, count=7 * 96)
    columns = {"pv_w": np.zeros(grid.count), "load_w": np.full(grid.count, 600.0)}
    store.import_frame(Frame(grid=grid, columns=columns, flags={}))
    store.close()


@contextlib.contextmanager
def twin_of(folder: Path, ports: dict[str, int]) -> Iterator[subprocess.Popen[bytes]]:
    words = [
        *(sys.executable, "-m", "edge.cli", "twin", "--house", str(folder / "house.csv")),
        *("--inverter", f"tcp://127.0.0.1:{ports['inverter']}", "--meter", f"tcp://127.0.0.1:{ports['meter']}"),
        *("--capacity-wh", "30000", "--soc-frac", "0.3", "--state", "vpp=1", "--journal", str(folder / "journal")),
    ]
    with (folder / "twin.log").open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
    try:
        until("the twin", lambda: "up" in (folder / "twin.log").read_text().split())
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("box")
    ports = {name: free_port() for name in ("inverter", "meter", "web")}
    with contextlib.ExitStack() as stack:

        def make(root: Path) -> None:
            prepare(folder, root, ports)
            stack.enter_context(twin_of(folder, ports))

        machine = stack.enter_context(booted(folder, make))
        yield Box(machine, folder / "root/var/lib/private/pems", folder / "journal", ports["web"])


def is_mended(box: Box, unit: str, before: int) -> bool:
    """Claims that another process does the unit's work."""
    return box.machine.pid(unit) not in (0, before) and box.machine.is_active(unit)


def test_all_three_come_up_by_themselves_and_the_gate_opens(box: Box) -> None:
    until("three units", lambda: all(map(box.machine.is_active, UNITS)))
    health = ("health", "gate", "--within", "120", "--json", "--site", "/etc/pems/site.toml")
    found = box.machine.run(PEMS, *health, "--state", "/var/lib/pems")
    assert found.returncode == 0, found.stdout + box.machine.journal(*UNITS)
    assert {check["name"] for check in json.loads(found.stdout)["checks"]} >= {"control", "cycles", "planner", "clock"}


def test_with_a_plan_of_two_days_the_three_keep_within_300_mb_and_each_below_its_limit(box: Box) -> None:
    until("a plan", lambda: bool(box.status().get("plan")))
    assert len(box.status()["plan"]["battery_w"]) == 192
    urllib.request.urlopen(f"http://127.0.0.1:{box.web_port}/", timeout=10).close()
    resident = {unit: resident_mb(box.machine.outer_pid(unit)) for unit in UNITS}
    assert sum(resident.values()) <= 300.0, resident
    limits = {unit: int(box.machine.show(unit, "MemoryMax")) / 2**20 for unit in UNITS}
    assert [unit for unit in UNITS if resident[unit] > 0.9 * limits[unit]] == [], (resident, limits)


def resident_mb(pid: int) -> float:
    """The most that a process ever had in memory, what it shares included [MB]."""
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024.0


def test_nobody_else_reads_the_state_and_nobody_runs_as_root(box: Box) -> None:
    assert oct(box.state.stat().st_mode & 0o777) == "0o700"
    users = {unit: Path(f"/proc/{box.machine.outer_pid(unit)}").stat().st_uid for unit in UNITS}
    assert len(set(users.values())) == 1
    assert 0 not in users.values()


@pytest.mark.parametrize("how", ["killed", "hung", "out of memory"])
def test_control_is_replaced_and_the_inverter_follows_it_again(box: Box, how: str) -> None:
    box.charge()
    before, pid = box.machine.pid("pems-control"), box.machine.outer_pid("pems-control")
    others = {unit: box.machine.pid(unit) for unit in UNITS[1:]}
    rows = len(box.wire())
    END[how](pid)
    took_s = until("another control", lambda: box.machine.pid("pems-control") not in (0, before))
    assert took_s <= REPLACED_WITHIN_S, box.machine.journal("pems-control")
    until("its first cycle", lambda: is_mended(box, "pems-control", before))
    until("the way back to native", lambda: any(row["values"] == "native" for row in box.wire()[rows:]))
    box.charge()
    assert {unit: box.machine.pid(unit) for unit in UNITS[1:]} == others, "planner and web never noticed"


@pytest.mark.parametrize("unit", ["pems-planner", "pems-web"])
def test_a_planner_or_web_that_dies_is_replaced_and_control_never_stops(box: Box, unit: str) -> None:
    """Killed, and while it starts anew, out of memory: later it asks for none while it waits."""
    killed, control = box.machine.pid(unit), box.machine.pid("pems-control")
    END["killed"](box.machine.outer_pid(unit))
    until(f"another {unit}", lambda: box.machine.pid(unit) not in (0, killed))
    starved = box.machine.pid(unit)
    END["out of memory"](box.machine.outer_pid(unit))
    until(f"a third {unit}", lambda: is_mended(box, unit, starved))
    assert box.machine.pid("pems-control") == control
    assert box.status()["verified"]["count"] > 0


def test_a_web_that_hangs_is_replaced(box: Box) -> None:
    before = box.machine.pid("pems-web")
    os.kill(box.machine.outer_pid("pems-web"), signal.SIGSTOP)
    took_s = until("another web", lambda: is_mended(box, "pems-web", before))
    assert took_s <= 60.0


def test_a_configuration_that_is_wrong_is_not_tried_for_ever(box: Box) -> None:
    site = box.machine.root / "etc/pems/site.toml"
    right = site.read_text()
    site.write_text(right.replace("[battery]", "[accumulator]"))
    try:
        box.machine.run("systemctl", "restart", "pems-control")
        assert box.machine.show("pems-control", "ExecMainStatus") == "78"
        time.sleep(4.0)  # four times the pause before a restart
        assert box.machine.show("pems-control", "ActiveState") == "failed"
        assert box.mode() == "native"
    finally:
        site.write_text(right)
    assert box.machine.run("systemctl", "start", "pems-control").returncode == 0


def test_control_that_is_told_to_stop_leaves_its_inverter_within_two_seconds(box: Box) -> None:
    """The quickest of three: what else this machine does can only add to it."""
    took_s = []
    for _ in range(3):
        box.charge()
        os.kill(box.machine.outer_pid("pems-control"), signal.SIGTERM)
        took_s.append(until("native", lambda: box.mode() == "native"))
        until("control again", lambda: box.machine.is_active("pems-control"))
    assert min(took_s) <= RELEASED_WITHIN_S, took_s


def test_a_stopped_box_leaves_its_inverter_and_says_so(box: Box) -> None:
    box.charge()
    assert box.machine.run("systemctl", "stop", "pems.target").returncode == 0
    until("native", lambda: box.mode() == "native")
    until("the end of control", lambda: box.machine.show("pems-control", "ActiveState") == "inactive")
    assert [unit for unit in UNITS if box.machine.show(unit, "Result") != "success"] == []
    assert "native on stop: applied" in box.machine.journal("pems-control")


def test_no_power_was_ever_commanded_for_longer_than_its_lease(box: Box) -> None:
    """The last test of the file: every command of all that happened above, from the bytes at the inverter."""
    profile = load_profile("growatt/sph")
    address = profile.write_by_name["vpp_duration"].address
    told = [row for row in box.wire() if row["function"] in ("6", "16")]
    durations_min = [int(row["values"].split()[0]) for row in told if int(row["address"]) == address]
    assert durations_min, "power was commanded"
    assert max(durations_min) * 60.0 <= LEASE_S
    assert box.mode() == "native"


def out_of_memory(pid: int) -> None:
    """Leave a process no memory, until the kernel ends it."""
    group = MEMORY_GROUPS / f"pems-test-{pid}"
    group.mkdir()
    try:
        limit = next(group / name for name in ("memory.max", "memory.limit_in_bytes") if (group / name).exists())
        limit.write_text("65536")
        (group / "cgroup.procs").write_text(str(pid))
        until("the kernel's end of it", lambda: not Path(f"/proc/{pid}").exists(), 60.0)
    finally:
        until("its memory back", lambda: not (group / "cgroup.procs").read_text().strip(), 60.0)
        group.rmdir()


END: dict[str, Callable[[int], None]] = {
    "killed": lambda pid: os.kill(pid, signal.SIGKILL),
    "hung": lambda pid: os.kill(pid, signal.SIGSTOP),
    "out of memory": out_of_memory,
}
