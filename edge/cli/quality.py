"""``pems quality``: flags and the four scores of a table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import FiniteFloatRange, json_option

if TYPE_CHECKING:
    from core_kernels.quality import Assessment
    from core_kernels.units import FlagArray
    from edge.ingest.table import Table

BALANCE_SIGNALS = ("grid_w", "pv_w", "battery_w", "load_w")
BALANCE_TOLERANCE_W = 100.0  # two class-1 meters and an inverter's own estimate at a small load


def _is_known(name: str) -> bool:
    from core_kernels.signals import signal

    try:
        signal(name)
    except KeyError:
        return False
    return True


def _choose(table: Table, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to judge; a name that is no signal, or not in the table, is a usage error."""
    for name in wanted:
        if not _is_known(name):
            raise click.BadParameter(f"{name!r} is not a signal's name", param_hint="--signal")
        if name not in table.columns:
            raise click.BadParameter(f"{table.source} has no column {name!r}", param_hint="--signal")
    chosen = wanted or tuple(name for name in table.columns if _is_known(name))
    if not chosen:
        raise click.UsageError(f"{table.source} has no column with a signal's name")
    return chosen


def _balance(table: Table) -> FlagArray | None:
    """What the balance of the house says of each row, where all of its four powers are there."""
    from core_kernels.checks import flag_balance

    if not all(name in table.columns for name in BALANCE_SIGNALS):
        return None
    grid_w, pv_w, battery_w, load_w = (table.columns[name] for name in BALANCE_SIGNALS)
    return flag_balance((grid_w, pv_w, battery_w, load_w), BALANCE_TOLERANCE_W)


def _judge(table: Table, names: tuple[str, ...], slot_s: float, seed: bool) -> list[Assessment]:
    from core_kernels.quality import assess

    balance = _balance(table)
    return [
        assess(
            table.times_s,
            table.columns[name],
            name,
            slot_s,
            seed=seed,
            extra_flags=balance if name in BALANCE_SIGNALS else None,
        )
        for name in names
    ]


def _flag_counts(assessment: Assessment) -> dict[str, int]:
    from core_kernels.flags import Flag

    counts = {str(flag.name).lower(): assessment.count(flag) for flag in Flag if flag}
    return {name: count for name, count in counts.items() if count}


def _qartod_counts(assessment: Assessment) -> dict[str, int]:
    """Samples of each QARTOD code, by the gravest finding of each sample."""
    import numpy as np

    from core_kernels.qartod import Code, aggregate, to_qartod

    codes = aggregate(to_qartod(assessment.flags))
    counts = {code.name.lower(): int(np.count_nonzero(codes == code)) for code in Code}
    return {name: count for name, count in counts.items() if count}


def _findings(assessment: Assessment) -> list[str]:
    """Why a column is not good, in words; empty when it is."""
    counts = _flag_counts(assessment)
    found = [f"{name} below its gate" for name in assessment.failed()]
    return found + [f"{counts[name]} samples with {name}" for name in ("range", "balance") if name in counts]


def _as_dict(assessment: Assessment) -> dict[str, Any]:
    from core_kernels.quality import GATES
    from edge.timetext import format_time

    scores = assessment.scores._asdict()
    return {
        "signal": assessment.signal,
        "samples": len(assessment.flags),
        "scores": {name.removesuffix("_frac"): value for name, value in scores.items()},
        "gates": {name.removesuffix("_frac"): value for name, value in GATES._asdict().items() if value},
        "flags": _flag_counts(assessment),
        "qartod": _qartod_counts(assessment),
        "gaps": [
            {"from": format_time(gap.start_s), "until": format_time(gap.end_s), "missing": gap.missing_count}
            for gap in assessment.gaps
        ],
        "findings": _findings(assessment),
    }


def _print(assessments: list[Assessment]) -> None:
    width = max(len(item.signal) for item in assessments)
    click.echo(f"{'signal'.ljust(width)}  complete consistent temporal reasonable overall  flags")
    for item in assessments:
        cells = (f"{value:.3f}".rjust(size) for value, size in zip(item.scores, (8, 10, 8, 10, 7), strict=True))
        flags = ", ".join(f"{name} {count}" for name, count in _flag_counts(item).items()) or "none"
        click.echo(f"{item.signal.ljust(width)}  {' '.join(cells)}  {flags}")
    for item in assessments:
        if item.gaps:
            missing = sum(gap.missing_count for gap in item.gaps)
            click.echo(f"{item.signal}: {len(item.gaps)} gaps, {missing} slots missing")
        for finding in _findings(item):
            click.echo(f"{item.signal}: {finding}")


@click.command()
@click.argument("table_path", metavar="TABLE", type=click.Path(path_type=Path))
@click.option("--signal", "names", multiple=True, help="A column to judge; repeatable. [default: all known signals]")
@click.option(
    "--slot-s", type=FiniteFloatRange(min=0.0, min_open=True), help="Distance of rows. [default: the usual one]"
)
@click.option("--seed", is_flag=True, help="Score exactly as PEMS v2 does, with its faults.")
@json_option
def command(table_path: Path, names: tuple[str, ...], slot_s: float | None, seed: bool, as_json: bool) -> None:
    """Judge a CSV or Parquet TABLE: what is wrong with each sample, and four scores of 0 to 1.

    Exit 1 when a score is below its gate (0.8, 0.7, 0.8, 0.9), or a value is out of range or out of balance.

    \b
    Example:
      pems quality days.csv --signal pv_w --signal load_w --slot-s 900
    """
    from edge.ingest.table import read_table
    from edge.messages import to_json

    table = read_table(table_path)
    chosen = _choose(table, names)
    slot = float(table.slot_s()) if slot_s is None else slot_s
    assessments = _judge(table, chosen, slot, seed)
    ok = not any(_findings(item) for item in assessments)
    if as_json:
        signals = [_as_dict(item) for item in assessments]
        answer = {"table": table.source, "slot_s": slot, "seed": seed, "ok": ok, "signals": signals}
        click.echo(json.dumps(to_json(answer)))
    else:
        _print(assessments)
    sys.exit(0 if ok else 1)
