"""Backtest: trained before A, issued at each local midnight of [A, B) for the 24 h that follow, or every quarter hour.

A model knows what was measured before the issue and the forecast weather that was issued by then; of what follows
nothing.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series, before
from training.errors import TrainingError
from training.evaluate import skill
from training.load_predictor import LoadPredictor
from training.predictor import BasePredictor, Day
from training.pv_predictor import PvPredictor
from training.rolling import Origin, fitted, merged, months, origins, within, without
from training.site import TrainingSite

KINDS: dict[str, type[BasePredictor]] = {"pv": PvPredictor, "load": LoadPredictor}


class Span(NamedTuple):
    """Trained on what lies before ``train_until_s``; judged on what lies between it and ``until_s``.

    With ``ahead_min`` each slot is forecast that long before it ends, instead of at its day's midnight; with
    ``refit_days`` a new fit follows after so many days, on all that was known by then; with ``holdout`` a season is
    never trained on and alone is judged.
    """

    train_until_s: float
    until_s: float
    ahead_min: int = 0
    refit_days: int = 0
    holdout: str = ""


class Result(NamedTuple):
    """Rows of the table's own slots, the scores of ours and the references, and the predictors behind them."""

    table: pd.DataFrame
    summary: dict[str, Any]
    origins: tuple[Origin, ...] = ()


def backtest(
    kind: str,
    series: Series,
    site: TrainingSite,
    span: Span,
    recipe: Recipe,
    stage: Stage = quiet,
    keep: Path | None = None,
) -> Result:
    """Train, then forecast day by day; ``kind`` is one of ``KINDS``; in ``keep`` each fit is kept for another run.

    Raises
    ------
    TrainingError
        No test day, or too little to train on.
    """
    days, known = _judged(kind, series, site, span)
    made, parts = [], []
    for until_s, own in origins(days, span.train_until_s, span.refit_days):
        predictor = fitted(KINDS[kind](site, recipe), known, until_s, keep, stage)
        stage(f"{predictor.signals[0]}: forecasting {len(own)} times")
        parts.append(predictor.ask(series, own))
        made.append(Origin(predictor, own))
    last, said = made[-1].predictor, merged(parts)
    name = last.signals[0]
    scored = last.evaluate(series, days, said, (span.train_until_s, span.until_s)).scores[name]
    references = {who: found for who, found in scored.items() if who != "ours"}
    summary: dict[str, Any] = {
        "signal": name,
        "version": last.metadata.version,
        "horizon": horizon_text(span),
        "days": round(sum(grid.count for _, grid in days) / SLOTS_PER_DAY),
        "capacity_w": float(np.nanmax(before(series, span.train_until_s).frame.column(name))),
        "coverage_over": "daylight" if kind == "pv" else "all hours",
        "holdout": span.holdout or None,
        "fits": [
            {"until_s": predictor.metadata.until_s, "rows": predictor.metadata.row_count, "times": len(own)}
            for predictor, own in made
        ],
        "scores": scored,
        "skill": {who: skill(scored["ours"], found) for who, found in references.items()},
        "importance": dict(itertools.islice(last.importance().items(), 10)),
    }
    return Result(_on_table_slots(said["ours"][name], days, span, series.table_slot_s), summary, tuple(made))


def _judged(kind: str, series: Series, site: TrainingSite, span: Span) -> tuple[list[Day], Series]:
    """The days that are judged, and the series as a fit may see it."""
    days = issue_slots(series, span) if span.ahead_min else issue_days(series, span)
    if not span.holdout:
        return days, series
    held_out = months(span.holdout, site.location.latitude_deg)
    return within(series, days, held_out), without(series, (f"{kind}_w",), held_out)


def horizon_text(span: Span) -> str:
    """How far ahead, for a person."""
    if span.ahead_min:
        return f"{span.ahead_min} min ahead: every quarter hour"
    return "day ahead: issued at local midnight for the next 24 h"


def issue_slots(series: Series, span: Span) -> list[Day]:
    """Each quarter hour of the test span, issued ``ahead_min`` before it ends."""
    lead = span.ahead_min * 60 // SLOT_S
    first_s = -(-int(span.train_until_s) // SLOT_S) * SLOT_S
    end_s = int(min(span.until_s, series.frame.grid.end_s)) // SLOT_S * SLOT_S
    if first_s >= end_s:
        raise TrainingError("the table has no rows between --train-until and --until")
    return [
        (float(start_s - (lead - 1) * SLOT_S), TimeGrid(start_s=start_s, slot_s=SLOT_S, count=1))
        for start_s in range(first_s, end_s, SLOT_S)
    ]


def issue_days(series: Series, span: Span) -> list[Day]:
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


def _on_table_slots(quantiles: FloatArray, days: list[Day], span: Span, table_slot_s: int) -> pd.DataFrame:
    """One row for every slot of the table in the test span."""
    times_s = np.concatenate([grid.starts_s() for _, grid in days])
    table = pd.DataFrame(quantiles, columns=["p10", "p50", "p90"])
    table.insert(0, "time_utc", pd.to_datetime(times_s, unit="s", utc=True))
    inside = (times_s >= span.train_until_s) & (times_s < span.until_s)
    table = table[inside]
    if table_slot_s > SLOT_S:
        table = table.groupby(table["time_utc"].dt.floor(f"{table_slot_s}s")).mean(numeric_only=True).reset_index()
    return table.reset_index(drop=True)
