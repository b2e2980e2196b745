"""Origins of a backtest: when a predictor is fitted anew, on what, and which days it is asked about.

A fit can be kept in a folder under the digest of all that it follows from, so that a run that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.featurespec import digest
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY
from training.boosters import Stage
from training.dataset import Series, before
from training.errors import SetupError, TrainingError
from training.predictor import PREDICTOR_FILE, BasePredictor, Day, Quantiles, fingerprint

# Meteorological seasons of the north, by month.
SEASONS = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}


class Origin(NamedTuple):
    """A fitted predictor and the days that it is asked about."""

    predictor: BasePredictor
    days: Sequence[Day]


def origins(days: Sequence[Day], train_until_s: float, refit_days: int) -> list[tuple[float, list[Day]]]:
    """Until when each fit may know, and its days; one fit for all where ``refit_days`` is 0."""
    step_s = refit_days * SECONDS_PER_DAY
    if not step_s:
        return [(train_until_s, list(days))]

    def until_s(day: Day) -> float:
        return train_until_s + max((day[0] - train_until_s) // step_s, 0.0) * step_s

    return [(key, list(part)) for key, part in itertools.groupby(days, until_s)]


def fitted(predictor: BasePredictor, series: Series, until_s: float, keep: Path | None, stage: Stage) -> BasePredictor:
    """The predictor fitted on what was measured before an instant, or as it was kept."""
    if keep is None:
        predictor.fit(series, until_s, stage)
        return predictor
    folder = keep / f"{predictor.kind}-{_key(predictor, before(series, until_s))}"
    if (folder / PREDICTOR_FILE).is_file():
        stage(f"{predictor.kind}: kept in {folder.name}")
        return type(predictor).load(folder, predictor.site)
    predictor.fit(series, until_s, stage)
    unfinished = folder.with_name(f"{folder.name}.part")
    predictor.save(unfinished)
    try:
        unfinished.rename(folder)
    except OSError as error:
        raise SetupError(f"{folder}: cannot be written: {error.strerror}") from error
    return predictor


def _key(predictor: BasePredictor, past: Series) -> str:
    issued = hashlib.sha256(past.fc_issued_s.tobytes()).hexdigest()
    how = [repr(predictor.site), asdict(predictor.recipe), digest()]
    facts = [*how, fingerprint(past.frame), issued, past.table_slot_s]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def months(season: str, latitude_deg: float) -> tuple[int, ...]:
    """The months of a season where the house stands."""
    shift = 0 if latitude_deg >= 0.0 else 6
    return tuple((month - 1 + shift) % 12 + 1 for month in SEASONS[season])


def without(series: Series, names: Sequence[str], held_out: Sequence[int]) -> Series:
    """The series with some signals missing in some months of the local calendar; what is ahead of them stays."""
    grid = series.frame.grid
    hidden = _in_months(series, grid, held_out)
    columns = {
        name: np.where(hidden, np.nan, values) if name in names else values
        for name, values in series.frame.columns.items()
    }
    return replace(series, frame=Frame(grid=grid, columns=columns))


def within(series: Series, days: Sequence[Day], held_out: Sequence[int]) -> list[Day]:
    """The days that begin in some months; raises :class:`TrainingError` where none does."""
    found = [day for day in days if _in_months(series, day[1], held_out)[0]]
    if not found:
        raise TrainingError("no day between --train-until and --until lies in the season that is held out")
    return found


def _in_months(series: Series, grid: TimeGrid, held_out: Sequence[int]) -> npt.NDArray[np.bool_]:
    local = (grid.starts_s() + series.offsets_s(grid)).astype("datetime64[s]").astype("datetime64[M]")
    return np.isin(local.astype(np.int64) % 12 + 1, held_out)


def merged(parts: Sequence[Mapping[str, Quantiles]]) -> dict[str, Quantiles]:
    """What each one said over all origins."""
    return {
        who: {name: np.concatenate([part[who][name] for part in parts]) for name in said}
        for who, said in parts[0].items()
    }
