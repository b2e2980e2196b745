"""Rooms ahead: the bundle's network from measured history, under the heat and the weather of the hours to come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core_kernels.bundle_rooms import WEATHER, BundledRooms
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, at_mids, day_table, known_mean
from core_kernels.records import Frame
from core_kernels.rooms import WARM_DAYS, room_quantiles
from core_kernels.signals import FORECAST_PREFIX
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray


def rooms_ahead(
    rooms: BundledRooms, grid: TimeGrid, history: Frame, weather: Frame | None, heat_w: Mapping[str, FloatArray]
) -> tuple[dict[str, FloatArray], str]:
    """P10, P50, P90 of each room by its name, float64[slots, 3], and why none is known.

    Parameters
    ----------
    rooms : BundledRooms
    grid : TimeGrid
        Slots of 900 s from the issue on.
    history : Frame
        Measured slots of 900 s up to the issue; weather that is not measured is taken from ``weather``.
    weather : Frame, optional
        Forecast weather (``fc_*``).
    heat_w : mapping of str to float64[slots]
        Heat as planned, by room; a room that is not named is heated as it was in the last week. [W]
    """
    before = _recent(rooms, history, weather)
    unknown = [name for name in rooms.acting if np.isnan(before.column(name)).all()]
    if unknown:
        return {}, f"{', '.join(unknown)} of the last days is not known"
    columns = {name: at_mids(weather, FORECAST_PREFIX + name, grid) for name in WEATHER}
    for name in rooms.acting[len(WEATHER) :]:
        room = name.removeprefix("heat_").removesuffix("_w")
        columns[name] = heat_w[room] if room in heat_w else _as_before(before, name, grid)
    found = room_quantiles(rooms.model, before, Frame(grid=grid, columns=columns))
    if not all(np.isfinite(values[0]).all() for values in found.values()):
        return {}, "rooms, heat or weather of the last hours or of the next are not known"
    return {room: found[name] for room, name in zip(rooms.model.names, rooms.signals, strict=True)}, ""


def _recent(rooms: BundledRooms, history: Frame, weather: Frame | None) -> Frame:
    """The last week of what the rooms' network asks for."""
    first = max(history.grid.count - WARM_DAYS * SLOTS_PER_DAY, 0)
    count = history.grid.count - first
    grid = TimeGrid(start_s=history.grid.start_s + first * SLOT_S, slot_s=SLOT_S, count=count)
    columns = {name: history.column(name)[first:] for name in (*rooms.signals, *rooms.acting)}
    for name in WEATHER:
        said = at_mids(weather, FORECAST_PREFIX + name, grid)
        columns[name] = np.where(np.isnan(columns[name]), said, columns[name])
    return Frame(grid=grid, columns=columns)


def _as_before(before: Frame, name: str, grid: TimeGrid) -> FloatArray:
    """The last week's mean heat at the time of day of each slot [W]."""
    slots = (before.grid.starts_s() // SLOT_S).astype(np.int64)
    table = day_table(before.column(name), slots, int(slots[-1]) + 1, WARM_DAYS)
    return known_mean(table, 0)[(grid.starts_s() // SLOT_S).astype(np.int64) % SLOTS_PER_DAY]
