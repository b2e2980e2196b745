"""What no house can do is taken out of the relaxed optimum: both legs at once, both ways at once, half a car's minimum.

A relaxation charges and discharges at once where stored energy is a burden (negative prices). The rule: in each such
step the smaller leg is forbidden, and the programme solved again, until no such step is left. Where a price is negative
and the cost linear, HiGHS solves these passes exactly (some milliseconds); OSQP then gives the duals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core_kernels.qp import BAL, GI, Slots, Structure, Vectors, vectors
from core_kernels.qp_parts import Numbers
from core_kernels.sparse import multiply
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.control.component import Component
from edge.control.oracle import Linear
from edge.control.problem import MIN_SPREAD_EUR_PER_KWH, Problem
from edge.control.solver import Solved, Solver
from edge.errors import PlanError

# Both legs above this at once are a fault of the relaxation, below it the solver's noise.
SIMULTANEOUS_W = 50.0
EXACT_W = 1e-3
MAX_PASSES = 12

Bounds = dict[str, FloatArray]
Find = Callable[[Vectors], Solved]


class Fixed(NamedTuple):
    """Bounds that the repair puts over a problem's own, by name."""

    low: Bounds
    high: Bounds


class Programme(NamedTuple):
    """A problem on its structure."""

    shape: Structure
    posed: Problem

    def vectors(self, fixed: Fixed, slots: Slots | None = None) -> Vectors:
        """The vectors of one pass, with what is fixed and, if given, other slots."""
        numbers = [component.numbers for component in self.posed.components]
        numbers.append(Numbers({}, fixed.low, fixed.high))
        return vectors(self.shape, slots or self.posed.slots, self.posed.terms, numbers)

    def legs(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """The pieces of both legs of every battery."""
        names = self.shape.layout.columns
        pairs = [(name, name.replace("charge", "discharge")) for name in names if name.endswith(".charge")]
        upper = "charge.upper" in names
        own = (("charge", "charge.upper"), ("discharge", "discharge.upper")) if upper else (("charge",), ("discharge",))
        return [own, *(((charge,), (discharge,)) for charge, discharge in pairs)]

    def sum(self, x: FloatArray, names: tuple[str, ...]) -> FloatArray:
        """The sum of some unknowns in each step."""
        columns = self.shape.layout.columns
        total: FloatArray = self.shape.by_step(x)[:, [columns[name] for name in names]].sum(axis=1)
        return total

    def a_step_over(self, bounds: Vectors, energy: str, power_w: float) -> FloatArray:
        """What an energy may come to where only whole steps of a power are possible, float64[n] [kWh]."""
        return self.bound(bounds.u, energy) + power_w / W_PER_KW * self.shape.slot_s / SECONDS_PER_HOUR

    def bound(self, bounds: FloatArray, name: str) -> FloatArray:
        """The bounds of a row or an unknown, float64[n]."""
        return self.shape.rows_by_step(bounds)[:, self.shape.layout.lines[name]]


def optimise(
    shape: Structure,
    solver: Solver,
    posed: Problem,
    linear: Linear,
    given: Fixed | None = None,
) -> Solved:
    """The optimum that a house can do within the problem's bounds and those given; raises :class:`PlanError`."""
    programme = Programme(shape, posed)
    lowest = min(float(posed.slots.import_eur_per_kwh.min()), float(posed.slots.export_eur_per_kwh.min()))
    exact = lowest < 0.0 and posed.linear
    find = _exact(shape, linear) if exact else solver.solve
    fixed = _directions(programme, find, given)
    answer, fixed = _one_leg(programme, find, fixed, EXACT_W if exact else SIMULTANEOUS_W)
    answer, fixed = _least_powers(programme, find, answer, fixed)
    return solver.solve(programme.vectors(fixed))._replace(x=answer.x) if exact else answer


def _exact(shape: Structure, linear: Linear) -> Find:
    def find(bounds: Vectors) -> Solved:
        return Solved(linear.solve(shape, bounds), np.zeros(bounds.l.size), 0, 0.0, "exact")

    return find


def _one_leg(programme: Programme, find: Find, fixed: Fixed, noise_w: float) -> tuple[Solved, Fixed]:
    """Solve, then forbid the smaller leg wherever the relaxation used both at once, until it no longer does."""
    bounds = programme.vectors(fixed)
    answer = find(bounds)
    for _ in range(MAX_PASSES):
        found = False
        for charges, discharges in programme.legs():
            charge_kw, discharge_kw = (programme.sum(answer.x, names) for names in (charges, discharges))
            both = np.minimum(charge_kw, discharge_kw) > noise_w / W_PER_KW
            found = found or bool(both.any())
            for names, smaller in ((charges, charge_kw < discharge_kw), (discharges, charge_kw >= discharge_kw)):
                for name in names:
                    fixed.high[name] = np.where(both & smaller, 0.0, programme.bound(bounds.u, name))
        if not found:
            break
        bounds = programme.vectors(fixed)
        answer = find(bounds)
    return answer, fixed


def _directions(programme: Programme, find: Find, given: Fixed | None) -> Fixed:
    """Where export pays more than import costs, settle each slot's direction at clamped prices first."""
    slots = programme.posed.slots
    most_eur = slots.import_eur_per_kwh - MIN_SPREAD_EUR_PER_KWH
    reverse = slots.export_eur_per_kwh > most_eur
    fixed = Fixed({}, {}) if given is None else Fixed(dict(given.low), dict(given.high))
    if not reverse.any():
        return fixed
    clamped = slots._replace(export_eur_per_kwh=np.minimum(slots.export_eur_per_kwh, most_eur))
    answer = find(programme.vectors(fixed, clamped))
    balance = programme.shape.rows_by_step(multiply(programme.shape.rows, answer.x))[:, BAL]
    imports = programme.shape.by_step(answer.x)[:, GI] >= balance - slots.net_load_kw
    # A slot whose load cannot be met without import keeps it, whatever the first pass said.
    closed = reverse & ~imports & ~(slots.net_load_kw > 0.0)
    balance_kw = slots.net_load_kw + np.where(reverse & imports, 0.0, slots.export_max_kw)
    fixed.high["balance"], fixed.high["import"] = balance_kw, np.where(closed, 0.0, slots.import_max_kw)
    return fixed


def _least_powers(programme: Programme, find: Find, answer: Solved, fixed: Fixed) -> tuple[Solved, Fixed]:
    """What cannot run below a least power runs at it or not at all, as its energy so far comes closest."""
    stepped = [component for component in programme.posed.components if component.least_w > 0.0]
    if not stepped:
        return answer, fixed
    bounds = programme.vectors(fixed)
    rounded = [_round(programme, component, answer.x, bounds, fixed) for component in stepped]
    if not any(rounded):
        return answer, fixed
    try:
        return find(programme.vectors(fixed)), fixed
    except PlanError:  # the house has no room for a least power there: then not at all, a deadline is soft
        for component in stepped:
            name = f"{component.name}.power"
            if name in fixed.low:
                fixed.high[name] = np.where(fixed.low.pop(name) > 0.0, 0.0, fixed.high[name])
        return find(programme.vectors(fixed)), fixed


def _round(programme: Programme, component: Component, x: FloatArray, bounds: Vectors, fixed: Fixed) -> bool:
    """Sum-up rounding of the steps below the least power; claims that there were any between nothing and it."""
    name, energy = f"{component.name}.power", f"{component.name}.energy"
    least_kw = component.least_w / W_PER_KW
    power_kw = np.clip(programme.sum(x, (name,)), 0.0, None)
    runs = power_kw >= least_kw - EXACT_W / W_PER_KW
    if not ((power_kw > EXACT_W / W_PER_KW) & ~runs).any():
        return False
    low, high = np.where(runs, least_kw, 0.0), programme.bound(bounds.u, name).copy()
    owed_kw = 0.0
    for k in np.flatnonzero(~runs).tolist():
        owed_kw += power_kw[k]
        if owed_kw >= 0.5 * least_kw and high[k] >= least_kw:
            low[k], owed_kw = least_kw, owed_kw - least_kw
        else:
            high[k] = 0.0
    fixed.low[name], fixed.high[name] = low, high
    fixed.high[energy] = programme.a_step_over(bounds, energy, component.least_w)
    return True
