"""``pems-train registry``: which bundle is champion, which one waits, and how it came to be so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.cli.options import DATE, PATH, inputs, json_option, site_option, table_option, unix_s
from training.errors import SetupError, TrainingError

if TYPE_CHECKING:
    from training.registry import Entry, Registry

_folder_option = click.option(
    "--registry", "folder", type=PATH, default=Path("registry"), show_default=True, envvar="PEMS_REGISTRY",
    help="The registry's folder.",
)  # fmt: skip
_name_option = click.option("--site-name", help="Only this site's. [default: all]")


@click.group("registry")
def group() -> None:
    """Bundles kept for good: champion, shadow, previous, and the log of who promoted what and why."""


@contextmanager
def _open(folder: Path, *, changes: bool = False) -> Iterator[Registry]:
    """The registry; what was changed goes to the mirror, whose failures are told and stop nothing."""
    from training.registry import Registry
    from training.registry_mlflow import load_settings, mirror

    registry = Registry(folder)
    try:
        yield registry
        if changes:
            try:
                settings = load_settings(folder)
                notes = mirror(registry, settings).notes if settings else ()
            except TrainingError as error:
                notes = (f"not mirrored, run `pems-train registry mirror` later: {error}",)
            for note in notes:
                click.echo(f"pems-train: mlflow: {note}", err=True)
    finally:
        registry.close()


@group.command()
@click.argument("file", type=PATH)
@_folder_option
@json_option
def add(file: Path, folder: Path, as_json: bool) -> None:
    """Register a bundle; the same file twice is one entry.

    \b
    Example:
      pems-train registry add bundle.zip
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise SetupError(f"{file}: cannot be read: {error.strerror}") from error
    with _open(folder, changes=True) as registry:
        _say(registry.add(raw, file.name), as_json)


@group.command("list")
@_folder_option
@_name_option
@json_option
def list_entries(folder: Path, site_name: str | None, as_json: bool) -> None:
    """All bundles, oldest first, with their stage.

    \b
    Example:
      pems-train registry list
    """
    with _open(folder) as registry:
        found = registry.entries(site_name)
    if as_json:
        click.echo(json.dumps([_as_data(entry) for entry in found]))
        return
    for entry in found:
        click.echo(_line(entry))


@group.command()
@click.argument("reference")
@_folder_option
@_name_option
def show(reference: str, folder: Path, site_name: str | None) -> None:
    """One bundle with its manifest and all it ever scored, as JSON.

    REFERENCE is an alias, a version or the beginning of a digest.

    \b
    Example:
      pems-train registry show champion
    """
    with _open(folder) as registry:
        entry = registry.find(reference, site_name)
        judged = [asdict(judgement) for judgement in registry.judgements(entry.sha256)]
    click.echo(json.dumps({**_as_data(entry), "manifest": entry.manifest, "judgements": judged}, indent=1))


@group.command()
@click.argument("reference")
@_folder_option
@_name_option
@json_option
def shadow(reference: str, folder: Path, site_name: str | None, as_json: bool) -> None:
    """Mark a bundle as the one that runs beside the champion.

    \b
    Example:
      pems-train registry shadow 2026.12.01-1
    """
    with _open(folder, changes=True) as registry:
        registry.shadow(registry.find(reference, site_name))
        _say(registry.find(reference, site_name), as_json)


@group.command()
@click.argument("reference")
@site_option
@table_option
@click.option("--from", "first", type=DATE, required=True, help="First held-out day (UTC).")
@click.option("--until", type=DATE, required=True, help="End of the held-out days (UTC).")
@click.option("--force", metavar="REASON", help="Promote in spite of the gate; the reason is logged.")
@_folder_option
@json_option
def promote(reference: str, folder: Path, as_json: bool, **options: Any) -> None:
    """Judge a bundle on days that it has not seen, and make it champion if it beats the champion and every baseline.

    Exit code 1 and a reason each where it does not.

    \b
    Example:
      pems-train registry promote 2026.12.01-1 --site site.toml --table house.parquet --from 2026-11-01 \\
        --until 2026-11-29
    """
    from training.backtest import Span
    from training.challenge import challenge, promoted

    series, site = inputs(options["site_path"], options["table_path"])
    with _open(folder, changes=True) as registry:
        candidate = registry.find(reference, site.name)
        span = Span(unix_s(options["first"]), unix_s(options["until"]))
        outcome = challenge(registry, candidate, series, span)
        promoted(registry, outcome, options["force"])
        entry = registry.find(candidate.sha256, site.name)
    if as_json:
        data = {
            **_as_data(entry),
            "objections": outcome.objections,
            "scores": outcome.scores,
            "days": outcome.day_count,
        }
        click.echo(json.dumps(data))
        return
    for text in outcome.objections:
        click.echo(f"in spite of: {text}")
    click.echo(_line(entry))


