"""What the box's own forecasts are judged against: a naive forecast, and the truth."""

from __future__ import annotations

import numpy as np

from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.hindsight import Truth

_DAYS = {"pv_w": 3, "load_w": 7}
_FADE_SLOTS = 4.0


class Naive:
    """The mean of the last days at that slot, 3 of PV, 7 of load with its last residual fading in an hour."""

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:  # noqa: ARG002 -- the seam's signature
        """As the seam has it; the history must end at the issue and hold a day at least."""
        return {name: _point(name, issued_s, grid, _ahead_w(name, history, grid.count)) for name in _DAYS}


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
