"""Readings of one field to slots: sorted, judged and counted, then brought to the grid by the signal's kind."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core_kernels.flags import Flag
from core_kernels.quality import assess
from core_kernels.resample import resample
from core_kernels.signals import Kind, signal
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, FlagArray, FloatArray
from training.sources.base import Readings

_UNTIMELY = int(Flag.GAP | Flag.IRREGULAR_TIME)
_OUT = int(Flag.RANGE)
_COUNTER_HOLD_S = SECONDS_PER_HOUR  # between readings that are further apart nobody knows when it was counted
_USUAL_STEPS_S = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
_ROUNDED_FRAC = 0.98
_HELD_STEPS = 1.5  # a sample may speak for its own step and half of a late one's


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """What the rows of one signal were like; each is a number of rows."""

    rows: int = 0
    no_value: int = 0
    unreadable: int = 0
    sentinel: int = 0
    duplicate: int = 0
    backwards: int = 0
    out_of_range: int = 0
    stuck: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return RowCounts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a field becomes a signal: ``ours = factor * theirs + offset``; ``missing_raw`` are what means no number.

    ``hold_s`` 0 is by the distance of the rows. ``is_regular`` is false where only changes are written.
    """

    name: str
    factor: float
    offset: float
    missing_raw: tuple[float, ...]
    hold_s: float
    is_regular: bool


class _Rows(NamedTuple):
    """Rows in the order of time, each time once."""

    times_s: FloatArray
    values: FloatArray
    flags: FlagArray
    issued_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One field on the slots of a chunk; ``issued_s`` is empty for measurements."""

    values: FloatArray
    flags: FlagArray
    issued_s: FloatArray
    counts: RowCounts


def to_part(pieces: Sequence[Readings], recipe: Recipe, grid: TimeGrid) -> Part:
    """Bring what was read for a chunk, with a margin around it, to the chunk's slots."""
    times_s, theirs, issued_s = (_joined(pieces, name) for name in ("times_s", "values", "issued_s"))
    sentinel = np.isin(theirs, recipe.missing_raw) if recipe.missing_raw else np.zeros(theirs.shape, dtype=np.bool_)
    values = np.where(sentinel, np.nan, theirs * recipe.factor + recipe.offset)
    order = np.argsort(times_s, kind="stable")
    # Of rows with one time the last one counts.
    last = np.append(np.diff(times_s[order]) > 0.0, True)[: order.size]
    kept, repeated = order[last], order[~last]
    own = (times_s >= grid.start_s) & (times_s < grid.end_s)
    counts = RowCounts(
        rows=int(own.sum()),
        no_value=int(np.count_nonzero(own & np.isnan(values) & ~sentinel)),
        unreadable=sum(piece.unreadable_count for piece in pieces),
        sentinel=int(np.count_nonzero(own & sentinel)),
        duplicate=int(own[repeated].sum()),
        backwards=int(np.count_nonzero((np.diff(times_s) < 0.0) & own[1:])),
    )
    if kept.size == 0:
        nothing = np.full(grid.count, np.nan)
        return Part(values=nothing, flags=_missing(nothing), issued_s=np.empty(0), counts=counts)
    found = _judged(times_s[kept], values[kept], recipe)
    if repeated.size:
        found[np.isin(times_s[kept], times_s[repeated])] |= int(Flag.DUPLICATE)
    rows = _Rows(
        times_s[kept],
        np.where(found & _OUT, np.nan, values[kept]),
        found,
        issued_s[kept] if issued_s.size else issued_s,
    )
    counts = dataclasses.replace(
        counts,
        out_of_range=int(np.count_nonzero(found[own[kept]] & _OUT)),
        stuck=int(np.count_nonzero(found[own[kept]] & int(Flag.STUCK))),
    )
    return _on_grid(rows, recipe, grid, counts)


def _on_grid(rows: _Rows, recipe: Recipe, grid: TimeGrid, counts: RowCounts) -> Part:
    kind = signal(recipe.name).kind
    hold_s = recipe.hold_s or (_COUNTER_HOLD_S if kind is Kind.COUNTER else _natural_hold_s(rows.times_s, grid.slot_s))
    slots = resample(rows.times_s, rows.values, kind, grid, hold_s)
    flags = _missing(slots)
    index = ((rows.times_s - grid.start_s) // grid.slot_s).astype(np.int64)
    inside = (index >= 0) & (index < grid.count)
    np.bitwise_or.at(flags, index[inside], rows.flags[inside])
    issued_s = _issues(rows.times_s, rows.issued_s, grid, hold_s) if rows.issued_s.size else np.empty(0)
    return Part(values=slots, flags=flags, issued_s=issued_s, counts=counts)


def _missing(slots: FloatArray) -> FlagArray:
    return np.where(np.isnan(slots), np.uint16(Flag.MISSING), np.uint16(0)).astype(np.uint16)


def _joined(pieces: Sequence[Readings], name: str) -> FloatArray:
    arrays = [getattr(piece, name) for piece in pieces]
    return np.concatenate(arrays) if arrays else np.empty(0)


def _judged(times_s: FloatArray, values: FloatArray, recipe: Recipe) -> FlagArray:
    step_s = float(np.median(np.diff(times_s))) if times_s.size > 1 else 1.0
    found = np.array(assess(times_s, values, recipe.name, step_s).flags)
    return found if recipe.is_regular else found & np.uint16(~_UNTIMELY & 0xFFFF)


def _natural_hold_s(times_s: FloatArray, slot_s: int) -> float:
    """The usual distance of the rows, half more where they are so dense that no slot without a row is filled by it."""
    if times_s.size < 2:
        return float(slot_s)
    median_s = float(np.median(np.diff(times_s)))
    step_s = next((usual_s for usual_s in _USUAL_STEPS_S if usual_s >= _ROUNDED_FRAC * median_s), SECONDS_PER_HOUR)
    return _HELD_STEPS * step_s if step_s < 0.5 * slot_s else step_s


def _issues(times_s: FloatArray, issued_s: FloatArray, grid: TimeGrid, hold_s: float) -> FloatArray:
    """When the forecast that a slot starts with was issued; NaN where there is none."""
    before = np.searchsorted(times_s, grid.starts_s(), side="right") - 1
    near = np.clip(before, 0, None)
    known = (before >= 0) & (grid.starts_s() - times_s[near] <= hold_s)
    return np.where(known, issued_s[near], math.nan)
