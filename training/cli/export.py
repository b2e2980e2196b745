"""``pems-train export``."""

from __future__ import annotations

from pathlib import Path

import click

from training.cli.options import PATH, release


@click.command()
@click.option("--model", type=PATH, required=True, help="Model folder of `fit`.")
@click.option("--out", type=PATH, required=True, help="Bundle to write (ZIP), not yet signed.")
@click.option("--version", "version_text", help="Version. [default: by the clock]")
@click.option("--seq", type=click.IntRange(0), help="Rising number, for anti-rollback. [default: by the clock]")
def command(model: Path, out: Path, version_text: str | None, seq: int | None) -> None:
    """Export to ONNX through the parity gate and pack a bundle; sign it next.

    \b
    Example:
      pems-train export --model model --out bundle.zip
    """
    from training.bundle_file import write_zip
    from training.fit import load
    from training.package import build

    members, parities = build(load(model), release(version_text, seq))
    write_zip(members, out)
    for name, parity in parities.items():
        engines = (
            f"ONNX Runtime within {parity.onnx_ratio:.1e} of XGBoost, our own trees within {parity.trees_ratio:.1e}"
        )
        click.echo(f"{name}: {parity.rows} rows, {engines}")
    click.echo(f"{out}: exported, not signed")
