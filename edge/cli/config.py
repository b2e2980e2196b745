"""``pems config``: the box's one configuration file, shown and replaced."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import click

from edge.cli.options import json_option, site_option

_path = click.Path(path_type=Path)
_MODE = 0o644  # no secrets lie in it: they have files of their own (edge.files.private_text)


@click.group()
def group() -> None:
    """The box's site.toml."""


@group.command()
@site_option
@json_option
def show(site_path: Path, as_json: bool) -> None:
    """Print the configuration that is in force, secrets left out, once it is found right.

    \b
    Example:
      pems config show --site /etc/pems/site.toml
    """
    from edge.config import load_site
    from edge.redact import without_secrets

    load_site(site_path)
    text = without_secrets(site_path.read_text(encoding="utf-8"))
    click.echo(json.dumps(tomllib.loads(text), default=str) if as_json else text.rstrip("\n"))


@group.command()
@click.argument("file", type=_path)
@site_option
@json_option
def put(file: Path, site_path: Path, as_json: bool) -> None:
    """Check a configuration whole, as the box would at its start, and put it in the place of the one in force.

    A wrong one changes nothing. The old one is kept beside it, ending .previous. The file is replaced by one rename, so
    that a power cut leaves the old or the new one, never a part.

    \b
    Example:
      pems config put new.toml --site /etc/pems/site.toml
      pems config put /etc/pems/site.toml.previous --site /etc/pems/site.toml
    """
    from edge.errors import ConfigError

    content = _checked(file, site_path)
    try:
        kept = _replace(site_path, content)
    except OSError as error:
        raise ConfigError(str(site_path), [f"cannot be written: {error.strerror}"]) from error
    if as_json:
        click.echo(json.dumps({"path": str(site_path), "previous": str(kept) if kept else None}))
        return
    click.echo(f"{site_path}: in force from the next start (systemctl restart pems.target)")
    if kept:
        click.echo(f"  the one before: {kept}")


def _checked(file: Path, site_path: Path) -> bytes:
    """The bytes of a configuration that is right in its place: its relative paths are those of the place."""
    from edge.config import parse_site, read_toml
    from edge.errors import ConfigError
    from edge.preflight import check_site

    content, data = read_toml(file)
    problems = check_site(parse_site(data, str(file), site_path.parent))
    if problems:
        raise ConfigError(str(file), problems)
    return content


def _replace(path: Path, content: bytes) -> Path | None:
    """Replace a file for good, and keep what was there beside it; ``None`` where nothing was. Raises ``OSError``."""
    from edge.files import replace_whole

    if not path.exists():
        replace_whole(path, content, _MODE)
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    previous = path.with_name(f"{path.name}.previous")
    replace_whole(previous, path.read_bytes(), mode)
    replace_whole(path, content, mode)
    return previous