@group.command()
@click.option("--reason", default="", help="Why, for the log.")
@_folder_option
@_name_option
@json_option
def rollback(reason: str, folder: Path, site_name: str | None, as_json: bool) -> None:
    """Make the previous champion champion again.

    \b
    Example:
      pems-train registry rollback --reason "cold nights are far off"
    """
    with _open(folder, changes=True) as registry:
        _say(registry.rollback(registry.find("champion", site_name).site, reason), as_json)


@group.command()
@click.argument("reference")
@click.option("--out", type=PATH, required=True, help="File to write.")
@_folder_option
@_name_option
def fetch(reference: str, out: Path, folder: Path, site_name: str | None) -> None:
    """Write a bundle's file, for a box; its bytes are checked on the way.

    \b
    Example:
      pems-train registry fetch champion --out bundle.zip
    """
    with _open(folder) as registry:
        entry = registry.find(reference, site_name)
        content = registry.content(entry)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise SetupError(f"{out}: cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {entry.site} {entry.version}, {len(content) / 1000:.0f} kB")


@group.command("mirror")
@_folder_option
def mirror_now(folder: Path) -> None:
    """Bring MLflow up to the registry, as registry.toml in its folder says; every change does so by itself.

    \b
    Example:
      pems-train registry mirror
    """
    from training.registry_mlflow import SETTINGS_FILE, load_settings, mirror

    with _open(folder) as registry:
        settings = load_settings(folder)
        if settings is None:
            raise SetupError(f"{folder / SETTINGS_FILE}: no such file; it says where to: [mlflow] tracking_uri")
        found = mirror(registry, settings)
    click.echo("\n".join([f"mirrored: {found.bundle_count} bundles", *found.notes]))


@group.command()
@click.option(
    "--keep", type=click.IntRange(0), default=10, show_default=True, help="Newest bundles of each site to keep."
)
@_folder_option
def gc(keep: int, folder: Path) -> None:
    """Drop the files of old bundles that no alias holds; what they were and scored stays.

    \b
    Example:
      pems-train registry gc --keep 10
    """
    with _open(folder) as registry:
        click.echo(f"{registry.collect(keep)} files dropped")


@group.command()
@_folder_option
@_name_option
@json_option
def log(folder: Path, site_name: str | None, as_json: bool) -> None:
    """Everything that was ever done, oldest first.

    \b
    Example:
      pems-train registry log
    """
    with _open(folder) as registry:
        events = registry.log(site_name)
    if as_json:
        click.echo(json.dumps([{**asdict(event), "time_utc": _utc(event.time_s)} for event in events]))
        return
    for event in events:
        what = f"{event.action:9} {event.site} {event.sha256[:12]}"
        click.echo(f"{_utc(event.time_s)}  {event.who}  {what}  {event.detail}".rstrip())


@group.command()
@_folder_option
def check(folder: Path) -> None:
    """Look whether every file is there and undamaged; exit code 1 where one is not.

    \b
    Example:
      pems-train registry check
    """
    with _open(folder) as registry:
        found = registry.problems()
    if found:
        raise TrainingError("\n".join(found))
    click.echo(f"{folder}: sound")


def _as_data(entry: Entry) -> dict[str, Any]:
    data = asdict(entry)
    return {**{key: value for key, value in data.items() if key != "manifest"}, "added_utc": _utc(entry.added_s)}


def _line(entry: Entry) -> str:
    return f"{entry.stage:9}  {entry.site} {entry.version}  seq {entry.seq}  {entry.sha256[:12]}  {_utc(entry.added_s)}"


def _say(entry: Entry, as_json: bool) -> None:
    click.echo(json.dumps(_as_data(entry)) if as_json else _line(entry))


def _utc(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
