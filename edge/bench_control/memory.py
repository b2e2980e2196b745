"""What re-planning for a year leaves behind: memory over 100,000 re-solves, and whether every answer was accepted."""

from __future__ import annotations

import gc
import math
import os
from pathlib import Path

from core_kernels.figures import Row
from edge.bench_control import windows as made
from edge.errors import PlanError

RESOLVES_COUNT = 100_000
_WARM_COUNT, _WINDOWS_COUNT = 2000, 960
MOST_MB = 0.5


def rows(count: int = RESOLVES_COUNT) -> tuple[Row, ...]:
    """Growth of the process over warm re-solves of windows that follow each other, and the refused ones."""
    loop, refused, before_mb = made.Loop(_WINDOWS_COUNT), 0, math.nan
    for k in range(count + _WARM_COUNT):
        if k == _WARM_COUNT:
            gc.collect()
            before_mb = resident_mb()
        try:
            loop.solve(k)
        except PlanError:
            refused += 1
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
