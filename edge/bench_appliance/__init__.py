"""``pems bench appliance``: the box's promises proved on real disks and machines, each part by a command."""

from __future__ import annotations

from core_kernels import figures
from core_kernels.figures import Row
from edge.bench import Report
from edge.errors import EdgeError


def report(parts: tuple[str, ...], stride: int) -> Report:
    """The chosen parts; one that cannot be measured here is left out with its reason."""
    rows: list[Row] = []
    left_out: list[str] = []
    for part in parts:
        try:
            rows.extend(_measured(part, stride))
        except EdgeError as error:
            left_out.append(f"{part}: {error}")
    return Report(group="appliance", machine=figures.machine(), rows=tuple(rows), left_out=tuple(left_out))


def _measured(part: str, stride: int) -> tuple[Row, ...]:
    from edge.bench_appliance import cutrows, lives, wear

    measures = {"powercut": lambda: cutrows.rows(stride), "lives": lives.rows, "wear": wear.rows}
    return measures[part]()
