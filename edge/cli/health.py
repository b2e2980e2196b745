"""``pems health``: one verdict on this box, for people, monitoring and the health gate of an update."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.options import FiniteFloatRange, json_option, site_option, state_folder, state_option

if TYPE_CHECKING:
    from edge.health import Verdict


@click.group(invoke_without_command=True)
@click.option("--site", "site_path", type=click.Path(path_type=Path), help="The site's site.toml.")
@state_option
@json_option
@click.pass_context
def group(context: click.Context, site_path: Path | None, state: Path | None, as_json: bool) -> None:
    """Say whether control, planner, models, disk and clock are well; exit code 1 when they are not.

    \b
    Example:
      pems health --site site.toml
      pems health gate --site site.toml --within 300
    """
    os.environ.setdefault("PEMS_JIT", "0")  # a verdict does not wait for a compiler
    from edge.config import load_site
    from edge.health import verdict

    if context.invoked_subcommand is not None:
        return
    if site_path is None:
        raise click.UsageError("Missing option '--site'.")
    _tell(verdict(load_site(site_path), state_folder(site_path, state)), as_json)


@group.command()
@site_option
@state_option
@json_option
@click.option("--within", "within_s", type=FiniteFloatRange(0.0, 86_400.0), default=300.0, show_default=True,
              help="Seconds until the box must be healthy.")  # fmt: skip
def gate(site_path: Path, state: Path | None, as_json: bool, within_s: float) -> None:
    """Wait until the box is healthy; exit code 1 when it does not become so in time.

    \b
    Example:
      pems health gate --site site.toml --within 300
    """
    from edge import health
    from edge.config import load_site

    _tell(health.gate(load_site(site_path), state_folder(site_path, state), within_s), as_json)


def _tell(found: Verdict, as_json: bool) -> None:
    """Print a verdict and leave with its exit code."""
    from edge.messages import to_json

    if as_json:
        click.echo(json.dumps({"ok": found.ok, "checks": to_json(found.checks)}))
    else:
        for check in found.checks:
            click.echo(f"{'ok     ' if check.ok else 'FINDING'}  {check.name:14} {check.text}")
    sys.exit(0 if found.ok else 1)
