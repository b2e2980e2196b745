"""``pems device watch``: the signals again and again; a live table on a terminal, plain tables or JSON lines else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from edge.cli.device.common import (
    cells_of,
    fail_if_silent,
    open_devices,
    profile_option,
    read_all,
    show,
    unit_option,
    url_option,
)
from edge.cli.options import FiniteFloatRange, clock_option, json_option
from edge.clock import Clock

if TYPE_CHECKING:
    from rich.table import Table

    from edge.messages import Reading

    Screen = Callable[[Sequence[Reading], float], None]

_STYLES = {"good": "green", "stale": "yellow", "invalid": "red"}


@click.command()
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
    """Show the signals again and again, until Ctrl-C; --json prints one line of JSON each time.

    \b
    Example:
      pems device watch --profile growatt/sph --url serial:///dev/ttyUSB0 --every 2
    """
    time = clock or Clock.real()
    devices = open_devices(profile, url, unit, time, rated_w=None)
    readings: Sequence[Reading] | None = None
    try:
        with _screen(f"{profile} at {url}", as_json) as screen:
            readings = read_all(devices)
            screen(readings, time.now_s())
            due_s, shown = time.now_s(), 1
            while count is None or shown < count:
                due_s = max(due_s + every_s, time.now_s())
                time.sleep_until(due_s)
                readings = devices.read(every_s)
                screen(readings, time.now_s())
                shown += 1
    except KeyboardInterrupt:
        pass
    finally:
        devices.close()
    if readings is not None:
        fail_if_silent(readings)


@contextmanager
def _screen(title: str, as_json: bool) -> Iterator[Screen]:
    """Where the readings go: a table that stays in its place, or one print below the other."""
    if as_json or not sys.stdout.isatty():
        yield lambda readings, now_s: show(readings, now_s, as_json)
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield lambda readings, now_s: live.update(_table(title, readings, now_s), refresh=True)


def _table(title: str, readings: Sequence[Reading], now_s: float) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, caption="Ctrl-C ends")
    for name in ("signal", "value", "unit", "age", "state", "reason"):
        table.add_column(name, justify="right" if name in ("value", "age") else "left")
    for reading in readings:
        *plain, state, reason = cells_of(reading, now_s)
        table.add_row(*map(Text, plain), Text(state, style=_STYLES[reading.state]), Text(reason))
    return table
