"""The weather and the people of the twin's house, replayed from a series."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edge.errors import StoreError
from edge.timetext import parse_time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What the weather offers and the people take: slot means on a uniform grid.

    PV is interpolated between slot centres, load is held over its slot; outside the grid the edge values hold.
    """

    start_s: float
    slot_s: float
    pv_w: Sequence[float]
    load_w: Sequence[float]

    def __post_init__(self) -> None:
        if not self.slot_s > 0.0:
            raise ValueError(f"slot_s must be positive, got {self.slot_s}")
        if len(self.pv_w) != len(self.load_w) or not len(self.pv_w):
            raise ValueError(f"pv_w has {len(self.pv_w)} slots, load_w {len(self.load_w)}; need the same, at least one")
        for name in ("pv_w", "load_w"):
            values = tuple(float(value) for value in getattr(self, name))
            bad = next((i for i, value in enumerate(values) if not (math.isfinite(value) and value >= 0.0)), None)
            if bad is not None:
                raise ValueError(f"{name}[{bad}] is {values[bad]}; need a finite power >= 0")
            object.__setattr__(self, name, values)

    @property
    def end_s(self) -> float:
        """End of the last slot [s]."""
        return self.start_s + self.slot_s * len(self.pv_w)

    def at(self, time_s: float) -> tuple[float, float]:
        """PV available and load at an instant [W]."""
        position = (time_s - self.start_s) / self.slot_s
        last = len(self.pv_w) - 1
        load_w = self.load_w[min(max(int(position), 0), last)]
        centre = min(max(position - 0.5, 0.0), float(last))
        left = int(centre)
        pv_w = self.pv_w[left]
        if left < last:
            pv_w += (centre - left) * (self.pv_w[left + 1] - pv_w)
        return pv_w, load_w


def read_series(path: Path) -> Series:
    """A house file: CSV with ``time_utc,pv_w,load_w`` on a uniform grid; raises :class:`StoreError` naming the line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: is not CSV: {error}") from error
    missing = {"time_utc", "pv_w", "load_w"} - set(rows[0] if rows else ())
    if missing or len(rows) < 2:
        raise StoreError(f"{path}: needs the columns time_utc, pv_w, load_w and at least two rows")
    columns: dict[str, list[float]] = {"time_utc": [], "pv_w": [], "load_w": []}
    for line, row in enumerate(rows, start=2):
        try:
            for name, values in columns.items():
                values.append(parse_time_s(row[name]) if name == "time_utc" else float(row[name]))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{path}: line {line}: {error}") from error
    times_s = columns["time_utc"]
    slot_s = times_s[1] - times_s[0]
    for line, (before_s, after_s) in enumerate(pairwise(times_s), start=3):
        if after_s - before_s != slot_s:
            raise StoreError(f"{path}: line {line}: the step is {after_s - before_s:.0f} s, not {slot_s:.0f} s")
    try:
        return Series(start_s=times_s[0], slot_s=slot_s, pv_w=columns["pv_w"], load_w=columns["load_w"])
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from error
