"""Timings of the compiled core beside the field's references, as ratios in one run.

A kernel and its reference alternate in one process; times are medians of process CPU time on one thread. Each group
of rows is a module with ``rows() -> list[dict]``.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GROUPS = ("physics", "quality", "storage")
WITHOUT_AVX512 = 2.0 / 3.0  # share of a target's ratio that is asked of a machine without 512-bit vectors
Row = dict[str, Any]


def _cpu_lines() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def has_avx512() -> bool:
    """Whether this machine has 512-bit vectors."""
    return "avx512f" in _cpu_lines().get("flags", "").split()


def machine() -> str:
    """Name and vector width of this machine's processor."""
    lines = _cpu_lines()
    flags = lines.get("flags", lines.get("Features", "")).split()
    width = next((name for name in ("avx512f", "avx2", "asimd", "sse2") if name in flags), "unknown vectors")
    return f"{lines.get('model name', 'unknown processor')}, {width}"


def cpu_s(work: Callable[[], object], least_s: float = 2e-3) -> float:
    """CPU time of one call, repeated until ``least_s`` seconds are measured [s]."""
    count = 1
    while True:
        begin = time.process_time_ns()
        for _ in range(count):
            work()
        spent_s = (time.process_time_ns() - begin) * 1e-9
        if spent_s >= least_s:
            return spent_s / count
        count = max(2 * count, int(1.2 * count * least_s / max(spent_s, 1e-7)))


def alternate(
    kernel: Callable[[], object], reference: Callable[[], object], rounds: int = 5, kernel_rounds: int = 1
) -> tuple[float, float]:
    """Median CPU time of one call of a kernel and of its reference, measured in turn after one call of each [s]."""
    kernel()
    reference()
    own_s: list[float] = []
    other_s: list[float] = []
    for _ in range(rounds):
        own_s.extend(cpu_s(kernel) for _ in range(kernel_rounds))
        other_s.append(cpu_s(reference))
    return statistics.median(own_s), statistics.median(other_s)


def ratio_row(
    name: str,
    times_s: tuple[float, float],
    *,
    reference: str,
    minimum: float,
    error: float = 0.0,
    tolerance: float = 0.0,
) -> Row:
    """One row: how often the kernel runs in the reference's time, and the largest difference between the two.

    ``minimum`` is the ratio asked on a machine with AVX-512; ``error`` and ``tolerance`` are in the unit of the result.
    """
    asked = minimum if has_avx512() else minimum * WITHOUT_AVX512
    ratio = times_s[1] / times_s[0]
    target = f">= {asked:g}x" + (f", error <= {tolerance:g}" if tolerance else ", equal")
    row: Row = {"name": name, "value": times_s[0] * 1e6, "unit": "us", "reference": reference}
    row |= {"reference_value": times_s[1] * 1e6, "ratio": ratio, "error": error, "target": target}
    return row | {"ok": bool(ratio >= asked and error <= tolerance)}


def limit_row(name: str, value: float, *, unit: str, maximum: float, reference: str, error: float = 0.0) -> Row:
    """One row: a value that must not exceed a limit; ``ratio`` is the limit over the value."""
    row: Row = {"name": name, "value": value, "unit": unit, "reference": reference, "reference_value": maximum}
    row |= {"ratio": maximum / value, "error": error, "target": f"<= {maximum:g} {unit}"}
    return row | {"ok": bool(value <= maximum)}


def run(groups: tuple[str, ...] = GROUPS) -> Row:
    """All rows of the groups, as ``pems bench kernels --json`` prints them."""
    rows = [row for group in groups for row in importlib.import_module(f"{__name__}.{group}").rows()]
    return {"group": "kernels", "machine": machine(), "rows": rows}
