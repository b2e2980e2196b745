"""``pems replay --recording``: a recorded day, decided again."""

from __future__ import annotations

import json
from pathlib import Path

import click

_SHOWN = 10


def decide_again(path: Path, *, as_json: bool) -> None:
    """Compare every command and plan of a recording with what comes out now; exit 1 where something differs."""
    from edge import __version__
    from edge.messages import to_json
    from edge.recording.again import decide_again as decide

    found = decide(path)
    if as_json:
        click.echo(json.dumps({**to_json(found), "same": found.same, "program": __version__}))
    else:
        click.echo(f"{path}: {found.cycle_count} cycles and {found.plan_count} plans decided again")
        if found.skipped_count:
            click.echo(f"{found.skipped_count} plans before the planner's first start of the day are left out")
        if found.version != __version__:
            click.echo(f"Recorded by release {found.version}, this is {__version__}")
        for difference in found.differences[:_SHOWN]:
            click.echo(f"Differs: {difference:.300}")
        click.echo("All the same, to the last bit." if found.same else f"{len(found.differences)} decisions differ.")
    if not found.same:
        raise SystemExit(1)
