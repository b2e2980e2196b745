"""Backtest of rooms: identified before A, forecast at each local midnight of [A, B), with heat and weather known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.backtest import Result, Span, issue_days
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series
from training.errors import SetupError
from training.site import TrainingSite
from training.thermal_predictor import ThermalPredictor


def backtest_rooms(series: Series, site: TrainingSite, span: Span, room: str = "", stage: Stage = quiet) -> Result:
    """Scores of every room, and the table of one: the first, or ``room``.

    Raises
    ------
    TrainingError
        No test day, or too little to train on.
    """
    days = [day for day in issue_days(series, span) if day[0] >= span.train_until_s]
    predictor = ThermalPredictor(site, Recipe())
    predictor.fit(series, span.train_until_s, stage)
    signal = f"room_{room}_c" if room else predictor.signals[0]
    if signal not in predictor.signals:
        raise SetupError(f"--room {room}: the table has {', '.join(predictor.model.names)}")
    stage(f"rooms: forecasting {len(days)} days")
    asked = predictor.ask(series, days)
    scores = predictor.evaluate(series, days, asked).scores
    times_s = np.concatenate([grid.starts_s() for _, grid in days])
    table = pd.DataFrame(asked["ours"][signal], columns=["p10", "p50", "p90"])
    table.insert(0, "time_utc", pd.to_datetime(times_s, unit="s", utc=True))
    table = table[times_s < min(span.until_s, series.frame.grid.end_s)]
    own_slots = table.resample(f"{series.table_slot_s}s", on="time_utc").mean().reset_index()
    summary = {
        "signal": signal,
        "unit": "degC",
        "horizon": "day ahead: issued at local midnight for the next 24 h; heat and weather ahead are known",
        "days": len(days),
        "coverage_over": "all hours",
        "scores": scores[signal],
        "rooms": scores,
        "doubts": list(predictor.fitted.doubts),
    }
    return Result(own_slots, summary)
