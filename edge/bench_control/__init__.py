"""``pems bench control``: closed loops over measured homes, plan quality, and how fast a plan is made beside others."""

from __future__ import annotations

from pathlib import Path

from core_kernels.figures import Row, machine
from edge.bench import Report
from edge.errors import EdgeError


def report(parts: tuple[str, ...], data: Path, homes: tuple[str, ...], span_days: int) -> Report:
    """The chosen parts; one that cannot be measured here is left out with its reason."""
    rows: list[Row] = []
    left_out: list[str] = []
    for part in parts:
        try:
            rows.extend(_measured(part, data, homes, span_days))
        except EdgeError as error:
            left_out.append(f"{part}: {error}")
    return Report(group="control", machine=machine(), rows=tuple(rows), left_out=tuple(left_out))


def _measured(part: str, data: Path, homes: tuple[str, ...], span_days: int) -> tuple[Row, ...]:
    from edge.bench_control import emhass, loops, memory, peers, plans, relays, reserve, zones

    match part:
        case "plans":
            return plans.rows()
        case "memory":
            return memory.rows()
        case "peers":
            return (*peers.rows(), *zones.rows(), *emhass.rows())
        case "relays":
            return relays.rows()
        case "reserve":
            return reserve.rows(data, homes, span_days)
        case _:
            return loops.rows(data, homes, span_days)
