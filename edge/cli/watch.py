"""``pems watch``: the box live; tables and sparklines on a terminal, one line each time where it is piped."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from edge.cli.options import FiniteFloatRange, json_option, site_option, state_option
from edge.cli.status import brief, lines
from edge.cli.talk import ask_status
from edge.errors import EdgeError
from edge.messages import plan_from_json, to_json
from edge.wording import cents_words, local_words, number, percent_words, power_words

if TYPE_CHECKING:
    from rich.console import Group

BARS = "▁▂▃▄▅▆▇█"
_KEPT = 60
_POWERS = ("pv_w", "load_w", "grid_w", "battery_w")


@click.command()
@site_option
@state_option
@click.option("--every", "every_s", type=FiniteFloatRange(min=0.2), default=2.0, show_default=True, help="Seconds.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many. [default: until Ctrl-C]")
@json_option
def command(site_path: Path, state: Path | None, every_s: float, count: int | None, as_json: bool) -> None:
    """Watch the house live: powers with their last minute, the plan's prices and charge.

    \b
    Example:
      pems watch --site site.toml
      pems watch --site site.toml --every 10 --json >> powers.jsonl
    """
    rounds = range(count) if count is not None else iter(int, 1)
    try:
        if sys.stdout.isatty() and not as_json:
            _live(site_path, state, every_s, rounds)
            return
        for number_of_round in rounds:
            if number_of_round or count is None:
                time.sleep(every_s)
            status = ask_status(site_path, state)
            click.echo(json.dumps(to_json(brief(status))) if as_json else one_line(status))
    except KeyboardInterrupt:
        return


def _live(site_path: Path, state: Path | None, every_s: float, rounds: Any) -> None:
    """Redraw in place; a box that is away for a moment is said in its place."""
    from rich.live import Live
    from rich.text import Text

    past: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in (*_POWERS, "soc_frac")}
    with Live(Text("asking the box ..."), auto_refresh=False, screen=False) as screen:
        for _ in rounds:
            try:
                status = ask_status(site_path, state)
                remember(past, status)
                screen.update(picture(status, past), refresh=True)
            except EdgeError as error:
                screen.update(Text(str(error), style="red"), refresh=True)
            time.sleep(every_s)


def remember(past: Mapping[str, deque[float]], status: Mapping[str, Any]) -> None:
    """Keep this moment's values."""
    for name, values in past.items():
        values.append(number((status["house"] or {}).get(name)))


def one_line(status: Mapping[str, Any]) -> str:
    """A moment in one line without colours."""
    house = status["house"] or {}
    powers = "  ".join(f"{name.removesuffix('_w')} {number(house.get(name)):.0f} W" for name in _POWERS)
    action = (status["command"] or {}).get("reason", "no cycle yet")
    moment = local_words(status["time_s"], ZoneInfo(status["site"]["timezone"]), "%H:%M:%S")
    return f"{moment}  {powers}  soc {percent_words(number(house.get('soc_frac')))}  {action}"


def picture(status: Mapping[str, Any], past: Mapping[str, Sequence[float]]) -> Group:
    """The whole screen."""
    from rich.console import Group
    from rich.table import Table

    powers = Table.grid(padding=(0, 2))
    for name in _POWERS:
        now = power_words(past[name][-1]) if past[name] else ""
        powers.add_row(name.removesuffix("_w"), now.rjust(9), sparkline(past[name]))
    soc = past["soc_frac"]
    powers.add_row("charge", percent_words(soc[-1] if soc else math.nan).rjust(9), sparkline(soc, (0.0, 1.0)))
    words = Table.grid(padding=(0, 2))
    for label, text in lines(status):
        if label not in ("PV", "House", "Grid", "Battery"):
            words.add_row(f"[bold]{label}[/bold]", text, style="red" if label == "Alarm" else "")
    return Group(words, powers, *_plan_picture(status))


def _plan_picture(status: Mapping[str, Any]) -> list[Any]:
    """The plan by the hour: price, charge and battery as sparklines."""
    from rich.table import Table

    if status["plan"] is None:
        return []
    plan = plan_from_json(status["plan"])
    prices, soc = plan.price_import_eur_per_kwh[::4], plan.soc_frac[::4]
    table = Table.grid(padding=(0, 2))
    table.add_row("price", f"{cents_words(prices[0])}".rjust(9), sparkline(prices))
    table.add_row("charge", f"{percent_words(soc[-1])}".rjust(9), sparkline(soc, (0.0, 1.0)))
    return [f"The next {len(plan.battery_w) * plan.slot_s / 3600:.0f} h, by the hour:", table]


def sparkline(values: Sequence[float], bounds: tuple[float, float] | None = None) -> str:
    """Values as bars of eight heights; what is missing is a gap."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    low, high = bounds or (min(known), max(known))
    span = (high - low) or 1.0
    top = len(BARS) - 1
    return "".join(
        BARS[min(max(round((value - low) / span * top), 0), top)] if math.isfinite(value) else " " for value in values
    )
