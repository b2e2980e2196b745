"""How good the plans are: what a rolled-out plan costs over the exact optimum of the same window."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.figures import Row
from core_kernels.qp import Slots, Terms
from core_kernels.units import W_PER_KW, FloatArray
from edge.bench_control import windows as made
from edge.config import Battery, Site
from edge.control.oracle import Linear, foresee
from edge.control.problem import Inputs, Problem, battery_of
from edge.control.repair import optimise
from edge.control.rollout import rollout, wished_w
from edge.control.solver import Solver

_COUNT, _EVERY = 48, 21
STORED_WH = 5500.0
SITE = Site(
    name="bench",
    latitude_deg=49.2,
    longitude_deg=16.6,
    battery=Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0),
)


def rows() -> tuple[Row, ...]:
    """Excess of the plans' costs, ordinary prices and negative ones."""
    given = made.windows(_COUNT * _EVERY)
    solver = Solver(made.shape_of(with_peak=False))
    excess = [_excess_frac(solver, *made.posed(given, k, STORED_WH, None)) for k in range(0, _COUNT * _EVERY, _EVERY)]
    return (
        _row("plan over exact optimum, median", float(np.median(excess)), 0.005),
        _row("plan over exact optimum, p95", float(np.quantile(excess, 0.95)), 0.015),
    )


def _excess_frac(solver: Solver, slots: Slots, terms: Terms) -> float:
    """What the plan costs beyond the optimum, as a share of what the same house pays without a battery."""
    shape = made.shape_of(with_peak=False)
    known = Inputs(
        np.maximum(-slots.net_load_kw, 0.0) * W_PER_KW,
        np.maximum(slots.net_load_kw, 0.0) * W_PER_KW,
        slots.import_eur_per_kwh,
        slots.export_eur_per_kwh,
        made.SLOT_S,
    )
    solved = optimise(shape, solver, Problem(slots, terms, ()), Linear())
    soc_frac = terms.stored_wh / W_PER_KW / made.CAPACITY_KWH
    wish_w = wished_w(shape.by_step(solved.x), shape.layout.columns)
    lived = rollout(wish_w, soc_frac, known, SITE, battery_of(SITE), {})
    best_w = foresee(shape, slots, terms).power_w
    without_eur = float(np.sum(np.maximum(known.load_w, 0.0) * known.import_eur_per_kwh)) * made.SLOT_S / 3.6e6
    excess_eur = _cost_eur(lived.battery_w, slots, terms) - _cost_eur(best_w, slots, terms)
    return excess_eur / without_eur


def _cost_eur(battery_w: FloatArray, slots: Slots, terms: Terms) -> float:
    """Bill and wear less the worth of what is left, of battery powers that every limit allows [EUR]."""
    slot_h, power_kw = made.SLOT_S / 3600.0, battery_w / W_PER_KW
    grid_kw = np.maximum(slots.net_load_kw - power_kw, -slots.export_max_kw)
    price = np.where(grid_kw > 0.0, slots.import_eur_per_kwh, slots.export_eur_per_kwh)
    gained_kwh = -slot_h * np.where(power_kw > 0.0, power_kw / made.LEG_FRAC, power_kw * made.LEG_FRAC).sum()
    wear_eur = terms.wear_eur_per_kwh * slot_h * np.maximum(power_kw, 0.0).sum()
    return float(slot_h * np.sum(grid_kw * price) + wear_eur - terms.terminal_eur_per_kwh * gained_kwh)


def _row(name: str, value: float, limit: float) -> Row:
    return Row(
        name=name,
        value=100.0 * value,
        unit="% of the bill without battery",
        reference="HiGHS, exact",
        reference_value=0.0,
        ratio=math.nan,
        error=value,
        target=f"<= {100.0 * limit:g} %",
        ok=value <= limit,
    )
