"""Model inputs for PV and load (rooms: :mod:`core_kernels.room_features`): ONE code for training and device.

They know the time of the issue: nothing newer than ``issued_s`` enters. Every value is rounded to its feature's
declared grid, because the split thresholds of trees are compared in float32 and a last bit decides a branch. A change
of any number that this module yields needs a new ``featurespec.REVISION``: a bundle carries the digest that it was
trained with.

History is a frame of 15-minute slots that ends at or before the issue. It is folded into day tables: row 0 holds the
last 24 h before the issue, row 1 the 24 h before those, and a column is a clock time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.featurespec import DARK_FRAC, LOAD_FEATURES, PV_FEATURES, rounded_matrix
from core_kernels.folding import (
    SLOT_S,
    SLOTS_PER_DAY,
    IntArray,
    at_mids,
    day_table,
    known_mean,
    mids_s,
    neighbours,
    ratio,
    weekday,
)
from core_kernels.issue import Calendar, clock_columns, clock_of, example_issue, issue_columns, quarter_s, tail_mean
from core_kernels.pv import LINKE_DEFAULT, PvArray, clear_sky_power_w, power_from_ghi_w
from core_kernels.quantiles import empirical
from core_kernels.records import FeatureMatrix, Frame
from core_kernels.registry import registered
from core_kernels.solar import Location, sun_position
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray

PV_DAYS = 7
LOAD_DAYS = 28
_MAX_LOAD_RATIO = 30.0
_RECENT_LOAD_DAYS = 14
_LOAD_TAILS = {
    "load_1h": 4,
    "load_6h": SLOTS_PER_DAY // 4,
    "load_1d": SLOTS_PER_DAY,
    "load_3d": 3 * SLOTS_PER_DAY,
    "load_28d": LOAD_DAYS * SLOTS_PER_DAY,
}


class PvPlant(NamedTuple):
    """The PV plant as physics sees it, and the haze of its sky."""

    location: Location
    arrays: tuple[PvArray, ...]
    linke_ratio: tuple[float, ...]

    @property
    def capacity_w(self) -> float:
        """The most that the inverters let through [W]."""
        return sum(min(array.dc_w, array.inverter_w) for array in self.arrays)


class Sky(NamedTuple):
    """Sun and cloudless power at the middle of each slot of a grid."""

    clear_w: FloatArray
    elevation_deg: FloatArray
    azimuth_deg: FloatArray


def sky(plant: PvPlant, grid: TimeGrid) -> Sky:
    """The cloudless sky over a plant."""
    times_s = mids_s(grid)
    sun = sun_position(times_s, plant.location)
    clear_w = clear_sky_power_w(times_s, plant.location, plant.arrays, plant.linke_ratio)
    return Sky(clear_w, 90.0 - sun.zenith_deg, sun.azimuth_deg)


def _clearness(pv_w: FloatArray, clear_w: FloatArray) -> FloatArray:
    """Energy-weighted clearness of everything given, as an array of one; NaN without sun."""
    known = np.isfinite(pv_w) & np.isfinite(clear_w)
    return ratio(np.array([pv_w[known].sum()]), np.array([clear_w[known].sum()]))


def _recent_clearness(issued_s: float, plant: PvPlant, starts_s: FloatArray, pair: FloatArray) -> dict[str, float]:
    """Clearness of the last hours and days. ``pair`` is float64[2, n]: power and clear-sky power in daylight."""
    midnight_s = issued_s - (issued_s + plant.location.longitude_deg * 240.0) % SECONDS_PER_DAY
    since = {
        "clearness_1h": issued_s - SECONDS_PER_HOUR,
        "clearness_3h": issued_s - 3.0 * SECONDS_PER_HOUR,
        "clearness_today": midnight_s,
        "clearness_1d": issued_s - SECONDS_PER_DAY,
        "clearness_3d": issued_s - 3.0 * SECONDS_PER_DAY,
        "clearness_7d": issued_s - 7.0 * SECONDS_PER_DAY,
    }
    return {name: float(_clearness(*pair[:, starts_s >= first])[0]) for name, first in since.items()}


def _pv_example() -> tuple[float, TimeGrid, Frame, PvPlant, Frame]:
    grid, history, _, weather = example_issue()
    location, arrays = Location(49.2, 16.6, 230.0), (PvArray(35.0, 180.0, 10000.0, 8000.0),)
    return float(grid.start_s), grid, history, PvPlant(location, arrays, LINKE_DEFAULT), weather


@registered(
    name="features.pv",
    unit="as featurespec.PV_FEATURES",
    source="issue 3, item 7; grids of featurespec, revision 2",
    reference="hand-made weeks in the tests",
    tolerance=0.0,
    example=_pv_example,
)
def pv_features(
    issued_s: float, grid: TimeGrid, history: Frame, plant: PvPlant, weather: Frame | None = None
) -> FeatureMatrix:
    """Inputs of the PV model for each slot; ``scale_w`` is the clear-sky power.

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

    Returns
    -------
    FeatureMatrix
        One row a slot, the columns of ``PV_FEATURES``; what is not known is NaN.
    """
    return pv_features_under(issued_s, history, weather, plant, (grid, sky(plant, grid)), sky(plant, history.grid))


def pv_features_under(
    issued_s: float, history: Frame, weather: Frame | None, plant: PvPlant, target: tuple[TimeGrid, Sky], past: Sky
) -> FeatureMatrix:
    """As :func:`pv_features`, under skies that the caller has already; ``past`` is the sky over ``history.grid``."""
    grid, future = target
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
    columns["fc_cloud_frac"] = at_mids(weather, "fc_cloud_frac", grid)
    columns["fc_power_frac"] = ratio(weather_power_w(grid, plant, weather), future.clear_w)
    return rounded_matrix(PV_FEATURES, columns, future.clear_w)


def weather_power_w(grid: TimeGrid, plant: PvPlant, weather: Frame | None) -> FloatArray:
    """AC power by physics from forecast irradiance [W]; NaN where none is known.

    Where the forecast has no temperature or wind, 15 degC and 1 m/s stand in: they move the power by a few percent.
    """
    ghi = at_mids(weather, "fc_ghi_w_per_m2", grid)
    if not np.isfinite(ghi).any():
        return ghi
    temp_c, wind = at_mids(weather, "fc_temp_air_c", grid), at_mids(weather, "fc_wind_m_per_s", grid)
    temp_c, wind = np.where(np.isfinite(temp_c), temp_c, 15.0), np.where(np.isfinite(wind), wind, 1.0)
    return power_from_ghi_w(mids_s(grid), plant.location, plant.arrays, ghi, temp_c, wind)


def _load_example() -> tuple[float, TimeGrid, Frame, Calendar, Frame]:
    grid, history, calendar, weather = example_issue()
    return float(grid.start_s), grid, history, calendar, weather


@registered(
    name="features.load",
    unit="as featurespec.LOAD_FEATURES",
    source="issue 3, item 7; grids of featurespec, revision 2",
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
        Local time minus UTC of both grids.
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
    columns = _load_profile(day_table(share, clock.past, clock.end_slot, LOAD_DAYS), clock.wanted, clock.end_slot)
    for name, slots in _LOAD_TAILS.items():
        recent_w = tail_mean(history, "load_w", slots, issued_s)
        columns[name] = ratio(np.full(grid.count, recent_w), np.full(grid.count, scale_w), _MAX_LOAD_RATIO)
    day = share[(starts_s >= issued_s - SECONDS_PER_DAY) & np.isfinite(share)]
    columns["load_1d_least"] = np.full(grid.count, day.min() if day.size else np.nan)
    columns |= issue_columns(issued_s, grid, history, weather) | clock_columns(clock.wanted)
    return rounded_matrix(LOAD_FEATURES, columns, np.full(grid.count, scale_w))


def _load_profile(table: FloatArray, wanted: IntArray, end_slot: int) -> dict[str, FloatArray]:
    """What the last weeks say about each wanted clock time, from a local day table of ratios."""
    column = wanted % SLOTS_PER_DAY
    rows = np.arange(LOAD_DAYS)[:, None]
    day = (end_slot - 1 - np.arange(SLOTS_PER_DAY)[None, :]) // SLOTS_PER_DAY - rows
    weekdays = (day + 3) % 7
    shape = (SLOTS_PER_DAY, 5, LOAD_DAYS)
    near = neighbours(table, 2).reshape(shape)
    smooth = known_mean(near, 1).T
    wanted_day = weekday(wanted)
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
