"""``pems image``: make an image of a whole box, put it on a disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from edge.cli.imagebuild import build, bundle, keys
from edge.cli.options import json_option
from edge.errors import UpdateError

_path = click.Path(path_type=Path)


@click.group()
def group() -> None:
    """Images of a whole box: Debian, this program, a site."""


@group.command(name="flash")
@click.argument("image", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", "to_path", type=_path, required=True, help="The disk (/dev/sdX, /dev/mmcblkX), or a file.")
@click.option("--sha256", help="The hash that the image, unpacked, must have.")
@click.option("--yes", is_flag=True, help="Overwrite without asking.")
@json_option
def flash_command(image: Path, to_path: Path, sha256: str | None, yes: bool, as_json: bool) -> None:
    """Write an image, packed or not, to a disk or a file, and read it back; asks before it overwrites.

    A disk that is in use, too small, read-only or only a partition is refused.

    \b
    Example:
      pems image flash box.img.zst --to /dev/sdb
    """
    from edge.appliance import imagefile, target
    from edge.appliance.flash import flash

    facts = imagefile.examine(image)
    if sha256 not in (None, facts.sha256):
        raise UpdateError(f"{image}: has the hash {facts.sha256}, not {sha256}")
    found = target.inspect(to_path)
    reason = target.refusal(found, facts.size_bytes)
    if reason is not None:
        raise UpdateError(f"{to_path}: {reason}")
    if found.holds and not yes:
        click.confirm(f"Everything on {found} will be lost. Overwrite it?", abort=True, err=True)
    label = "Writing, then reading back"
    with click.progressbar(length=2 * facts.size_bytes, label=label, file=sys.stderr) as bar:
        flash(image, facts, to_path, bar.update)
    if as_json:
        click.echo(json.dumps({"to": str(to_path), "bytes": facts.size_bytes, "sha256": facts.sha256}))
        return
    click.echo(f"{to_path}: {facts.size_bytes} bytes written and read back, sha256 {facts.sha256}")


for _command in (keys, build, bundle):
    group.add_command(_command)
