"""``pems-train sign``: keys and signatures."""

from __future__ import annotations

from pathlib import Path

import click

from training.cli.options import PATH


@click.group("sign")
def group() -> None:
    """Keys and signatures of bundles."""


@group.command()
@click.argument("key", type=PATH)
def keygen(key: Path) -> None:
    """Write a private key (mode 0600), and its public half beside it as .pub.

    \b
    Example:
      pems-train sign keygen bundle.key
    """
    from training.sign import make_key

    click.echo(f"{key}: private, keep it; {make_key(key)}: public, for the boxes")


@group.command("bundle")
@click.argument("file", type=PATH)
@click.option("--key", type=PATH, required=True, help="Private key.")
def sign_bundle(file: Path, key: Path) -> None:
    """Sign an exported bundle in place.

    \b
    Example:
      pems-train sign bundle bundle.zip --key bundle.key
    """
    from training.package import sign_file
    from training.sign import load_key

    sign_file(file, load_key(key))
    click.echo(f"{file}: signed")
