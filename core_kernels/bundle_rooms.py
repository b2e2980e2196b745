"""Rooms as a bundle carries them: the model, the heat that each heater can give, and golden rows that prove both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from core_kernels.folding import SLOT_S
from core_kernels.records import Frame
from core_kernels.rooms import RoomModel, room_quantiles
from core_kernels.rooms_document import rooms_document, rooms_from
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray

WEATHER = ("temp_air_c", "ghi_w_per_m2")
_KEYS = {"model", "heat_w"}
_MOST_HEAT_W = 1e6
_GOLDEN = ("rooms_start_s", "rooms_history", "rooms_ahead", "rooms_q")


class BundledRooms(NamedTuple):
    """Identified rooms, and the most that each was heated with; NaN where a room has no heater [W]."""

    model: RoomModel
    heat_w: FloatArray

    @property
    def acting(self) -> tuple[str, ...]:
        """The signals that act on the rooms: the weather, and the heat of every room that has a heater."""
        rooms = zip(self.model.names, self.heat_w, strict=True)
        return (*WEATHER, *(f"heat_{name}_w" for name, most_w in rooms if not math.isnan(most_w)))

    @property
    def signals(self) -> tuple[str, ...]:
        """The rooms' own signals."""
        return tuple(f"room_{name}_c" for name in self.model.names)


def bundled_document(rooms: BundledRooms) -> dict[str, Any]:
    """The rooms as JSON types; a room without a heater has null."""
    heat_w = [None if math.isnan(most_w) else float(most_w) for most_w in rooms.heat_w]
    return {"model": rooms_document(rooms.model), "heat_w": heat_w}


def bundled_from(document: Mapping[str, Any]) -> BundledRooms:
    """The inverse of :func:`bundled_document`; raises ``ValueError`` with the field that is wrong."""
    if not isinstance(document, Mapping) or set(document) != _KEYS:
        raise ValueError(f"rooms must have the keys {', '.join(sorted(_KEYS))}")
    model, given = rooms_from(document["model"]), document["heat_w"]
    if not isinstance(given, list) or len(given) != len(model.names):
        raise ValueError("rooms.heat_w must have one value a room")
    for most_w in given:
        if most_w is not None and not (type(most_w) in (int, float) and 0.0 < most_w <= _MOST_HEAT_W):
            raise ValueError(f"rooms.heat_w must be null or above 0 and at most {_MOST_HEAT_W:g}, got {most_w!r}")
    return BundledRooms(model, np.array([math.nan if most_w is None else most_w for most_w in given], dtype=np.float64))


def golden_rooms(rooms: BundledRooms, history: Frame, ahead: Frame) -> dict[str, Any]:
    """Arrays that show what the rooms say: what was known, what acts on them ahead, and the answer."""
    found = room_quantiles(rooms.model, history, ahead)
    return {
        "rooms_start_s": np.array(history.grid.start_s, dtype=np.int64),
        "rooms_history": np.column_stack([history.column(name) for name in (*rooms.signals, *rooms.acting)]),
        "rooms_ahead": np.column_stack([ahead.column(name) for name in rooms.acting]),
        "rooms_q": np.stack([found[name] for name in rooms.signals], axis=1),
    }


def rooms_ratio(rooms: BundledRooms, golden: Mapping[str, Any]) -> float:
    """How far the rooms are from their golden rows, relative to the largest; raises ``ValueError`` where none fit."""
    missing = [name for name in _GOLDEN if name not in golden]
    if missing:
        raise ValueError(f"golden rows of the rooms are missing: {', '.join(missing)}")
    start, before, after, wanted = (golden[name] for name in _GOLDEN)
    names, acting = (*rooms.signals, *rooms.acting), rooms.acting
    shapes_fit = before.ndim == after.ndim == 2 and (before.shape[1], after.shape[1]) == (len(names), len(acting))
    if start.shape != () or not shapes_fit or wanted.shape != (after.shape[0], len(rooms.signals), 3):
        raise ValueError("golden rows of the rooms have the wrong shape")
    history = _frame(int(start), names, before)
    found = room_quantiles(rooms.model, history, _frame(history.grid.end_s, acting, after))
    said = np.stack([found[name] for name in rooms.signals], axis=1)
    if not np.isfinite(said).all() or not np.isfinite(wanted).all():
        raise ValueError("golden rows of the rooms are not finite")
    return float(np.abs(said - wanted).max() / np.abs(wanted).max())


def _frame(start_s: int, names: tuple[str, ...], values: FloatArray) -> Frame:
    grid = TimeGrid(start_s=start_s, slot_s=SLOT_S, count=values.shape[0])
    return Frame(grid=grid, columns=dict(zip(names, values.T, strict=True)))
