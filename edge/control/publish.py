"""From an optimum to the plan that control believes: columns, reason, and every wish that it cannot keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core_kernels.records import Forecast
from core_kernels.units import W_PER_KW, FloatArray
from edge.config import Site
from edge.control.component import Component
from edge.control.problem import Inputs, Problem, battery_of
from edge.control.rollout import Rollout
from edge.control.words import IDLE_W, Marginals, explain, explain_draws, explain_peak
from edge.messages import Plan

LEASE_S = 1800.0
SHORT_WH = 100.0  # a deadline missed by less is not worth a word
OUTSIDE_K = 0.5


class Outcome(NamedTuple):
    """What one plan was made from and came to; ``step`` holds the optimum's unknowns by ``columns``."""

    posed: Problem
    known: Inputs
    lived: Rollout
    step: FloatArray
    columns: Mapping[str, int]
    water_value_eur_per_kwh: float
    peak_w: float
    worth_eur_per_kwh: tuple[float, ...] = ()
    verdicts: tuple[str, ...] = ()


def publish(site: Site, issued_s: float, forecasts: tuple[Forecast, Forecast], found: Outcome) -> Plan:
    """The plan as a message; ``forecasts`` are PV and load."""
    (pv, load), known, lived = forecasts, found.known, found.lived
    components, count = found.posed.components, known.pv_w.size

    def band(values: FloatArray) -> tuple[float, ...]:
        return tuple(values[:count].tolist())

    broken = tuple(words for item in components for words in _broken(item, found.step, found.columns))
    temperatures = {item.name: item.temperature_c(found.step, found.columns) for item in components if item.thermometer}
    return Plan(
        issued_s=issued_s,
        valid_until_s=issued_s + LEASE_S,
        start_s=known.start_s,
        slot_s=known.slot_s,
        source="mpc",
        reason=_reason(site, found),
        violations=found.posed.violations + broken,
        water_value_eur_per_kwh=found.water_value_eur_per_kwh,
        wear_eur_per_kwh=found.posed.terms.wear_eur_per_kwh,
        cost_eur=lived.cost_eur,
        battery_w=band(lived.battery_w),
        soc_frac=tuple(lived.soc_frac.tolist()) if site.battery is not None else (math.nan,) * (count + 1),
        grid_w=band(lived.grid_w),
        pv_p10_w=band(pv.p10),
        pv_p50_w=band(pv.p50),
        pv_p90_w=band(pv.p90),
        load_p10_w=band(load.p10),
        load_p50_w=band(load.p50),
        load_p90_w=band(load.p90),
        price_import_eur_per_kwh=band(known.import_eur_per_kwh),
        price_export_eur_per_kwh=band(known.export_eur_per_kwh),
        peak_w=found.peak_w,
        peak_eur_per_kw=site.tariff.peak_eur_per_kw_month,
        setpoint_w={name: band(power_w) for name, power_w in lived.others_w.items()},
        expected_c={name: tuple(values.tolist()) for name, values in temperatures.items()},
        worth_eur_per_kwh=found.worth_eur_per_kwh,
        verdicts=found.verdicts,
    )


def _reason(site: Site, found: Outcome) -> str:
    """Why the battery does now what it does; without one, what runs now."""
    known, lived = found.known, found.lived
    if found.peak_w > 0.0 and float(lived.grid_w[0]) >= found.peak_w - IDLE_W:
        return explain_peak(found.peak_w, site.tariff.peak_eur_per_kw_month)
    marginals = Marginals(
        import_eur_per_kwh=float(known.import_eur_per_kwh[0]),
        export_eur_per_kwh=float(known.export_eur_per_kwh[0]),
        water_value_eur_per_kwh=found.water_value_eur_per_kwh,
        wear_eur_per_kwh=found.posed.terms.wear_eur_per_kwh,
        leg_efficiency_frac=battery_of(site).leg_efficiency_frac,
    )
    if site.battery is None:
        return explain_draws([name for name, power_w in lived.others_w.items() if power_w[0] > IDLE_W], marginals)
    others_w = math.fsum(float(power_w[0]) for power_w in lived.others_w.values())
    return explain(float(lived.battery_w[0]), float(known.load_w[0] - known.pv_w[0]) + others_w, marginals)


def _short_wh(component: Component, name: str, short_kwh: FloatArray) -> float:
    """By how much the worst of a component's deadlines is missed, within what it may be missed by. [Wh]"""
    return W_PER_KW * float(np.minimum(short_kwh, component.numbers.high[name]).max())


def _broken(component: Component, step: FloatArray, columns: Mapping[str, int]) -> list[str]:
    """What the optimum itself could not keep of a component's wishes, unless it was named before."""
    if component.violations:
        return []
    found = []
    short = f"{component.name}.short"
    if short in columns and (missing_wh := _short_wh(component, short, step[:, columns[short]])) > SHORT_WH:
        found.append(f"{component.name} goes {missing_wh:.0f} Wh short of its energy: the house's limits leave no way")
    if component.thermometer is not None:
        ahead_c = component.temperature_c(step, columns)
        if (coldest_c := float(ahead_c.min())) < component.thermometer.least_c - OUTSIDE_K:
            found.append(f"{component.name} falls to {coldest_c:.1f} degC")
        if (warmest_c := float(ahead_c.max())) > component.thermometer.most_c + OUTSIDE_K:
            found.append(f"{component.name} rises to {warmest_c:.1f} degC")
    if component.name == "reserve" and (missing_wh := W_PER_KW * float(np.max(step[:, columns["reserve"]]))) > SHORT_WH:
        found.append(f"the reserve falls short by up to {missing_wh:.0f} Wh")
    return found
