"""The load of a home of which little or nothing was measured: the standard profile H25, and how far homes are from it.

A profile is the mean of thousands of homes; one home is rarely near it. The spread is what thirteen measured homes had
as a share of the profile, each home counting once (``pems-train bench day-one`` fits it anew and judges it on homes
that it has not seen).
"""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np

from core_kernels.folding import SLOTS_PER_DAY, IntArray
from core_kernels.units import FloatArray

SPREAD_RATIO = (0.24, 0.74, 2.23)  # P10, P50, P90 of load over profile
_SATURDAY, _SUNDAY = 5, 6
_HALF_YEAR_DAYS = 182
# BDEW's dynamic factor of households over the day of the year, highest power first.
_DYNAMIC = (-3.92e-10, 3.2e-7, -7.02e-5, 2.1e-3, 1.24)


@functools.cache
def _table() -> FloatArray:
    """Of month, kind of day (workday, Saturday, Sunday) and quarter hour, share of the year's mean."""
    with (
        resources.as_file(resources.files("core_kernels") / "data" / "h25.npz") as path,
        np.load(path, allow_pickle=False) as stored,
    ):
        return np.asarray(stored["ratio"], dtype=np.float64)


def standard_ratio(local_slots: IntArray, day_kinds: IntArray, latitude_deg: float) -> FloatArray:
    """The standard profile at local quarter hours since 1970, as a share of the year's mean.

    Parameters
    ----------
    local_slots : int64[n]
        Quarter hours since 1970-01-01 00:00 of the local clock.
    day_kinds : int64[n]
        Day of the week, Monday 0; a public holiday counts as a Sunday.
    latitude_deg : float
        South of the equator the seasons are those of half a year later. [deg]

    Returns
    -------
    float64[n]
        BDEW, standard load profile H25 (2025): the month's table times the dynamic factor of the day of the year.
    """
    days = (local_slots // SLOTS_PER_DAY).astype("datetime64[D]")
    days = days if latitude_deg >= 0.0 else days + np.timedelta64(_HALF_YEAR_DAYS, "D")
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    day_of_year = (days - days.astype("datetime64[Y]")).astype(np.float64) + 1.0
    kind = np.where(day_kinds == _SUNDAY, 2, np.where(day_kinds == _SATURDAY, 1, 0))
    return np.asarray(_table()[month, kind, local_slots % SLOTS_PER_DAY] * np.polyval(_DYNAMIC, day_of_year))


def standard_spread(
    mean_w: float, ratio: FloatArray, spread_ratio: tuple[float, float, float] = SPREAD_RATIO
) -> FloatArray:
    """P10, mean and P90 of a home whose year's mean is known, float64[n, 3] [W]."""
    low, _, high = spread_ratio
    return np.asarray(mean_w * ratio[:, None] * np.array([low, 1.0, high]))


def level_w(load_w: FloatArray, ratio: FloatArray) -> float:
    """The year's mean that slots of a load, and of the profile then, speak for; NaN where none is known [W]."""
    known = np.isfinite(load_w)
    total = float(ratio[known].sum())
    return float(load_w[known].sum()) / total if total > 0.0 else float("nan")
