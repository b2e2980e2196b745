"""``pems bench``: timings beside the references."""

from __future__ import annotations

import json
import sys

import click

from edge.cli.options import json_option

_GROUPS = ("cli", "replay")


@click.command()
@click.argument("group", type=click.Choice(_GROUPS))
@json_option
def command(group: str, as_json: bool) -> None:
    """Measure a GROUP in one run, each row beside its reference; exit 1 when a target is missed.

    \b
    Example:
      pems bench cli --json
    """
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
