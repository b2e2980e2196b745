"""Rooms: the thermal network by prediction error, then what the training days say of sun, heating, noise and trust.

Each candidate (plane of the windows, power or relay, noise, start) is fitted by the Kalman likelihood; the one that
is nearest over the 24 h ahead of the training days is taken: a likelihood of one step alone prefers models that follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from core_kernels.identification import Fit, FitOptions, fit
from core_kernels.kalman import Observations, ThermalNoise
from core_kernels.records import Frame
from core_kernels.rooms import (
    LEAD_SLOTS,
    WARM_DAYS,
    Mix,
    RoomModel,
    acts_on,
    heat_of,
    network_path,
    now_and_habit,
    part,
    rooms_of,
)
from core_kernels.rooms_document import MOST_ROOMS
from core_kernels.solar import Location
from core_kernels.thermal import ThermalInputs
from core_kernels.units import FloatArray
from training.boosters import Stage, quiet
from training.dataset import cut
from training.errors import TrainingError
from training.thermal_guess import SingleRoom, bounded, doubts, neighbours, single_room, start_network

HORIZON_SLOTS = SLOTS_PER_DAY
_WINDOWS_DEG = (float("nan"), 90.0, 135.0, 180.0, 225.0, 270.0)
_NOISES = (ThermalNoise(), ThermalNoise(0.02, 0.01, 0.3), ThermalNoise(0.3, 0.02, 1.0))
_SPREADS = (1.0, 0.4, 2.0)
_OPTIONS = FitOptions(iterations_count=40, prior_frac=1.0)
_STEP_SLOTS = 10  # between the issues that judge: shares no factor with a day's 96 but 2
_MOST_ISSUES = 120
_LEAST_DAYS = 3.0
_ROOM = re.compile(r"room_([a-z0-9_]+)_c\Z")


class Spell(NamedTuple):
    """The longest stretch of a table in which weather and heat are known."""

    frame: Frame
    measured_c: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedRooms:
    """The model, how well its network is known, what is doubtful, and its error a day ahead in training [K].

    ``heat_w`` is the most that each room was heated with; NaN where it has no heater.
    """

    model: RoomModel
    heat_w: FloatArray
    deviation_frac: FloatArray
    doubts: tuple[str, ...]
    rows: int
    error_k: float
    singles: tuple[SingleRoom, ...]


class Paths(NamedTuple):
    """What network, present and habit said of each slot ahead, and what came: float64[issues, slots, rooms]."""

    network_c: FloatArray
    now_c: FloatArray
    habit_c: FloatArray
    came_c: FloatArray


def room_names(frame: Frame) -> tuple[str, ...]:
    """The rooms of a table; raises :class:`TrainingError` where there are none, or more than 17."""
    names = tuple(match[1] for match in map(_ROOM.match, sorted(frame.columns)) if match)
    if not 1 <= len(names) <= MOST_ROOMS:
        raise TrainingError(f"the table has {len(names)} columns room_<name>_c, 1..{MOST_ROOMS} are needed")
    return names


def fit_rooms(frame: Frame, location: Location, stage: Stage = quiet) -> FittedRooms:
    """The rooms of a frame of 900 s slots with ``temp_air_c``, ``ghi_w_per_m2`` and ``heat_<name>_w``.

    Raises
    ------
    TrainingError
        Fewer than three days without a gap in weather and heat.
    """
    names = room_names(frame)
    spell = longest_spell(frame, names)
    draft = RoomModel(
        names=names,
        network=start_network([], np.zeros((0, 2), dtype=np.int64)),
        noise=_NOISES[0],
        location=location,
        window_azimuth_deg=float("nan"),
        relay_w=np.full(len(names), np.nan),
        mix=Mix(1.0, 0.0, 0.0),
        low_k=np.zeros(1),
        high_k=np.zeros(1),
    )
    best, found, error_k = _search(spell, draft, stage)
    return FittedRooms(
        model=_with_mix(best, spell),
        heat_w=most_heat_w(spell.frame, names),
        deviation_frac=found.deviation_frac,
        doubts=tuple(doubt for room, name in enumerate(names) for doubt in doubts(name, best.network, room)),
        rows=spell.measured_c.shape[0],
        error_k=error_k,
        singles=tuple(_singles(spell, best)),
    )


def longest_spell(frame: Frame, names: tuple[str, ...]) -> Spell:
    """The longest stretch in which all that acts on the rooms is known."""
    wanted = ["temp_air_c", "ghi_w_per_m2", *(f"heat_{name}_w" for name in names if f"heat_{name}_w" in frame.columns)]
    known = np.isfinite(np.column_stack([frame.column(name) for name in wanted])).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not starts.size or (ends - starts).max() < _LEAST_DAYS * SLOTS_PER_DAY:
        raise TrainingError(f"rooms need {_LEAST_DAYS:g} days without a gap in {', '.join(wanted)}")
    longest = int(np.argmax(ends - starts))
    spell = cut(frame, int(starts[longest]), int(ends[longest]))
    return Spell(spell, rooms_of(spell, names))


def _search(spell: Spell, draft: RoomModel, stage: Stage) -> tuple[RoomModel, Fit, float]:
    """One choice after the other, each with the best of those before: windows, heating, noise, start."""
    relay_w = most_heat_w(spell.frame, draft.names)
    turns: list[tuple[str, list[dict[str, Any]]]] = [
        ("windows", [{"window_azimuth_deg": azimuth_deg} for azimuth_deg in _WINDOWS_DEG]),
        ("heating", [{"relay_w": relay_w}] if np.isfinite(relay_w).any() else []),
        ("noise", [{"noise": noise} for noise in _NOISES[1:]]),
        ("windows again", [{"window_azimuth_deg": azimuth_deg} for azimuth_deg in _WINDOWS_DEG]),
        ("starts", [{"spread": spread} for spread in _SPREADS[1:]]),
    ]
    best: tuple[RoomModel, Fit, float] | None = None
    for what, options in turns:
        stage(f"rooms: trying {what}")
        base = draft if best is None else best[0]
        for option in options:
            spread = option.get("spread", 1.0)
            changed = base._replace(**{key: value for key, value in option.items() if key != "spread"})
            tried = _fitted(spell, changed, spread)
            if best is None or tried[2] < best[2]:
                best = tried
    assert best is not None
    return best


def most_heat_w(frame: Frame, names: tuple[str, ...]) -> FloatArray:
    """The most that each room was heated with, NaN where it never was [W]."""
    full_w = np.max(heat_of(frame, names, np.full(len(names), np.nan)), axis=0)
    return np.where(full_w > 0.0, full_w, np.nan)


def _fitted(spell: Spell, model: RoomModel, spread_ratio: float) -> tuple[RoomModel, Fit, float]:
    inputs = acts_on(spell.frame, model)
    start = start_network(
        [bounded(room) for room in _singles(spell, model)], neighbours(spell.measured_c), spread_ratio
    )
    found = fit(start, model.noise, Observations(inputs, spell.measured_c, float(SLOT_S)), _OPTIONS)
    fitted = model._replace(network=found.network, noise=found.noise)
    paths = paths_of(spell, fitted)
    return fitted, found, _rmse(paths.network_c - paths.came_c)


def _singles(spell: Spell, model: RoomModel) -> list[SingleRoom]:
    inputs, rooms_c = acts_on(spell.frame, model), spell.measured_c.T
    return [single_room(inputs, room, room_c, float(SLOT_S)) for room, room_c in enumerate(rooms_c)]


def _rmse(error: FloatArray) -> float:
    known = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("inf")


def paths_of(spell: Spell, model: RoomModel) -> Paths:
    """What the model and its companions say a day ahead from many instants of a spell."""
    inputs, count = acts_on(spell.frame, model), spell.measured_c.shape[0]
    first, last = SLOTS_PER_DAY, count - HORIZON_SLOTS
    step = max(_STEP_SLOTS, (last - first) // _MOST_ISSUES)
    found = [_paths_at(spell, model, inputs, issue) for issue in range(first, last + 1, step)]
    return Paths(*(np.stack(values) for values in zip(*found, strict=True)))


def _paths_at(spell: Spell, model: RoomModel, inputs: ThermalInputs, issue: int) -> tuple[FloatArray, ...]:
    first, end = max(issue - WARM_DAYS * SLOTS_PER_DAY, 0), issue + HORIZON_SLOTS
    before, ahead = part(inputs, first, issue), part(inputs, issue, end)
    measured_c = np.ascontiguousarray(spell.measured_c[first:issue])
    history, grid = cut(spell.frame, first, issue), cut(spell.frame, issue, end).grid
    now_c, habit_c = now_and_habit(history, grid, measured_c)
    return network_path(model, before, measured_c, ahead), now_c, habit_c, spell.measured_c[issue:end]


def _with_mix(model: RoomModel, spell: Spell) -> RoomModel:
    """The shares that explain the training days best, and the spread that is left in each hour ahead."""
    paths = paths_of(spell, model)
    columns = np.stack([paths.network_c, paths.now_c, paths.habit_c], axis=-1).reshape(-1, 3)
    came = paths.came_c.reshape(-1)
    known = np.isfinite(columns).all(axis=1) & np.isfinite(came)
    shares = nnls(columns[known], came[known])[0]
    mix = Mix(*(float(share) for share in shares / shares.sum())) if shares.sum() > 0.0 else Mix(1.0, 0.0, 0.0)
    error = paths.came_c - (
        mix.network_frac * paths.network_c + mix.now_frac * paths.now_c + mix.habit_frac * paths.habit_c
    )
    hourly = error.reshape(error.shape[0], -1, LEAD_SLOTS, error.shape[2]).transpose(1, 0, 2, 3)
    hours = hourly.reshape(hourly.shape[0], -1)
    low, high = np.nanquantile(hours, 0.1, axis=1), np.nanquantile(hours, 0.9, axis=1)
    return model._replace(mix=mix, low_k=np.minimum(low, 0.0), high_k=np.maximum(high, 0.0))
