"""Local days among measured quarter hours, and whether they are known well enough to be valued."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from edge.control.peak import month_peak_w, month_span_s

ENOUGH_FRAC = 0.9  # of a day's quarter hours must be known for it to count
UNMEASURED = "nothing was measured"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalDay:
    """One local day among measured quarter hours: 96 of them, or 92 or 100 where the clock changes."""

    date: date
    grid: TimeGrid
    first: int

    @property
    def name(self) -> str:
        """Its date in ISO form."""
        return self.date.isoformat()

    def problem(self, measured: Frame) -> str:
        """Why it cannot be valued; empty where it can."""
        span = slice(self.first, self.first + self.grid.count)
        grid_w, battery_w, charge_frac = (measured.column(name) for name in ("grid_w", "battery_w", "soc_frac"))
        share_frac = float(np.mean(np.isfinite(grid_w[span]) & np.isfinite(battery_w[span])))
        if share_frac == 0.0:
            return UNMEASURED
        if share_frac < ENOUGH_FRAC:
            return f"only {share_frac:.0%} of its quarter hours were measured"
        begins = np.isfinite(charge_frac[max(self.first - 1, 0) : self.first + 1]).any()
        return "" if begins and math.isfinite(charge_frac[span][-1]) else "the battery's charge is not known"

    def reached_peak_w(self, measured: Frame, zone: ZoneInfo) -> float:
        """The month's highest import before this day; NaN where the month begins with it. [W]"""
        begin_s, _ = month_span_s(self.grid.start_s, zone)
        if self.grid.start_s <= begin_s or self.first == 0:
            return math.nan
        before = TimeGrid(start_s=measured.grid.start_s, slot_s=measured.grid.slot_s, count=self.first)
        return month_peak_w(measured.column("grid_w")[: self.first], before, self.grid.start_s, zone)


def local_days(grid: TimeGrid, zone: ZoneInfo) -> list[LocalDay]:
    """The local days of a grid, oldest first; the first and last may be parts of days."""
    dates = [datetime.fromtimestamp(start_s, zone).date() for start_s in grid.starts_s().tolist()]
    edges = [index for index in range(grid.count) if index == 0 or dates[index] != dates[index - 1]] + [grid.count]
    return [
        LocalDay(
            date=dates[first],
            grid=TimeGrid(start_s=grid.start_s + first * grid.slot_s, slot_s=grid.slot_s, count=last - first),
            first=first,
        )
        for first, last in pairwise(edges)
    ]
