"""``pems bundle``: verify, install, list and roll back signed model bundles on the device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import json_option, state_folder, state_option
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.forecast.installed import Entry

_path = click.Path(path_type=Path)
_site_option = click.option("--site", "site_path", type=_path, required=True, help="The site's site.toml.")
_key_option = click.option(
    "--key", type=_path, help="Public key that must have signed. [default: bundle.public_key of the site]"
)
BUNDLES = "bundles"


@click.group()
def group() -> None:
    """Signed model bundles on the device."""


def _folder(site_path: Path, state: Path | None) -> Path:
    return state_folder(site_path, state) / BUNDLES


def _checked(site_path: Path, key: Path | None, file: Path) -> Any:
    """A bundle that this site can run: signature, content, version, site, features and golden rows."""
    from edge.config import load_site
    from edge.forecast.bundle import read_bundle
    from edge.forecast.runtime import Forecaster

    site = load_site(site_path)
    if key is None and site.bundle is None:
        raise ConfigError(str(site_path), ["bundle.public_key is missing: name it there or with --key"])
    public_key = key if key is not None or site.bundle is None else site.path(site.bundle.public_key)
    assert public_key is not None
    bundle = read_bundle(file, public_key)
    return bundle, Forecaster(bundle, site).parity_ratio


@group.command()
@click.argument("file", type=_path)
@_site_option
@_key_option
@json_option
def verify(file: Path, site_path: Path, key: Path | None, as_json: bool) -> None:
    """Check a bundle as the box would before using it; changes nothing.

    \b
    Example:
      pems bundle verify bundle.zip --site site.toml
    """
    bundle, parity_ratio = _checked(site_path, key, file)
    manifest = bundle.manifest
    data = {
        "name": manifest.name,
        "version": manifest.version,
        "seq": manifest.seq,
        "site": manifest.site,
        "sha256": bundle.sha256,
        "parity_ratio": parity_ratio,
        "metrics": manifest.document["metrics"],
        "rooms": manifest.rooms.model.names if manifest.rooms is not None else (),
    }
    if as_json:
        click.echo(json.dumps(data))
        return
    click.echo(f"{file}: good")
    click.echo(f"  {manifest.name} {manifest.version}, seq {manifest.seq}, for site {manifest.site}")
    click.echo(f"  golden rows within {parity_ratio:.1e} of training")
    for name, metrics in sorted(manifest.document["metrics"].items()):
        text = ", ".join(f"{key} {value:.4g}" for key, value in sorted(metrics.items()))
        click.echo(f"  {name}: {text}")
    if data["rooms"]:
        click.echo(f"  rooms: {', '.join(data['rooms'])}")


@group.command()
@click.argument("file", type=_path)
@_site_option
@_key_option
@state_option
@json_option
def install(file: Path, site_path: Path, key: Path | None, state: Path | None, as_json: bool) -> None:
    """Verify a bundle and put it on trial; only a newer one (higher seq) is accepted.

    Two forecasts by its models make it good; where it cannot be loaded or does not answer, the one before comes back by
    itself. The box uses it when site.toml says ``[bundle] path = "state/bundles"``.

    \b
    Example:
      pems bundle install bundle.zip --site site.toml
    """
    from edge.forecast import installed

    bundle, _ = _checked(site_path, key, file)
    _show(installed.install(bundle, _folder(site_path, state)), as_json)


@group.command(name="list")
@_site_option
@state_option
@json_option
def list_installed(site_path: Path, state: Path | None, as_json: bool) -> None:
    """Show the installed bundles, oldest first.

    \b
    Example:
      pems bundle list --site site.toml
    """
    from edge.forecast import installed

    found = installed.entries(_folder(site_path, state))
    if as_json:
        click.echo(json.dumps([_as_data(entry) for entry in found]))
        return
    if not found:
        click.echo(f"no bundle in {_folder(site_path, state)}")
    for entry in found:
        click.echo(f"{'*' if entry.is_current else ' '} {entry.seq:>12}  {entry.version}")
    told = installed.state(_folder(site_path, state))
    if told.is_running:
        click.echo(f"on trial: {told.current}, to go back to: {told.good}")
    if told.told:
        click.echo(f"last: {told.told}")


@group.command()
@_site_option
@state_option
@json_option
def rollback(site_path: Path, state: Path | None, as_json: bool) -> None:
    """Put the bundle before the one in force back in force.

    \b
    Example:
      pems bundle rollback --site site.toml
    """
    from edge.forecast import installed

    _show(installed.rollback(_folder(site_path, state)), as_json)


def _as_data(entry: Entry) -> dict[str, object]:
    return {"seq": entry.seq, "version": entry.version, "path": str(entry.path), "current": entry.is_current}


def _show(entry: Entry, as_json: bool) -> None:
    """The bundle that is in force now."""
    if as_json:
        click.echo(json.dumps(_as_data(entry)))
        return
    click.echo(f"in force: {entry.version} (seq {entry.seq}) in {entry.path.parent}")
