"""``pems replay``: the closed loop over recorded days, without hardware."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli import costs
from edge.cli.again import decide_again
from edge.cli.options import FiniteFloatRange, json_option

if TYPE_CHECKING:
    from core_kernels.records import Frame
    from core_kernels.timegrid import TimeGrid
    from edge.config import Site
    from edge.ingest.table import Table
    from edge.ingest.tariff import PriceBook
    from edge.planning import Forecasts
    from edge.replay import Replay


_SHORTEST_MONTH_DAYS = 28


def instant_s(text: str) -> float:
    """Unix seconds of an ISO 8601 instant (UTC where it names no zone), or a usage error."""
    from edge.timetext import parse_time_s

    try:
        return parse_time_s(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not an ISO time like 2024-06-01T00:00:00Z, from 1970 to 9998") from error


@click.command()
@click.option("--site", "site_path", type=click.Path(path_type=Path), help="The site's site.toml.")
@click.option("--table", "table_path", type=click.Path(path_type=Path), help="Measured pv_w and load_w: CSV, Parquet.")
@click.option(
    "--recording",
    type=click.Path(path_type=Path),
    help="Decide a recorded day again instead: a file of state/recorder, or a support archive.",
)
@click.option(
    "--prices", "prices_path", type=click.Path(path_type=Path), help="Price table. [default: the site's, else --table]"
)
@click.option("--from", "from_s", type=instant_s, help="First instant, UTC. [default: the table's first]")
@click.option("--until", "until_s", type=instant_s, help="End, UTC, exclusive. [default: the table's end]")
@click.option(
    "--soc-frac", type=FiniteFloatRange(0.0, 1.0), default=0.5, show_default=True, help="State of charge at the start."
)
@click.option(
    "--forecasts",
    "forecasts_path",
    type=click.Path(path_type=Path),
    help="Forecasts that somebody made, in the place of the site's: time_utc, issued_s, pv_p10_w ... load_p90_w.",
)
@click.option("--tariff", "tariff_path", type=click.Path(path_type=Path), help="What if: the [tariff] of this file.")
@click.option("--regret", "with_regret", is_flag=True, help="Split the gap to perfect foresight by cause.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the trajectory to this CSV.")
@json_option
def command(
    *,
    site_path: Path | None,
    table_path: Path | None,
    recording: Path | None,
    prices_path: Path | None,
    from_s: float | None,
    until_s: float | None,
    soc_frac: float,
    forecasts_path: Path | None,
    tariff_path: Path | None,
    with_regret: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Live recorded days through with the box's own planner: what ours cost, beside rules and perfect foresight.

    Every quarter hour is planned from what was known then: history before it, published prices, forecasts by the
    site's bundle (or the baseline). Rows before --from serve as history. Exit 1 when more
    than half of the plans failed.

    \b
    Example:
      pems replay --site site.toml --table house.csv --prices prices.csv --from 2024-06-01 --until 2024-06-08
      pems replay --site site.toml --table house.csv --tariff other.toml --regret
      pems replay --recording state/recorder/2026-06-01.sqlite
    """
    if recording is not None:
        decide_again(recording, as_json=as_json)
        return
    if site_path is None or table_path is None:
        raise click.UsageError("--site and --table are needed (or --recording)")
    from edge.config import load_site, load_tariff
    from edge.errors import PlanError
    from edge.hindsight import regret
    from edge.ingest.quarters import quarter_hours
    from edge.ingest.table import read_table
    from edge.replay import Days, replay

    site = load_site(site_path)
    if tariff_path is not None:
        site = replace(site, tariff=load_tariff(tariff_path))
    table = read_table(table_path)
    measured = quarter_hours(table)
    span = span_of(measured, from_s, until_s)
    days = Days(measured=measured, span=span, prices=prices_of(site, table, prices_path))
    forecaster = forecaster_of(site, forecasts_path)
    result = replay(site, days, forecaster, soc_frac=soc_frac)
    split = regret(site, days, forecaster, soc_frac=soc_frac) if with_regret else None
    if out is not None:
        _write(out, result)
    if as_json:
        click.echo(json.dumps(as_data(result) | ({"regret": costs.regret_data(split)} if split else {})))
    else:
        click.echo("\n".join([as_table(result, days.prices.source), *(costs.regret_rows(split) if split else ())]))
    if 2 * len(result.failures) > span.count:
        first = result.failures[0]
        raise PlanError(f"{len(result.failures)} of {span.count} plans failed, the first: {first}")


