"""The rooms of a site for its bundle: identified where the table knows them, with golden rows of what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.bundle_rooms import BundledRooms, bundled_document, bundled_from, golden_rooms
from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.solar import Location
from training.boosters import Stage
from training.dataset import Series, cut
from training.errors import TrainingError
from training.thermal_fit import fit_rooms, longest_spell

_ROOMS_FILE, _GOLDEN_FILE = "rooms.json", "rooms.npz"
_GOLDEN_DAYS = 2  # of history before the golden day


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class House:
    """The rooms of a site, and golden rows of what they say."""

    rooms: BundledRooms
    golden: Mapping[str, Any]


def fit_house(past: Series, location: Location, stage: Stage) -> tuple[House | None, dict[str, Any]]:
    """The rooms of a table and what to tell of them; None, and why, where they cannot be identified."""
    if not any(name.startswith("room_") for name in past.frame.columns):
        return None, {"reason": "the table has no room_<name>_c"}
    try:
        fitted = fit_rooms(past.frame, location, stage)
        rooms = BundledRooms(fitted.model, fitted.heat_w)
        golden = _golden(past, rooms)
    except TrainingError as error:
        return None, {"reason": str(error)}
    told = {"rows": fitted.rows, "error_k": fitted.error_k, "doubts": list(fitted.doubts)}
    return House(rooms=rooms, golden=golden), told


def _golden(past: Series, rooms: BundledRooms) -> dict[str, Any]:
    """The latest day, and those before it, of which the rooms have something to say."""
    spell = longest_spell(past.frame, rooms.model.names).frame
    last = spell.grid.count - SLOTS_PER_DAY
    for issue in range(last, _GOLDEN_DAYS * SLOTS_PER_DAY - 1, -SLOTS_PER_DAY):
        history = cut(spell, issue - _GOLDEN_DAYS * SLOTS_PER_DAY, issue)
        golden = golden_rooms(rooms, history, cut(spell, issue, issue + SLOTS_PER_DAY))
        if np.isfinite(golden["rooms_q"]).all():
            return golden
    raise TrainingError("rooms: there are no three days on end that all of them were measured in")


def save_house(house: House | None, folder: Path) -> None:
    """Write the rooms and their golden rows into a model folder; a folder of another fit loses its own."""
    if house is None:
        (folder / _ROOMS_FILE).unlink(missing_ok=True)
        return
    (folder / _ROOMS_FILE).write_text(json.dumps(bundled_document(house.rooms), indent=1), encoding="utf-8")
    np.savez_compressed(folder / _GOLDEN_FILE, allow_pickle=False, **house.golden)


def load_house(folder: Path) -> House | None:
    """The inverse of :func:`save_house`; ``OSError``, ``KeyError`` or ``ValueError`` where it is damaged."""
    path = folder / _ROOMS_FILE
    if not path.exists():
        return None
    rooms = bundled_from(json.loads(path.read_text(encoding="utf-8")))
    with np.load(folder / _GOLDEN_FILE, allow_pickle=False) as stored:
        return House(rooms=rooms, golden=dict(stored))
