"""``pems device``: look at one device on its wire, prove it before it is trusted, and command a battery by hand."""

from __future__ import annotations

import click

from edge.cli.device.commission import commission
from edge.cli.device.read import read
from edge.cli.device.scan import scan
from edge.cli.device.set import set_
from edge.cli.device.watch import watch


@click.group()
def group() -> None:
    """Find, read, prove, watch and set one device on its wire.

    \b
    Example:
      pems device scan --tcp 192.168.1.20
      pems device read --profile growatt/sph --url 'serial:///dev/ttyUSB0?baud=9600'
    """


for _command in (commission, read, scan, set_, watch):
    group.add_command(_command)
