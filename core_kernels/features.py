"""Model inputs for PV and load (rooms: :mod:`core_kernels.room_features`): ONE code for training and device.

They know the time of the issue: nothing newer than ``issued_s`` enters. Every value is rounded to its feature's
declared grid, because the split thresholds of trees are compared in float32 and a last bit decides a branch. A change
of any number that this module yields needs a new ``featurespec.REVISION``: a bundle carries the digest that it was
trained with.

History is a frame of 15-minute slots that ends at or before the issue. It is folded into day tables: row 0 holds the
last 24 h before the issue, row 1 the 24 h before those, and a column is a clock time.
"""

from __future__ import annotations

import numpy as np

from core_kernels.featurespec import DARK_FRAC, LOAD_FEATURES, PV_FEATURES, rounded_matrix
from core_kernels.folding import (
    SLOT_S,
    SLOTS_PER_DAY,
    day_table,
    known_mean,
    neighbours,
    ratio,
)
from core_kernels.issue import (
    Calendar,
    Clock,
    clock_columns,
    clock_of,
    example_issue,
    issue_columns,
    quarter_s,
    tail_mean,
)
from core_kernels.pv import LINKE_DEFAULT, PvArray
from core_kernels.pv_plant import PvPlant, Sky, sky
from core_kernels.quantiles import empirical
from core_kernels.records import FeatureMatrix, Frame
from core_kernels.registry import registered
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray
from core_kernels.weather_features import extra_features, weather_columns, weather_power_w

__all__ = [
    "LOAD_DAYS",
    "PV_DAYS",
    "PvPlant",
    "Sky",
    "load_features",
    "pv_features",
    "pv_features_under",
    "sky",
    "weather_power_w",
]

PV_DAYS = 7
LOAD_DAYS = 28
_MAX_LOAD_RATIO = 30.0
# The scale is the clear-sky power and this share of capacity: a ratio to the bare clear sky doubles at every dawn, a
# share of capacity knows no season.
_FLOOR_FRAC = 0.25
_NEAR_H = 4.0  # no forecast knows the next hours as well as the sky of now; after four it does
_RECENT_LOAD_DAYS = 14
_LOAD_TAILS = {
    "load_1h": 4,
    "load_6h": SLOTS_PER_DAY // 4,
    "load_1d": SLOTS_PER_DAY,
    "load_3d": 3 * SLOTS_PER_DAY,
    "load_28d": LOAD_DAYS * SLOTS_PER_DAY,
}


def _clearness(pv_w: FloatArray, clear_w: FloatArray) -> FloatArray:
    """Energy-weighted clearness of everything given, as an array of one; NaN without sun."""
    known = np.isfinite(pv_w) & np.isfinite(clear_w)
    return ratio(np.array([pv_w[known].sum()]), np.array([clear_w[known].sum()]))


def _recent_clearness(issued_s: float, plant: PvPlant, starts_s: FloatArray, pair: FloatArray) -> dict[str, float]:
    """Clearness of the last hours and days. ``pair`` is float64[2, n]: power and clear-sky power in daylight."""
    midnight_s = issued_s - (issued_s + plant.location.longitude_deg * 240.0) % SECONDS_PER_DAY
    since = {
        "clearness_15m": issued_s - SLOT_S,
        "clearness_1h": issued_s - SECONDS_PER_HOUR,
        "clearness_3h": issued_s - 3.0 * SECONDS_PER_HOUR,
        "clearness_today": midnight_s,
        "clearness_1d": issued_s - SECONDS_PER_DAY,
        "clearness_3d": issued_s - 3.0 * SECONDS_PER_DAY,
        "clearness_7d": issued_s - 7.0 * SECONDS_PER_DAY,
    }
    return {name: float(_clearness(*pair[:, starts_s >= first])[0]) for name, first in since.items()}


def _near(columns: dict[str, FloatArray], clear_ratio: FloatArray) -> dict[str, FloatArray]:
    """What the last clearness says of the next hours, and physics of all after: the sky of now fades out linearly."""
    latest = columns["clearness_15m"]
    share = np.where(np.isfinite(latest), np.maximum(1.0 - columns["horizon_h"] / _NEAR_H, 0.0), 0.0)
    return {
        "near_ratio": share * np.where(share > 0.0, latest, 0.0) * clear_ratio,
        "far_physics_ratio": (1.0 - share) * columns["fc_physics_ratio"],
    }


