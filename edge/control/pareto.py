"""What less CO2, less export, less wear or a lower peak would cost: the Pareto front of a plan.

The cheapest plan and the one with the least of the other objective are the two ends; between them the cheapest plan is
sought under an upper bound on the other, evenly spaced (the epsilon constraint: Haimes, Lasdon & Wismer 1971). HiGHS
solves the linear programmes, so each point is an optimum; the dual of the bound is what one unit less costs there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import highspy
import numpy as np

from core_kernels.qp import GI, PC, PD, Structure, Vectors, vectors
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Site
from edge.control.mpc import new_structure
from edge.control.oracle import opened, run
from edge.control.problem import (
    MIN_SPREAD_EUR_PER_KWH,
    Inputs,
    Problem,
    battery_of,
    inputs_of,
    problem,
    terminal_value_eur_per_kwh,
    without_heating,
)
from edge.control.repair import EXACT_W, MAX_PASSES
from edge.errors import PlanError
from edge.messages import Plan

OBJECTIVES = {"co2": "kg", "export": "kWh", "discharge": "kWh", "peak": "kW"}
# Of many ways with the same least the cheap one is taken: a dear one burns energy on both legs, which has to be undone.
_TIE = 1e-3
_TIGHT = 1e-6  # of the bound: HiGHS may miss it by so much


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One plan of the front: its cost (bill and wear, less what is left in the battery) and the other objective.

    ``marginal_eur`` is what one unit less of the other objective would cost from here on.
    """

    cost_eur: float
    value: float
    unit: str
    marginal_eur: float
    battery_w: tuple[float, ...]


class _Programme(NamedTuple):
    """HiGHS with the programme in it, and the row of the other objective with what is constant of it."""

    solver: highspy.Highs
    shape: Structure
    bounds: Vectors
    weight: FloatArray
    row: int
    offset: float


def front(site: Site, plan: Plan, objective: str, count: int = 7) -> tuple[Point, ...]:
    """From the cheapest plan to the one with the least of the other objective, at most ``count`` points.

    Rooms and hot water, whose comfort no line weighs, draw what the plan gives them. Raises :class:`PlanError`.
    """
    if objective not in OBJECTIVES or count < 2:
        raise PlanError(f"a front needs one of {', '.join(OBJECTIVES)} and two points, got {objective!r} and {count}")
    programme = _opened(site, plan, objective)
    first = _cheapest(programme, np.inf)
    _keep_wishes(programme, first.x)
    span = _TIGHT * max(abs(first.value), 1.0)
    points, least = [first], _least(programme)
    for bound in np.linspace(first.value, least, count)[1:] if first.value - least > span else ():
        try:
            points.append(_cheapest(programme, float(bound) + span))
        except PlanError:  # on one leg the battery cannot do what the relaxation can: the front ends before
            break
    return tuple(_point(programme, found, objective) for found in points)


def _posed(site: Site, plan: Plan) -> tuple[Inputs, Problem]:
    """The problem of a published plan; rooms and hot water as it has them."""
    known = inputs_of(plan)
    for name, power_w in plan.setpoint_w.items():
        if name == "hotwater" or name.startswith("zone."):
            known = known._replace(load_w=known.load_w + np.array(power_w))
    # The relaxation would trade with itself where export pays more than import costs.
    most_eur = known.import_eur_per_kwh - MIN_SPREAD_EUR_PER_KWH
    known = known._replace(export_eur_per_kwh=np.minimum(known.export_eur_per_kwh, most_eur))
    terminal = terminal_value_eur_per_kwh(battery_of(site), known)
    soc_frac = plan.soc_frac[0] if site.battery is not None else 0.0
    return known, problem(without_heating(site), soc_frac, known, terminal)


def _opened(site: Site, plan: Plan, objective: str) -> _Programme:
    known, posed = _posed(site, plan)
    shape = new_structure(without_heating(site), known, posed, peaks=False)
    bounds = vectors(shape, posed.slots, posed.terms, [component.numbers for component in posed.components])
    solver, size = opened(shape, bounds), shape.rows.shape[1]
    step_hours, constant = shape.slot_s / SECONDS_PER_HOUR, 0.0
    weight = np.zeros((shape.steps, shape.layout.width))
    if objective == "co2":
        weight[:, GI] = step_hours * site.goals.co2_kg_per_kwh
    elif objective == "discharge":
        weight[:, PD] = step_hours
    elif objective == "export":  # what the balance holds beyond the net load
        weight[:, [PC, PD, GI, GI + 1]] = step_hours * np.array([-1.0, 1.0, 1.0, -1.0])
        for column, coefficient in shape.bus:
            weight[:, column] = step_hours * coefficient
        constant = -step_hours * float(posed.slots.net_load_kw.sum())
    flat = weight.ravel()
    if objective == "peak":
        flat = _add_peak(solver, shape, size)
    entries = np.flatnonzero(flat).astype(np.int32)
    solver.addRow(-highspy.kHighsInf, highspy.kHighsInf, entries.size, entries, flat[entries])
    return _Programme(solver, shape, bounds, flat, solver.getNumRow() - 1, constant)


