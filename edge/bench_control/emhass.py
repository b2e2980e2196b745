"""The very problem that EMHASS solves, to the optimum: as cheap, in less time, in less memory.

A battery that must end as full as it began, on the bench's windows; EMHASS without its gap of 1 %, ours as the exact
linear programme, gone on from the last one. The bill and the wear count.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from core_kernels.figures import Row, ratio_row
from core_kernels.qp import vectors
from edge.bench_control import windows as made
from edge.bench_control.peers import ONE_THREAD, WINDOWS_COUNT, ask, started
from edge.control.oracle import Linear
from edge.errors import PlanError

PEER = "EMHASS, no gap"
MOST_ERROR, MOST_CACHED_RATIO, MOST_FIRST_RATIO, MOST_MEMORY_RATIO = 1e-4, 1 / 4, 1 / 12, 1 / 3
STORED_WH = 5500.0
_ROUNDS = 8
# A planner of its own process, after some plans: what EMHASS' process is to EMHASS.
_PLANNER = """
import pathlib
import edge.planner_ports
from edge.bench_control.windows import Loop
loop = Loop(16)
for k in range(16):
    loop.solve(k)
# Not ru_maxrss, which a process takes over from the one that started it.
[peak_kb] = [line.split()[1] for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(int(peak_kb) / 1024.0)
"""


def exact(linear: Linear, given: made.Windows, k: int) -> tuple[float, float]:
    """Least cost of a window [EUR], and the processor time it took [ms]."""
    shape = made.shape_of(with_peak=False)
    slots, terms = made.posed(given, k, STORED_WH, None)
    ends_kwh = slots.stored_min_kwh.copy()
    ends_kwh[-1] = STORED_WH / 1000.0
    highest_kwh = np.where(np.arange(made.STEPS) < made.STEPS - 1, slots.stored_max_kwh, ends_kwh)
    slots = slots._replace(stored_min_kwh=ends_kwh, stored_max_kwh=highest_kwh)
    started_s = time.process_time()
    bounds = vectors(shape, slots, terms._replace(terminal_eur_per_kwh=0.0))
    answer = linear.solve(shape, bounds)
    spent_ms = 1000.0 * (time.process_time() - started_s)
    return float(bounds.q @ answer) + bounds.constant_eur, spent_ms


def planner_mb() -> float:
    """Most memory that a process took that only plans [MB]; raises :class:`PlanError` where it could not."""
    done = subprocess.run(
        [sys.executable, "-c", _PLANNER], check=False, capture_output=True, text=True, env={**os.environ, **ONE_THREAD}
    )
    if done.returncode != 0:
        raise PlanError(f"the planner of the bench ended: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout)


def rows() -> tuple[Row, ...]:
    """Cost, time beside its first and its later calls, memory."""
    given = made.windows(WINDOWS_COUNT)
    with started() as (process, _):
        return tuple(beside(process, given))


def beside(process: subprocess.Popen[str], given: made.Windows) -> Iterator[Row]:
    """Our optima and EMHASS' of the same windows, in turn."""
    linear = Linear()
    exact(linear, given, 0)
    first = ask(process, PEER, 0, STORED_WH)
    errors, ours_ms, theirs_ms, told = [], [], [], first
    for k in range(1, _ROUNDS + 1):
        cost_eur, spent_ms = exact(linear, given, k)
        told = ask(process, PEER, k, STORED_WH)
        errors.append(abs(cost_eur - told["cost_eur"]) / abs(told["cost_eur"]))
        ours_ms.append(spent_ms)
        theirs_ms.append(float(told["ms"]))
    ours = statistics.median(ours_ms)
    yield Row(
        name=f"EMHASS' battery problem, {made.STEPS} x 15 min: cost beside its own, worst",
        value=100.0 * max(errors),
        unit="%",
        reference=PEER,
        reference_value=0.0,
        ratio=math.nan,
        error=max(errors),
        target=f"<= {100.0 * MOST_ERROR:g} %",
        ok=max(errors) <= MOST_ERROR,
    )
    yield _row("time", (ours, statistics.median(theirs_ms)), "ms", "its cached call", MOST_CACHED_RATIO)
    yield _row("time", (ours, float(first["ms"])), "ms", "its first call", MOST_FIRST_RATIO)
    yield _row("memory of the planner", (planner_mb(), float(told["rss_mb"])), "MB", "its process", MOST_MEMORY_RATIO)


def _row(name: str, pair: tuple[float, float], unit: str, reference: str, most_ratio: float) -> Row:
    target = f"<= 1/{1 / most_ratio:.0f}"
    return ratio_row(f"EMHASS' battery problem: {name}", pair, unit, reference, most_ratio, target)
