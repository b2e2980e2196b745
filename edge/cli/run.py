"""``pems run``: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import clock_option, site_option, state_folder, state_option
from edge.clock import Clock


@click.command()
@site_option
@state_option
@clock_option
@click.option("--period", "period_s", type=click.FloatRange(0.1, 3600.0), default=1.0, show_default=True,
              help="Seconds between two control cycles.")  # fmt: skip
@click.option("--only", type=click.Choice(["control", "planner", "web"]), help="Be one of the three processes.")
@click.option("--check", is_flag=True, help="Check the configuration and leave.")
def command(
    site_path: Path, state: Path | None, clock: Clock | None, period_s: float, only: str | None, check: bool
) -> None:
    """Run the box: control (1 s), planner (15 min) and the status page, each in its own process.

    The inverter is left on its own rules when the box stops.

    \b
    Example:
      pems run --site site.toml
      pems run --site site.toml --check
    """
    from edge.box import check_site
    from edge.config import load_site
    from edge.daemon import Run, run_all, run_one
    from edge.errors import ConfigError

    site = load_site(site_path)
    run = Run(
        site_path=site_path,
        state=state_folder(site_path, state),
        clock=clock or Clock.real(),
        period_s=period_s,
    )
    if only:
        run_one(only, run)
        return
    if problems := check_site(site):
        raise ConfigError(str(site_path), problems)
    if check:
        click.echo(f"{site_path}: all is well")
        return
    run_all(run)
