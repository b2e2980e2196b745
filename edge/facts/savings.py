"""What the last days cost: as measured, without a battery, by the inverter's own rules, and with perfect foresight.

A day is valued as :mod:`edge.control.ways` values it. Perfect foresight and the causes of the gap to it are the
planner's work of the night after (:mod:`edge.lookback`); here they are only shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core_kernels.records import Frame
from core_kernels.units import SECONDS_PER_DAY
from edge.config import Battery, Site
from edge.control.causes import AMOUNTS, CAUSES, CENTS_PER_EUR, cents
from edge.control.ledger import Market
from edge.control.localday import UNMEASURED, LocalDay, local_days
from edge.control.ways import Done, Ways
from edge.errors import ConfigError, StoreError
from edge.ingest.tariff import PriceBook


def day_costs(site: Site, prices: Callable[[], PriceBook], window: Frame, days_count: int) -> dict[str, Any]:
    """A row for each of the last local days, oldest first, and their sums; days not known well enough are named."""
    battery = site.battery
    if battery is None:
        return {"days": [], "left_out": [], "problem": "the site has no battery", "total": {}}
    try:
        book = prices()
    except (ConfigError, StoreError) as error:
        return {"days": [], "left_out": [], "problem": str(error), "total": {}}
    rows, left_out = [], []
    begin_s = window.grid.end_s - days_count * SECONDS_PER_DAY
    for day in local_days(window.grid, site.zone):
        if day.grid.start_s < begin_s:
            continue
        why = day.problem(window)
        if why:
            if why != UNMEASURED:
                left_out.append({"day": day.name, "why": why})
            continue
        try:
            rows.append({"day": day.name, **_costs(site, battery, book, window, day)})
        except StoreError as error:
            left_out.append({"day": day.name, "why": str(error)})
    return {"days": rows, "left_out": left_out, "problem": "", "total": _total(rows)}


def _costs(site: Site, battery: Battery, book: PriceBook, window: Frame, day: LocalDay) -> dict[str, float]:
    """Three costs of a day; raises :class:`StoreError` where a price is missing."""
    market = Market.of(book.actual(day.grid), site, day.reached_peak_w(window, site.zone))
    done = Done.of(window, day.first, day.grid.count)
    start_frac = float(done.ends_frac[0])
    ways = Ways(site=site, battery=battery, market=market, slot_s=day.grid.slot_s, start_soc_frac=start_frac)
    ours = ways.cost(done.net_w, done.battery_w, done.ends_frac)
    return {
        "ours_eur": ours.total_eur,
        "ours_bill_eur": ours.bill_eur,
        "ours_peak_eur": ours.peak_eur,
        "ours_wear_eur": ours.wear_eur,
        "ours_stored_eur": ours.stored_eur,
        "rules_eur": ways.rules(done.net_w).total_eur,
        "no_battery_eur": ways.no_battery(done.net_w).total_eur,
        "known_frac": float(np.mean(np.isfinite(done.net_w))),
    }


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = [name for name in rows[0] if name.endswith("_eur")] if rows else []
    return {name: math.fsum(row[name] for row in rows) for name in names}


def regrets(bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The days that were compared with perfect foresight, their sums in whole cents, and those that were not."""
    rows = [dict(body) for body in bodies if not body["problem"]]
    left_out = [{"day": body["day"], "why": body["problem"]} for body in bodies if body["problem"]]
    total: dict[str, Any] = {}
    if rows:
        total = {name: _sum_eur([row[name] for row in rows]) for name in AMOUNTS}
        total["gap_eur"] = {cause: _sum_eur([row["gap_eur"][cause] for row in rows]) for cause in CAUSES}
    return {"days": rows, "total": total, "left_out": left_out}


def _sum_eur(amounts_eur: Sequence[float]) -> float:
    """Sum of whole cents, exactly."""
    return sum(map(cents, amounts_eur)) / CENTS_PER_EUR