def _add_peak(solver: highspy.Highs, shape: Structure, size: int) -> FloatArray:
    """An unknown above every step's import; the objective that it is."""
    solver.addCol(0.0, 0.0, highspy.kHighsInf, 0, np.empty(0, dtype=np.int32), np.empty(0))
    for k in range(shape.steps):
        columns = np.array([shape.layout.width * k + GI, size], dtype=np.int32)
        solver.addRow(-highspy.kHighsInf, 0.0, 2, columns, np.array([1.0, -1.0]))
    return np.concatenate((np.zeros(size), [1.0]))


class _Found(NamedTuple):
    """An optimum, the other objective there without its constant, and what a unit less of it costs."""

    x: FloatArray
    value: float
    marginal_eur: float


def _cheapest(programme: _Programme, limit: float) -> _Found:
    """The cheapest way under a bound on the other objective."""
    solver = programme.solver
    solver.changeRowBounds(programme.row, -highspy.kHighsInf, limit)
    x = _on_one_leg(programme)
    dual = float(np.asarray(solver.getSolution().row_dual)[programme.row])
    return _Found(x, float(programme.weight @ x), abs(dual))


def _on_one_leg(programme: _Programme) -> FloatArray:
    """The optimum that uses one leg in every step: where it uses both, the smaller is forbidden."""
    solver, shape, bounds = programme.solver, programme.shape, programme.bounds
    lines = [shape.layout.lines[name] for name in ("charge", "discharge")]
    for row in (shape.layout.height * k + line for k in range(shape.steps) for line in lines):
        solver.changeRowBounds(row, bounds.l[row], bounds.u[row])
    for _ in range(MAX_PASSES):
        x = _optimum(solver)
        step = shape.by_step(x)
        both = np.minimum(step[:, PC], step[:, PD]) > EXACT_W / W_PER_KW
        for k in np.flatnonzero(both).tolist():
            row = shape.layout.height * k + lines[int(step[k, PC] >= step[k, PD])]
            solver.changeRowBounds(row, 0.0, 0.0)
        if not both.any():
            return x
    raise PlanError("the battery's legs do not settle")


def _optimum(solver: highspy.Highs) -> FloatArray:
    x = run(solver)
    assert x is not None  # no limit was set
    return x


def _keep_wishes(programme: _Programme, x: FloatArray) -> None:
    """No car and no program gets less on the rest of the front than in the cheapest plan."""
    shape = programme.shape
    for name, column in shape.layout.columns.items():
        if name.endswith(".short"):
            for k, short_kwh in enumerate(shape.by_step(x)[:, column].tolist()):
                row = shape.layout.height * k + shape.layout.lines[name]
                programme.bounds.u[row] = max(short_kwh, 0.0)
                programme.solver.changeRowBounds(row, 0.0, programme.bounds.u[row])


def _least(programme: _Programme) -> float:
    """The least of the other objective that any way has."""
    solver, q, count = programme.solver, programme.bounds.q, programme.weight.size
    columns = np.arange(count, dtype=np.int32)
    costs = np.concatenate((q, np.zeros(count - q.size)))
    solver.changeColsCost(count, columns, programme.weight + _TIE * costs)
    x = _on_one_leg(programme)
    solver.changeColsCost(count, columns, costs)
    return float(programme.weight @ x)


def _point(programme: _Programme, found: _Found, objective: str) -> Point:
    step, bounds = programme.shape.by_step(found.x), programme.bounds
    return Point(
        cost_eur=float(bounds.q @ found.x[: bounds.q.size]) + bounds.constant_eur,
        value=found.value + programme.offset,
        unit=OBJECTIVES[objective],
        marginal_eur=found.marginal_eur,
        battery_w=tuple((W_PER_KW * (step[:, PD] - step[:, PC])).tolist()),
    )
