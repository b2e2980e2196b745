"""From a site and its forecasts to the numbers of the plan: limits, prices, relaxations, worth at the horizon's end."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from core_kernels.qp import Peaks, Slots, Terms
from core_kernels.quantiles import mean_of
from core_kernels.records import Forecast, Prices
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Battery, Site
from edge.config_house import Goals
from edge.control.component import Component, Outlook
from edge.control.demands import demands
from edge.control.heating import heating
from edge.control.hedge import Hedge, hedged
from edge.control.limits import battery_parts, bends_of, phases, reserve
from edge.control.stores import stores
from edge.control.surroundings import Surroundings
from edge.errors import PlanError
from edge.messages import Plan

MIN_SLOTS = 4

# Full equivalent cycles to the end of life. Cell data sheets state 6,000-10,000 (LFP) and 2,000-5,000 (NMC); the upper
# end, because a home battery loses as much to the calendar, which no plan can save.
CYCLE_LIFE_COUNT = {"lfp": 10_000, "nmc": 5_000}

# Outside its bounds the battery is brought back slowly, at this share of its capacity an hour.
RECOVERY_FRAC_PER_HOUR = 0.02

# Where export pays more than import costs, the relaxation would trade with itself: keep this distance.
MIN_SPREAD_EUR_PER_KWH = 1e-4

# A house without a battery is planned as one whose battery neither moves nor holds anything.
NO_BATTERY = Battery(capacity_wh=1.0, charge_w=0.0, discharge_w=0.0, soc_min_frac=0.0, soc_max_frac=0.0)

_COLUMNS = ("PV forecast", "load forecast", "import price", "export price")


class Inputs(NamedTuple):
    """The forecasts of one plan, cut to what is known of all of them, float64[n] each."""

    pv_w: FloatArray
    load_w: FloatArray
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    slot_s: int
    start_s: int = 0

    @property
    def grid(self) -> TimeGrid:
        """The slots that are known of all."""
        return TimeGrid(start_s=self.start_s, slot_s=self.slot_s, count=self.pv_w.size)


class Problem(NamedTuple):
    """One plan's numbers, and what had to be relaxed to make it feasible."""

    slots: Slots
    terms: Terms
    violations: tuple[str, ...]
    components: tuple[Component, ...] = ()

    @property
    def linear(self) -> bool:
        """Claims that nothing but the solver's aids is quadratic: no comfort to weigh."""
        return not any(component.part.free for component in self.components)


def battery_of(site: Site) -> Battery:
    """The site's battery; in a house without one, a battery that can do nothing."""
    return site.battery or NO_BATTERY


def decides(site: Site) -> bool:
    """Claims that a plan of this site has something to decide."""
    return site.battery is not None or bool(site.evs or site.loads or site.zones or site.stores or site.hotwater)


def battery_only(site: Site) -> Site:
    """The site without what a ledger of days that are over cannot know: cars, programs, rooms, hot water."""
    return replace(site, stores=(), evs=(), loads=(), zones=(), hotwater=None)


def without_heating(site: Site) -> Site:
    """The site without rooms and hot water."""
    return replace(site, zones=(), hotwater=None)


def inputs_of(plan: Plan) -> Inputs:
    """What a published plan was made from."""
    columns = (plan.pv_p10_w, plan.pv_p50_w, plan.pv_p90_w, plan.load_p10_w, plan.load_p50_w, plan.load_p90_w)
    pv_10, pv_50, pv_90, load_10, load_50, load_90 = (np.array(column) for column in columns)
    prices = np.array(plan.price_import_eur_per_kwh), np.array(plan.price_export_eur_per_kwh)
    pv_w, load_w = mean_of(pv_10, pv_50, pv_90), mean_of(load_10, load_50, load_90)
    return Inputs(pv_w, load_w, *prices, plan.slot_s, plan.start_s)


def wear_eur_per_kwh(battery: Battery) -> float:
    """Cost of wear for each kWh discharged [EUR/kWh]."""
    return battery.replacement_eur_per_kwh / CYCLE_LIFE_COUNT[battery.chemistry]


def inputs(pv: Forecast, load: Forecast, prices: Prices) -> Inputs:
    """Mean forecasts and prices up to the first slot that one of them lacks; raises :class:`PlanError`.

    The plan adds up energy, so it takes means: the median of a lumpy load is far below what a day takes.
    """
    count = prices.grid.count
    for name, grid in (("pv", pv.grid), ("load", load.grid)):
        if grid != prices.grid:
            raise PlanError(f"the {name} forecast is on another grid than the prices")
    columns = (pv.mean, load.mean, prices.import_eur_per_kwh, prices.export_eur_per_kwh)
    known = np.logical_and.reduce([np.isfinite(column) for column in columns])
    count = int(np.argmin(known)) if not known.all() else count
    if count < MIN_SLOTS:
        lacking = [
            name for name, column in zip(_COLUMNS, columns, strict=True) if not np.isfinite(column[:MIN_SLOTS]).all()
        ]
        raise PlanError(f"nothing to plan from: {', '.join(lacking) or 'horizon'} missing within {MIN_SLOTS} slots")
    pv_w, load_w, import_eur, export_eur = (np.ascontiguousarray(column[:count]) for column in columns)
    return Inputs(pv_w, load_w, import_eur, export_eur, prices.grid.slot_s, prices.grid.start_s)


