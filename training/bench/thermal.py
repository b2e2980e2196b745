"""Rooms a day ahead on three measured houses, beside the room as it is and one resistor and capacitor."""

from __future__ import annotations

import numpy as np

from core_kernels.figures import Row, limit_row
from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.bench import data_folder
from training.bench.homes import THERMAL_HOMES, bare_site, thermal_home
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series, actual_w, horizon
from training.predictor import Ask
from training.thermal_predictor import ThermalPredictor

TRAIN_FRAC = 0.6
_MOST_K = {"flexhouse": 0.5, "leprince_1": 0.7, "leprince_2": 0.7}
_STEP_SLOTS = 4
_SIGNAL = "room_hall_c"


def rows(stage: Stage = quiet) -> list[Row]:
    """RMSE at 24 h from every hour of the last 40 %; weather and heat ahead are known."""
    folder = data_folder()
    found: list[Row] = []
    for name in THERMAL_HOMES:
        stage(f"thermal: {name}")
        series, location = thermal_home(name, folder)
        grid = series.frame.grid
        until = grid.start_s + int(TRAIN_FRAC * grid.count) * grid.slot_s
        predictor = ThermalPredictor(bare_site(series, location), Recipe())
        predictor.fit(series, float(until))
        last_s = grid.end_s - SLOTS_PER_DAY * grid.slot_s
        days = [
            (float(at), horizon(float(at), SLOTS_PER_DAY)) for at in range(until, last_s + 1, _STEP_SLOTS * grid.slot_s)
        ]
        came_c = np.array([actual_w(series, _SIGNAL, ahead)[-1] for _, ahead in days])
        error_k = {
            who: _rmse_k(ask, series, days, came_c)
            for who, ask in {"ours": predictor.predict, **predictor.references()}.items()
        }
        found += [
            limit_row(f"24 h RMSE, {name}", (error_k["ours"], error_k[who]), "K", who, _MOST_K[name])
            for who in predictor.references()
        ]
    return found


def _rmse_k(ask: Ask, series: Series, days: list[tuple[float, TimeGrid]], came_c: FloatArray) -> float:
    said_c = np.array([ask(series, *day)[_SIGNAL][-1, 1] for day in days])
    known = np.isfinite(said_c) & np.isfinite(came_c)
    return float(np.sqrt(np.mean((said_c - came_c)[known] ** 2)))
