"""``pems models``: which models forecast here, in which stages, and how they did on the last days."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from edge.cli.options import clock_option, json_option, site_option, state_option
from edge.cli.talk import facts_of
from edge.clock import Clock

_HISTORY_ROWS = 5


@click.command()
@site_option
@state_option
@json_option
@clock_option
def command(site_path: Path, state: Path | None, as_json: bool, clock: Clock | None) -> None:
    """Show the models in force, what is installed beside them, and coverage, bias and skill of the last 30 days.

    Skill: by how much the pinball loss lies below that of the same clock time on the seven days before.

    \b
    Example:
      pems models --site site.toml
    """
    found = facts_of(site_path, state, clock).models()
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo("\n".join(lines(found)))


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The bundle, its models, the stages, and a row a forecast."""
    from edge.wording import number, percent_words, signed_words

    if found["problem"]:
        yield found["problem"]
    if bundle := found["bundle"]:
        yield f"{bundle['name']} {bundle['version']}, seq {bundle['seq']}, made {bundle['created']}"
        for model in bundle["models"]:
            offsets = " ".join(f"{offset:+.3f}" for offset in model["offsets_ratio"])
            calibrated = offsets if any(model["offsets_ratio"]) else "none"
            yield f"  {model['signal']}: {model['features_count']} inputs, calibration P10 P50 P90: {calibrated}"
    for entry in found["installed"]:
        yield f"  {entry['stage']:10} {entry['version']} (seq {entry['seq']})"
    yield from shadow_lines(found["followed"])
    yield from calibration_lines(found["calibration"])
    yield f"{'last ' + str(found['coverage_days']) + ' days':14}{'in P10-P90':>12}{'bias':>12}{'skill':>10}  drift"
    for name, row in found["coverage"].items():
        inside, skill = (percent_words(number(row[key])) for key in ("inside_frac", "skill_ratio"))
        yield f"{name:14}{inside:>12}{signed_words(number(row['bias_w'])):>12}{skill:>10}  {row['drift']}"


def shadow_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Each shadow against what is in force, and the last changes of what is in force."""
    from edge.timetext import format_time
    from edge.wording import number, percent_words

    if found["problem"]:
        yield f"shadows: {found['problem']}"
    for row in found["shadows"]:
        yield f"shadow {row['name']} ({row['bundle']}): {row['words']}"
        if row["aside"]:
            yield f"  set aside: {row['aside']}"
        for signal in ("pv", "load"):
            own, champion = (percent_words(number(row[f"{who}_{signal}_skill_ratio"])) for who in ("own", "champion"))
            yield f"  skill on {signal}_w: {own}, in force: {champion}"
    for row in found["history"][-_HISTORY_ROWS:]:
        yield f"{format_time(row['time_s'])}  {row['current'].removesuffix('.zip')} in force: {row['told']}"


def calibration_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Of each signal: since when, how often the band as said held what came, and what it is moved by at most."""
    from edge.timetext import format_time
    from edge.wording import number, percent_words

    if found["problem"]:
        yield f"calibration: {found['problem']}"
    for name, track in found["signals"].items():
        moved = ", ".join(f"{what} {words_of_most(track[f'{what}_by_hour_w'])}" for what in ("p10", "p90", "mean"))
        inside = percent_words(number(track["inside_frac"]))
        yield f"calibration of {name} ({track['source']}) since {format_time(track['since_s'])}:"
        yield f"  {inside} of {track['count']} judged outcomes in P10-P90 as said; moved at most: {moved}"
        if count := track["at_bound_count"]:
            yield f"  {count} hours are at their bound, {track['bound_w']:.0f} W: train the model again"


def words_of_most(bands: Sequence[Sequence[float | None]]) -> str:
    """The value of a table that is furthest from 0."""
    known = [value for band in bands for value in band if value is not None]
    return f"{max(known, key=abs):+.0f} W" if known else "unknown"
