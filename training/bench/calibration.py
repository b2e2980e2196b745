"""Calibration on measured homes and roofs: coverage by the hour after a month, beside raw and frozen conformal bands.

Each model is fitted on the first half of its data. It then issues 48 h every five hours, as the box keeps them;
outcomes teach only what is issued after them, and each is judged at three leads.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core_kernels import calibration
from core_kernels.calibration import (
    BOUND_FRAC,
    BUCKETS,
    HOURS,
    KEEP_EVERY_S,
    KEEP_FOR_S,
    NIGHT_FRAC,
    Rule,
    applied,
    fresh,
    learned,
)
from core_kernels.figures import Row, limit_row, ratio_row
from core_kernels.folding import SLOT_S
from core_kernels.quantiles import LEVELS_FRAC, conformal_offsets, mean_of, uncross
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray
from training.bench import data_folder
from training.bench.homes import LOAD_HOMES, bare_site, load_home
from training.bench.pv_tables import Files, aneo, china, gefcom, newcastle
from training.boosters import Recipe, Stage, quiet
from training.dataset import HORIZON_SLOTS, Series, with_known_weather
from training.errors import SetupError
from training.load_predictor import LoadPredictor
from training.predictor import BasePredictor
from training.pv_predictor import PvPredictor
from training.read import read_series
from training.site import load_site

TRAIN_FRAC = 0.5
_MOST_DAYS, _LEARNING_DAYS = 365, 30
_LEAST_COUNT = 100  # of outcomes in an hour that is judged
_LOW_FRAC, _HIGH_FRAC = 0.78, 0.82
_STEP_COUNT, _MOST_STEP_US = 20_000, 10.0
_ROOFS: tuple[tuple[str, Callable[[Path, Path], Files], bool], ...] = (
    ("gefcom1", partial(gefcom, zone=1), False),
    ("gefcom2", partial(gefcom, zone=2), False),
    ("aneo_a", aneo, False),
    ("china5", china, True),
    ("newcastle", newcastle, True),
)


class Issues(NamedTuple):
    """Raw forecasts of one signal, an issue a row, and what came; ``hour`` is that of each measured slot."""

    first: np.ndarray
    raw_w: FloatArray
    actual_w: FloatArray
    hour: np.ndarray
    cap_w: float
    is_pv: bool


class Judged(NamedTuple):
    """Each outcome that was judged: slot, bucket, what came, and P10, P50, P90 as the model and as we said them."""

    slot: np.ndarray
    bucket: np.ndarray
    actual_w: FloatArray
    raw_w: FloatArray
    ours_w: FloatArray

    def part(self, rows: np.ndarray) -> Judged:
        """Some of them."""
        return Judged(*(column[rows] for column in self))


def rows(stage: Stage = quiet) -> list[Row]:
    """All figures; raises :class:`SetupError` where a set is absent."""
    found: list[Row] = [step_row()]
    for name, series, predictor in _cases(data_folder()):
        stage(f"calibration: {name}")
        found += case_rows(name, judged(issued(series, predictor)))
    return found


def _cases(data: Path) -> Iterator[tuple[str, Series, BasePredictor]]:
    for name in LOAD_HOMES:
        series = load_home(name, data)
        yield name, series, LoadPredictor(bare_site(series), Recipe())
    with tempfile.TemporaryDirectory() as folder:
        for name, make, known in _ROOFS:
            try:
                files = make(data, Path(folder))
            except FileNotFoundError as error:
                raise SetupError(f"{error.filename}: the measured set of {name} is absent") from error
            site = load_site(files.site)
            series = read_series(files.table, site.zone, site.extra)
            yield name, with_known_weather(series) if known else series, PvPredictor(site, Recipe())


def issued(series: Series, predictor: BasePredictor) -> Issues:
    """Fit on the first half, and issue every five hours from there, for a year at most."""
    grid, signal = series.frame.grid, predictor.signals[0]
    train_s = TRAIN_FRAC * (grid.end_s - grid.start_s) // SECONDS_PER_DAY * SECONDS_PER_DAY
    begin_s = grid.start_s + int(train_s)
    predictor.fit(series, float(begin_s))
    end_s = min(grid.end_s - KEEP_FOR_S, begin_s + _MOST_DAYS * SECONDS_PER_DAY)
    starts_s = range(begin_s, end_s, KEEP_EVERY_S)
    grids = [TimeGrid(start_s=start_s, slot_s=SLOT_S, count=HORIZON_SLOTS) for start_s in starts_s]
    raw_w = np.stack([uncross(predictor.predict(series, float(each.start_s), each)[signal]) for each in grids])
    local_s = grid.starts_s() + (0.0 if signal == "pv_w" else series.offsets_s(grid))
    return Issues(
        first=(np.array(starts_s) - grid.start_s) // SLOT_S,
        raw_w=raw_w,
        actual_w=series.frame.column(signal),
        hour=(local_s // SECONDS_PER_HOUR % HOURS).astype(np.int64),
        cap_w=float(np.nanmax(series.frame.column(signal))),
        is_pv=signal == "pv_w",
    )


def judged(issues: Issues) -> Judged:
    """Live through the issues: outcomes until an issue teach it, and are judged by those before."""
    ahead = np.arange(HORIZON_SLOTS)
    ahead_s = ahead.astype(np.float64) * SLOT_S
    raw_w = np.concatenate([issues.raw_w, mean_of(*np.moveaxis(issues.raw_w, 2, 0))[:, :, None]], axis=2)
    ours_w, state, rule = np.empty_like(raw_w), fresh(), Rule(bound_w=BOUND_FRAC * issues.cap_w)
    found: list[tuple[int, int, int, int]] = []
    for issue, first in enumerate(issues.first.tolist()):
        new = list(_outcomes(issues, issue))
        if new:
            slot, bucket, judge, lead = np.array(new).T
            said = ours_w[judge, lead]
            came = np.column_stack([issues.actual_w[slot], raw_w[judge, lead, 3], said[:, 0], said[:, 2]])
            state = learned(state, bucket, came, rule)
            found += new
        where = calibration.buckets(issues.hour[first + ahead], ahead_s)
        moved = applied(state, where, raw_w[issue], issues.cap_w)
        night = issues.is_pv & (raw_w[issue, :, 2] < NIGHT_FRAC * issues.cap_w)
        ours_w[issue] = np.where(night[:, None], raw_w[issue], moved)
    slot, bucket, judge, lead = np.array(found).T
    everything = Judged(slot, bucket, issues.actual_w[slot], raw_w[judge, lead, :3], ours_w[judge, lead, :3])
    return everything.part(np.isfinite(everything.actual_w))


def _outcomes(issues: Issues, issue: int) -> Iterator[tuple[int, int, int, int]]:
    """Slot, bucket, judging issue and lead of what came between an issue and the one before."""
    oldest = max(issue - KEEP_FOR_S // KEEP_EVERY_S - 1, 0)
    own = issues.first[oldest:issue]
    for slot in range(issues.first[max(issue - 1, 0)], issues.first[issue]):
        for judge in calibration.judges(own * float(SLOT_S), slot * float(SLOT_S), slot):
            lead = slot - int(own[judge])
            if issues.is_pv and issues.raw_w[oldest + judge, lead, 2] < NIGHT_FRAC * issues.cap_w:
                continue
            bucket = calibration.buckets(issues.hour[slot : slot + 1], np.array([lead * float(SLOT_S)]))[0]
            yield slot, int(bucket), oldest + judge, lead


def case_rows(name: str, all_days: Judged) -> list[Row]:
    """The two figures of one home or roof, of the days after the first month."""
    learning = all_days.slot < all_days.slot[0] + _LEARNING_DAYS * SECONDS_PER_DAY // SLOT_S
    late, month = all_days.part(~learning), all_days.part(learning)
    frozen_w = late.raw_w + np.array(conformal_offsets(month.actual_w, month.raw_w))
    by_hour = {
        who: hourly_coverage_frac(late, quantiles)
        for who, quantiles in (("ours", late.ours_w), ("frozen", frozen_w), ("raw", late.raw_w))
    }
    share = {who: _within_share(coverage) for who, coverage in by_hour.items()}
    worst = {who: 100.0 * float(np.max(np.abs(coverage - 0.8))) for who, coverage in by_hour.items()}
    scores = [interval_score_w(late.actual_w, quantiles) for quantiles in (late.ours_w, late.raw_w)]
    return [
        Row(
            name=f"hours with 78-82 % within P10-P90, {name}",
            value=100.0 * share["ours"],
            unit="%",
            reference="raw",
            reference_value=100.0 * share["raw"],
            ratio=share["ours"] / share["raw"] if share["raw"] else float("nan"),
            target="100 %",
            ok=share["ours"] == 1.0,
        ),
        limit_row(f"worst hour's distance from 80 %, {name}", (worst["ours"], worst["frozen"]), "%", "frozen CQR", 2.0),
        ratio_row(f"interval score, {name}", (scores[0], scores[1]), "W", "raw", 1.0, "<= 1x"),
    ]


def hourly_coverage_frac(part: Judged, quantiles: FloatArray) -> FloatArray:
    """Share of outcomes within P10-P90 in each hour of the day that has enough of them, at all leads."""
    inside = (quantiles[:, 0] <= part.actual_w) & (part.actual_w <= quantiles[:, 2])
    hour = part.bucket % HOURS
    count = np.bincount(hour, minlength=HOURS)
    held = np.bincount(hour, weights=inside, minlength=HOURS)
    enough = count >= _LEAST_COUNT
    return np.asarray(held[enough] / count[enough])


def _within_share(coverage_frac: FloatArray) -> float:
    return float(np.mean((coverage_frac >= _LOW_FRAC) & (coverage_frac <= _HIGH_FRAC)))


def interval_score_w(actual_w: FloatArray, quantiles: FloatArray) -> float:
    """Mean interval score of P10-P90 (Gneiting and Raftery 2007, JASA 102, 359, eq. 43)."""
    miss_frac = 2.0 * LEVELS_FRAC[0]
    low, high = quantiles[:, 0], quantiles[:, 2]
    outside = np.maximum(low - actual_w, 0.0) + np.maximum(actual_w - high, 0.0)
    return float(np.mean(high - low + 2.0 / miss_frac * outside))


def step_row() -> Row:
    """What one outcome takes, of many at once."""
    random = np.random.default_rng(1)
    where = random.integers(0, BUCKETS, _STEP_COUNT)
    came = np.column_stack([1000.0 + random.normal(0.0, 100.0, _STEP_COUNT), *np.full((3, _STEP_COUNT), 1000.0)])
    learned(fresh(), where, came, Rule(bound_w=5000.0))
    began_s = time.perf_counter()
    learned(fresh(), where, came, Rule(bound_w=5000.0))
    each_us = (time.perf_counter() - began_s) / _STEP_COUNT * 1e6
    return limit_row("a calibration step", (each_us, _MOST_STEP_US), "us", "limit", _MOST_STEP_US)
