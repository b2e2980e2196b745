"""Forecasts that somebody else made, read from a table: to ask in euros what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from core_kernels.folding import SLOT_S
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.errors import StoreError

ISSUED = "issued_s"
LEVELS = ("p10", "p50", "p90")
SIGNALS = ("pv", "load")


class _Forecasts(Protocol):
    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """As every forecaster."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Issue:
    """What was said at one instant: slots by their number since 1970, and P10, P50, P90 of each signal."""

    slots: FloatArray
    said_w: Mapping[str, FloatArray]


class Told:
    """A forecaster that says what a table says: of each signal the newest issue of the moment, else its own.

    The table has a row for each quarter hour of each issue: ``issued_s`` (Unix seconds) and of ``pv_w`` or ``load_w``
    or both the columns ``pv_p10_w``, ``pv_p50_w``, ``pv_p90_w``.
    """

    def __init__(
        self, forecaster: _Forecasts, source: str, times_s: FloatArray, columns: Mapping[str, FloatArray]
    ) -> None:
        self._forecaster, self._source = forecaster, source
        issued_s, said_w = _checked(source, times_s, columns)
        self._issues = {}
        order = np.lexsort((times_s, issued_s))
        for rows in np.split(order, np.flatnonzero(np.diff(issued_s[order])) + 1):
            said = {name: values[rows] for name, values in said_w.items()}
            self._issues[float(issued_s[rows[0]])] = _Issue(slots=times_s[rows] // SLOT_S, said_w=said)
        self._issued_s = np.array(sorted(self._issues))

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """What was told by ``issued_s``; slots of which nothing was told are the own forecaster's."""
        made = self._forecaster.forecast(issued_s, grid, history, weather)
        place = int(np.searchsorted(self._issued_s, issued_s, side="right")) - 1
        if place < 0:
            return made
        issue = self._issues[float(self._issued_s[place])]
        return made | {name: self._told(made[name], issue.slots, said_w) for name, said_w in issue.said_w.items()}

    def _told(self, made: Forecast, slots: FloatArray, said_w: FloatArray) -> Forecast:
        """The forecast with the told slots in the place of its own."""
        wanted = made.grid.starts_s() // SLOT_S
        row = np.minimum(np.searchsorted(slots, wanted), slots.size - 1)
        known = (slots[row] == wanted) & np.isfinite(said_w[row]).all(axis=1)
        if not known.any():
            return made
        p10, p50, p90 = (np.where(known, said_w[row, k], own) for k, own in enumerate((made.p10, made.p50, made.p90)))
        told = replace(made, p10=p10, p50=p50, p90=p90, mean=np.empty(0), source=self._source)
        return replace(told, mean=np.where(known, told.mean, made.mean))


def _checked(
    source: str, times_s: FloatArray, columns: Mapping[str, FloatArray]
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Issue times, and float64[rows, 3] of each signal that the table has."""
    issued_s = columns.get(ISSUED)
    if issued_s is None or not np.isfinite(issued_s).all():
        raise StoreError(f"{source}: needs a column {ISSUED}, Unix seconds, with a number in each row")
    if (times_s % SLOT_S != 0.0).any():
        raise StoreError(f"{source}: row {int(np.argmax(times_s % SLOT_S != 0.0)) + 1} starts no quarter hour")
    said_w = {}
    for signal in SIGNALS:
        names = [f"{signal}_{level}_w" for level in LEVELS]
        found = [name for name in names if name in columns]
        if not found:
            continue
        if len(found) < len(names):
            raise StoreError(f"{source}: has {', '.join(found)}, needs all of {', '.join(names)}")
        values = np.stack([columns[name] for name in names], axis=1)
        if (np.diff(values, axis=1) < 0.0).any():
            row = int(np.argmax((np.diff(values, axis=1) < 0.0).any(axis=1))) + 1
            raise StoreError(f"{source}: row {row}: the quantiles of {signal}_w do not rise")
        said_w[f"{signal}_w"] = values
    if not said_w:
        raise StoreError(f"{source}: has no forecasts: none of pv_p10_w ... load_p90_w")
    return np.asarray(issued_s, dtype=np.float64), said_w
