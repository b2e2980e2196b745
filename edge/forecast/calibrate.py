"""Forecasts that learn from their own past: each signal's quantiles and mean, moved by what came of former issues.

What was learned belongs to the model that forecast, and outlives restarts. Nothing is learned of PV at night or at the
export limit, nor from what is missing or flagged; only issues that were made before an outcome are judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

import numpy as np

from core_kernels.bundle_rooms import BundledRooms
from core_kernels.calibration import (
    BOUND_FRAC,
    KEEP_EVERY_S,
    KEEP_FOR_S,
    NIGHT_FRAC,
    IntArray,
    Rule,
    applied,
    at_bound,
    buckets,
    judges,
    learned,
)
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray
from edge.config import Site
from edge.errors import StoreError
from edge.forecast.baseline import offsets_s
from edge.forecast.calibration_file import CalibrationFile, Said, Track
from edge.log import Log

_LIMIT_FRAC = 0.98
_FORGET_AFTER_S = 40 * SECONDS_PER_DAY
KEEP_FILE_EVERY_S = SECONDS_PER_HOUR  # some 80 kB each time, on flash


class Forecasts(Protocol):
    """What is calibrated: a bundle's models, or the baseline."""

    @property
    def rooms(self) -> BundledRooms | None:
        """The rooms of the house, where the bundle knows them."""
        ...

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """``pv_w`` and ``load_w`` on the grid."""
        ...


class Calibrated:
    """A forecaster that judges its past issues at each new one; for one caller, who asks in the order of time."""

    def __init__(
        self,
        forecaster: Forecasts,
        site: Site,
        file: CalibrationFile,
        log: Log,
        elsewhere: Mapping[str, Track] = MappingProxyType({}),
        keep_every_s: float = KEEP_FILE_EVERY_S,
    ) -> None:
        """``elsewhere`` is what was learned of models while others were in force: they go on from there."""
        self._keep_every_s = keep_every_s
        self._forecaster, self._site, self._file, self._log = forecaster, site, file, log
        self._elsewhere = elsewhere
        self._tracks: dict[str, Track] = {}
        self._kept_s = -math.inf
        try:
            self._tracks = file.read()
        except StoreError as error:
            log.event("alarm", f"the calibration begins anew: {error}")

    @property
    def rooms(self) -> BundledRooms | None:
        """The rooms of the house, where the bundle knows them."""
        return self._forecaster.rooms

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """As the forecaster beneath, calibrated. What was learned is kept once an hour, before the answer goes out:
        what a restart loses of it is learned again from the history."""
        raw = self._forecaster.forecast(issued_s, grid, history, weather)
        calibrated = {name: self._calibrated(forecast, history) for name, forecast in raw.items()}
        self._tracks = {key: track for key, track in self._tracks.items() if track.used_s >= issued_s - _FORGET_AFTER_S}
        if not self._kept_s <= issued_s < self._kept_s + self._keep_every_s:
            self._keep(issued_s)
        return calibrated

    def _keep(self, issued_s: float) -> None:
        try:
            self._file.write(self._tracks)
        except StoreError as error:
            self._log.event("alarm", f"the calibration is not kept: {error}")
        else:
            self._kept_s = issued_s

    def _calibrated(self, raw: Forecast, history: Frame) -> Forecast:
        """Learn from what came since, apply that, and keep the issue for judging where one is due."""
        key = track_key(raw)
        track = (
            self._tracks.get(key)
            or self._elsewhere.get(key)
            or Track.begun(raw.signal, source_of(raw), raw.grid.start_s)
        )
        track = of_now(track, raw.grid.start_s)
        before = at_bound(track.state, track.bound_w)
        track = taught(track, outcomes_w(raw.signal, history, self._site), history.grid, self._site)
        self._tell(raw, track, before)
        where = buckets(hours(raw.signal, raw.grid, self._site), raw.grid.starts_s() - float(raw.grid.start_s))
        values = np.column_stack([raw.p10, raw.p50, raw.p90, raw.mean])
        moved = applied(track.state, where, values, max(track.cap_w, float(np.nanmax(raw.p90, initial=0.0))))
        if raw.signal == "pv_w":
            night = raw.p90 < NIGHT_FRAC * track.cap_w
            moved[night] = values[night]
        self._tracks[key] = with_issue(track, raw, moved)
        p10, p50, p90, mean = moved.T
        return replace(raw, p10=p10, p50=p50, p90=p90, mean=mean)

    def _tell(self, raw: Forecast, track: Track, before: IntArray) -> None:
        """An alarm when a bucket comes to its bound: calibration can no longer make up for the model."""
        reached = sorted({*at_bound(track.state, track.bound_w).tolist()} - {*before.tolist()})
        if reached:
            self._log.event("alarm", f"{raw.signal}: the calibration of {track.source} is at its bound: train it again")


