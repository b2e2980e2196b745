"""What the last days cost: as measured, without a battery, and with the inverter left to its own rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from core_kernels.battery import simulate_self_consumption
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, FloatArray
from edge.config import Battery, Site
from edge.control.ledger import Cost, Market, cost_of, parameters_of
from edge.errors import ConfigError, StoreError
from edge.ingest.tariff import PriceBook

_ENOUGH_FRAC = 0.9  # of a day's quarter hours must be known for it to count


def day_costs(site: Site, prices: Callable[[], PriceBook], window: Frame) -> dict[str, Any]:
    """A row a local day, oldest first, and their sums; days that are not known well enough are named, not guessed."""
    battery = site.battery
    if battery is None:
        return {"days": [], "left_out": [], "problem": "the site has no battery", "total": {}}
    try:
        book = prices()
    except (ConfigError, StoreError) as error:
        return {"days": [], "left_out": [], "problem": str(error), "total": {}}
    rows, left_out = [], []
    for start, stop in _days(window.grid, site):
        day = _Day(site, battery, window, start, stop)
        why = day.problem()
        if why:
            if why != _UNMEASURED:
                left_out.append({"day": day.name, "why": why})
            continue
        try:
            rows.append({"day": day.name, **day.costs(book)})
        except StoreError as error:
            left_out.append({"day": day.name, "why": str(error)})
    return {"days": rows, "left_out": left_out, "problem": "", "total": _total(rows)}


_UNMEASURED = "nothing was measured"


def _days(grid: TimeGrid, site: Site) -> list[tuple[int, int]]:
    """First and one past the last slot of every whole local day of a grid; days of a clock change have 92 or 100."""
    dates = [datetime.fromtimestamp(start_s, site.zone).date() for start_s in grid.starts_s().tolist()]
    edges = [index for index in range(grid.count) if index == 0 or dates[index] != dates[index - 1]] + [grid.count]
    return list(pairwise(edges))


class _Day:
    """One local day of the window."""

    def __init__(self, site: Site, battery: Battery, window: Frame, start: int, stop: int) -> None:
        slot_s, first_s = window.grid.slot_s, window.grid.start_s + start * window.grid.slot_s
        self._site, self._battery = site, battery
        self._grid = TimeGrid(start_s=first_s, slot_s=slot_s, count=stop - start)
        self._grid_w, self._battery_w, self._soc_frac = (
            window.column(name)[start:stop] for name in ("grid_w", "battery_w", "soc_frac")
        )
        self._before_frac = float(window.column("soc_frac")[start - 1]) if start else math.nan
        self.name = datetime.fromtimestamp(first_s, site.zone).date().isoformat()

    @property
    def _known(self) -> Any:
        return np.isfinite(self._grid_w) & np.isfinite(self._battery_w)

    def problem(self) -> str:
        """Why the day has no bill; empty where it has."""
        share_frac = float(np.mean(self._known))
        if share_frac == 0.0:
            return _UNMEASURED
        if share_frac < _ENOUGH_FRAC:
            return f"only {share_frac:.0%} of its quarter hours were measured"
        if not (math.isfinite(self._first_frac) and math.isfinite(self._last_frac)):
            return "the battery's charge is not known"
        return ""

    @property
    def _first_frac(self) -> float:
        """Charge when the day began: at the end of the quarter before, else of its first."""
        return self._before_frac if math.isfinite(self._before_frac) else float(self._soc_frac[0])

    @property
    def _last_frac(self) -> float:
        return float(self._soc_frac[-1])

    def costs(self, book: PriceBook) -> dict[str, float]:
        """Three costs of the day; raises :class:`StoreError` where a price is missing."""
        market = Market.of(book.actual(self._grid), self._site)
        known = self._known
        grid_w, battery_w = np.where(known, self._grid_w, 0.0), np.where(known, self._battery_w, 0.0)
        net_w = grid_w + battery_w
        ours = self._cost(net_w, battery_w, self._last_frac - self._first_frac, market)
        rules_soc_frac, rules_w = simulate_self_consumption(
            net_w, self._first_frac, self._grid.slot_s, parameters_of(self._battery)
        )
        rules = self._cost(net_w, rules_w, float(rules_soc_frac[-1] - rules_soc_frac[0]), market)
        bare = cost_of(self._energies_wh(net_w), 0.0, 0.0, market, None)
        return {
            "ours_eur": ours.total_eur,
            "ours_bill_eur": ours.bill_eur,
            "ours_wear_eur": ours.wear_eur,
            "ours_stored_eur": ours.stored_eur,
            "rules_eur": rules.total_eur,
            "no_battery_eur": bare.total_eur,
            "known_frac": float(np.mean(known)),
        }

    def _energies_wh(self, grid_w: FloatArray) -> FloatArray:
        return np.maximum(grid_w, -self._site.grid.export_w) * (self._grid.slot_s / SECONDS_PER_HOUR)

    def _cost(self, net_w: FloatArray, battery_w: FloatArray, gain_frac: float, market: Market) -> Cost:
        discharge_wh = float(np.maximum(battery_w, 0.0).sum()) * self._grid.slot_s / SECONDS_PER_HOUR
        gain_wh = gain_frac * self._battery.capacity_wh
        return cost_of(self._energies_wh(net_w - battery_w), discharge_wh, gain_wh, market, self._battery)


def _total(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = [name for name in rows[0] if name.endswith("_eur")] if rows else []
    return {name: math.fsum(row[name] for row in rows) for name in names}
