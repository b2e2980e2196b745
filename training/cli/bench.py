"""``pems-train bench``."""

from __future__ import annotations

import importlib
import json
import math
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from training.cli.options import json_option
from training.progress import Stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_kernels.figures import Row

_STAGES = {"calibration": 18, "day-one": 13, "fit": 1, "fleet": 3, "load": 13, "pv": 6, "sources": 5, "thermal": 3}


@click.command()
@click.argument("group", type=click.Choice(sorted(_STAGES)))
@json_option
def command(group: str, as_json: bool) -> None:
    """Measure a GROUP of models on measured data, each figure beside its reference; exit 1 when a target is missed.

    The data are looked for in $PEMS_DATA, else in shared/data beside the project.

    \b
    Example:
      pems-train bench load --json
    """
    from core_kernels.figures import machine

    stages = Stages(_STAGES[group])
    rows: Sequence[Row] = importlib.import_module(f"training.bench.{group.replace('-', '_')}").rows(stages)
    stages.close()
    if as_json:
        click.echo(json.dumps({"group": group, "machine": machine(), "rows": [_document(row) for row in rows]}))
    else:
        click.echo("\n".join([machine(), *(_line(row) for row in rows)]))
    sys.exit(0 if all(row.ok for row in rows) else 1)


def _document(row: Row) -> dict[str, object]:
    return {key: None if value != value else value for key, value in asdict(row).items()}  # noqa: PLR0124 -- NaN


def _line(row: Row) -> str:
    mark = "ok    " if row.ok else "MISSED"
    beside = f"{row.reference} {row.reference_value:.4g}, ratio {row.ratio:.3f}" if not math.isnan(row.ratio) else ""
    return f"{mark}  {row.name}: {row.value:.4g} {row.unit}; {beside}; target {row.target}"
