"""``pems device``: look at one device on its wire, and command a battery inverter by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edge.cli.options import FiniteFloatRange, clock_option, json_option
from edge.clock import Clock

if TYPE_CHECKING:
    from edge.devices.driver import Devices
    from edge.messages import Command, Reading

_BUDGET_S = 60.0
_ROUNDS = 4
_MODES = ("native", "charge", "discharge", "hold")

profile_option = click.option("--profile", required=True, help="The device family, for example growatt/sph.")
url_option = click.option("--url", required=True, help="serial:///dev/ttyUSB0?baud=9600 or tcp://HOST:PORT.")
unit_option = click.option(
    "--unit", type=click.IntRange(1, 247), help="The device's Modbus address. [default: the profile's]"
)


@click.group()
def group() -> None:
    """Read, watch and set one device on its wire.

    \b
    Example:
      pems device read --profile growatt/sph --url serial:///dev/ttyUSB0?baud=9600
    """


@group.command()
@profile_option
@url_option
@unit_option
@json_option
@clock_option
def read(profile: str, url: str, unit: int | None, as_json: bool, clock: Clock | None) -> None:
    """Print every signal once: value, unit, age, state and reason. Exit 1 when nothing answers.

    \b
    Example:
      pems device read --profile eastron/sdm630 --url tcp://192.168.1.20:502 --json
    """
    time = clock or Clock.real()
    devices = _devices(profile, url, unit, time, rated_w=None)
    try:
        readings = _read_all(devices)
    finally:
        devices.close()
    if as_json:
        _show(readings, time.now_s(), as_json)
    _fail_if_silent(readings)
    if not as_json:
        _show(readings, time.now_s(), as_json)


@group.command()
@profile_option
@url_option
@unit_option
@click.option("--every", "every_s", type=FiniteFloatRange(min=0.1), default=1.0, show_default=True, help="Seconds.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many. [default: Ctrl-C]")
@json_option
@clock_option
def watch(
    profile: str, url: str, unit: int | None, every_s: float, count: int | None, as_json: bool, clock: Clock | None
) -> None:
    """Print the signals again and again, until Ctrl-C.

    \b
    Example:
      pems device watch --profile growatt/sph --url serial:///dev/ttyUSB0 --every 2
    """
    time = clock or Clock.real()
    devices = _devices(profile, url, unit, time, rated_w=None)
    try:
        readings = _read_all(devices)
        _show(readings, time.now_s(), as_json)
        due_s, shown = time.now_s(), 1
        while count is None or shown < count:
            due_s = max(due_s + every_s, time.now_s())
            time.sleep_until(due_s)
            readings = devices.read(every_s)
            _show(readings, time.now_s(), as_json)
            shown += 1
    except KeyboardInterrupt:
        pass
    finally:
        devices.close()
    _fail_if_silent(readings)


@group.command()
@click.option("--profile", help="Ask each port for a device of this family as well.")
@unit_option
@json_option
def scan(profile: str | None, unit: int | None, as_json: bool) -> None:
    """List the serial ports of this machine, and what answers there. Exit 1 when there is none.

    \b
    Example:
      pems device scan --profile growatt/sph
    """
    import json

    from serial.tools import list_ports

    from edge.errors import DeviceUnreachable

    rows = []
    for port in sorted(list_ports.comports(include_links=True), key=lambda found: str(found.device)):
        url = f"serial://{port.device}"
        answer = _first_words(profile, url, unit) if profile else "not asked"
        rows.append({"url": url, "description": str(port.description), "answer": answer})
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            click.echo(f"{row['url']:<40} {row['description']:<30} {row['answer']}")
    if not rows:
        raise DeviceUnreachable("this machine has no serial port")


@group.command(name="set")
@profile_option
@url_option
@unit_option
@click.option("--mode", type=click.Choice(_MODES), required=True, help="What the battery shall do.")
@click.option("--power-w", type=FiniteFloatRange(min=0.0), default=0.0, help="For charge and discharge.")
@click.option("--rated-w", type=FiniteFloatRange(min=1.0), help="The inverter's rating: 100 % of its registers.")
@click.option(
    "--minutes", type=FiniteFloatRange(min=1.0, max=60.0), default=15.0, show_default=True, help="Then back to native."
)
@click.option("--yes", is_flag=True, help="Write. Without it the registers are only shown.")
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
    yes: bool,
    clock: Clock | None,
) -> None:
    """Command a battery inverter by hand, for a bounded time. A dry run unless --yes is given.

    \b
    Example:
      pems device set --profile growatt/sph --url serial:///dev/ttyUSB0 --mode charge --power-w 1000 --rated-w 5000
    """
    from edge.errors import DeviceError

    if mode in ("charge", "discharge") and (rated_w is None or power_w <= 0.0):
        raise click.UsageError(f"--mode {mode} needs --power-w and --rated-w")
    if rated_w is not None and power_w > rated_w:
        raise click.UsageError(f"--power-w {power_w:g} is above --rated-w {rated_w:g}")
    devices = _devices(profile, url, unit, clock or Clock.real(), rated_w=rated_w or 1.0)
    try:
        if devices.writer is None:
            raise click.UsageError(f"{profile} has no battery to command")
        _fail_if_silent(_read_all(devices))
        command = _command(mode, power_w, 60.0 * minutes)
        for line in devices.writer.preview(command):
            click.echo(line)
        if not yes:
            click.echo("dry run: nothing was written; add --yes to write")
            return
        result = devices.write(command)
    finally:
        devices.close()
    click.echo(f"{result.outcome}: {result.writes} registers written{': ' if result.detail else ''}{result.detail}")
    if result.outcome not in ("applied", "unchanged"):
        raise DeviceError(f"the command was {result.outcome}")


def _command(mode: str, power_w: float, lease_s: float) -> Command:
    from edge.messages import Command

    if mode == "native":
        return Command.native("by hand")
    signed_w = {"charge": -power_w, "discharge": power_w, "hold": 0.0}[mode]
    return Command(mode="power", battery_w=signed_w, lease_s=lease_s, reason="by hand")


def _devices(profile: str, url: str, unit: int | None, clock: Clock, rated_w: float | None) -> Devices:
    """A site of one device; the battery is there only to give the registers' percent a meaning."""
    from edge.config import Battery, Link, Site
    from edge.devices.driver import Devices
    from edge.devices.profile_file import load_profile
    from edge.devices.wear import MemoryLedger

    number = unit if unit is not None else load_profile(profile).link.default_unit
    battery = None if rated_w is None else Battery(capacity_wh=rated_w, charge_w=rated_w, discharge_w=rated_w)
    link = Link(profile=profile, url=url, unit=number)
    site = Site(name="device", latitude_deg=0.0, longitude_deg=0.0, battery=battery, links=(link,))
    return Devices(site, clock, ledger=MemoryLedger(clock))


