"""Decision cost: the euros that a house loses against perfect foresight when it plans on these forecasts.

Each way of forecasting is written as a table, hour by hour for the 48 h that follow, and ``pems replay --forecasts``
lives the days with it, in a process of its own: training never imports the device's code.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core_kernels.quantiles import uncross
from core_kernels.units import SECONDS_PER_HOUR, FloatArray
from training.backtest import Span
from training.boosters import Stage, quiet
from training.dataset import Series, horizon
from training.errors import SetupError, TrainingError
from training.predictor import Day
from training.rolling import Origin, merged

_ISSUE_S = SECONDS_PER_HOUR
_USUAL_CODES = {SetupError.exit_code: SetupError, 2: SetupError}


class House(NamedTuple):
    """What ``pems replay`` reads: the site with its battery and tariff, the table, prices where it has none."""

    site_path: Path
    table_path: Path
    prices_path: Path | None = None


def decision_costs(
    origins: Sequence[Origin], series: Series, span: Span, house: House, stage: Stage = quiet
) -> dict[str, Any]:
    """Euros over the span: perfect foresight, rules, and what each way of forecasting loses against the former.

    Raises
    ------
    TrainingError
        The days cannot be lived: no battery, no prices, or missing measurements.
    """
    until_s = min(span.until_s, series.frame.grid.end_s)
    issues = _issues(origins, span.train_until_s, until_s)
    stage(f"{origins[0].predictor.signals[0]}: issuing {sum(len(own) for own in issues)} times")
    said = merged([origin.predictor.ask(series, own) for origin, own in zip(origins, issues, strict=True) if own])
    days = [day for own in issues for day in own]
    lost_eur, found = {}, {}
    with tempfile.TemporaryDirectory(prefix="pems-decision-") as folder:
        for who, answers in said.items():
            stage(f"living the days on {who}")
            path = Path(folder) / f"{who}.parquet"
            for signal, quantiles in answers.items():
                _written(path, signal, quantiles, days)
            found = _replayed(house, (span.train_until_s, until_s), path)["costs_eur"]
            lost_eur[who] = found["ours"] - found["perfect_foresight"]
    return {
        "lost_eur": lost_eur,
        "perfect_foresight_eur": found["perfect_foresight"],
        "rules_lost_eur": found["rules"] - found["perfect_foresight"],
        "issued_every_s": _ISSUE_S,
    }


def _issues(origins: Sequence[Origin], from_s: float, until_s: float) -> list[list[Day]]:
    """Of each origin every hour from its first day to the next one's, with the 48 h that follow."""
    starts_s = [from_s, *(origin.days[0][0] for origin in origins[1:]), until_s]
    return [
        [(float(at_s), horizon(float(at_s))) for at_s in np.arange(first_s, last_s, _ISSUE_S)]
        for first_s, last_s in itertools.pairwise(starts_s)
    ]


def _written(path: Path, signal: str, quantiles: FloatArray, days: Sequence[Day]) -> None:
    """The forecasts as ``pems replay --forecasts`` reads them."""
    times_s = np.concatenate([grid.starts_s() for _, grid in days])
    name = signal.removesuffix("_w")
    columns = dict(zip((f"{name}_{level}_w" for level in ("p10", "p50", "p90")), uncross(quantiles).T, strict=True))
    issued_s = np.repeat([issued_s for issued_s, _ in days], [grid.count for _, grid in days])
    table = pd.DataFrame({"time_utc": pd.to_datetime(times_s, unit="s", utc=True), "issued_s": issued_s, **columns})
    table.to_parquet(path, index=False)


def _replayed(house: House, span_s: tuple[float, float], forecasts: Path) -> dict[str, Any]:
    """What ``pems replay --json`` says; its errors are ours."""
    first, last = (datetime.fromtimestamp(at_s, UTC).isoformat() for at_s in span_s)
    command = [sys.executable, "-m", "edge.cli", "replay", "--json", "--from", first, "--until", last]
    command += ["--site", str(house.site_path), "--table", str(house.table_path), "--forecasts", str(forecasts)]
    command += ["--prices", str(house.prices_path)] if house.prices_path else []
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        words = "\n".join(done.stderr.strip().splitlines()[-3:]) or f"exit code {done.returncode}"
        raise _USUAL_CODES.get(done.returncode, TrainingError)(f"pems replay: {words}")
    return dict(json.loads(done.stdout))
