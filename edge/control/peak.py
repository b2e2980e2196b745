"""The capacity tariff: a month's highest import of a quarter hour is billed, by the clock's own quarter hours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from core_kernels.qp import Peaks
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config_supply import Tariff
from edge.messages import Plan

QUARTER_S = 900
# A gap in the measurements longer than this is bridged with the power after it, not with the one before.
MAX_HOLD_S = 60.0
# A kW away from the last plan's peak weighs this part of the peak's price; without a pull OSQP may need thousands of
# iterations for this one unknown (shared/mpc.md, finding 3).
PULL_FRAC = 0.1
_MONTHS = 12


def months(grid: TimeGrid, zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """The calendar month of each slot's start by the site's clock, int64[n], 12 a year."""
    found = np.empty(grid.count, dtype=np.int64)
    for index, time_s in enumerate(grid.starts_s().tolist()):
        local = datetime.fromtimestamp(time_s, zone)
        found[index] = _MONTHS * local.year + local.month - 1
    return found


def month_span_s(now_s: float, zone: ZoneInfo) -> tuple[float, float]:
    """Begin and end of the calendar month that an instant lies in, by the site's clock [s]."""
    local = datetime.fromtimestamp(now_s, zone)
    later = (local.year + local.month // _MONTHS, local.month % _MONTHS + 1)
    begin_s, end_s = (datetime(*month, 1, tzinfo=zone).timestamp() for month in ((local.year, local.month), later))
    return begin_s, end_s


def month_peak_w(grid_w: FloatArray, grid: TimeGrid, now_s: float, zone: ZoneInfo) -> float:
    """Highest mean import of a quarter hour in the month of ``now_s`` so far [W]; 0 while there is none.

    ``grid_w`` is float64[n] on quarter hours, positive import, NaN where nothing was measured. [W]
    """
    begin_s, end_s = month_span_s(now_s, zone)
    starts_s = grid.starts_s()
    imported_w = grid_w[(starts_s >= begin_s) & (starts_s < end_s) & np.isfinite(grid_w)]
    return max(float(imported_w.max(initial=0.0)), 0.0)


def planned_peaks(
    tariff: Tariff, reached_w: float, near_w: float, counts: npt.NDArray[np.bool_], net_w: FloatArray
) -> Peaks:
    """The running month's peak as the plan's only billed one; next month's slots do not count.

    ``near_w`` is the last plan's peak, NaN without one: then the load itself is the first guess.
    """
    least_kw = max(reached_w, tariff.peak_floor_w) / W_PER_KW
    guess_kw = float(net_w[counts].max(initial=0.0)) / W_PER_KW if math.isnan(near_w) else near_w / W_PER_KW
    near_kw = np.array([max(guess_kw, least_kw)])
    return Peaks(tariff.peak_eur_per_kw_month, np.array([least_kw]), near_kw, counts)


class Cap(NamedTuple):
    """What is left of the running quarter hour under the month's peak, and what a kW above it costs for an hour."""

    allowed_w: float
    eur_per_kwh: float
    peak_w: float
    peak_eur_per_kw: float

    def excess_eur(self, grid_w: float) -> float:
        """Cost of an hour of this import beyond what is allowed [EUR]."""
        return max(grid_w - self.allowed_w, 0.0) / W_PER_KW * self.eur_per_kwh


def cap_of(plan: Plan, now_s: float, imported_wh: float) -> Cap | None:
    """The import that still fits under the plan's peak until the quarter hour ends; ``None`` without such a tariff.

    ``imported_wh`` is the quarter hour's import so far. [Wh]
    """
    if math.isnan(plan.peak_w) or plan.peak_eur_per_kw <= 0.0:
        return None
    left_s = QUARTER_S - now_s % QUARTER_S
    budget_wh = plan.peak_w * QUARTER_S / SECONDS_PER_HOUR - imported_wh
    allowed_w = max(budget_wh * SECONDS_PER_HOUR / left_s, 0.0)
    # A kW for the rest of the quarter hour raises its mean by rest / quarter: an hour of it costs 4 times the price.
    return Cap(allowed_w, plan.peak_eur_per_kw * SECONDS_PER_HOUR / QUARTER_S, plan.peak_w, plan.peak_eur_per_kw)


@dataclass(slots=True)
class QuarterImport:
    """Import of the running quarter hour, added up from the meter's power cycle by cycle."""

    start_s: float = -math.inf
    seen_s: float = -math.inf
    imported_wh: float = 0.0
    last_w: float = math.nan

    def add(self, now_s: float, grid_w: float) -> float:
        """Take a cycle's meter power (NaN: unknown) and return the import so far [Wh].

        What was not seen is taken to have been like the first power that was.
        """
        start_s = now_s - now_s % QUARTER_S
        if start_s != self.start_s:
            follows = now_s - self.seen_s <= MAX_HOLD_S
            self.start_s, self.imported_wh = start_s, 0.0
            self.seen_s, self.last_w = start_s, self.last_w if follows else math.nan
        if math.isnan(grid_w):
            return self.imported_wh
        held_w = self.last_w if now_s - self.seen_s <= MAX_HOLD_S and not math.isnan(self.last_w) else grid_w
        self.imported_wh += max(held_w, 0.0) * (now_s - self.seen_s) / SECONDS_PER_HOUR
        self.seen_s, self.last_w = now_s, grid_w
        return self.imported_wh
