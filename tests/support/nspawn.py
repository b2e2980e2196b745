"""A Debian 12 with the product's units on a real systemd, in a container of systemd-nspawn; needs root.

The root file system is made by mmdebstrap once, kept by a digest of its recipe, and never written to: each container
sees it through an overlay. Its network is this machine's own, so that a twin here is in the box's house.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
UNITS = Path(str(resources.files("edge.appliance") / "data" / "units"))
RECIPE = ("--variant=minbase", "--include=systemd,systemd-sysv,dbus,python3", "bookworm")
TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter")
LAUNCHER = """#!/bin/sh
exec /usr/bin/python3 -I -c 'import sys; sys.path[:0] = ["/opt/pems/current/lib", "/opt/pems/libraries"]
from edge.cli import main
main()' "$@"
"""


def why_not() -> str:
    """Why no container can be had on this machine; empty when it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)} (make debian-packages)"
    return "" if os.geteuid() == 0 else "needs root"


def base_root() -> Path:
    """The file system of a bare Debian 12, made when it is not there yet."""
    digest = hashlib.sha256(" ".join(RECIPE).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("XDG_CACHE_HOME", "/var/tmp")) / f"pems-debian-{digest}"
    if not folder.exists():
        draft = folder.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        words = ["mmdebstrap", "--mode=root", *RECIPE[:-1], RECIPE[-1], str(draft)]
        made = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)
        if made.returncode != 0:
            pytest.skip(f"no Debian to be had: {made.stderr[-500:]}")
        draft.rename(folder)
    return folder


def until(what: str, holds: Callable[[], bool], within_s: float = 120.0) -> float:
    """Wait until something holds; the wall seconds that it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < within_s, f"{what} did not come true within {within_s:.0f} s"
        time.sleep(0.05)
    return time.monotonic() - begun


@dataclass
class Container:
    """A machine that runs."""

    root: Path
    process: subprocess.Popen[bytes]
    log: Path

    def leader(self) -> int:
        """The number of its init, as this machine sees it; 0 while there is none."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return int(found.stdout.split()[0]) if found.stdout else 0

    def run(self, *words: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """A command inside."""
        enter = ["nsenter", "-t", str(self.leader()), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        return subprocess.run([*enter, *words], capture_output=True, text=True, timeout=timeout_s, check=False)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def is_active(self, unit: str) -> bool:
        """Claims that a unit runs, and has said that it is ready."""
        return self.show(unit, "ActiveState") == "active"

    def pid(self, unit: str) -> int:
        """The main process of a unit as the container sees it; 0 where there is none."""
        return int(self.show(unit, "MainPID") or 0)

    def outer_pid(self, unit: str) -> int:
        """The same as this machine sees it."""
        inner, leader = self.pid(unit), self.leader()
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                text = status.read_text()
                numbers = text.split("NSpid:")[1].split("\n")[0].split()
                same = (status.parent / "ns/pid").readlink() == Path(f"/proc/{leader}/ns/pid").readlink()
                if same and inner and numbers[-1] == str(inner):
                    return int(numbers[0])
        raise AssertionError(f"{unit} has no process")

    def journal(self, *units: str) -> str:
        """The last lines of the units' log."""
        return self.run("journalctl", "--no-pager", "-n", "60", *(f"-u{unit}" for unit in units)).stdout


@contextlib.contextmanager
def booted(folder: Path, prepare: Callable[[Path], None]) -> Iterator[Container]:
    """Boot a Debian with the units installed; ``prepare`` puts the site into its file system before."""
    root, upper, work = (folder / name for name in ("root", "upper", "work"))
    for made in (root, upper, work):
        made.mkdir()
    layers = f"lowerdir={base_root()},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)], check=True)
    try:
        _install(root)
        prepare(root)
        with _nspawn(folder, root) as container:
            yield container
    finally:
        subprocess.run(["umount", str(root)], check=True)


def _install(root: Path) -> None:
    """The release's layout of docs/appliance.md, with this very tree and this Python's libraries bound into it."""
    release = root / "opt/pems/releases/test"
    for path in (release / "bin", release / "lib", root / "opt/pems/libraries", root / "etc/pems"):
        path.mkdir(parents=True)
    (root / "opt/pems/current").symlink_to("releases/test")
    (release / "bin/pems").write_text(LAUNCHER)
    (release / "bin/pems").chmod(0o755)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for unit in UNITS.iterdir():
        shutil.copy(unit, root / "etc/systemd/system")
    (wants / "pems.target").symlink_to("/etc/systemd/system/pems.target")


@contextlib.contextmanager
def _nspawn(folder: Path, root: Path) -> Iterator[Container]:
    words = [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe", "-D", str(root)),
        *("--machine", f"pems{os.getpid()}", f"--bind-ro={TREE}:/opt/pems/releases/test/lib"),
        f"--bind-ro={sysconfig.get_paths()['purelib']}:/opt/pems/libraries",
    ]
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    with (folder / "boot.log").open("wb") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
    container = Container(root, process, folder / "boot.log")
    try:
        until("a machine", lambda: container.leader() > 0 and container.run("true").returncode == 0)
        yield container
    finally:
        if process.poll() is None:
            container.run("systemctl", "poweroff")
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
