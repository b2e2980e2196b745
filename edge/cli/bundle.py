"""``pems bundle``: verify, install, list, follow, promote and roll back signed model bundles on the device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.options import json_option, state_folder, state_option
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.forecast.installed import Entry
    from edge.forecast.shadowed import Shadow

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
@click.option("--shadow", metavar="NAME", help="Only follow it, under this name: it plans beside what is in force.")
@state_option
@json_option
def install(
    file: Path, site_path: Path, key: Path | None, shadow: str | None, state: Path | None, as_json: bool
) -> None:
    """Verify a bundle and put it on trial; only a newer one (higher seq) is accepted.

    Two forecasts by its models make it good; where it cannot be loaded or does not answer, the one before comes back by
    itself. The box uses it when site.toml says ``[bundle] path = "state/bundles"``.

    \b
    Example:
      pems bundle install bundle.zip --site site.toml
      pems bundle install bundle.zip --site site.toml --shadow spring
    """
    from edge.forecast import installed, shadowed

    bundle, _ = _checked(site_path, key, file)
    if shadow is not None:
        folder = _folder(site_path, state)
        put = shadowed.put(bundle, folder, shadow)
        _forget_aside(folder, put.bundle)
        _show_shadow(put, "followed", as_json)
        return
    _show(installed.install(bundle, _folder(site_path, state)), as_json)


@group.command()
@click.argument("name")
@_site_option
@click.option("--force", "why", metavar="WHY", help="Though it is not shown to be better; the reason is kept.")
@state_option
@json_option
def promote(name: str, site_path: Path, why: str | None, state: Path | None, as_json: bool) -> None:
    """Put a shadow on trial once its days were surely cheaper; what is in force is followed from then on.

    Refused while the 95 % interval of the difference holds zero. "predecessor" goes back to what was in force before.

    \b
    Example:
      pems bundle promote spring --site site.toml
    """
    from edge.config import load_site
    from edge.facts.shadows import kept, promotion
    from edge.files import SHADOWS_NAME
    from edge.forecast import installed, shadowed

    folder = _folder(site_path, state)
    shadow = shadowed.named(folder, name)
    days, _ = kept(folder.parent / SHADOWS_NAME)
    reason = promotion(days, shadowed.champion(folder), shadow.bundle, why)
    if name == shadowed.PREDECESSOR:
        _show(installed.rollback(folder, reason), as_json)
        return
    site = load_site(site_path)
    bundle, _ = _checked(site_path, None if site.bundle is None else site.path(site.bundle.public_key), shadow.path)
    entry = installed.install(bundle, folder, reason)
    shadowed.drop(folder, name)
    _show(entry, as_json)


@group.command()
@click.argument("name")
@_site_option
@state_option
@json_option
def drop(name: str, site_path: Path, state: Path | None, as_json: bool) -> None:
    """Follow a shadow no longer.

    \b
    Example:
      pems bundle drop spring --site site.toml
    """
    from edge.forecast import shadowed

    folder = _folder(site_path, state)
    shadow = shadowed.drop(folder, name)
    _forget_aside(folder, shadow.bundle)
    _show_shadow(shadow, "dropped", as_json)


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
    from edge.forecast import installed, shadowed

    found = installed.entries(_folder(site_path, state))
    if as_json:
        click.echo(json.dumps([_as_data(entry) for entry in found]))
        return
    if not found:
        click.echo(f"no bundle in {_folder(site_path, state)}")
    for entry in found:
        click.echo(f"{'*' if entry.is_current else ' '} {entry.seq:>12}  {entry.version}")
    for shadow in shadowed.shadows(_folder(site_path, state)):
        click.echo(f"followed as {shadow.name}: {shadow.bundle}")
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


def _forget_aside(folder: Path, bundle: str) -> None:
    """What was set aside gets another chance by being put there again."""
    from edge.files import SHADOWS_NAME
    from edge.ingest.shadowstore import ShadowStore

    path = folder.parent / SHADOWS_NAME
    if path.exists():
        store = ShadowStore(path, writable=True)
        try:
            store.take_back(bundle)
        finally:
            store.close()


def _show_shadow(shadow: Shadow, what: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"name": shadow.name, "bundle": shadow.bundle, "path": str(shadow.path)}))
        return
    click.echo(f"{what}: {shadow.name}, {shadow.bundle}")


def _as_data(entry: Entry) -> dict[str, object]:
    return {"seq": entry.seq, "version": entry.version, "path": str(entry.path), "current": entry.is_current}


def _show(entry: Entry, as_json: bool) -> None:
    """The bundle that is in force now."""
    if as_json:
        click.echo(json.dumps(_as_data(entry)))
        return
    click.echo(f"in force: {entry.version} (seq {entry.seq}) in {entry.path.parent}")
