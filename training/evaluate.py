"""Scores of a forecast beside persistence, physics and the 28-day climatology, over the same rows."""

from __future__ import annotations

import numpy as np

from core_kernels.features import PvPlant, sky, weather_power_w
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, IntArray, day_table, known_mean, neighbours, ratio
from core_kernels.quantiles import coverage_frac, empirical, pinball
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.dataset import Series

CLIMATOLOGY_DAYS = 28


def scores(actual: FloatArray, quantiles: FloatArray, counted: FloatArray | None = None) -> dict[str, float]:
    """RMSE and MAE of P50, bias, mean pinball and P10-P90 coverage; the latter over ``counted`` rows only."""
    error = quantiles[:, 1] - actual
    error = error[np.isfinite(error)]
    if error.size == 0:
        return {}
    inside = np.ones(actual.size, dtype=bool) if counted is None else counted > 0.0
    return {
        "rows": float(error.size),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
        "bias": float(np.mean(error)),
        "pinball": float(np.mean(pinball(actual, quantiles))),
        "coverage_80": coverage_frac(actual[inside], quantiles[inside, 0], quantiles[inside, 2]),
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


def physics(plant: PvPlant, series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """PV by physics alone: forecast irradiance where it is known, else clear sky times the last 3 days' clearness."""
    weather_w = weather_power_w(grid, plant, series.weather(grid, issued_s))
    history = series.history(issued_s, 3 * SLOTS_PER_DAY)
    past_w, power_w = sky(plant, history.grid).clear_w, history.column("pv_w")
    known = np.isfinite(power_w)
    clearness = ratio(np.array([power_w[known].sum()]), np.array([past_w[known].sum()]))
    power = np.where(np.isfinite(weather_w), weather_w, sky(plant, grid).clear_w * clearness)
    return np.repeat(power[:, None], 3, axis=1)