def track_key(raw: Forecast) -> str:
    """The signal and the model behind a forecast, whatever it said of the moment."""
    return f"{raw.signal} {source_of(raw)}"


def source_of(raw: Forecast) -> str:
    """The model behind a forecast, without what it said of the moment."""
    return raw.source.partition(" (")[0]


def hours(signal: str, grid: TimeGrid, site: Site) -> IntArray:
    """Hour of the day of each slot: of the sun for PV (UTC), of the clock on the wall for the load."""
    local_s = grid.starts_s() + (0.0 if signal == "pv_w" else offsets_s(site.zone, grid))
    return np.asarray(local_s // SECONDS_PER_HOUR % 24, dtype=np.int64)


def outcomes_w(signal: str, history: Frame, site: Site) -> FloatArray:
    """What came, without what says nothing of the forecast: negative power, and PV while the export limit holds it."""
    came_w = history.column(signal).copy()
    came_w[came_w < 0.0] = np.nan
    if signal == "pv_w":
        came_w[history.column("grid_w") <= -_LIMIT_FRAC * site.grid.export_w] = np.nan
    return came_w


def of_now(track: Track, now_s: int) -> Track:
    """The track as it is; after this machine's time was set back, without what it awaits of times that did not come."""
    return track if max(track.used_s, track.judged_s) <= now_s else replace(track, issues=(), judged_s=now_s)


def taught(track: Track, came_w: FloatArray, grid: TimeGrid, site: Site) -> Track:
    """What the slots teach that came since the last time; the newest one waits, control may not have closed it yet."""
    largest_w = max(track.cap_w, float(np.nanmax(came_w, initial=0.0)))
    until_s = grid.end_s - grid.slot_s
    if not track.issues or until_s <= track.judged_s:
        return replace(track, cap_w=largest_w)
    issued_s = np.array([said.start_s for said in track.issues], dtype=np.float64)
    begin_s = max(track.judged_s, track.issues[0].start_s, grid.start_s)
    new = TimeGrid(start_s=begin_s, slot_s=grid.slot_s, count=max(until_s - begin_s, 0) // grid.slot_s)
    hour, first = hours(track.signal, new, site), (begin_s - grid.start_s) // grid.slot_s
    where, rows = [], []
    for index, start_s in enumerate(range(begin_s, until_s, grid.slot_s)):
        for judge in judges(issued_s, float(start_s), start_s // grid.slot_s):
            ahead_s = float(start_s - track.issues[judge].start_s)
            where.append(buckets(hour[index : index + 1], np.array([ahead_s]))[0])
            rows.append([came_w[first + index], *track.issues[judge].row(start_s, grid.slot_s)])
    state = track.state
    if rows:
        rule = Rule(bound_w=BOUND_FRAC * largest_w)
        state = learned(state, np.array(where, dtype=np.int64), np.array(rows, dtype=np.float64), rule)
    return replace(track, cap_w=largest_w, judged_s=until_s, state=state)


def with_issue(track: Track, raw: Forecast, moved: FloatArray) -> Track:
    """The track with this issue kept for judging, where one is due; those that are over are dropped."""
    now_s = raw.grid.start_s
    issues = tuple(said for said in track.issues if said.start_s > now_s - KEEP_FOR_S)
    track = replace(track, issues=issues, used_s=now_s)
    if issues and now_s < issues[-1].start_s + KEEP_EVERY_S:
        return track
    night = (raw.p90 < NIGHT_FRAC * track.cap_w) if raw.signal == "pv_w" else np.zeros(raw.grid.count, dtype=np.bool_)
    rows = np.where(night[:, None], np.nan, np.column_stack([raw.mean, moved[:, 0], moved[:, 2]]))
    return replace(track, issues=(*issues, Said(start_s=now_s, rows_w=rows)))
