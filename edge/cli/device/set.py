"""``pems device set``: one command to the battery by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edge.cli.device.common import (
    allow_option,
    fail_if_silent,
    open_devices,
    profile_option,
    read_all,
    unit_option,
    url_option,
)
from edge.cli.options import FiniteFloatRange, clock_option, json_option
from edge.clock import Clock

if TYPE_CHECKING:
    from edge.messages import Command, WriteResult

_MODES = ("native", "charge", "discharge", "hold")


@click.command(name="set")
@profile_option
@url_option
@unit_option
@click.option("--mode", type=click.Choice(_MODES), required=True, help="What the battery shall do.")
@click.option("--power-w", type=FiniteFloatRange(min=0.0), default=0.0, help="For charge and discharge.")
@click.option("--rated-w", type=FiniteFloatRange(min=1.0), help="The inverter's rating: 100 % of its registers.")
@click.option(
    "--minutes", type=FiniteFloatRange(min=1.0, max=60.0), default=15.0, show_default=True, help="Then back to native."
)
@allow_option
@click.option("--yes", is_flag=True, help="Write. Without it the registers are only shown.")
@json_option
@clock_option
def set_(
    *,
    profile: str,
    url: str,
    unit: int | None,
    mode: str,
    power_w: float,
    rated_w: float | None,
    minutes: float,
    allow: Sequence[str],
    yes: bool,
    as_json: bool,
    clock: Clock | None,
) -> None:
    """Command a battery inverter by hand, for a bounded time. A dry run unless --yes is given.

    \b
    Example:
      pems device set --profile growatt/sph --url serial:///dev/ttyUSB0 --mode charge --power-w 1000 --rated-w 5000
    """
    from edge.errors import DeviceError
    from edge.messages import IN_FORCE

    if mode in ("charge", "discharge") and (rated_w is None or power_w <= 0.0):
        raise click.UsageError(f"--mode {mode} needs --power-w and --rated-w")
    if rated_w is not None and power_w > rated_w:
        raise click.UsageError(f"--power-w {power_w:g} is above --rated-w {rated_w:g}")
    devices = open_devices(profile, url, unit, clock or Clock.real(), rated_w=rated_w or 1.0, allow=allow)
    try:
        if devices.writer is None:
            raise click.UsageError(f"{profile} has no battery to command")
        fail_if_silent(read_all(devices))
        command = _command(mode, power_w, 60.0 * minutes)
        steps = devices.writer.preview(command)
        if not as_json:
            click.echo("\n".join(steps))
        result = devices.write(command) if yes else None
    finally:
        devices.close()
    _show(steps, result, as_json)
    if result is not None and result.outcome not in IN_FORCE:
        raise DeviceError(f"the command was {result.outcome}")


def _show(steps: list[str], result: WriteResult | None, as_json: bool) -> None:
    """What became of the command; ``None``: a dry run."""
    from edge.messages import to_json

    if as_json:
        click.echo(json.dumps({"dry_run": result is None, "steps": steps, "result": to_json(result)}))
    elif result is None:
        click.echo("dry run: nothing was written; add --yes to write")
    else:
        detail = f": {result.detail}" if result.detail else ""
        click.echo(f"{result.outcome}: {result.writes} registers written{detail}")


def _command(mode: str, power_w: float, lease_s: float) -> Command:
    from edge.messages import Command

    if mode == "native":
        return Command.native("by hand")
    signed_w = {"charge": -power_w, "discharge": power_w, "hold": 0.0}[mode]
    return Command(mode="power", battery_w=signed_w, lease_s=lease_s, reason="by hand")
