"""How fast a plan is made beside others on the same windows: ours and theirs in turn, processor time, one thread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core_kernels.figures import Row, ratio_row
from core_kernels.qp_demand import Demand
from core_kernels.units import W_PER_KW
from edge.bench_control import windows as made
from edge.errors import PlanError, StoreError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, LOCK = ROOT / "benchmarks" / "control_peers.py", ROOT / "requirements" / "bench-control.lock"
VENV = ROOT / ".venv-bench-control"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
_ROUNDS, _OURS_PER_ROUND = 15, 8
WINDOWS_COUNT = _ROUNDS * _OURS_PER_ROUND + 1


class Peer(NamedTuple):
    """Another planner, and the share of its time that ours may take; what is in its problem as in ours."""

    name: str
    most_ratio: float
    with_peak: bool
    with_car: bool = False

    @property
    def problem(self) -> str:
        """What both plan."""
        return "battery" + (" + car" if self.with_car else "") + (" + peak" if self.with_peak else "")


PEERS = (
    Peer("cvxpy rebuilt", 1 / 40, True),
    Peer("cvxpy rebuilt", 1 / 40, True, True),
    Peer("cvxpy DPP", 1 / 10, True, True),
    Peer("EMHASS", 1 / 50, False),
)


def environment() -> Path:
    """The peers' own interpreter; made from the lock on first use. Raises :class:`StoreError` where it cannot be."""
    if not SCRIPT.is_file() or not LOCK.is_file():
        raise StoreError("the other planners are measured from a checkout of the project only")
    python, kept = VENV / "bin" / "python", VENV / ".lock"
    if kept.is_file() and kept.read_bytes() == LOCK.read_bytes():
        return python
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        [
            str(python),
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            str(LOCK),
        ],
    )
    for command in steps:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise StoreError(f"{VENV.name} cannot be made: {done.stderr.strip().splitlines()[-1:]}")
    kept.write_bytes(LOCK.read_bytes())
    return python


@contextmanager
def worker(python: Path, windows: Path) -> Iterator[subprocess.Popen[str]]:
    """The peers' process."""
    command = [str(python), str(SCRIPT), str(windows)]
    # What a peer that died never read is flushed into its closed pipe at the end.
    with (
        suppress(BrokenPipeError),
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD}
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def ask(
    process: subprocess.Popen[str], peer: str, window: int, stored_wh: float, car: Demand | None = None
) -> dict[str, Any]:
    """One plan of a peer; raises :class:`PlanError` where it gave none."""
    request = {"peer": peer, "window": window, "stored_kwh": stored_wh / W_PER_KW, "car": car and _told(car)}
    if process.stdin is None or process.stdout is None:
        raise PlanError("the peers' process has no pipes")
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError as error:
        raise PlanError(f"{peer} has ended") from error
    if not line:
        raise PlanError(f"{peer} gave no plan of window {window}")
    return dict(json.loads(line))


def _told(car: Demand) -> dict[str, Any]:
    """A car as a peer is told of it; no goal is -1."""
    return {
        "power_max_kw": car.power_max_kw.tolist(),
        "goal_kwh": np.nan_to_num(car.goal_kwh, nan=-1.0).tolist(),
        "most_kwh": car.most_kwh.tolist(),
        "start_kwh": car.start_wh / W_PER_KW,
    }


def rows() -> tuple[Row, ...]:
    """Ours beside each peer, window by window in turn; without the peers' first plan, which builds their problem."""
    with started() as (process, _):
        return tuple(row for peer in PEERS for row in beside(process, peer))


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The peers' process, with its windows in a folder of its own."""
    python = environment()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "windows.npz"
        save(path, made.windows(WINDOWS_COUNT))
        with worker(python, path) as process:
            yield process, path.parent


def save(path: Path, given: made.Windows) -> None:
    """The windows as the peers read them."""
    np.savez(
        path,
        net_kw=given.net_kw,
        import_eur=given.import_eur_per_kwh,
        export_eur=given.export_eur_per_kwh,
        slot_h=made.SLOT_S / 3600.0,
        leg_frac=made.LEG_FRAC,
        power_kw=made.POWER_KW,
        capacity_kwh=made.CAPACITY_KWH,
        low_kwh=made.LOW_KWH,
        high_kwh=made.HIGH_KWH,
        import_kw=made.IMPORT_KW,
        export_kw=made.EXPORT_KW,
        wear_eur=made.WEAR_EUR_PER_KWH,
        terminal_eur=made.TERMINAL_EUR_PER_KWH,
        peak_eur=made.PEAK_EUR_PER_KW,
        peak_least_kw=made.PEAK_LEAST_KW,
        car_efficiency_frac=made.CAR_EFFICIENCY_FRAC,
        car_short_eur=made.CAR_SHORT_EUR_PER_KWH,
    )


def beside(process: subprocess.Popen[str], peer: Peer) -> Iterator[Row]:
    """Our warm re-solves and a peer's plans of the same windows, in turn."""
    loop = made.Loop(WINDOWS_COUNT, with_peak=peer.with_peak, with_car=peer.with_car)

    def car(k: int) -> Demand | None:
        return made.car_at(k, loop.given_wh) if peer.with_car else None

    ask(process, peer.name, 0, loop.stored_wh, car(0))
    ours_ms: list[float] = []
    theirs_ms: list[float] = []
    for k in range(_ROUNDS * _OURS_PER_ROUND):
        stored_wh, parked = loop.stored_wh, car(k)
        ours_ms.append(loop.solve(k))
        if k % _OURS_PER_ROUND == 0:
            theirs_ms.append(float(ask(process, peer.name, k, stored_wh, parked)["ms"]))
    ours, theirs = statistics.median(ours_ms[_OURS_PER_ROUND:]), statistics.median(theirs_ms)
    name = f"warm re-solve, {made.STEPS} x 15 min, {peer.problem}, median"
    yield ratio_row(name, (ours, theirs), "ms", peer.name, peer.most_ratio, f"<= 1/{1 / peer.most_ratio:.0f}")
    p99 = float(np.quantile(ours_ms[_OURS_PER_ROUND:], 0.99))
    if peer.name == PEERS[0].name:
        yield ratio_row(f"warm re-solve, {peer.problem}, p99", (p99, ours), "ms", "its median", 8.0, "<= 8")
