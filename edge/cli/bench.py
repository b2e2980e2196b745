"""``pems bench``: timings beside the references."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import click

from edge.cli.options import json_option

_GROUPS = ("cli", "replay", "devices", "kernels")


@click.command()
@click.argument("group", type=click.Choice(_GROUPS))
@json_option
def command(group: str, as_json: bool) -> None:
    """Measure a GROUP in one run, each row beside its reference; exit 1 when a target is missed.

    \b
    Example:
      pems bench cli --json
    """
    if group == "kernels":
        sys.exit(_kernels(as_json))
    from edge.bench import run
    from edge.messages import to_json

    report = run(group)
    if as_json:
        click.echo(json.dumps(to_json(report)))
    else:
        click.echo(report.machine)
        for row in report.rows:
            mark = "ok    " if row.ok else "MISSED"
            reference = f"{row.reference} {row.reference_value:.4g} {row.unit}, ratio {row.ratio:.3g}"
            click.echo(f"{mark}  {row.name}: {row.value:.4g} {row.unit}; {reference}; target {row.target}")
    sys.exit(0 if all(row.ok for row in report.rows) else 1)


def _kernels(as_json: bool) -> int:
    """The kernels beside pvlib, pvanalytics and the like, which are the workstation's: in a process of its own."""
    from edge.errors import EdgeError

    if importlib.util.find_spec("pvlib") is None:
        raise EdgeError(
            "bench kernels measures beside pvlib and others: it needs pip install 'pems-edge[training,dev]'"
        )
    command = [sys.executable, "-m", "training.bench_kernels", *(["--json"] if as_json else [])]
    return subprocess.run(command, check=False).returncode
