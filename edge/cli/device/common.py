"""What the commands of ``pems device`` share: their options, one open device, and readings as a table or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from edge.clock import Clock

if TYPE_CHECKING:
    from edge.config import Site
    from edge.devices.driver import Devices
    from edge.devices.wear import WriteLedger
    from edge.messages import Reading

BUDGET_S = 60.0
_ROUNDS = 4

profile_option = click.option("--profile", required=True, help="The device family, for example growatt/sph.")
url_option = click.option("--url", required=True, help="serial:///dev/ttyUSB0?baud=9600 or tcp://HOST:PORT.")
unit_option = click.option(
    "--unit", type=click.IntRange(1, 247), help="The device's Modbus address. [default: the profile's]"
)


allow_option = click.option(
    "--allow", multiple=True, metavar="CONTROL", help="Permit a way of control that needs it; see the profile."
)


def open_devices(
    profile: str,
    url: str,
    unit: int | None,
    clock: Clock,
    rated_w: float | None,
    allow: Sequence[str] = (),
    ledger: WriteLedger | None = None,
) -> Devices:
    """One device on its link; opens nothing before the first read."""
    from edge.devices.driver import Devices
    from edge.devices.wear import MemoryLedger

    return Devices(site_of_one(profile, url, unit, rated_w, allow), clock, ledger=ledger or MemoryLedger(clock))


def site_of_one(profile: str, url: str, unit: int | None, rated_w: float | None, allow: Sequence[str] = ()) -> Site:
    """A site of one device; the battery is there only to give the registers' percent a meaning."""
    from edge.config import Battery, Site
    from edge.config_links import Link
    from edge.devices.profile_file import load_profile

    number = unit if unit is not None else load_profile(profile).link.default_unit
    battery = None if rated_w is None else Battery(capacity_wh=rated_w, charge_w=rated_w, discharge_w=rated_w)
    link = Link(profile=profile, url=url, unit=number, allow_control=tuple(allow))
    return Site(name="device", latitude_deg=0.0, longitude_deg=0.0, battery=battery, links=(link,))


def read_all(devices: Devices) -> Sequence[Reading]:
    """Read until every planned block was asked, and often enough to trust the device with a write."""
    readings: Sequence[Reading] = []
    for _ in range(_ROUNDS):
        readings = devices.read(BUDGET_S)
        done = all(unit.complete and (unit.confirmed or devices.writer is None) for unit in devices.units)
        if done or all(reading.state == "invalid" for reading in readings):
            break
    return readings


def fail_if_silent(readings: Sequence[Reading]) -> None:
    """Exit 1 with the reason when no signal came."""
    from edge.errors import DeviceUnreachable

    if all(reading.state == "invalid" for reading in readings):
        reason = readings[0].reason if readings else "the profile has no signal"
        opened = "cannot be opened" not in reason
        hint = "\ndo --profile, --unit and --url fit? pems device scan asks who answers there" if opened else ""
        raise DeviceUnreachable(f"{reason}{hint}")


def rows_of(readings: Sequence[Reading], now_s: float) -> list[dict[str, Any]]:
    """Readings as JSON objects, with age and UTC time."""
    from edge.messages import to_json

    return [
        {
            **to_json(reading),
            "age_s": round(max(now_s - reading.measured_s, 0.0), 3),
            "measured_utc": datetime.fromtimestamp(reading.measured_s, UTC).isoformat(),
        }
        for reading in readings
    ]


def cells_of(reading: Reading, now_s: float) -> tuple[str, ...]:
    """One row for people: signal, value, unit, age, state and reason."""
    if reading.state == "invalid":
        return (reading.signal, "-", reading.unit, "-", reading.state, reading.reason)
    age = f"{max(now_s - reading.measured_s, 0.0):.0f} s"
    return (reading.signal, f"{reading.value:.3f}", reading.unit, age, reading.state, reading.reason)


def show(readings: Sequence[Reading], now_s: float, as_json: bool) -> None:
    """Print readings once: one line of JSON, or a plain table."""
    import json

    if as_json:
        click.echo(json.dumps(rows_of(readings, now_s)))
        return
    click.echo(f"{'signal':<22} {'value':>14} {'unit':<5} {'age':>6}  {'state':<8} reason")
    for reading in readings:
        name, value, unit, age, state, reason = cells_of(reading, now_s)
        click.echo(f"{name:<22} {value:>14} {unit:<5} {age:>6}  {state:<8} {reason}".rstrip())
