"""Model inputs for the temperature of a room; the rules of :mod:`core_kernels.features` hold here, too.

The model's output is what the room has gained since the issue [K], alone or beside what a thermal network explains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.featurespec import ROOM_FEATURES, rounded_matrix
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, IntArray, at_mids, day_table, known_mean, mids_s, neighbours
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
from core_kernels.records import FeatureMatrix, Frame
from core_kernels.registry import registered
from core_kernels.solar import Location, sun_position
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

ROOM_DAYS = 7
_SLOT_H = SLOT_S / SECONDS_PER_HOUR


class Room(NamedTuple):
    """A room by the name in its signals ``room_<name>_c`` and ``heat_<name>_w``, and the place of its house."""

    name: str
    location: Location


def _by_clock(values: FloatArray, clock: Clock, days: int) -> FloatArray:
    """Mean of the last days at the clock time of each wanted slot, its neighbours included; NaN where none is known."""
    table = day_table(values, clock.past, clock.end_slot, days)
    return known_mean(neighbours(table, 1), 1)[clock.wanted % SLOTS_PER_DAY]


def _ages(history: Frame, issued_s: float) -> IntArray:
    """Whole hours between each slot of the history and the issue."""
    return ((issued_s - history.grid.starts_s() - 1.0) // SECONDS_PER_HOUR).astype(np.int64)


def _room_columns(history: Frame, name: str, issued_s: float, clock: Clock) -> dict[str, FloatArray]:
    """The room now (the last known quarter of the last hour), and how it differed hours and days ago."""
    temp_c, ages = history.column(name), _ages(history, issued_s)
    fresh = np.flatnonzero(np.isfinite(temp_c) & (ages == 0))
    now_c = float(temp_c[fresh[-1]]) if fresh.size else float("nan")
    return {
        "room_now_c": np.full(clock.wanted.size, now_c),
        "room_1h_k": np.full(clock.wanted.size, now_c - float(known_mean(temp_c[ages == 1], 0))),
        "room_3h_k": np.full(clock.wanted.size, now_c - float(known_mean(temp_c[ages == 3], 0))),
        "room_slot_1d_k": _by_clock(temp_c, clock, 1) - now_c,
        "room_slot_7d_k": _by_clock(temp_c, clock, ROOM_DAYS) - now_c,
    }


def _heat_columns(history: Frame, name: str, issued_s: float, clock: Clock) -> dict[str, FloatArray]:
    """Heat as a share of the most that the history has seen; NaN where it has seen none."""
    heat_w = history.column(name)
    known_w = heat_w[np.isfinite(heat_w)]
    most_w = float(known_w.max()) if known_w.size and known_w.max() > 0.0 else float("nan")
    return {
        "heat_1h_frac": np.full(clock.wanted.size, tail_mean(history, name, 4, issued_s) / most_w),
        "heat_1d_frac": np.full(clock.wanted.size, tail_mean(history, name, SLOTS_PER_DAY, issued_s) / most_w),
        "heat_slot_7d_frac": _by_clock(heat_w, clock, ROOM_DAYS) / most_w,
    }


def _weather_columns(weather: Frame | None, grid: TimeGrid) -> dict[str, FloatArray]:
    """Sun that is forecast, and what sun and air will have done since the first slot; NaN from the first gap on."""
    temp_c, ghi = at_mids(weather, "fc_temp_air_c", grid), at_mids(weather, "fc_ghi_w_per_m2", grid)
    return {
        "fc_temp_air_since_c": np.cumsum(temp_c) / np.arange(1.0, grid.count + 1.0),
        "fc_ghi_w_per_m2": ghi,
        "fc_ghi_since_wh_per_m2": np.cumsum(ghi) * _SLOT_H,
    }


def _example() -> tuple[float, TimeGrid, Frame, Room, Calendar, Frame]:
    grid, history, calendar, weather = example_issue()
    return float(grid.start_s), grid, history, Room("hall", Location(49.2, 16.6, 230.0)), calendar, weather


@registered(
    name="features.room",
    unit="as featurespec.ROOM_FEATURES",
    source="issue 3, item 7; grids of featurespec, revision 5",
    reference="hand-made weeks in the tests",
    tolerance=0.0,
    example=_example,
)
def room_features(
    issued_s: float, grid: TimeGrid, history: Frame, room: Room, calendar: Calendar, weather: Frame | None = None
) -> FeatureMatrix:
    """Inputs of a room's model for each slot; ``scale_w`` is 1, the output is in K.

    Parameters
    ----------
    issued_s : float
        When the forecast is made. [s]
    grid : TimeGrid
        Slots of 900 s to be forecast.
    history : Frame
        ``room_<name>_c`` and, where measured, ``heat_<name>_w`` and ``temp_air_c``; ends at or before the issue.
    room : Room
    calendar : Calendar
        Local time minus UTC of both grids.
    weather : Frame, optional
        Forecast known at the issue: ``fc_temp_air_c``, ``fc_ghi_w_per_m2``.

    Returns
    -------
    FeatureMatrix
        One row a slot, the columns of ``ROOM_FEATURES``; what is not known is NaN.
    """
    issued_s = quarter_s(issued_s, grid, history)
    clock = clock_of(issued_s, grid, history, calendar)
    sun = sun_position(mids_s(grid), room.location)
    columns = issue_columns(issued_s, grid, history, weather) | clock_columns(clock.wanted)
    columns |= _room_columns(history, f"room_{room.name}_c", issued_s, clock)
    columns |= _heat_columns(history, f"heat_{room.name}_w", issued_s, clock)
    columns |= _weather_columns(weather, grid)
    columns["sun_elevation_deg"], columns["sun_azimuth_deg"] = 90.0 - sun.zenith_deg, sun.azimuth_deg
    return rounded_matrix(ROOM_FEATURES, columns, np.ones(grid.count))
