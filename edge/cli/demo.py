"""``pems demo``: the whole main job on this machine."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli import costs
from edge.cli.options import FiniteFloatRange, json_option

if TYPE_CHECKING:
    from edge.demo.settle import Settlement


@click.command()
@click.option("--days", type=click.IntRange(1, 60), default=3, show_default=True, help="Days to live through.")
@click.option("--speed", type=FiniteFloatRange(1.0, 3000.0), default=1440.0, show_default=True,
              help="Simulated seconds a real second.")  # fmt: skip
@click.option("--start", default="", metavar="DATE", help="First local day of the measurements. [default: June 2013]")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-out"), show_default=True,
              help="Folder for everything the demo makes.")  # fmt: skip
@click.option("--firmware", type=click.Choice(["vpp", "slots"]), default="vpp", show_default=True,
              help="The inverter's: newer, with power commands in RAM, or older, with stored time slots.")  # fmt: skip
@click.option("--web-port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="Of the status page.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    days: int,
    speed: float,
    start: str,
    out: Path,
    firmware: str,
    web_port: int,
    as_json: bool,
) -> None:
    """Train, connect, plan, control and settle: the whole product on real wires and real measurements.

    A digital twin serves a Growatt SPH inverter on a serial line at 9600 baud and a meter on Modbus TCP, in a process
    of its own; the box knows it only through these wires. At the end stands the bill, four ways.

    \b
    Example:
      pems demo
      pems demo --days 1 --speed 720 --out /tmp/demo
    """
    from edge.demo.live import run_days
    from edge.demo.prepare import Options, prepare
    from edge.demo.settle import settle

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: twin and box are ended, nothing is left behind
        signal.signal(number, signal.default_int_handler)

    chosen = context.get_parameter_source("web_port") == click.core.ParameterSource.COMMANDLINE
    web_port = _free_port(web_port, chosen)
    house = prepare(
        Options(out=out, days=days, speed=speed, start=start, firmware="vpp" if firmware == "vpp" else "slots",
                web_port=web_port), say)  # fmt: skip
    say(f"Status page: http://127.0.0.1:{web_port}/   (everything is in {house.out})")
    run_days(house, speed, say)
    result = settle(house)
    click.echo(json.dumps(as_data(result)) if as_json else as_table(result, days))


def _free_port(web_port: int, chosen: bool) -> int:
    """The port of the status page: another free one where the default is taken; raises where it was asked for."""
    from edge.errors import ConfigError
    from edge.web.serving import listen

    try:
        with listen("127.0.0.1", web_port) as listener:
            return int(listener.getsockname()[1])
    except ConfigError:
        if chosen:
            raise
    with listen("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


def as_data(result: Settlement) -> dict[str, object]:
    """The result as JSON."""
    return {
        **costs.as_data(result.ledger),
        "writes_count": result.writes,
        "stored_writes_count": result.stored_writes,
        "worst_balance_w": result.worst_balance_w,
        "missed_quarters_count": result.missed_count,
        "picture": str(result.picture),
    }


def as_table(result: Settlement, days: int) -> str:
    """The result for a person."""
    return "\n".join(
        [
            f"\n{days} {'day' if days == 1 else 'days'}, at the meter's own registers and the (made) example prices:",
            *costs.as_rows(result.ledger),
            costs.share_words(result.ledger),
            f"Writes to the inverter: {result.writes}, of these to stored registers: {result.stored_writes}",
            f"Worst balance error of a quarter hour: {result.worst_balance_w:.0f} W",
            *_missed(result),
            f"Picture: {result.picture}",
        ]
    )


def _missed(result: Settlement) -> list[str]:
    """What a machine that had no time for the box cost it; the first quarter hour passes while the box starts."""
    if result.missed_count <= 1:
        return []
    missed = f"{result.missed_count} of {result.quarters_count} quarter hours were missed"
    return [f"{missed}: this machine is too busy for that speed, try --speed 300"]
