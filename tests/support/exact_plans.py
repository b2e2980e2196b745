"""What a plan is worth, and what HiGHS' exact optimum of the same problem is worth."""

from __future__ import annotations

import highspy

from core_kernels import qp
from edge.config import Battery
from edge.control.oracle import solve_linear
from edge.control.problem import inputs, problem, terminal_value_eur_per_kwh, wear_eur_per_kwh
from edge.messages import Plan


def worth(plan: Plan, battery: Battery, terminal_eur_per_kwh: float) -> float:
    """What the plan is worth: its bill and wear less the energy left, as the QP counts it."""
    discharge_kwh = sum(max(power_w, 0.0) for power_w in plan.battery_w) * plan.slot_s / 3.6e6
    left_kwh = plan.soc_frac[-1] * battery.capacity_wh / 1000.0
    return plan.cost_eur + wear_eur_per_kwh(battery) * discharge_kwh - terminal_eur_per_kwh * left_kwh


def optimum(site, arguments, *, whole_numbers: bool = False) -> tuple[float, float]:
    """HiGHS' value of the same problem and the terminal price; with binaries for negative prices."""
    known = inputs(arguments["pv"], arguments["load"], arguments["prices"])
    terminal = terminal_value_eur_per_kwh(site.battery, known)
    posed = problem(site, arguments["soc_frac"], known, terminal)
    shape = qp.structure(known.pv_w.size, known.slot_s, site.battery.leg_efficiency_frac, 0.0)
    vectors = qp.vectors(shape, posed.slots, posed.terms)
    if whole_numbers:
        return _milp(shape, vectors, posed.slots), terminal
    return float(vectors.q @ solve_linear(shape, vectors)) + vectors.constant_eur, terminal


def _milp(shape: qp.Structure, vectors: qp.Vectors, slots: qp.Slots) -> float:
    """The exact optimum: one binary a step forbids charging and discharging at once."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("mip_rel_gap", 0.0)
    x = [solver.addVariable(lb=-highspy.kHighsInf, obj=float(value)) for value in vectors.q]
    rows: list[list] = [[] for _ in vectors.l]
    matrix = shape.rows
    for column in range(matrix.shape[1]):
        for place in range(matrix.indptr[column], matrix.indptr[column + 1]):
            rows[matrix.indices[place]].append(float(matrix.data[place]) * x[column])
    for row, low, high in zip(rows, vectors.l, vectors.u, strict=True):
        solver.addConstr(low <= sum(row[1:], row[0]) <= high)
    for k in range(shape.steps):
        charges = solver.addBinary()
        step = x[k * qp.UNKNOWNS : (k + 1) * qp.UNKNOWNS]
        solver.addConstr(step[qp.PC] <= float(slots.charge_max_kw[k]) * charges)
        solver.addConstr(step[qp.PD] <= float(slots.discharge_max_kw[k]) * (1 - charges))
    solver.minimize()
    return float(solver.getObjectiveValue()) + vectors.constant_eur
