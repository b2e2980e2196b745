"""``pems device scan``: what is connected."""

from __future__ import annotations

import click

from edge.cli.device.common import BUDGET_S, open_devices, unit_option
from edge.cli.options import json_option


@click.command()
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


def _first_words(profile: str, url: str, unit: int | None) -> str:
    """Whether a device of this family answers on a port, in a few words."""
    from edge.clock import Clock

    devices = open_devices(profile, url, unit, Clock.real(), rated_w=None)
    try:
        readings = devices.read(BUDGET_S)
    finally:
        devices.close()
    good = sum(reading.state == "good" for reading in readings)
    return f"{profile} answers with {good} signals" if good else readings[0].reason
