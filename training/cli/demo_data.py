"""``pems-train demo-data``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from training.cli.options import PATH, seed_option


@click.command("demo-data")
@click.option("--out", type=PATH, required=True, help="Folder to write.")
@click.option(
    "--from", "first", type=click.DateTime(formats=["%Y-%m-%d"]), help="First local day. [default: 2013-06-04]"
)
@click.option("--days", type=click.IntRange(1, 60), default=3, show_default=True, help="Days to replay.")
@seed_option
def command(out: Path, first: Any, days: int, seed: int) -> None:
    """Write the demo's measured house: train.parquet, history.csv, house.csv, site.toml.

    \b
    Example:
      pems-train demo-data --out demo-house --days 3
    """
    from training.sources.demo_house import DEFAULT_START, write_demo

    written = write_demo(out, f"{first:%Y-%m-%d}" if first else DEFAULT_START, days, seed)
    click.echo(f"{out}: {days} days from {written['start']}, training data from {written['train_from']}")
