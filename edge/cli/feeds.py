"""``pems feeds``: how prices and weather from outside fare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from edge.cli.options import clock_option, json_option, site_option, state_folder, state_option
from edge.cli.talk import box_clock
from edge.timetext import format_time
from edge.wording import MISSING, age_words, local_words

if TYPE_CHECKING:
    from edge.clock import Clock
    from edge.feeds.cache import Standing

_CLOCK = "%a %H:%M"
_HEADER = ("feed", "source", "issued", "age", "known until", "next try", "last error")


@click.command()
@site_option
@state_option
@json_option
@clock_option
def command(site_path: Path, state: Path | None, as_json: bool, clock: Clock | None) -> None:
    """Show each feed: its last answer, how far that reaches, when it is asked next, its last error; and what the broker
    said of rooms and cars.

    Exit code 1 when a feed never answered, has expired or failed last.

    \b
    Example:
      pems feeds --site site.toml
    """
    from edge.config import load_site
    from edge.supply import said_of_house, standings

    site = load_site(site_path)
    folder = state_folder(site_path, state)
    now_s = (clock or box_clock(folder)).now_s()
    found = standings(site, folder, now_s)
    said = said_of_house(site, folder)
    if as_json:
        notes = [{"name": name, "value": value, "time_utc": format_time(at_s)} for name, (value, at_s) in said.items()]
        click.echo(json.dumps({"feeds": [_as_data(row, now_s) for row in found], "said": notes}))
    elif not found and not said:
        click.echo("No feeds: prices and weather come from tables (tariff.source, weather.source in site.toml).")
    else:
        _print([_HEADER, *(_cells(row, now_s, site.zone) for row in found)])
        for name, (value, at_s) in said.items():
            click.echo(f"{name} {value:g}, said {age_words(now_s - at_s)} ago")
    if not all(is_well(row, now_s) for row in found):
        raise SystemExit(1)


def is_well(row: Standing, now_s: float) -> bool:
    """Claims that a feed has answered, holds, and did not fail since."""
    return not row.error and now_s < row.expires_s


def next_try_s(row: Standing, now_s: float) -> float:
    """When the feed is asked next, if nothing fails until then [s]."""
    from edge.feeds.schedule import WEATHER_EVERY_S, may_try, next_wanted_s
    from edge.feeds.service import PRICES

    if not may_try(row.not_before_s, now_s):
        return row.not_before_s
    wanted_s = next_wanted_s(row.until_s, now_s) if row.feed == PRICES else row.issued_s + WEATHER_EVERY_S
    return max(wanted_s, now_s)


def _as_data(row: Standing, now_s: float) -> dict[str, object]:
    return {
        "feed": row.feed,
        "source": row.source,
        "issued_utc": format_time(row.issued_s) if row.issued_s else None,
        "age_s": now_s - row.issued_s if row.issued_s else None,
        "known_until_utc": format_time(row.until_s) if row.until_s > now_s else None,
        "expires_utc": format_time(row.expires_s) if row.expires_s else None,
        "next_try_utc": format_time(next_try_s(row, now_s)),
        "failures": row.failure_count,
        "error": row.error,
        "ok": is_well(row, now_s),
    }


def _cells(row: Standing, now_s: float, zone: ZoneInfo) -> tuple[str, ...]:
    issued = local_words(row.issued_s, zone, _CLOCK) if row.issued_s else "never"
    return (
        row.feed,
        row.source,
        issued,
        age_words(now_s - row.issued_s) if row.issued_s else MISSING,
        local_words(row.until_s, zone, _CLOCK) if row.until_s > now_s else MISSING,
        local_words(next_try_s(row, now_s), zone, _CLOCK),
        row.error or MISSING,
    )


def _print(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
