"""Options that several commands share, and what they become."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from training.boosters import Recipe
    from training.dataset import Series
    from training.package import Release
    from training.site import TrainingSite

PATH = click.Path(path_type=Path)
DATE = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"])
site_option = click.option("--site", "site_path", type=PATH, required=True, help="The site's site.toml.")
table_option = click.option(
    "--table", "table_path", type=PATH, required=True, help="CSV or Parquet; time_utc, pv_w, load_w."
)
quick_option = click.option("--quick", is_flag=True, help="Fewer trees: a draft in half the time.")
seed_option = click.option("--seed", type=int, default=1, show_default=True, help="Seed of every random choice.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def inputs(
    site_path: Path, table_path: Path, wanted: tuple[str, ...] = ("pv_w", "load_w"), arrays: bool = True
) -> tuple[Series, TrainingSite]:
    """Table and site of a command; the table has a column of ``wanted``: a name, or how names begin (``room_``)."""
    from training.site_table import site_table

    return site_table(site_path, table_path, wanted, arrays)


def recipe(quick: bool, seed: int) -> Recipe:
    """How to train."""
    from training.boosters import Recipe

    full = Recipe(seed=seed)
    return replace(full, rounds=60) if quick else full


def release(version: str | None, seq: int | None) -> Release:
    """What a bundle is called; by the clock where nobody said."""
    from training.package import Release

    now = Release.now()
    return replace(now, version=version or now.version, seq=now.seq if seq is None else seq)


def unix_s(moment: datetime) -> float:
    """A time of the command line, read as UTC [s]."""
    return float(moment.replace(tzinfo=UTC).timestamp())
