"""``pems device set``: one command to the battery by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from edge.cli.device.aftermath import Target, aftermath, settings_of
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
    from edge.devices.driver import Devices
    from edge.devices.wear import MemoryLedger
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
    "--minutes",
    type=FiniteFloatRange(min=1.0, max=60.0),
    default=15.0,
    show_default=True,
    help="Then back to native where the device counts it down; else the command says so.",
)
@click.option("--restore", multiple=True, metavar="NAME=VALUE", help="With --mode native: put this setting back.")
@allow_option
@click.option("--yes", is_flag=True, help="Write. Without it the registers are only shown.")
@json_option
@clock_option
def set_(*, mode: str, as_json: bool, yes: bool, clock: Clock | None, **options: Any) -> None:
    """Command a battery inverter by hand. A dry run unless --yes is given.

    \b
    Example:
      pems device set --profile growatt/sph --url serial:///dev/ttyUSB0 --mode charge --power-w 1000 --rated-w 5000
    """
    from edge.devices.profile_file import load_profile
    from edge.devices.wear import MemoryLedger
    from edge.errors import DeviceError
    from edge.messages import IN_FORCE

    power_w, rated_w = options["power_w"], options["rated_w"]
    _refuse_nonsense(mode, power_w, rated_w, options["restore"])
    target = Target(**{name: options[name] for name in ("profile", "url", "unit", "allow")})
    time = clock or Clock.real()
    ledger = MemoryLedger(time)
    # The way back needs no permission, whichever way led there.
    ways = [control.name for control in load_profile(target.profile).controls] if mode == "native" else target.allow
    devices = open_devices(
        target.profile, target.url, target.unit, time, rated_w=rated_w or 1.0, allow=tuple(ways), ledger=ledger
    )
    try:
        if devices.writer is None:
            raise click.UsageError(f"{target.profile} has no battery to command")
        _keep(devices, ledger, options["restore"])
        fail_if_silent(read_all(devices))
        command = _command(mode, power_w, 60.0 * options["minutes"])
        steps = devices.writer.preview(command)
        if not as_json:
            click.echo("\n".join(steps))
        taken = devices.writer.ways() if mode != "native" else []
        result = devices.write(command) if yes else None
        stays = result is None or result.writes > 0 or result.outcome in IN_FORCE
        notes = aftermath(taken[0], ledger.kept(devices.units[0].name), target) if taken and stays else []
    finally:
        devices.close()
    _show(steps, result, notes, as_json)
    if result is not None and result.outcome not in IN_FORCE:
        raise DeviceError(f"the command was {result.outcome}")


def _refuse_nonsense(mode: str, power_w: float, rated_w: float | None, restore: tuple[str, ...]) -> None:
    """Numbers that do not belong to the mode, or that the registers cannot mean."""
    from edge.devices.translate import HALF_PERCENT_FRAC

    if mode in ("charge", "discharge"):
        if rated_w is None or power_w <= 0.0:
            raise click.UsageError(f"--mode {mode} needs --power-w and --rated-w")
        if power_w > rated_w:
            raise click.UsageError(f"--power-w {power_w:g} is above --rated-w {rated_w:g}")
        if power_w <= HALF_PERCENT_FRAC * rated_w:
            least_w = HALF_PERCENT_FRAC * rated_w
            raise click.UsageError(
                f"--power-w {power_w:g} is no more than a register's step ({least_w:g}): that is hold"
            )
    elif power_w > 0.0:
        raise click.UsageError(f"--mode {mode} takes no --power-w")
    if restore and mode != "native":
        raise click.UsageError("--restore belongs to --mode native")


def _keep(devices: Devices, ledger: MemoryLedger, restore: tuple[str, ...]) -> None:
    """Let the way back to native know what settings an earlier command found."""
    unit = devices.units[0]
    limits = {write.name: write.range for write in unit.profile.writes}
    for name, raw in settings_of(restore, unit.profile.controls, limits).items():
        ledger.keep(unit.name, name, raw)


def _show(steps: list[str], result: WriteResult | None, notes: list[str], as_json: bool) -> None:
    """What became of the command; ``None``: a dry run."""
    from edge.messages import to_json

    if as_json:
        click.echo(json.dumps({"dry_run": result is None, "steps": steps, "result": to_json(result), "notes": notes}))
        return
    if result is None:
        click.echo("dry run: nothing was written; add --yes to write")
    else:
        detail = f": {result.detail}" if result.detail else ""
        click.echo(f"{result.outcome}: {result.writes} registers written{detail}")
    for note in notes:
        click.echo(note)


def _command(mode: str, power_w: float, lease_s: float) -> Command:
    from edge.messages import Command

    if mode == "native":
        return Command.native("by hand")
    signed_w = {"charge": -power_w, "discharge": power_w, "hold": 0.0}[mode]
    return Command(mode="power", battery_w=signed_w, lease_s=lease_s, reason="by hand")
