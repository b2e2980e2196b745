"""What own forecasts are judged against, naive ones and the truth; and a home's archived forecast beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.records import Forecast, Frame
from core_kernels.signals import FORECAST_PREFIX
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.control.surroundings import on_grid
from edge.hindsight import Truth
from edge.planning import Forecasts

_DAYS = {"pv_w": 3, "load_w": 7}
_FADE_SLOTS = 4.0
ARCHIVED = f"{FORECAST_PREFIX}pv_w"
# Half of each: their errors have different causes, and none is better by much.
_ARCHIVED_FRAC = 0.5
# What an archived forecast misses on average is corrected, within reason.
_LEAST_RATIO, _MOST_RATIO = 0.5, 2.0


class Naive:
    """The mean of the last days at that slot, 3 of PV, 7 of load with its last residual fading in an hour."""

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:  # noqa: ARG002 -- the seam's signature
        """As the seam has it; the history must end at the issue and hold a day at least."""
        return {name: _point(name, issued_s, grid, _ahead_w(name, history, grid.count)) for name in _DAYS}


class Archived:
    """A forecaster whose PV is half of what the home's own forecast of then said, where it said something."""

    def __init__(self, forecaster: Forecasts) -> None:
        self._forecaster = forecaster

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """As the seam has it; ``weather`` holds the archived forecast, if there is one."""
        made = self._forecaster.forecast(issued_s, grid, history, weather)
        if weather is None or ARCHIVED not in weather.columns:
            return made
        said_w = on_grid(weather, ARCHIVED, grid) * _missed_ratio(
            history.column("pv_w"), on_grid(weather, ARCHIVED, history.grid)
        )
        pv = made["pv_w"]
        blended_w = _ARCHIVED_FRAC * said_w + (1.0 - _ARCHIVED_FRAC) * pv.mean
        known = np.isfinite(said_w) & (pv.mean > 0.0)
        scale = np.where(known, blended_w, pv.mean) / np.where(pv.mean > 0.0, pv.mean, 1.0)
        p10, p50, p90, mean = (scale * column for column in (pv.p10, pv.p50, pv.p90, pv.mean))
        return made | {"pv_w": replace(pv, p10=p10, p50=p50, p90=p90, mean=mean, source=f"{pv.source}, archived")}


def _missed_ratio(measured_w: FloatArray, said_w: FloatArray) -> float:
    """Measured over said energy where both are known; 1 where nothing is."""
    both = np.isfinite(measured_w) & np.isfinite(said_w)
    said, measured = float(said_w[both].sum()), float(measured_w[both].sum())
    return min(max(measured / said, _LEAST_RATIO), _MOST_RATIO) if said > 0.0 else 1.0


def _ahead_w(name: str, history: Frame, count: int) -> FloatArray:
    values = history.column(name)
    days = min(_DAYS[name], values.size // SLOTS_PER_DAY)
    mean_w = values[values.size - SLOTS_PER_DAY * days :].reshape(days, SLOTS_PER_DAY).mean(axis=0)
    ahead_w: FloatArray = np.resize(mean_w, count)
    if name == "load_w":
        fading = np.exp(-np.arange(1, count + 1) / _FADE_SLOTS)
        ahead_w = np.maximum(ahead_w + (values[-1] - mean_w[-1]) * fading, 0.0)
    return ahead_w


def _point(name: str, issued_s: float, grid: TimeGrid, values: FloatArray) -> Forecast:
    return Forecast(signal=name, issued_s=issued_s, grid=grid, p10=values, p50=values, p90=values, source="naive")


def perfect(measured: Frame) -> Truth:
    """What was measured later; naive beyond the table."""
    return Truth(Naive(), measured, ("pv_w", "load_w"))
