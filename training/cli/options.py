"""Options that several commands share, and what they become."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.errors import SetupError

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
    from core_kernels.consumers import without_consumers
    from training.holiday_days import holiday_days
    from training.read import read_series
    from training.site import load_site

    site = load_site(site_path, needs_arrays=arrays)
    series = read_series(table_path, site.zone, site.extra)
    prefixes = tuple(name for name in wanted if name.endswith("_"))
    if not any(name in wanted or name.startswith(prefixes) for name in series.frame.columns):
        raise SetupError(f"{table_path}: has {'neither ' if len(wanted) > 1 else 'no '}{' nor '.join(wanted)}")
    grid = series.frame.grid
    days = holiday_days(site.country, site.subdivision, grid.start_s, grid.end_s)
    return replace(series, frame=without_consumers(series.frame, site.consumers), holidays=days), site


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
