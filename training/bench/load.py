"""Load of 13 measured homes, a day ahead, beside the 28-day climatology and the 7-day mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core_kernels.figures import Row, ratio_row
from core_kernels.folding import day_table
from core_kernels.quantiles import empirical, pinball
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training import evaluate
from training.backtest import Span, issue_days
from training.bench import data_folder
from training.bench.homes import LOAD_HOMES, bare_site, load_home
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series, actual_w
from training.load_predictor import LoadPredictor

TRAIN_FRAC = 0.7
_UCI_RATIO = 0.92
_LEAST_HOMES = 9
_SIGNAL = "load_w"


def rows(stage: Stage = quiet) -> list[Row]:
    """Pinball and RMSE of each home, trained on its first 70 %, and in how many the RMSE is below the 7-day mean's."""
    folder = data_folder()
    found: list[Row] = []
    for name in LOAD_HOMES:
        stage(f"load: {name}")
        found += home_rows(name, load_home(name, folder))
    below = [line for line in found if line.name.startswith("RMSE") and line.ok]
    share = len(below) / len(LOAD_HOMES)
    return [
        *found,
        Row(
            name="homes with an RMSE below the 7-day mean's",
            value=float(len(below)),
            unit="homes",
            reference="homes",
            reference_value=float(len(LOAD_HOMES)),
            ratio=share,
            target=f">= {_LEAST_HOMES} of 12",
            ok=share >= _LEAST_HOMES / 12.0,
        ),
    ]


def home_rows(name: str, series: Series) -> list[Row]:
    """The two figures of one home, on slots of its own length."""
    days, predictor = fitted(series, TRAIN_FRAC)
    came = _on_own_slots(series, days, np.concatenate([actual_w(series, _SIGNAL, grid) for _, grid in days])[:, None])
    came_w = came[:, 0]

    def scored(parts: list[FloatArray]) -> tuple[float, float]:
        said_w = _on_own_slots(series, days, np.concatenate(parts))
        known = np.isfinite(came_w) & np.isfinite(said_w).all(axis=1)
        error_w = (said_w[:, 1] - came_w)[known]
        return float(np.mean(pinball(came_w[known], said_w[known]))), float(np.sqrt(np.mean(error_w**2)))

    ours = scored([predictor.predict(series, *day)[_SIGNAL] for day in days])
    climatologies = (
        scored([evaluate.climatology(_SIGNAL, series, *day) for day in days]),
        scored([_plain_climatology(series, *day) for day in days]),
    )
    least = min(pinball_w for pinball_w, _ in climatologies)
    week = scored([evaluate.mean_week(_SIGNAL, series, *day) for day in days])
    most = _UCI_RATIO if name == "uci" else 1.0
    return [
        ratio_row(f"pinball, {name}", (ours[0], least), "W", "28-day empirical quantiles", most, f"<= {most:g}x"),
        ratio_row(f"RMSE of P50, {name}", (ours[1], week[1]), "W", "7-day mean", 1.0, "<= 1x"),
    ]


def fitted(series: Series, train_frac: float) -> tuple[list[tuple[float, TimeGrid]], LoadPredictor]:
    """The days after the first part of a series, and the predictor fitted on that."""
    grid = series.frame.grid
    until_s = grid.start_s + train_frac * (grid.end_s - grid.start_s)
    days = [day for day in issue_days(series, Span(until_s, grid.end_s)) if day[0] >= until_s]
    days = [day for day in days if day[1].end_s <= grid.end_s]
    predictor = LoadPredictor(bare_site(series), Recipe())
    predictor.fit(series, days[0][0])
    return days, predictor


def _plain_climatology(series: Series, issued_s: float, grid: TimeGrid) -> FloatArray:
    """Empirical quantiles of the last 28 days at the same local slot alone."""
    history = series.history(issued_s)
    past = ((history.grid.starts_s() + series.offsets_s(history.grid)) // 900).astype(np.int64)
    wanted = ((grid.starts_s() + series.offsets_s(grid)) // 900).astype(np.int64) % 96
    table = day_table(history.column(_SIGNAL), past, int(past[-1]) + 1, evaluate.CLIMATOLOGY_DAYS)
    return empirical(np.ascontiguousarray(table.T))[wanted]


def _on_own_slots(series: Series, days: list[tuple[float, TimeGrid]], values: FloatArray) -> FloatArray:
    """Means over the slots that the home was measured in."""
    times = pd.to_datetime(np.concatenate([grid.starts_s() for _, grid in days]), unit="s", utc=True)
    return pd.DataFrame(values, index=times).groupby(times.floor(f"{series.table_slot_s}s")).mean().to_numpy()
