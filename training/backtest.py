"""Backtest: trained before A, issued at each local midnight of [A, B) for the 24 h that follow, or every quarter hour.

A model knows what was measured before the issue and the forecast weather that was issued by then; of what follows
nothing.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core_kernels.folding import SLOT_S
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series, before
from training.errors import TrainingError
from training.evaluate import skill
from training.load_predictor import LoadPredictor
from training.predictor import BasePredictor, Day
from training.pv_predictor import PvPredictor
from training.site import TrainingSite

KINDS: dict[str, type[BasePredictor]] = {"pv": PvPredictor, "load": LoadPredictor}


class Span(NamedTuple):
    """Trained on what lies before ``train_until_s``; judged on what lies between it and ``until_s``.

    With ``ahead_min`` each slot is forecast that long before it ends, instead of at its day's midnight.
    """

    train_until_s: float
    until_s: float
    ahead_min: int = 0


class Result(NamedTuple):
    """Rows of the table's own slots, and the scores of ours and the references."""

    table: pd.DataFrame
    summary: dict[str, Any]


def backtest(kind: str, series: Series, site: TrainingSite, span: Span, recipe: Recipe, stage: Stage = quiet) -> Result:
    """Train, then forecast day by day; ``kind`` is one of ``KINDS``.

    Raises
    ------
    TrainingError
        No test day, or too little to train on.
    """
    days = issue_slots(series, span) if span.ahead_min else issue_days(series, span)
    predictor = KINDS[kind](site, recipe)
    metadata = predictor.fit(series, span.train_until_s, stage)
    name = predictor.signals[0]
    stage(f"{name}: forecasting {len(days)} times")
    said = predictor.ask(series, days)
    scored = predictor.evaluate(series, days, said, (span.train_until_s, span.until_s)).scores[name]
    references = {who: found for who, found in scored.items() if who != "ours"}
    summary: dict[str, Any] = {
        "signal": name,
        "version": metadata.version,
        "horizon": horizon_text(span),
        "days": round((days[-1][1].end_s - days[0][1].start_s) / 86400),
        "capacity_w": float(np.nanmax(before(series, span.train_until_s).frame.column(name))),
        "coverage_over": "daylight" if kind == "pv" else "all hours",
        "scores": scored,
        "skill": {who: skill(scored["ours"], found) for who, found in references.items()},
        "importance": dict(itertools.islice(predictor.importance().items(), 10)),
    }
    return Result(_on_table_slots(said["ours"][name], days, span, series.table_slot_s), summary)


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
        table = table.resample(f"{table_slot_s}s", on="time_utc").mean().reset_index()
    return table.reset_index(drop=True)
