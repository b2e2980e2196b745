"""Energy kept against the month's peak, on and off: measured homes under a capacity tariff, with a car and without."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core_kernels.figures import Row
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY
from edge.bench_control.homes import Home, home
from edge.config import Site
from edge.control.peak import month_span_s
from edge.forecast.baseline import Baseline
from edge.replay import Lived, live

PEAK_EUR_PER_KW_MONTH = 5.0
TARGET_FRAC, WORSE_FRAC = 0.03, 0.01
# A car that charges on coming home, as most do: 3.7 kW on one phase for two hours.
CAR_W, CAR_SLOTS, CAR_SEED = 3700.0, 8, 20_261_123
_HOME_FIRST, _HOME_LAST = 64, 76  # quarter hours between which it comes home


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A home's shares of (rules - perfect foresight) with and without the reserve."""

    name: str
    kept_frac: float
    bare_frac: float

    @property
    def gain_frac(self) -> float:
        """What the reserve adds to the share."""
        return self.kept_frac - self.bare_frac


def with_car(home: Home) -> Home:
    """The home with a car that is no part of the plan: its charging is measured load like any other."""
    frame = home.days.measured
    first = -(frame.grid.start_s % SECONDS_PER_DAY) // frame.grid.slot_s % 96
    days_count = (frame.grid.count - first) // 96
    comes = np.random.default_rng(CAR_SEED).integers(_HOME_FIRST, _HOME_LAST, days_count)
    load_w = frame.column("load_w").copy()
    for day, slot in enumerate(comes.tolist()):
        begin = first + 96 * day + slot
        load_w[begin : begin + CAR_SLOTS] += CAR_W
    measured = Frame(grid=frame.grid, columns={**frame.columns, "load_w": load_w})
    return replace(home, name=f"{home.name} with a car", days=replace(home.days, measured=measured))


def gain(home: Home) -> Gain:
    """Live a home's days from the first of the next month on, with the reserve and without."""
    begin_s = int(month_span_s(home.days.span.start_s, home.site.zone)[1])
    span = TimeGrid(start_s=begin_s, slot_s=home.days.span.slot_s, count=home.days.span.count)
    billed = replace(home.site.tariff, peak_eur_per_kw_month=PEAK_EUR_PER_KW_MONTH)
    site, days = replace(home.site, tariff=billed), replace(home.days, span=span)
    kept = live(site, days, Baseline(site))
    bare_site = _without_reserve(site)
    bare = live(bare_site, days, Baseline(bare_site))
    ledger = kept.ways.ledger(kept.net_w, kept.battery_w, kept.soc_frac)

    def share_frac(lived: Lived) -> float:
        return (ledger.rules.total_eur - lived.cost.total_eur) / ledger.possible_saving_eur

    return Gain(name=home.name, kept_frac=share_frac(kept), bare_frac=share_frac(bare))


def _without_reserve(site: Site) -> Site:
    return replace(site, tariff=replace(site.tariff, peak_reserve_frac=0.0))


def gain_rows(found: Sequence[Gain]) -> tuple[Row, ...]:
    """Every home's shares, and the median of what the reserve adds."""
    if not found:
        return ()
    gain_frac = statistics.median(one.gain_frac for one in found)
    return (
        *(_row(f"{one.name}: reserve against peaks on", one.kept_frac, one.bare_frac) for one in found),
        Row(
            name=f"{len(found)} runs: reserve on over off, median",
            value=gain_frac,
            unit="frac",
            reference="reserve off",
            reference_value=0.0,
            ratio=gain_frac / TARGET_FRAC,
            target=f">= {TARGET_FRAC:g}",
            ok=gain_frac >= TARGET_FRAC,
        ),
    )


def _row(name: str, kept_frac: float, bare_frac: float) -> Row:
    """A home's share with the reserve beside that without; no worse, within a point, is asked."""
    return Row(
        name=name,
        value=kept_frac,
        unit="frac",
        reference="reserve off",
        reference_value=bare_frac,
        ratio=kept_frac / bare_frac,
        target=f">= reserve off - {WORSE_FRAC:g}",
        ok=kept_frac >= bare_frac - WORSE_FRAC,
    )


def rows(data: Path, names: Sequence[str], span_days: int) -> tuple[Row, ...]:
    """The named homes, with a car and without; raises :class:`StoreError` where their data are absent."""
    homes = [home(name, data, span_days) for name in names]
    return gain_rows([gain(one) for bare in homes for one in (bare, with_car(bare))])
