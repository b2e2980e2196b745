"""Lives of a box, judged from the house's end of the wire: switched on, kernel crashed, plug pulled; no human step."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core_kernels.figures import Row, limit_row
from edge.bench_appliance import guest
from edge.bench_appliance.qemu import Vm, powered_on
from edge.bench_appliance.twinline import TwinLine, served
from edge.bench_appliance.virtual import Machine
from edge.errors import EdgeError

_WITHIN_S = 600.0
_SETPOINT_S = 120.0  # issue 8, under emulation
_RESET_S = 60.0
_LEASE_S = 900.0  # the longest that any command may hold without the box
_UNITS_LOG = "journalctl --boot --no-pager --output=cat --unit='pems-*'"
_LOG_CHARACTERS = 2000
_CRASH = "echo 0 >/proc/sys/kernel/panic; sleep 1; echo c >/proc/sysrq-trigger"  # it must not start anew by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """From power-on to the first command that the inverter followed, and how long it went on with the last life's."""

    setpoint_s: float
    held_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """What was measured; ``reset_s`` is from the kernel's crash to the hardware watchdog's reset."""

    first: Life
    after_crash: Life
    after_plug: Life
    reset_s: float
    watchdog: bool


def rows() -> tuple[Row, ...]:
    """The three lives of one box; raises :class:`EdgeError` where none can be made."""
    with tempfile.TemporaryDirectory(prefix="pems-box-", dir="/var/tmp") as name, _house(Path(name)) as (box, line):
        return tuple(_rows(live(box, line, Path(name))))


@contextlib.contextmanager
def _house(folder: Path) -> Iterator[tuple[Machine, TwinLine]]:
    box = guest.make(folder / "box")
    with served(folder / "twin") as line:
        yield replace(box, line=line.terminal), line


def live(box: Machine, line: TwinLine, folder: Path) -> Lives:
    """Switch on, crash the kernel, switch on, pull the plug, switch on; each start is a new QEMU on the same disk."""
    with powered_on(box, folder / "first") as vm:
        first = _life(vm, line, dead_s=0.0)
        vm.wait_for(r"root@\S+# ", _WITHIN_S)
        crashed_s = time.time()
        vm.send(_CRASH)
        vm.wait_off(_WITHIN_S)
        reset_s = time.time() - crashed_s
        watchdog = "WATCHDOG" in vm.monitor.drain()
    with powered_on(box, folder / "second") as vm:
        after_crash = _life(vm, line, dead_s=crashed_s)
        vm.pull_the_plug()
        pulled_s = time.time()
    with powered_on(box, folder / "third") as vm:
        after_plug = _life(vm, line, dead_s=pulled_s)
    return Lives(first=first, after_crash=after_crash, after_plug=after_plug, reset_s=reset_s, watchdog=watchdog)


def _life(vm: Vm, line: TwinLine, dead_s: float) -> Life:
    """Until the inverter follows a command of this life; what the last one told it ends before."""
    on_s = int(time.time() - vm.on_s)  # the journal's times are whole seconds
    held_s = line.wait_for_mode(native=True, within_s=_WITHIN_S, since_s=int(dead_s)) - dead_s if dead_s else 0.0
    try:
        commanded_s = line.wait_for_mode(native=False, within_s=_WITHIN_S, since_s=on_s)
    except EdgeError as error:
        raise EdgeError(f"{error}; the box says: {vm.run(_UNITS_LOG)[1][-_LOG_CHARACTERS:]}") from error
    return Life(setpoint_s=commanded_s - on_s, held_s=max(held_s, 0.0))


def _rows(lives: Lives) -> Iterator[Row]:
    def within(name: str, value_s: float, reference: str, other_s: float, limit_s: float) -> Row:
        return limit_row(name, (value_s, other_s), "s", reference, limit_s)

    first_s = lives.first.setpoint_s
    yield within("power-on to the first command that the inverter follows (x86_64, emulated)", first_s,
                 "the issue's", _SETPOINT_S, _SETPOINT_S)  # fmt: skip
    reset = within(
        "kernel crash to the hardware watchdog's reset", lives.reset_s, "a stuck kernel's", _RESET_S, _RESET_S
    )
    yield replace(reset, ok=reset.ok and lives.watchdog)
    for name, life in (("kernel crash", lives.after_crash), ("pulled plug", lives.after_plug)):
        yield within(f"{name}: inverter held a dead box's command", life.held_s, "its lease", _LEASE_S, _LEASE_S)
        yield within(f"{name}: power-on to the next command", life.setpoint_s, "the first start", first_s, _SETPOINT_S)