def _pv_example() -> tuple[float, TimeGrid, Frame, PvPlant, Frame]:
    grid, history, _, weather = example_issue()
    location, arrays = Location(49.2, 16.6, 230.0), (PvArray(35.0, 180.0, 10000.0, 8000.0),)
    return float(grid.start_s), grid, history, PvPlant(location, arrays, LINKE_DEFAULT), weather


@registered(
    name="features.pv",
    unit="as featurespec.PV_FEATURES",
    source="issue 3, item 7; grids of featurespec, revision 5",
    reference="hand-made weeks in the tests",
    tolerance=0.0,
    example=_pv_example,
)
def pv_features(
    issued_s: float,
    grid: TimeGrid,
    history: Frame,
    plant: PvPlant,
    weather: Frame | None = None,
    extra: tuple[str, ...] = (),
) -> FeatureMatrix:
    """Inputs of the PV model for each slot; ``scale_w`` is the clear-sky power plus a quarter of capacity, 0 at night.

    Parameters
    ----------
    issued_s : float
        When the forecast is made. [s]
    grid : TimeGrid
        Slots of 900 s to be forecast.
    history : Frame
        ``pv_w`` and, where measured, ``temp_air_c``; ends at or before the issue. Missing is NaN.
    plant : PvPlant
    weather : Frame, optional
        Forecast known at the issue: ``fc_ghi_w_per_m2``, ``fc_temp_air_c``, ``fc_cloud_frac``, ``fc_wind_m_per_s``.
    extra : tuple of str
        Further columns of ``weather``, each with its neighbouring hours.

    Returns
    -------
    FeatureMatrix
        One row a slot, the columns of ``PV_FEATURES`` and of ``extra``; what is not known is NaN.
    """
    skies = (sky(plant, grid), sky(plant, history.grid))
    return pv_features_under(issued_s, (grid, history, weather), plant, skies, extra)