def _read_all(devices: Devices) -> Sequence[Reading]:
    """Read until every planned block was asked, and often enough to trust the device with a write."""
    readings: Sequence[Reading] = []
    for _ in range(_ROUNDS):
        readings = devices.read(_BUDGET_S)
        done = all(unit.complete and (unit.confirmed or devices.writer is None) for unit in devices.units)
        if done or all(reading.state == "invalid" for reading in readings):
            break
    return readings


def _first_words(profile: str, url: str, unit: int | None) -> str:
    """Whether a device of this family answers on a port, in a few words."""
    from edge.clock import Clock

    devices = _devices(profile, url, unit, Clock.real(), rated_w=None)
    try:
        readings = devices.read(_BUDGET_S)
    finally:
        devices.close()
    good = sum(reading.state == "good" for reading in readings)
    return f"{profile} answers with {good} signals" if good else readings[0].reason


def _show(readings: Sequence[Reading], now_s: float, as_json: bool) -> None:
    import json
    from datetime import UTC, datetime

    from edge.messages import to_json

    if as_json:
        rows = [
            {
                **to_json(reading),
                "age_s": round(max(now_s - reading.measured_s, 0.0), 3),
                "measured_utc": datetime.fromtimestamp(reading.measured_s, UTC).isoformat(),
            }
            for reading in readings
        ]
        click.echo(json.dumps(rows))
        return
    click.echo(f"{'signal':<22} {'value':>14} {'unit':<5} {'age':>6}  {'state':<8} reason")
    for reading in readings:
        age = f"{max(now_s - reading.measured_s, 0.0):.0f} s" if reading.state != "invalid" else "-"
        value = f"{reading.value:14.3f}" if reading.state != "invalid" else f"{'-':>14}"
        line = f"{reading.signal:<22} {value} {reading.unit:<5} {age:>6}  {reading.state:<8} {reading.reason}"
        click.echo(line.rstrip())


def _fail_if_silent(readings: Sequence[Reading]) -> None:
    """Exit 1 with the reason when no signal came."""
    from edge.errors import DeviceUnreachable

    if all(reading.state == "invalid" for reading in readings):
        raise DeviceUnreachable(readings[0].reason if readings else "the profile has no signal")
