"""A site and its table as training sees them: consumers taken out of the load, public holidays known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core_kernels.consumers import without_consumers
from training.dataset import Series
from training.errors import SetupError
from training.holiday_days import holiday_days
from training.read import read_series
from training.site import TrainingSite, load_site


def site_table(
    site_path: Path, table_path: Path, wanted: tuple[str, ...], needs_arrays: bool
) -> tuple[Series, TrainingSite]:
    """Table and site; the table has a column of ``wanted``: a name, or how names begin (``room_``).

    Raises
    ------
    SetupError
        A file that is missing or wrong, or none of the columns.
    """
    site = load_site(site_path, needs_arrays=needs_arrays)
    series = read_series(table_path, site.zone, site.extra)
    prefixes = tuple(name for name in wanted if name.endswith("_"))
    if not any(name in wanted or name.startswith(prefixes) for name in series.frame.columns):
        raise SetupError(f"{table_path}: has {'neither ' if len(wanted) > 1 else 'no '}{' nor '.join(wanted)}")
    grid = series.frame.grid
    days = holiday_days(site.country, site.subdivision, grid.start_s, grid.end_s)
    return replace(series, frame=without_consumers(series.frame, site.consumers), holidays=days), site
