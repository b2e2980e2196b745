"""``pems image keys``, ``build`` and ``bundle``: what a workstation does for a box."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from edge.cli.options import json_option

_path = click.Path(path_type=Path)
_keys_option = click.option(
    "--keys", "keys_folder", type=_path, required=True, help="The folder that `pems image keys` made."
)


@click.command()
@click.option("--out", type=_path, required=True, help="A folder; keep it off every box, and a copy in a safe.")
@click.option("--name", default="PEMS Edge", show_default=True, help="Whose keys they are.")
@json_option
def keys(out: Path, name: str, as_json: bool) -> None:
    """Make the keys that sign updates of the whole system: an authority for 20 years and a signer for one.

    Run it again for the next year's signer: the authority stays as it is, and boxes go on believing it.

    \b
    Example:
      pems image keys --out keys
    """
    from edge.appliance.systemupdate import make_keys

    files = make_keys(out, name)
    if as_json:
        click.echo(json.dumps({key: str(path) for key, path in files._asdict().items()}))
        return
    click.echo(f"{files.authority}: goes into each image; boxes install only what it vouches for")
    click.echo(f"{files.authority_key}: take it offline; it is needed once a year, for the next signer")
    click.echo(f"{files.signer_key}: signs updates for a year")


@click.command()
@click.option("--arch", type=click.Choice(["x86_64", "aarch64"]), default="x86_64", show_default=True)
@click.option("--site", "site_path", type=_path, required=True, help="The site's site.toml; files it names go along.")
@click.option("--out", type=_path, required=True, help="The image to write.")
@_keys_option
@click.option("--wheel", type=_path, help="A wheel of this project. [default: built from this checkout]")
@click.option("--state", type=_path, help="State folder of a box (stopped) that is to live on in this one.")
@click.option(
    "--serial-shell", "serial_shell", is_flag=True, help="A root shell on the serial console: for tests only."
)
@json_option
def build(
    arch: str,
    site_path: Path,
    out: Path,
    keys_folder: Path,
    wheel: Path | None,
    state: Path | None,
    serial_shell: bool,
    as_json: bool,
) -> None:
    """Build an image: Debian, one release of this project, a site, and room for the next system beside it.

    Runs as root in a checkout on a Debian machine; minutes the first time. Beside the image lie its system (.system),
    from which `pems image bundle` makes an update, and its bill of materials (.sbom.json, CycloneDX).

    \b
    Example:
      pems image keys --out keys
      sudo pems image build --site site.toml --keys keys --out box.img
    """
    from edge.appliance.image import Order
    from edge.appliance.image import build as build_image
    from edge.appliance.systemupdate import keys_of

    started = time.monotonic()

    def tell(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s  {text}", err=True)

    order = Order(
        arch="x86_64" if arch == "x86_64" else "aarch64",
        site_path=site_path,
        out=out,
        authority=keys_of(keys_folder).authority,
        wheel=wheel,
        state=state,
        serial_shell=serial_shell,
    )
    built = build_image(order, tell)
    if as_json:
        click.echo(
            json.dumps({key: str(value) if isinstance(value, Path) else value for key, value in asdict(built).items()})
        )
        return
    click.echo(f"{built.image}: PEMS Edge {built.version} for {built.arch}, {built.on_disk_bytes / 1e6:.0f} MB")
    click.echo(f"Write it to a disk: pems image flash {built.image} --to /dev/sdX")


@click.command()
@click.argument("system", type=_path)
@click.option("--version", required=True, help="What the update is called on the box.")
@click.option("--out", type=_path, required=True, help="The bundle to write (.raucb).")
@_keys_option
@json_option
def bundle(system: Path, version: str, out: Path, keys_folder: Path, as_json: bool) -> None:
    """Make a signed update of the whole system from the .system file of an image.

    \b
    Example:
      pems image bundle box.system --version 0.2.0 --keys keys --out pems-0.2.0.raucb
    """
    from edge.appliance.systemupdate import bundle as make_bundle
    from edge.appliance.systemupdate import keys_of

    made = make_bundle(system, out, version, keys_of(keys_folder))
    size_bytes = made.stat().st_size
    if as_json:
        click.echo(json.dumps({"bundle": str(made), "version": version, "size_bytes": size_bytes}))
        return
    click.echo(f"{made}: {version}, {size_bytes / 1e6:.0f} MB, signed")
