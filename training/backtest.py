"""Day-ahead backtest: trained before A, issued at each local midnight of [A, B) for the 24 h that follow.

A model knows what was measured before the issue and the forecast weather of the table; of the day itself nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core_kernels.features import PvPlant
from core_kernels.featurespec import DARK_FRAC, select
from core_kernels.folding import SLOT_S
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training import evaluate
from training.boosters import QuantileModel, Recipe, Stage, quiet
from training.dataset import LoadSampler, PvSampler, Series, actual_w, before
from training.errors import TrainingError
from training.load_fit import fit_load
from training.pv_fit import fit_pv, identify
from training.site import TrainingSite

Predict = Callable[[float, TimeGrid], FloatArray]


class Span(NamedTuple):
    """Trained on what lies before ``train_until_s``; judged on what lies between it and ``until_s``."""

    train_until_s: float
    until_s: float


class Result(NamedTuple):
    """Rows of the table's own slots, and the scores of ours and the references."""

    table: pd.DataFrame
    summary: dict[str, Any]


def backtest(kind: str, series: Series, site: TrainingSite, span: Span, recipe: Recipe, stage: Stage = quiet) -> Result:
    """Train, then forecast day by day; ``kind`` is ``pv`` or ``load``.

    Raises
    ------
    TrainingError
        No test day, or too little to train on.
    """
    name = f"{kind}_w"
    days = issue_days(series, span)
    past = before(series, span.train_until_s)
    predictors: dict[str, Predict] = {
        "persistence": lambda issued_s, grid: evaluate.persistence(name, series, issued_s, grid),
        "climatology_28d": lambda issued_s, grid: evaluate.climatology(name, series, issued_s, grid),
    }
    capacity_w = float(np.nanmax(past.frame.column(name)))
    daylight = np.ones(sum(grid.count for _, grid in days))
    if kind == "pv":
        plant = identify(past, site)
        model = fit_pv(past, plant, span.train_until_s, recipe, stage)
        sampler: PvSampler | LoadSampler = PvSampler(series, plant)
        predictors["physics"] = lambda issued_s, grid: evaluate.physics(plant, series, issued_s, grid)
        daylight = np.concatenate([_daylight(plant, sampler, issued_s, grid) for issued_s, grid in days])
    else:
        model = fit_load(past, span.train_until_s, recipe, stage)
        sampler = LoadSampler(series)
        predictors["mean_7d"] = lambda issued_s, grid: evaluate.mean_week(name, series, issued_s, grid)
    predictors = {"ours": _by_model(model, sampler), **predictors}
    stage(f"{name}: forecasting {len(days)} days")
    came_w = np.concatenate([actual_w(series, name, grid) for _, grid in days])
    found = {key: np.concatenate([predict(*day) for day in days]) for key, predict in predictors.items()}
    summary: dict[str, Any] = {
        "signal": name,
        "horizon": "day ahead: issued at local midnight for the next 24 h",
        "days": len(days),
        "capacity_w": capacity_w,
        "coverage_over": "daylight" if kind == "pv" else "all hours",
        "scores": {key: evaluate.scores(came_w, values, daylight) for key, values in found.items()},
    }
    return Result(_on_table_slots(found["ours"], days, span, series.table_slot_s), summary)


def issue_days(series: Series, span: Span) -> list[tuple[float, TimeGrid]]:
    """Each local midnight whose day overlaps the test span, with the slots of that day; 23 or 25 h on clock changes."""
    end_s = min(span.until_s, series.frame.grid.end_s)
    first = pd.Timestamp(span.train_until_s, unit="s", tz="UTC").tz_convert(series.zone).tz_localize(None).normalize()
    last = pd.Timestamp(end_s, unit="s", tz="UTC").tz_convert(series.zone).tz_localize(None).normalize()
    walls = pd.date_range(first, last + pd.Timedelta(days=1), freq="D")
    midnights = walls.tz_localize(series.zone, ambiguous=np.ones(len(walls), dtype=bool), nonexistent="shift_forward")
    starts_s = [int(midnight.timestamp()) // SLOT_S * SLOT_S for midnight in midnights]
    days = [
        (float(start_s), TimeGrid(start_s=start_s, slot_s=SLOT_S, count=(next_s - start_s) // SLOT_S))
        for start_s, next_s in itertools.pairwise(starts_s)
        if start_s < end_s and next_s > span.train_until_s
    ]
    if not days or end_s <= span.train_until_s:
        raise TrainingError("the table has no rows between --train-until and --until")
    return days


def _by_model(model: QuantileModel, sampler: PvSampler | LoadSampler) -> Predict:
    def predict(issued_s: float, grid: TimeGrid) -> FloatArray:
        matrix = select(sampler.features(issued_s, grid), model.names)
        return model.quantiles_w(matrix.values, matrix.scale_w)

    return predict


def _daylight(plant: PvPlant, sampler: PvSampler | LoadSampler, issued_s: float, grid: TimeGrid) -> FloatArray:
    scale_w = sampler.features(issued_s, grid).scale_w
    return (scale_w > DARK_FRAC * plant.capacity_w).astype(np.float64)


def _on_table_slots(
    quantiles: FloatArray, days: list[tuple[float, TimeGrid]], span: Span, table_slot_s: int
) -> pd.DataFrame:
    """One row for every slot of the table in the test span."""
    times_s = np.concatenate([grid.starts_s() for _, grid in days])
    table = pd.DataFrame(quantiles, columns=["p10", "p50", "p90"])
    table.insert(0, "time_utc", pd.to_datetime(times_s, unit="s", utc=True))
    inside = (times_s >= span.train_until_s) & (times_s < span.until_s)
    table = table[inside]
    if table_slot_s > SLOT_S:
        table = table.resample(f"{table_slot_s}s", on="time_utc").mean().reset_index()
    return table.reset_index(drop=True)
