"""Tables as frames of 15-minute slots, and training samples: many issue times, each with its horizons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from core_kernels.features import (
    LOAD_DAYS,
    PvPlant,
    Sky,
    load_features,
    pv_features_under,
    sky,
)
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from core_kernels.issue import Calendar
from core_kernels.records import FeatureMatrix, Float32Matrix, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.errors import SetupError, TrainingError

HORIZON_SLOTS = 2 * SLOTS_PER_DAY
WEATHER = ("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2", "temp_air_c", "wind_m_per_s", "cloud_frac")
_MARGIN_SLOTS = 12
_LIT_FRAC = 0.005  # of capacity; below it a slot has no shape
HISTORY_SLOTS = (LOAD_DAYS + 1) * SLOTS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Rows of a model: inputs, scale, what came, and when it was asked."""

    names: tuple[str, ...]
    values: Float32Matrix
    scale_w: FloatArray
    actual_w: FloatArray
    issued_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """A site's table on slots of 900 s; ``table_slot_s`` is the slot that the file came in.

    ``fc_issued_s`` says when each slot's forecast weather was issued (empty: always known), ``extra`` which further
    columns of it the site wants as features, ``holidays`` the local days (since 1970) of public holidays.
    """

    frame: Frame
    table_slot_s: int
    zone: ZoneInfo
    fc_issued_s: FloatArray = field(default_factory=lambda: np.empty(0))
    extra: tuple[str, ...] = ()
    holidays: tuple[int, ...] = ()

    def offsets_s(self, grid: TimeGrid) -> FloatArray:
        """Local time minus UTC at each slot start [s]."""
        return offsets_s(self.zone, grid)

    def history(self, issued_s: float, slots: int = HISTORY_SLOTS) -> Frame:
        """The last slots that end at or before an instant."""
        end = min(max(int((issued_s - self.frame.grid.start_s) // SLOT_S), 0), self.frame.grid.count)
        return cut(self.frame, max(end - slots, 0), end)

    def weather(self, grid: TimeGrid, issued_s: float = math.inf) -> Frame | None:
        """The forecast columns around a grid as known at an instant, on the file's slots; None where it has none."""
        if not any(name.startswith("fc_") for name in self.frame.columns):
            return None
        step = max(self.table_slot_s // SLOT_S, 1)
        step = step if self.frame.grid.start_s % (step * SLOT_S) == 0 else 1
        first = (grid.start_s - self.frame.grid.start_s) // SLOT_S
        low, high = max(first - _MARGIN_SLOTS, 0), min(first + grid.count + _MARGIN_SLOTS, self.frame.grid.count)
        low, high = low // step * step, max(high, low) // step * step
        part = TimeGrid(
            start_s=self.frame.grid.start_s + low * SLOT_S, slot_s=step * SLOT_S, count=max(high - low, 0) // step
        )
        columns = {name: v[low:high:step] for name, v in self.frame.columns.items() if name.startswith("fc_")}
        if self.fc_issued_s.size:
            known = self.fc_issued_s[low:high:step] <= issued_s
            columns = {name: np.where(known, values, np.nan) for name, values in columns.items()}
        return Frame(grid=part, columns=columns)


def offsets_s(zone: ZoneInfo, grid: TimeGrid) -> FloatArray:
    """Local time minus UTC at each slot start of a grid [s]."""
    utc = pd.DatetimeIndex(pd.to_datetime(grid.starts_s(), unit="s", utc=True))
    local = utc.tz_convert(zone).tz_localize(None)
    difference = local - utc.tz_localize(None)
    return np.asarray(difference.total_seconds(), dtype=np.float64)


def cut(frame: Frame, first: int, last: int) -> Frame:
    """Slots ``first`` up to but not including ``last``."""
    grid = TimeGrid(start_s=frame.grid.start_s + first * SLOT_S, slot_s=SLOT_S, count=last - first)
    return Frame(grid=grid, columns={name: values[first:last] for name, values in frame.columns.items()})


def before(series: Series, until_s: float) -> Series:
    """The part of a series that lies before an instant."""
    last = min(max(int((until_s - series.frame.grid.start_s) // SLOT_S), 0), series.frame.grid.count)
    return replace(series, frame=cut(series.frame, 0, last), fc_issued_s=series.fc_issued_s[:last])


def with_known_weather(series: Series) -> Series:
    """The series with its measured weather in the place of a forecast: what a perfect one, or a sensor, would say."""
    kept = {name: values for name, values in series.frame.columns.items() if not name.startswith("fc_")}
    known = {f"fc_{name}": kept[name] for name in WEATHER if name in kept}
    if not known:
        raise SetupError(f"the table has no measured weather: none of {', '.join(WEATHER)}")
    return replace(
        series, frame=Frame(grid=series.frame.grid, columns={**kept, **known}), fc_issued_s=np.empty(0), extra=()
    )


def without_weather(series: Series) -> Series:
    """The series without any forecast weather."""
    kept = {name: values for name, values in series.frame.columns.items() if not name.startswith("fc_")}
    return replace(series, frame=Frame(grid=series.frame.grid, columns=kept), fc_issued_s=np.empty(0), extra=())


def issue_times_s(first_s: float, last_s: float, step_slots: int) -> FloatArray:
    """Issue times from ``first_s`` on whose whole horizon ends by ``last_s`` [s].

    A step that shares no factor with 96 visits every clock time.
    """
    latest_s = last_s - HORIZON_SLOTS * SLOT_S
    start_s = np.ceil(first_s / SLOT_S) * SLOT_S
    return np.arange(start_s, latest_s + 1.0, float(step_slots * SLOT_S))


def horizon(issued_s: float, slots: int = HORIZON_SLOTS) -> TimeGrid:
    """The slots that a plan made at ``issued_s`` covers."""
    return TimeGrid(start_s=int(issued_s // SLOT_S) * SLOT_S, slot_s=SLOT_S, count=slots)


def shaped(series: Series, plant: PvPlant) -> Series:
    """The series with the power of slots longer than 15 minutes spread inside them as the clear sky spreads it."""
    step = series.table_slot_s // SLOT_S
    grid = series.frame.grid
    if step <= 1 or "pv_w" not in series.frame.columns or grid.count % step:
        return series
    clear_w = sky(plant, grid).clear_w
    mean_w = np.repeat(clear_w.reshape(-1, step).mean(axis=1), step)
    lit = mean_w > _LIT_FRAC * plant.capacity_w
    power_w = series.frame.column("pv_w")
    spread_w = np.where(lit, power_w * clear_w / np.where(lit, mean_w, 1.0), power_w)
    return replace(series, frame=Frame(grid=grid, columns={**series.frame.columns, "pv_w": spread_w}))


class PvSampler:
    """PV inputs at any issue time; the sky over the whole table is computed once."""

    def __init__(self, series: Series, plant: PvPlant) -> None:
        grid = series.frame.grid
        self._series, self._plant = shaped(series, plant), plant
        self._grid = TimeGrid(start_s=grid.start_s, slot_s=SLOT_S, count=grid.count + HORIZON_SLOTS + 1)
        self._sky = sky(plant, self._grid)

    def _part(self, grid: TimeGrid) -> Sky:
        first = (grid.start_s - self._grid.start_s) // SLOT_S
        return Sky(*(np.ascontiguousarray(values[first : first + grid.count]) for values in self._sky))

    def features(self, issued_s: float, grid: TimeGrid) -> FeatureMatrix:
        """One row a slot."""
        history = self._series.history(issued_s, 9 * SLOTS_PER_DAY)
        frames = (grid, history, self._series.weather(grid, issued_s))
        skies = (self._part(grid), self._part(history.grid))
        return pv_features_under(issued_s, frames, self._plant, skies, self._series.extra)


class LoadSampler:
    """Load inputs at any issue time."""

    def __init__(self, series: Series) -> None:
        grid = series.frame.grid
        self._series = series
        self._grid = TimeGrid(start_s=grid.start_s, slot_s=SLOT_S, count=grid.count + HORIZON_SLOTS + 1)
        self._offsets_s = series.offsets_s(self._grid)

    def _part(self, grid: TimeGrid) -> FloatArray:
        first = (grid.start_s - self._grid.start_s) // SLOT_S
        return self._offsets_s[first : first + grid.count]

    def features(self, issued_s: float, grid: TimeGrid) -> FeatureMatrix:
        """One row a slot."""
        history = self._series.history(issued_s)
        calendar = Calendar(self._part(grid), self._part(history.grid), self._series.holidays)
        return load_features(issued_s, grid, history, calendar, self._series.weather(grid, issued_s))


def actual_w(series: Series, name: str, grid: TimeGrid) -> FloatArray:
    """What came, NaN outside the table."""
    found = np.full(grid.count, np.nan)
    first = (grid.start_s - series.frame.grid.start_s) // SLOT_S
    low, high = max(-first, 0), min(series.frame.grid.count - first, grid.count)
    found[low:high] = series.frame.column(name)[first + low : first + high]
    return found


def local_midnights_s(series: Series, first_s: float, last_s: float) -> FloatArray:
    """The local midnights from ``first_s`` to ``last_s`` [s]; on a clock change the nearest quarter hour."""
    grid = horizon(first_s, max(int((last_s - first_s) // SLOT_S), 0) + 1)
    starts_s = grid.starts_s()
    local = (starts_s + series.offsets_s(grid)) // SLOT_S
    return np.asarray(starts_s[(local % SLOTS_PER_DAY == 0) & (starts_s >= first_s)])


def collect(
    series: Series,
    name: str,
    sampler: PvSampler | LoadSampler,
    issues_s: FloatArray,
    keep_frac: float,
    seed: int,
    slots: int = HORIZON_SLOTS,
    near_slots: int = 0,
) -> Samples:
    """Samples of many issue times, a random share of the horizons of each; rows without scale or outcome are left out.

    Raises
    ------
    TrainingError
        Not one row is left.
    """
    random = np.random.default_rng(seed)
    parts: list[tuple[Float32Matrix, FloatArray, FloatArray, FloatArray]] = []
    names: tuple[str, ...] = ()
    for issued_s in issues_s:
        grid = horizon(float(issued_s), slots)
        matrix = sampler.features(float(issued_s), grid)
        came_w = actual_w(series, name, grid)
        drawn = random.random(grid.count) < keep_frac
        drawn[:near_slots] = True
        keep = np.isfinite(came_w) & (matrix.scale_w > 0.0) & drawn
        parts.append((matrix.values[keep], matrix.scale_w[keep], came_w[keep], np.full(int(keep.sum()), issued_s)))
        names = matrix.names
    if sum(part[1].size for part in parts) == 0:
        raise TrainingError(f"no usable rows of {name}: the table needs at least a few days in which it is known")
    values, scale_w, came_w, asked_s = (np.concatenate([part[i] for part in parts]) for i in range(4))
    return Samples(names=names, values=values, scale_w=scale_w, actual_w=came_w, issued_s=asked_s)
