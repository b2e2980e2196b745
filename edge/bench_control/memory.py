"""What re-planning for a year leaves behind: memory over 100,000 re-solves, and whether every answer was accepted."""

from __future__ import annotations

import gc
import math
import os
from pathlib import Path

from core_kernels.units import W_PER_KW
from edge.bench import Row
from edge.bench_control import windows as made
from edge.control.solver import Solver
from edge.errors import PlanError

RESOLVES_COUNT = 100_000
_WARM_COUNT, _WINDOWS_COUNT = 2000, 960
MOST_MB = 0.5


def rows(count: int = RESOLVES_COUNT) -> tuple[Row, ...]:
    """Growth of the process over warm re-solves of windows that follow each other, and the refused ones."""
    given, shape = made.windows(_WINDOWS_COUNT), made.shape_of()
    solver, refused = Solver(shape), 0
    near_w, before_mb = W_PER_KW * made.PEAK_LEAST_KW, math.nan
    for k in range(count + _WARM_COUNT):
        if k == _WARM_COUNT:
            gc.collect()
            before_mb = resident_mb()
        try:
            solved = solver.solve(made.vectors_of(shape, given, k % _WINDOWS_COUNT, near_w))
            near_w = W_PER_KW * max(float(solved.x[-1]), made.PEAK_LEAST_KW)
        except PlanError:
            refused += 1
        solver.shift(1)
    gc.collect()
    grown_mb = resident_mb() - before_mb
    return (
        _row(f"memory grown over {count:,} re-solves", grown_mb, "MB", f"< {MOST_MB} MB", grown_mb < MOST_MB),
        _row(f"answers not accepted of {count:,}", float(refused), "", "0", refused == 0),
    )


def resident_mb() -> float:
    """Memory of this process in RAM [MB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _row(name: str, value: float, unit: str, target: str, ok: bool) -> Row:
    return Row(
        name=name, value=value, unit=unit, reference="", reference_value=math.nan, ratio=math.nan, target=target, ok=ok
    )
