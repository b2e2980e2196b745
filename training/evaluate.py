"""Scores of a forecast beside persistence, physics and the 28-day climatology, over the same rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from core_kernels.features import PvPlant, sky, weather_power_w
from core_kernels.featurespec import DARK_FRAC
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, IntArray, day_table, known_mean, neighbours, ratio
from core_kernels.quantiles import coverage_frac, empirical, mean_of, pinball
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.dataset import Series

CLIMATOLOGY_DAYS = 28
_MAPE_FRAC = 0.1


def on_slots(values: FloatArray, times_s: FloatArray, slot_s: int) -> FloatArray:
    """Means of rows by the slot of ``slot_s`` that they start in, float64[slots, ...]; NaN where a row is missing."""
    _, place, count = np.unique(times_s // slot_s, return_inverse=True, return_counts=True)
    total = np.zeros((count.size, *values.shape[1:]))
    np.add.at(total, place, values)
    return total / count.reshape(-1, *(1,) * (values.ndim - 1))


def scores(actual: FloatArray, quantiles: FloatArray, counted: FloatArray | None = None) -> dict[str, float]:
    """Errors of P50 and of the mean that follows from the quantiles, pinball, and coverage and width of P10 to P90.

    Coverage and sharpness are those of ``counted`` rows; explained variance and R2 are NaN where nothing varies; MAPE
    is that of the rows whose outcome is at least a tenth of the largest.
    """
    known = np.isfinite(actual) & np.isfinite(quantiles).all(axis=1)
    if not known.any():
        return {}
    came, said = actual[known], quantiles[known]
    inside = np.ones(actual.size, dtype=bool) if counted is None else counted > 0.0
    inside = inside & known
    error = said[:, 1] - came
    spread = float(np.mean((came - came.mean()) ** 2))
    large = np.abs(came) >= _MAPE_FRAC * np.abs(came).max()
    large &= came != 0.0
    mean_error = mean_of(*(np.ascontiguousarray(column) for column in said.T)) - came
    return {
        "rows": float(error.size),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "rmse_mean": float(np.sqrt(np.mean(mean_error**2))),
        "mae": float(np.mean(np.abs(error))),
        "bias": float(np.mean(error)),
        "max_error": float(np.max(np.abs(error))),
        "explained_variance": 1.0 - float(np.var(error)) / spread if spread > 0.0 else math.nan,
        "r2": 1.0 - float(np.mean(error**2)) / spread if spread > 0.0 else math.nan,
        "mape": float(np.mean(np.abs(error[large] / came[large]))) if large.any() else math.nan,
        "pinball": float(np.mean(pinball(came, said))),
        "coverage_80": coverage_frac(actual[inside], quantiles[inside, 0], quantiles[inside, 2]),
        "sharpness": float(np.mean(quantiles[inside, 2] - quantiles[inside, 0])) if inside.any() else math.nan,
    }


def skill(ours: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    """What ours saves of a reference's RMSE and pinball, as a share; NaN where the reference has no error."""
    return {
        name: 1.0 - ours[name] / reference[name] if reference.get(name, 0.0) > 0.0 else math.nan
        for name in ("rmse", "pinball")
        if name in ours
    }


def _slots(grid: TimeGrid, offset_s: FloatArray) -> IntArray:
    return ((grid.starts_s() + offset_s) // SLOT_S).astype(np.int64)


def _local(history: Frame, name: str, series: Series, days: int, grid: TimeGrid) -> tuple[FloatArray, IntArray]:
    """The signal's day table on local clock time, and each target slot's column in it."""
    past = _slots(history.grid, series.offsets_s(history.grid))
    table = day_table(history.column(name), past, int(past[-1]) + 1, days)
    return table, _slots(grid, series.offsets_s(grid)) % SLOTS_PER_DAY


def persistence(name: str, series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """The last known day at the same local clock time, as all three quantiles."""
    table, column = _local(series.history(issued_s), name, series, 1, grid)
    return np.repeat(table[0][column][:, None], 3, axis=1)


def climatology(name: str, series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """Empirical quantiles of the last 28 days at the same local quarter hour and its neighbours."""
    table, column = _local(series.history(issued_s), name, series, CLIMATOLOGY_DAYS, grid)
    return empirical(neighbours(table, 1))[column]


def mean_week(name: str, series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """Mean of the last 7 days at the same local quarter hour; P10 and P90 as in the climatology."""
    table, column = _local(series.history(issued_s), name, series, 7, grid)
    result = climatology(name, series, issued_s, grid)
    result[:, 1] = known_mean(table, 0)[column]
    return result


def latest(plant: PvPlant, series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """PV that goes on as in the last quarter hour, as a share of the clear sky; as the last power in the dusk."""
    history = series.history(issued_s, 1)
    power_w, clear_w = history.column("pv_w"), sky(plant, history.grid).clear_w
    ahead_w = sky(plant, grid).clear_w
    dim = clear_w < DARK_FRAC * plant.capacity_w
    power = np.where(dim, np.where(ahead_w > 0.0, power_w, 0.0), ahead_w * ratio(power_w, clear_w))
    return np.repeat(power[:, None], 3, axis=1)


def physics(plant: PvPlant, series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """PV by physics alone: forecast irradiance where it is known, else clear sky times the last 3 days' clearness."""
    weather_w = weather_power_w(grid, plant, series.weather(grid, issued_s))
    history = series.history(issued_s, 3 * SLOTS_PER_DAY)
    past_w, power_w = sky(plant, history.grid).clear_w, history.column("pv_w")
    known = np.isfinite(power_w)
    clearness = ratio(np.array([power_w[known].sum()]), np.array([past_w[known].sum()]))
    power = np.where(np.isfinite(weather_w), weather_w, sky(plant, grid).clear_w * clearness)
    return np.repeat(power[:, None], 3, axis=1)