def terminal_value_eur_per_kwh(battery: Battery, known: Inputs) -> float:
    """Worth of a kWh left at the end: what it saves in the deficits of a day like the last [EUR/kWh].

    A house without any deficit can but sell it, in that day's dearest hour.
    """
    day = slice(-min(known.pv_w.size, SECONDS_PER_DAY // known.slot_s), None)
    deficit_w = np.maximum(known.load_w - known.pv_w, 0.0)[day]
    total = float(deficit_w.sum())
    if total > 0.0:
        earned_eur_per_kwh = float((deficit_w * known.import_eur_per_kwh[day]).sum()) / total
    else:
        earned_eur_per_kwh = float(known.export_eur_per_kwh[day].max())
    return max(battery.leg_efficiency_frac * (earned_eur_per_kwh - wear_eur_per_kwh(battery)), 0.0)


def with_goals(known: Inputs, goals: Goals) -> Inputs:
    """The prices to decide by: the bill's, and what CO2 and export are worth to the site."""
    co2_eur_per_kwh = goals.co2_eur_per_kg * goals.co2_kg_per_kwh
    return known._replace(
        import_eur_per_kwh=known.import_eur_per_kwh + co2_eur_per_kwh,
        export_eur_per_kwh=known.export_eur_per_kwh - goals.self_consumption_eur_per_kwh,
    )


def problem(
    site: Site,
    soc_frac: float,
    known: Inputs,
    terminal_eur_per_kwh: float,
    peaks: Peaks | None = None,
    around: Surroundings | None = None,
    kept: Hedge | None = None,
) -> Problem:
    """The QP's numbers; feasible by construction, with every relaxation named."""
    battery = battery_of(site)
    if not math.isfinite(soc_frac) or not 0.0 <= soc_frac <= 1.0:
        raise PlanError(f"the battery's state of charge is {soc_frac}, not a fraction")
    count, slot_h = known.pv_w.size, known.slot_s / SECONDS_PER_HOUR
    net_w = known.load_w - known.pv_w
    elapsed_h = slot_h * np.arange(1, count + 1, dtype=np.float64)
    low_frac, high_frac, violations = _soc_corridor(battery, soc_frac, elapsed_h)
    recovery_w = RECOVERY_FRAC_PER_HOUR * battery.capacity_wh / battery.leg_efficiency_frac if violations else 0.0
    recovery_w += battery.standby_w / battery.leg_efficiency_frac
    around = around or Surroundings()
    limit_w = min(site.grid.import_w, around.import_limit_w)
    import_w = np.maximum(limit_w, net_w + recovery_w)
    if (net_w > limit_w).any():
        over_w = float(net_w.max() - limit_w)
        violations += (f"the load forecast exceeds the import limit by {over_w:.0f} W",)

    bends = bends_of(battery)

    def constant(value: float) -> FloatArray:
        return np.full(count, value)

    slots = Slots(
        net_load_kw=net_w / W_PER_KW,
        import_eur_per_kwh=known.import_eur_per_kwh,
        export_eur_per_kwh=known.export_eur_per_kwh,
        charge_max_kw=constant(bends.charge_knee_w / W_PER_KW),
        discharge_max_kw=constant(bends.discharge_knee_w / W_PER_KW),
        import_max_kw=import_w / W_PER_KW,
        export_max_kw=constant(site.grid.export_w / W_PER_KW),
        # The inverter throttles PV by itself at the export limit, and only there.
        curtail_max_kw=np.maximum(-net_w - site.grid.export_w + recovery_w, 0.0) / W_PER_KW,
        stored_min_kwh=low_frac * battery.capacity_wh / W_PER_KW,
        stored_max_kwh=high_frac * battery.capacity_wh / W_PER_KW,
    )
    terms = Terms(soc_frac * battery.capacity_wh, wear_eur_per_kwh(battery), terminal_eur_per_kwh, peaks)
    outlook = Outlook(
        site, known.grid, known.import_eur_per_kwh, known.export_eur_per_kwh, known.pv_w, known.load_w, around
    )
    components = _components(outlook, battery, slots, terms, recovery_w)
    if kept is not None and kept.pays:
        components += (hedged(kept, battery, count),)
    named = tuple(violation for component in components for violation in component.violations)
    return Problem(slots, terms, (*violations, *named, *around.notes), components)


def _components(
    outlook: Outlook, battery: Battery, slots: Slots, terms: Terms, recovery_w: float
) -> tuple[Component, ...]:
    """Everything of the house beyond battery, PV and grid."""
    others = (*stores(outlook, terms.terminal_eur_per_kwh), *demands(outlook), *heating(outlook))
    stored_max_kwh = slots.stored_max_kwh
    return (
        *battery_parts(battery, outlook, terms.stored_wh, stored_max_kwh, terms.wear_eur_per_kwh),
        *others,
        *phases(outlook, battery, others, recovery_w),
        *reserve(outlook, battery, stored_max_kwh),
    )


def _soc_corridor(
    battery: Battery, soc_frac: float, elapsed_h: FloatArray
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Bounds of SoC at each step's end; outside them telemetry is believed and led back at a slow, feasible rate."""
    weakest_w = min(battery.charge_w * battery.leg_efficiency_frac, battery.discharge_w / battery.leg_efficiency_frac)
    rate_per_hour = min(RECOVERY_FRAC_PER_HOUR, 0.5 * weakest_w / battery.capacity_wh)
    low_frac = np.minimum(battery.soc_min_frac, soc_frac + rate_per_hour * elapsed_h)
    high_frac = np.maximum(battery.soc_max_frac, soc_frac - rate_per_hour * elapsed_h)
    violations: tuple[str, ...] = ()
    if soc_frac < battery.soc_min_frac:
        violations = (f"SoC {soc_frac:.1%} is below its minimum of {battery.soc_min_frac:.1%}",)
    if soc_frac > battery.soc_max_frac:
        violations = (f"SoC {soc_frac:.1%} is above its maximum of {battery.soc_max_frac:.1%}",)
    return low_frac, high_frac, violations
