"""Benchmarks: each row is a value beside its reference, measured alternately in one run."""

from __future__ import annotations

import contextlib
import io
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core_kernels.figures import Row, machine

_HELP_RUNS = 15
_REPLAY_DAYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows of a group, with the machine they were measured on, and what could not be measured there, and why."""

    group: str
    machine: str
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()


def wall_ms(command: Sequence[str]) -> float:
    """Wall time of a whole process [ms]."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1000.0 * (time.perf_counter() - started)


def bench_cli() -> tuple[Row, ...]:
    """``pems --help`` and ``pems status`` against an interpreter that does nothing, in turn, after a warm-up of all."""
    with tempfile.TemporaryDirectory() as folder, _answering_box(Path(folder)) as site:
        pems = [sys.executable, "-m", "edge.cli"]
        commands = ([sys.executable, "-c", "pass"], [*pems, "--help"], [*pems, "status", "--site", str(site)])
        rounds = [[wall_ms(command) for command in commands] for _ in range(_HELP_RUNS + 1)][1:]
    bare, *ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    targets = {"pems --help, median wall time": 150.0, "pems status, median wall time": 200.0}
    return tuple(
        Row(
            name=name,
            value=value,
            unit="ms",
            reference="python -c pass",
            reference_value=bare,
            ratio=value / bare,
            target=f"< {most_ms:g} ms",
            ok=value < most_ms,
        )
        for (name, most_ms), value in zip(targets.items(), ours, strict=True)
    )


@contextlib.contextmanager
def _answering_box(folder: Path) -> Iterator[Path]:
    """The site of a control process that answers a question as a real one does, without devices."""
    from edge.box import ControlPorts
    from edge.clock import Clock
    from edge.config import Site
    from edge.cycle import control_cycle
    from edge.files import SOCKET_NAME
    from edge.ipc import Service

    (folder / "site.toml").write_text('[site]\nname = "bench"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n')
    site = Site(name="bench", latitude_deg=49.2, longitude_deg=16.6)
    ports = ControlPorts(site, folder / "state", Clock.real(), period_s=60.0)
    with contextlib.redirect_stdout(io.StringIO()):  # its log
        control_cycle(ports, site)
    service = Service(folder / "state" / SOCKET_NAME, ports.handlers())
    try:
        yield folder / "site.toml"
    finally:
        service.close()
        with contextlib.redirect_stdout(io.StringIO()):
            ports.release()


def bench_replay() -> tuple[Row, ...]:
    """The closed loop over made days with the baseline's forecasts, against real time."""
    import numpy as np

    from core_kernels.records import Frame
    from core_kernels.timegrid import TimeGrid
    from edge.config import Array, Battery, Site
    from edge.forecast.runtime import Baseline
    from edge.ingest.tariff import builtin_prices
    from edge.replay import Days, replay

    battery = Battery(capacity_wh=10_000, charge_w=5000, discharge_w=5000)
    array = Array(dc_w=5000, tilt_deg=35, azimuth_deg=180, inverter_w=5000)
    site = Site(name="bench", latitude_deg=49.2, longitude_deg=16.6, arrays=(array,), battery=battery)
    whole = TimeGrid(start_s=1_717_200_000, slot_s=900, count=96 * (_REPLAY_DAYS + 14))
    hour = (whole.starts_s() % 86_400) / 3600.0
    columns = {
        "pv_w": 4000.0 * np.maximum(np.sin((hour - 5.0) / 14.0 * math.pi), 0.0) * ((hour > 5.0) & (hour < 19.0)),
        "load_w": 400.0 + 900.0 * np.exp(-(((hour - 18.0) / 2.0) ** 2)),
    }
    span = TimeGrid(start_s=whole.start_s + 14 * 86_400, slot_s=900, count=96 * _REPLAY_DAYS)
    prices = builtin_prices(TimeGrid(start_s=whole.start_s, slot_s=900, count=whole.count + 192), site.zone, 1)
    days = Days(measured=Frame(grid=whole, columns=columns), span=span, prices=prices)
    result = replay(site, days, Baseline(site))
    return (
        Row(
            name=f"replay of {_REPLAY_DAYS} days at 15 min",
            value=result.seconds_s,
            unit="s",
            reference="real time",
            reference_value=span.count * 900.0,
            ratio=result.seconds_s / (span.count * 900.0),
            target=">= 1000 times real time",
            ok=result.speed_ratio >= 1000.0,
        ),
    )


def bench_devices() -> tuple[Row, ...]:
    """The device layer on real wires, beside raw pymodbus."""
    from edge.bench_devices import rows

    return rows()


def bench_web() -> tuple[Row, ...]:
    """The dashboard in a real browser, under load, and the control cycle beside it."""
    from edge.bench_web import rows

    return rows()


GROUPS: dict[str, Callable[[], tuple[Row, ...]]] = {
    "cli": bench_cli,
    "replay": bench_replay,
    "devices": bench_devices,
    "web": bench_web,
}


def run(group: str) -> Report:
    """Run a group."""
    return Report(group=group, machine=machine(), rows=GROUPS[group]())