def span_of(measured: Frame, from_s: float | None, until_s: float | None) -> TimeGrid:
    """The quarter hours between two instants, the table's own ends where one is not given."""
    from core_kernels.timegrid import TimeGrid, floor_s

    slot_s = measured.grid.slot_s
    start_s = measured.grid.start_s if from_s is None else floor_s(from_s, slot_s)
    end_s = measured.grid.end_s if until_s is None else floor_s(until_s, slot_s)
    if end_s <= start_s:
        raise click.UsageError("--until must be later than --from")
    return TimeGrid(start_s=start_s, slot_s=slot_s, count=(end_s - start_s) // slot_s)


def prices_of(site: Site, table: Table, path: Path | None) -> PriceBook:
    """The prices of a file, else the site's own, else the table's."""
    from edge.ingest.tariff import PriceBook

    if path is not None:
        return PriceBook.load(path, site)
    if site.tariff.prices:
        return PriceBook.load(site.path(site.tariff.prices), site)
    return PriceBook.of(table, site)


def forecaster_of(site: Site, told: Path | None) -> Forecasts:
    """The forecaster of a site, or what somebody told in its place."""
    from edge.forecast.runtime import Baseline, Forecaster
    from edge.forecast.told import Told
    from edge.ingest.table import read_table

    if site.bundle is None:
        own: Forecasts = Baseline(site)
    else:
        own = Forecaster.load(site.path(site.bundle.path), site.path(site.bundle.public_key), site)
    if told is None:
        return own
    table = read_table(told)
    return Told(own, told.name, table.times_s, table.columns)


def _write(path: Path, result: Replay) -> None:
    from edge.errors import StoreError
    from edge.ingest.table import write_csv

    try:
        write_csv(path, result.span.starts_s(), result.columns)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def as_data(result: Replay) -> dict[str, Any]:
    """The result as JSON."""
    from core_kernels.units import SECONDS_PER_DAY
    from edge.messages import to_json
    from edge.timetext import format_time

    ledger, span = result.ledger, result.span
    data = {
        "from_utc": format_time(span.start_s),
        "until_utc": format_time(span.end_s),
        "days": span.count * span.slot_s / SECONDS_PER_DAY,
        **costs.as_data(ledger),
        "foresight_gap_eur": ledger.foresight_gap_eur,
        "forecasts": result.source,
        "missing_slots": result.missing_count,
        "failed_plans": len(result.failures),
        "first_failure": result.failures[0] if result.failures else None,
        "plan_ms": {"median": 1e3 * result.solve_quantile_s(0.5), "p99": 1e3 * result.solve_quantile_s(0.99)},
        "seconds": result.seconds_s,
        "speed_ratio": result.speed_ratio,
    }
    return dict(to_json(data))


def as_table(result: Replay, prices: str) -> str:
    """The result for a person."""
    from core_kernels.units import SECONDS_PER_DAY
    from edge.timetext import format_time

    ledger, span = result.ledger, result.span
    rows = [
        f"{format_time(span.start_s)} to {format_time(span.end_s)}, forecasts: {result.source or 'none'}",
        f"prices: {prices}",
        *costs.as_rows(ledger),
    ]
    rows.append(costs.share_words(ledger))
    days = span.count * span.slot_s / SECONDS_PER_DAY
    if ledger.ours.peak_eur and days < _SHORTEST_MONTH_DAYS:
        rows.append(f"The peaks are billed by the month: this span of {days:.0f} d bears the whole of it.")
    if ledger.foresight_gap_eur >= 0.01:
        rows.append(f"Perfect foresight is not proven: up to {ledger.foresight_gap_eur:.2f} EUR less may be possible.")
    if result.missing_count:
        rows.append(f"{result.missing_count} quarter hours without measurements are left out of all four.")
    if result.failures:
        rows.append(f"{len(result.failures)} plans failed, the first: {result.failures[0]}")
    rows.append(f"{result.seconds_s:.1f} s, {result.speed_ratio:,.0f} times faster than the days themselves.")
    return "\n".join(rows)
