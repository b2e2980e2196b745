"""Days without a cloud, found in the power itself: it rises once and falls once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, IntArray, mids_s
from core_kernels.solar import Location, sun_position
from core_kernels.units import FloatArray
from training.censor import DARK_DEG
from training.dataset import Series
from training.errors import TrainingError

_BIN_DAYS = 30
_CLEAR_DAYS_A_BIN = 2
_SMOOTH = 1.15  # variation over twice the maximum; a day without a cloud has 1


class ClearDays(NamedTuple):
    """Slots on the smoothest days, their middles, and the power then."""

    slots: IntArray
    times_s: FloatArray
    power_w: FloatArray


def clear_days(series: Series, location: Location, days_a_month: int = _CLEAR_DAYS_A_BIN) -> ClearDays:
    """The days whose power rises once and falls once: variation close to twice the maximum; spread over the year.

    Raises
    ------
    TrainingError
        Fewer than three whole days of PV.
    """
    grid = series.frame.grid
    dark = sun_position(mids_s(grid), location).zenith_deg > DARK_DEG
    power_w = np.where(dark, 0.0, series.frame.column("pv_w"))
    solar_s = grid.starts_s() + location.longitude_deg * 240.0
    first = int(np.argmax(solar_s % (SLOTS_PER_DAY * SLOT_S) < SLOT_S))
    count = (grid.count - first) // SLOTS_PER_DAY
    days_w = power_w[first : first + count * SLOTS_PER_DAY].reshape(count, SLOTS_PER_DAY)
    top_w = days_w.max(axis=1, initial=0.0)  # NaN where a slot is missing
    with np.errstate(invalid="ignore", divide="ignore"):
        roughness = np.abs(np.diff(days_w, axis=1)).sum(axis=1) / (2.0 * top_w)
        bright = np.isfinite(roughness) & (top_w > 0.4 * np.nanmax(power_w))
    if bright.sum() < 3:
        raise TrainingError(f"pv_w: only {bright.sum()} whole sunny days; at least 3 are needed to identify the array")
    best = np.concatenate([_smoothest(roughness, bright, start, days_a_month) for start in range(0, count, _BIN_DAYS)])
    smooth = best[roughness[best] < _SMOOTH]
    best = smooth if smooth.size >= 3 else best
    slots = (first + best[:, None] * SLOTS_PER_DAY + np.arange(SLOTS_PER_DAY)[None, :]).ravel()
    return ClearDays(slots, grid.starts_s()[slots] + SLOT_S / 2.0, power_w[slots])


def _smoothest(roughness: FloatArray, bright: npt.NDArray[np.bool_], start: int, count: int) -> IntArray:
    """The smoothest bright days of one month; all seasons count, or winter's smooth noons would decide alone."""
    month = start + np.flatnonzero(bright[start : start + _BIN_DAYS])
    return month[np.argsort(roughness[month], kind="stable")][:count]