def pv_features_under(
    issued_s: float,
    frames: tuple[TimeGrid, Frame, Frame | None],
    plant: PvPlant,
    skies: tuple[Sky, Sky],
    extra: tuple[str, ...] = (),
) -> FeatureMatrix:
    """As :func:`pv_features`, under skies over the grid and over the history's grid that the caller has already."""
    (grid, history, weather), (future, past) = frames, skies
    issued_s = quarter_s(issued_s, grid, history)
    starts_s = history.grid.starts_s()
    light = np.isfinite(history.column("pv_w")) & (past.clear_w > DARK_FRAC * plant.capacity_w)
    pair = np.where(light, np.stack([history.column("pv_w"), past.clear_w]), np.nan)
    columns = {
        name: np.full(grid.count, value) for name, value in _recent_clearness(issued_s, plant, starts_s, pair).items()
    }
    slot_of_day = (grid.starts_s() // SLOT_S).astype(np.int64) % SLOTS_PER_DAY
    slots = (starts_s // SLOT_S).astype(np.int64)
    power, clear = (day_table(row, slots, int(issued_s // SLOT_S), PV_DAYS) for row in pair)
    for days in (1, 3, 7):
        sums = [np.asarray(np.nansum(neighbours(t[:days], 2), axis=1), dtype=np.float64) for t in (power, clear)]
        columns[f"clearness_slot_{days}d"] = ratio(sums[0], sums[1])[slot_of_day]
    each = ratio(neighbours(power, 1), neighbours(clear, 1))
    columns["clearness_slot_high"] = empirical(each, (0.9,))[:, 0][slot_of_day]
    columns |= issue_columns(issued_s, grid, history, weather)
    columns["sun_elevation_deg"], columns["sun_azimuth_deg"] = future.elevation_deg, future.azimuth_deg
    columns["clear_sky_frac"] = future.clear_w / plant.capacity_w
    columns |= weather_columns(grid, plant, weather, extra)
    scale_w = np.where(future.clear_w > 0.0, future.clear_w + _FLOOR_FRAC * plant.capacity_w, 0.0)
    physics_w = columns["fc_plant_frac"] * plant.capacity_w
    columns["fc_power_frac"], columns["fc_physics_ratio"] = ratio(physics_w, future.clear_w), ratio(physics_w, scale_w)
    columns |= _near(columns, ratio(future.clear_w, scale_w))
    return rounded_matrix((*PV_FEATURES, *extra_features(extra)), columns, scale_w)


def _load_example() -> tuple[float, TimeGrid, Frame, Calendar, Frame]:
    grid, history, calendar, weather = example_issue()
    return float(grid.start_s), grid, history, calendar, weather


@registered(
    name="features.load",
    unit="as featurespec.LOAD_FEATURES",
    source="issue 3, item 7; grids of featurespec, revision 5",
    reference="hand-made weeks in the tests",
    tolerance=0.0,
    example=_load_example,
)
def load_features(
    issued_s: float, grid: TimeGrid, history: Frame, calendar: Calendar, weather: Frame | None = None
) -> FeatureMatrix:
    """Inputs of the load model for each slot; ``scale_w`` is the mean load of the last 7 days.

    Parameters
    ----------
    issued_s : float
        When the forecast is made. [s]
    grid : TimeGrid
        Slots of 900 s to be forecast.
    history : Frame
        ``load_w`` and, where measured, ``temp_air_c``; ends at or before the issue. Missing is NaN.
    calendar : Calendar
        Local time minus UTC of both grids, and the public holidays, which count as Sundays.
    weather : Frame, optional
        Forecast known at the issue: ``fc_temp_air_c``.

    Returns
    -------
    FeatureMatrix
        One row a slot, the columns of ``LOAD_FEATURES``; what is not known is NaN. Ratios are to ``scale_w``.
    """
    issued_s = quarter_s(issued_s, grid, history)
    load_w = history.column("load_w")
    starts_s = history.grid.starts_s()
    scale_w = float(known_mean(load_w[starts_s >= issued_s - 7 * SECONDS_PER_DAY], 0)) if load_w.size else float("nan")
    clock = clock_of(issued_s, grid, history, calendar)
    share = ratio(load_w, np.full(load_w.size, scale_w), _MAX_LOAD_RATIO)
    columns = _load_profile(day_table(share, clock.past, clock.end_slot, LOAD_DAYS), clock)
    for name, slots in _LOAD_TAILS.items():
        recent_w = tail_mean(history, "load_w", slots, issued_s)
        columns[name] = ratio(np.full(grid.count, recent_w), np.full(grid.count, scale_w), _MAX_LOAD_RATIO)
    day = share[(starts_s >= issued_s - SECONDS_PER_DAY) & np.isfinite(share)]
    columns["is_holiday"] = clock.is_holiday(clock.wanted).astype(np.float64)
    columns["load_1d_least"] = np.full(grid.count, day.min() if day.size else np.nan)
    columns |= issue_columns(issued_s, grid, history, weather) | clock_columns(clock.wanted)
    return rounded_matrix(LOAD_FEATURES, columns, np.full(grid.count, scale_w))


def _load_profile(table: FloatArray, clock: Clock) -> dict[str, FloatArray]:
    """What the last weeks say about each wanted clock time, from a local day table of ratios."""
    column = clock.wanted % SLOTS_PER_DAY
    rows = np.arange(LOAD_DAYS)[:, None]
    day = (clock.end_slot - 1 - np.arange(SLOTS_PER_DAY)[None, :]) // SLOTS_PER_DAY - rows
    weekdays = clock.day_kind(day * SLOTS_PER_DAY)
    shape = (SLOTS_PER_DAY, 5, LOAD_DAYS)
    near = neighbours(table, 2).reshape(shape)
    smooth = known_mean(near, 1).T
    wanted_day = clock.day_kind(clock.wanted)
    known_days = weekdays[:, column]
    values = smooth[:, column]
    same_day = np.where(known_days == wanted_day, values, np.nan)
    same_type = np.where((known_days >= 5) == (wanted_day >= 5), values, np.nan)
    low, median, high = empirical(neighbours(table, 1)).T
    recent = table[:_RECENT_LOAD_DAYS]
    recent_low, recent_median, recent_high = empirical(neighbours(recent, 2)).T
    return {
        "load_slot_1d": values[0],
        "load_slot_2d": values[1],
        "load_slot_3d": known_mean(smooth[:3], 0)[column],
        "load_slot_weekday": known_mean(same_day, 0),
        "load_slot_last_weekday": known_mean(same_day[:8], 0),
        "load_slot_7d": known_mean(smooth[:7], 0)[column],
        "load_slot_28d": known_mean(smooth, 0)[column],
        "load_slot_daytype": known_mean(same_type, 0),
        "load_slot_low": low[column],
        "load_slot_median": median[column],
        "load_slot_high": high[column],
        "load_slot_14d_low": recent_low[column],
        "load_slot_14d_median": recent_median[column],
        "load_slot_14d_high": recent_high[column],
        "load_slot_14d_wide": known_mean(neighbours(recent, 6), 1)[column],
    }
