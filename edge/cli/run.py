"""``pems run``: the daemon."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge.cli.options import FiniteFloatRange, clock_option, site_option, state_folder, state_option
from edge.clock import Clock


@click.command()
@site_option
@state_option
@clock_option
@click.option("--period", "period_s", type=FiniteFloatRange(0.1, 3600.0), default=1.0, show_default=True,
              help="Seconds between two control cycles.")  # fmt: skip
@click.option("--only", type=click.Choice(["control", "planner", "web"]), help="Be one of the three processes.")
@click.option("--parent", type=int, hidden=True, help="Process that started this one; leave when it is gone.")
@click.option("--check", is_flag=True, help="Check the configuration and leave.")
def command(
    site_path: Path,
    state: Path | None,
    clock: Clock | None,
    period_s: float,
    only: str | None,
    parent: int | None,
    check: bool,
) -> None:
    """Run the box: control (1 s), planner (15 min) and the status page, each in its own process.

    The inverter is left on its own rules when the box stops.

    \b
    Example:
      pems run --site site.toml
      pems run --site site.toml --check
    """
    from edge.config import load_site
    from edge.daemon import run_all, run_one
    from edge.errors import ConfigError
    from edge.process import Run

    site = load_site(site_path)
    run = Run(
        site_path=site_path,
        state=state_folder(site_path, state),
        clock=clock or Clock.real(),
        period_s=period_s,
        parent=parent,
        keeps_wall_time=clock is None,
    )
    if only:
        run_one(only, run)
        return
    from edge.preflight import check_site, check_state  # loads all libraries, and each process needs but a few

    problems = [*check_site(site), *([] if check else check_state(site, run.state))]
    if problems:
        raise ConfigError(str(site_path), problems)
    if check:
        click.echo(f"{site_path}: all is well")
        return
    sys.exit(run_all(run))
