"""``pems twin``: one device image, or a whole house, on real Modbus."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from edge.cli.options import ClockType, FiniteFloatRange
from edge.clock import Clock
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.devices.plant import PlantParams
    from edge.devices.twin import Twin

_HOUSE_OPTIONS = ("inverter", "meter")
_HOUSE_STATE = ("clock_drift_s_per_day", "clock_offset_s", "hunting_w", "seed")


@click.command()
@click.option("--profile", help="Serve one device of this profile, e.g. growatt/sph.")
@click.option("--url", help="Where: tcp://HOST:PORT or serial:///PATH?baud=9600 (a link to a pty is made there).")
@click.option("--unit", type=click.IntRange(0, 247), help="Modbus unit id.  [default: the family's own]")
@click.option("--state", default="", help="NAME=NUMBER,... over the golden values; vpp=0|1 on an SPH.")
@click.option("--fault", default="", help="Play a fault of the field bus, e.g. late-serial; 'list' names them all.")
@click.option("--house", type=click.Path(path_type=Path), help="Serve a house: CSV with time_utc,pv_w,load_w.")
@click.option("--inverter", help="URL of the house's inverter (Growatt SPH).")
@click.option("--meter", help="URL of the house's meter (Eastron SDM630).")
@click.option("--clock", type=ClockType(), help="START:ORIGIN:SPEED, shared with the box.  [default: now, real time]")
@click.option("--capacity-wh", type=FiniteFloatRange(min=0, min_open=True), default=10_000.0, show_default=True)
@click.option("--charge-w", type=FiniteFloatRange(min=0, min_open=True), default=5_000.0, show_default=True)
@click.option("--discharge-w", type=FiniteFloatRange(min=0, min_open=True), default=5_000.0, show_default=True)
@click.option(
    "--soc-frac", type=FiniteFloatRange(0, 1), default=0.5, show_default=True, help="State of charge at start."
)
@click.option("--timezone", default="UTC", show_default=True, help="Zone of the inverter's own clock.")
@click.option(
    "--journal", type=click.Path(path_type=Path, file_okay=False), help="Folder of quarters.csv and wire.csv."
)
def command(**options: Any) -> None:
    """Serve a device image, or a whole house, from profiles: for tests, demos and other people's clients.

    A single device shows its profile's golden values and takes the profile's commands: its battery follows them and the
    grid balances it. Growatt's SPH starts at zero instead.

    \b
    Example:
      pems twin --profile growatt/sph --url tcp://127.0.0.1:5020 --state pv_w=3000,load_w=800,soc_frac=0.5
      pems twin --house house.csv --inverter serial:///tmp/sph --meter tcp://127.0.0.1:5021
    """
    if options["fault"] == "list":
        from edge.devices.twin_lies import FAULTS

        click.echo("\n".join(FAULTS))
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    twin = _open(options)
    try:
        if options["fault"]:
            _play(twin, options["profile"], options["fault"])
        click.echo("up")
        twin.serve(stop)
    finally:
        twin.close()


def _open(options: dict[str, Any]) -> Twin:
    from edge.devices.twin import HouseSpec, open_device, open_house, parse_state

    clock = options["clock"] or Clock.real()
    state = parse_state(options["state"])
    has_vpp_key = options["house"] is not None or options["profile"] == "growatt/sph"
    vpp = state.pop("vpp", 1.0) if has_vpp_key else 1.0
    if vpp not in (0.0, 1.0):
        raise ConfigError("--state", [f"vpp: must be 0 or 1, not {vpp:g}"])
    if options["house"] is None:
        if not options["profile"] or not options["url"]:
            raise click.UsageError("give --profile and --url, or --house, --inverter and --meter")
        return open_device(
            options["profile"], options["url"], unit=options["unit"], clock=clock, state=state, has_vpp=vpp == 1.0
        )
    missing = [f"--{name}" for name in _HOUSE_OPTIONS if not options[name]]
    if missing:
        raise click.UsageError(f"--house also needs {' and '.join(missing)}")
    return open_house(
        HouseSpec(
            series=options["house"],
            inverter=options["inverter"],
            meter=options["meter"],
            params=_params(options, state),
            clock=clock,
            has_vpp=vpp == 1.0,
            unit=1 if options["unit"] is None else options["unit"],
            journal=options["journal"],
        )
    )


def _play(twin: Twin, profile: str | None, fault: str) -> None:
    """Play a fault on the lines of one device."""
    from edge.devices.profile_file import load_profile
    from edge.devices.twin_lies import play

    if profile is None:
        raise click.UsageError("--fault is for one device: it needs --profile and --url")
    for line in twin.lines:
        try:
            play(line, load_profile(profile), fault)
        except ValueError as error:
            raise ConfigError("--fault", [f"{error}; --fault list names all"]) from error


def _params(options: dict[str, Any], state: dict[str, float]) -> PlantParams:
    """The plant's hardware: from options, its whims from ``--state``."""
    from edge.devices.plant import PlantParams

    try:
        ZoneInfo(options["timezone"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError("--timezone", [f"{options['timezone']!r} is not a time zone"]) from error
    unknown = sorted(set(state) - set(_HOUSE_STATE))
    if unknown:
        raise ConfigError("--state", [f"{name}: a house has vpp, {', '.join(_HOUSE_STATE)}" for name in unknown])
    named = {name: options[name] for name in ("capacity_wh", "charge_w", "discharge_w", "soc_frac", "timezone")}
    changes = {name: int(value) if name == "seed" else value for name, value in state.items()}
    return replace(PlantParams(), **{**named, **changes})
