"""``pems override``: take the battery into one's own hands for a while."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from edge.cli.options import FiniteFloatRange, json_option, site_option, state_folder, state_option

_MINUTE_S = 60.0


@click.command()
@site_option
@state_option
@click.argument("mode", type=click.Choice(["hold", "charge", "discharge", "native", "end"]))
@click.option("--power", "power_w", type=FiniteFloatRange(1.0, 1e6), help="Of charge or discharge [W].")
@click.option("--minutes", type=FiniteFloatRange(1.0, 1440.0), default=60.0, show_default=True,
              help="It ends by itself after these.")  # fmt: skip
@json_option
def command(
    site_path: Path, state: Path | None, mode: str, power_w: float | None, minutes: float, as_json: bool
) -> None:
    """Tell the battery what to do for a while: MODE instead of the plan, and never beyond what the guard allows.

    It ends by itself, with `end`, or when the box restarts. `native` leaves the inverter to its own rules.

    \b
    Example:
      pems override charge --power 2000 --minutes 90 --site site.toml
      pems override end --site site.toml
    """
    from edge.config import load_site
    from edge.files import SOCKET_NAME
    from edge.ipc import Client

    zone = load_site(site_path).zone
    if mode in ("charge", "discharge") and power_w is None:
        raise click.UsageError(f"{mode} needs --power")
    if mode not in ("charge", "discharge") and power_w is not None:
        raise click.UsageError(f"--power goes with charge and discharge, not with {mode}")
    client = Client(state_folder(site_path, state) / SOCKET_NAME)
    if mode == "end":
        answer = client.ask("end_override")
        words = "The override is ended." if answer["ended"] else "There was no override."
    else:
        answer = client.ask("override", mode=mode, power_w=power_w, duration_s=minutes * _MINUTE_S)
        words = f"{mode} until {_local(answer['until_s'], zone)}; see pems why for what the guard makes of it."
    click.echo(json.dumps(answer) if as_json else words)


def _local(time_s: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time_s, zone).strftime("%a %H:%M")
