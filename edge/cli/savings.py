"""``pems savings``: what the last days cost, beside the same days without a battery and by the inverter's own rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from edge.cli.options import clock_option, json_option, site_option, state_option
from edge.cli.talk import facts_of
from edge.clock import Clock
from edge.wording import count_words

_WAYS = (("no battery", "no_battery_eur"), ("rules", "rules_eur"), ("ours", "ours_eur"))


@click.command()
@site_option
@state_option
@json_option
@clock_option
def command(site_path: Path, state: Path | None, as_json: bool, clock: Clock | None) -> None:
    """Show what each of the last 30 whole days cost, three ways, from what was measured and the prices in force.

    Below, what was paid beyond perfect foresight, by cause, of the days that the planner has looked back upon; their
    parts add up to the cent. Exit code 1 when nothing can be counted.

    \b
    Example:
      pems savings --site site.toml
    """
    from edge.errors import StoreError

    found = facts_of(site_path, state, clock).savings()
    if as_json:
        click.echo(json.dumps(found))
    else:
        for line in lines(found):
            click.echo(line)
    if not found["days"]:
        raise StoreError(found["problem"] or "no whole day was measured yet")


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A row a day, their sums, and what was left out."""
    if found["days"]:
        yield f"{'day':12}" + "".join(f"{label:>12}" for label, _ in _WAYS) + f"{'saved':>12}  EUR"
        for row in found["days"]:
            yield _row(row["day"], row)
        yield _row("in all", found["total"])
    for row in found["left_out"]:
        yield f"{row['day']}: left out, {row['why']}"
    yield from _regret_lines(found["regret"])


def _regret_lines(regret: Mapping[str, Any]) -> Iterator[str]:
    """What was paid beyond perfect foresight, and why."""
    if regret["days"]:
        total = regret["total"]
        days = count_words(len(regret["days"]), "day")
        yield f"{'Perfect foresight':26}{total['perfect_foresight_eur']:9.2f} EUR in {days}"
        yield f"{'Paid beyond it':26}{total['total_gap_eur']:9.2f} EUR, of which"
        yield from (f"  {cause:24}{eur:9.2f}" for cause, eur in total["gap_eur"].items())
    for row in regret["days"]:
        if row["failed_count"]:
            plans = count_words(row["failed_count"], "plan")
            yield f"{row['day']}: {plans} failed when it was lived again, the first: {row['failures'][0]}"
    for row in regret["left_out"]:
        yield f"{row['day']}: not compared with perfect foresight, {row['why']}"


def _row(label: str, costs: Mapping[str, float]) -> str:
    saved_eur = costs["rules_eur"] - costs["ours_eur"]
    return f"{label:12}" + "".join(f"{costs[name]:12.2f}" for _, name in _WAYS) + f"{saved_eur:12.2f}"
