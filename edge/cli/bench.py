"""``pems bench``: timings beside the references."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import json_option

if TYPE_CHECKING:
    from edge.bench import Report

_GROUPS = ("cli", "replay", "devices", "control", "web", "appliance", "kernels")

_CONTROL = ("plans", "memory", "peers", "loops", "reserve", "relays")
_APPLIANCE = ("powercut", "lives", "wear")


@click.command()
@click.argument("group", type=click.Choice(_GROUPS))
@click.option(
    "--part",
    "parts",
    type=click.Choice((*_CONTROL, *_APPLIANCE)),
    multiple=True,
    help="Of control or appliance. [default: all]",
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Of appliance's powercut: judge each so many-th disk.",
)
@click.option("--homes", default="", help="Of control: these measured homes, with commas. [default: all twelve]")
@click.option(
    "--days", "span_days", type=click.IntRange(1, 60), default=60, show_default=True, help="Of control's loops."
)
@click.option(
    "--data", type=click.Path(path_type=Path), default=Path("../shared/data"), show_default=True, help="Of control."
)
@json_option
def command(group: str, as_json: bool, stride: int, **control: Any) -> None:
    """Measure a GROUP in one run, each row beside its reference; exit 1 when a target is missed.

    \b
    Example:
      pems bench cli --json
      pems bench control --part loops --homes b4,emhass-autumn --days 20
    """
    if group == "kernels":
        sys.exit(_kernels(as_json))
    from edge.bench import run
    from edge.messages import to_json

    if group == "control":
        report = _control(**control)
    elif group == "appliance":
        report = _appliance(control["parts"], stride)
    else:
        report = run(group)
    if as_json:
        told = to_json(report)
        click.echo(json.dumps(told if report.left_out else {k: v for k, v in told.items() if k != "left_out"}))
    else:
        click.echo(report.machine)
        for row in report.rows:
            mark = "ok    " if row.ok else "MISSED"
            reference = f"{row.reference} {row.reference_value:.4g} {row.unit}, ratio {row.ratio:.3g}"
            click.echo(f"{mark}  {row.name}: {row.value:.4g} {row.unit}; {reference}; target {row.target}")
        for reason in report.left_out:
            click.echo(f"left out: {reason}")
    sys.exit(0 if all(row.ok for row in report.rows) else 1)


def _appliance(parts: tuple[str, ...], stride: int) -> Report:
    """The appliance's proofs; all of them unless some are chosen."""
    from edge.bench_appliance import report

    return report(_of("appliance", parts, _APPLIANCE), stride)


def _of(group: str, parts: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """The chosen parts, or all of the group; one of another group is a wrong use."""
    if foreign := [part for part in parts if part not in known]:
        raise click.BadParameter(f"{', '.join(foreign)} is not of {group}: {', '.join(known)}", param_hint="--part")
    return parts or known


def _control(*, parts: tuple[str, ...], homes: str, span_days: int, data: Path) -> Report:
    """The control group's rows over the chosen homes."""
    from edge.bench_control import report
    from edge.bench_control.homes import HOMES

    names = tuple(homes.split(",")) if homes else HOMES
    if unknown := [name for name in names if name not in HOMES]:
        raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(HOMES)}", param_hint="--homes")
    return report(_of("control", parts, _CONTROL), data, names, span_days)


def _kernels(as_json: bool) -> int:
    """The kernels beside pvlib, pvanalytics and the like, which are the workstation's: in a process of its own."""
    from edge.errors import EdgeError

    if importlib.util.find_spec("pvlib") is None:
        raise EdgeError(
            "bench kernels measures beside pvlib and others: it needs pip install 'pems-edge[training,dev]'"
        )
    command = [sys.executable, "-m", "training.bench_kernels", *(["--json"] if as_json else [])]
    return subprocess.run(command, check=False).returncode
