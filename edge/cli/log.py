"""``pems log``: what the box decided and survived, as it keeps it in its store."""

from __future__ import annotations

import json
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from edge.cli.options import FiniteFloatRange, json_option, site_option, state_folder, state_option
from edge.timetext import format_time
from edge.wording import local_words

_POLL_S = 1.0
_COLOURS = {"alarm": "red", "command": "cyan"}


@click.command()
@site_option
@state_option
@click.option(
    "--hours", type=FiniteFloatRange(min=0.0, min_open=True), default=24.0, show_default=True, help="How far back."
)
@click.option("--kind", help="Only one kind: command, alarm.")
@click.option("--last", "count", type=click.IntRange(min=1), default=200, show_default=True, help="At most so many.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@json_option
def command(
    site_path: Path, state: Path | None, hours: float, kind: str | None, count: int, follow: bool, as_json: bool
) -> None:
    """Show the box's decisions and alarms, oldest first; with --json a JSON object a line.

    \b
    Example:
      pems log --site site.toml --hours 6
      pems log --site site.toml --kind alarm --json
      pems log --site site.toml --follow
    """
    from edge.config import load_site
    from edge.files import STORE_NAME
    from edge.ingest.store import StoreReader

    site = load_site(site_path)
    reader = StoreReader(state_folder(site_path, state) / STORE_NAME)
    try:
        newest_s = reader.newest_event_s()
        events = reader.events(newest_s - 3600.0 * hours, kind)
        seen = len(events)
        show(events[-count:], site.zone, as_json=as_json)
        while follow:
            time.sleep(_POLL_S)
            events = reader.events(newest_s - 3600.0 * hours, kind)
            show(events[seen:], site.zone, as_json=as_json)
            seen = len(events)
    except KeyboardInterrupt:
        return
    finally:
        reader.close()


def show(events: list[tuple[float, str, str]], zone: ZoneInfo, *, as_json: bool) -> None:
    """Print events, one a line."""
    for time_s, kind, text in events:
        if as_json:
            click.echo(json.dumps({"time_utc": format_time(time_s), "kind": kind, "text": text}))
        else:
            label = click.style(f"{kind:8}", fg=_COLOURS.get(kind))
            click.echo(f"{local_words(time_s, zone, '%a %d %b %H:%M:%S')}  {label} {text}")
