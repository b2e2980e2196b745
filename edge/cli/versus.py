"""``pems versus``: which of two settings is the cheaper one, by recorded days dealt at random between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import json_option
from edge.cli.replay import forecaster_of, instant_s, prices_of, span_of

if TYPE_CHECKING:
    from core_kernels.paired import Comparison
    from edge.versus import Versus

_path = click.Path(path_type=Path)


@click.command()
@click.option("--site", "site_path", type=_path, required=True, help="The first setting: a site.toml.")
@click.option("--other", "other_path", type=_path, required=True, help="The second: another bundle, battery, reserve.")
@click.option("--table", "table_path", type=_path, required=True, help="Measured pv_w and load_w: CSV, Parquet.")
@click.option("--prices", "prices_path", type=_path, help="Price table. [default: the first site's, else --table]")
@click.option("--from", "from_s", type=instant_s, help="First instant, UTC. [default: the table's first]")
@click.option("--until", "until_s", type=instant_s, help="End, UTC, exclusive. [default: the table's end]")
@click.option("--block-days", type=click.IntRange(1, 7), default=1, show_default=True, help="Days dealt together.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the dealing.")
@json_option
def command(
    *,
    site_path: Path,
    other_path: Path,
    table_path: Path,
    prices_path: Path | None,
    from_s: float | None,
    until_s: float | None,
    block_days: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compare two settings on recorded days: dealt at random, as one would with a real house, and each day both ways.

    Blocks of days are drawn for the first week of each fortnight, and mirrored in the second: each weekday is lived
    once each way. Negative: the second setting is the cheaper one.

    \b
    Example:
      pems versus --site a.toml --other b.toml --table house.csv --prices prices.csv
    """
    from edge.config import load_site
    from edge.ingest.quarters import quarter_hours
    from edge.ingest.table import read_table
    from edge.replay import Days
    from edge.versus import Setting, versus

    first, second = load_site(site_path), load_site(other_path)
    table = read_table(table_path)
    measured = quarter_hours(table)
    span = span_of(measured, from_s, until_s)
    days = Days(measured=measured, span=span, prices=prices_of(first, table, prices_path))
    one, other = (Setting(site=site, forecaster=forecaster_of(site, None)) for site in (first, second))
    found = versus(one, other, days, block_days=block_days, seed=seed)
    click.echo(json.dumps(as_data(found)) if as_json else "\n".join(lines(found)))


def as_data(found: Versus) -> dict[str, Any]:
    """The result as JSON; what is not known is null."""
    from dataclasses import asdict

    from edge.messages import to_json

    def of(comparison: Comparison) -> dict[str, Any]:
        return {**asdict(comparison), "verdict": comparison.verdict}

    rows = [
        {"day": day, "second": bool(second), "over_rules_eur": float(eur)}
        for day, second, eur in zip(found.days, found.dealt, found.dealt_eur, strict=True)
    ]
    return dict(to_json({"randomised": of(found.randomised), "both_ways": of(found.both_ways), "days": rows}))


def lines(found: Versus) -> list[str]:
    """The result for a person."""
    from edge.facts.shadows import words

    return [
        f"{len(found.days)} days, {found.days[0]} to {found.days[-1]}; the second setting against the first:",
        f"  dealt at random, in pairs of days: {words(found.randomised)}",
        f"  each day both ways:                {words(found.both_ways)}",
    ]
