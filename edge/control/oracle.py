"""Perfect foresight: the cheapest way through days that are over, by HiGHS on the same battery model.

The linear relaxation is exact wherever prices are ordinary. Where they are not, it does three things that no house can:
charge and discharge at once (stored energy is a burden), import and export at once (export pays more than import
costs), and curtail PV below the export limit (export costs). Only the slots in which it does so get a binary that
forbids it, until none does: what then is optimal for the relaxation is possible, so it is the optimum. Where that
is not proven in time (hundreds of such slots), dynamic programming over a fine grid of stored energy settles each
slot's direction, the linear programme the powers, and the distance to the proven bound is told.
"""

from __future__ import annotations

from typing import NamedTuple

import highspy
import numpy as np
import numpy.typing as npt

from core_kernels.qp import (
    BAL,
    CU,
    CURTAIL_EUR_PER_KWH,
    GI,
    PC,
    PD,
    ROWS,
    UNKNOWNS,
    Slots,
    Structure,
    Terms,
    Vectors,
    vectors,
)
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.control import highs
from edge.errors import PlanError

BoolArray = npt.NDArray[np.bool_]

# Well above the solver's own tolerance, far below anything that a bill shows.
SIMULTANEOUS_KW = 1e-6
CHEATED_EUR = 1e-9

# Binaries may miss 0 or 1 by this much: 1e-8 kW at a house's limits.
INTEGER_TOLERANCE = 1e-9
MIP_GAP_EUR = 1e-7
# The nodes end a hard search at the same place on every machine; the seconds only where the root alone is too large.
MIP_NODES_COUNT = 2000
MIP_LIMIT_S = 20.0
LEVELS_COUNT = 400


class Foreseen(NamedTuple):
    """Battery power of every slot, positive discharge [W], and how far below its cost the optimum may lie [EUR]."""

    power_w: FloatArray
    gap_eur: float


class Impossible(NamedTuple):
    """Where the relaxation does what no house can, or is forbidden to, bool[n] each."""

    both_legs: BoolArray
    both_ways: BoolArray
    early_curtail: BoolArray

    def any(self) -> bool:
        """Whether there is any such slot."""
        return any(bool(kind.any()) for kind in self)


def opened(shape: Structure, bounds: Vectors) -> highspy.Highs:
    """HiGHS with the linear programme in it."""
    free = np.full(shape.rows.shape[1], highs.FREE)
    return highs.opened(
        highs.Columns(bounds.q, -free, free, bounds.constant_eur),
        shape.rows,
        (bounds.l, bounds.u),
        {
            "mip_feasibility_tolerance": INTEGER_TOLERANCE,
            "mip_abs_gap": MIP_GAP_EUR,
            "mip_max_nodes": MIP_NODES_COUNT,
        },
    )


def run(solver: highspy.Highs) -> FloatArray | None:
    """Optimum of the programme; ``None`` where the search was ended before it was proven."""
    solver.run()
    status = solver.getModelStatus()
    if status in highs.ENDED_EARLY:
        return None
    if status != highspy.HighsModelStatus.kOptimal:
        raise PlanError(f"HiGHS found no optimum: {solver.modelStatusToString(status)}")
    return np.asarray(solver.getSolution().col_value, dtype=np.float64)


def solve_linear(shape: Structure, bounds: Vectors) -> FloatArray:
    """Exact optimum of the linear part, float64[unknowns]; raises :class:`PlanError` where there is none."""
    found = run(opened(shape, bounds))
    assert found is not None  # no limit was set
    return found


class Linear:
    """The linear programme of one structure after another, each solved from where the last one ended."""

    def __init__(self) -> None:
        self._shape: Structure | None = None
        self._solver: highspy.Highs | None = None

    def solve(self, shape: Structure, bounds: Vectors) -> FloatArray:
        """As :func:`solve_linear`, some times faster; of several optima perhaps another one."""
        solver = self._solver if self._goes_on(shape) else None
        if solver is None:
            solver = opened(shape, bounds)
        else:
            rows, columns = (np.arange(size, dtype=np.int32) for size in shape.rows.shape)
            solver.changeColsCost(columns.size, columns, bounds.q)
            solver.changeRowsBounds(rows.size, rows, bounds.l, bounds.u)  # type: ignore[attr-defined]
        self._shape = self._solver = None  # what failed is not gone on from
        found = run(solver)
        assert found is not None  # no limit was set
        self._shape, self._solver = shape, solver
        return found

    def _goes_on(self, shape: Structure) -> bool:
        last = self._shape
        return last is not None and last.layout == shape.layout and np.array_equal(last.rows.data, shape.rows.data)


def foresee(shape: Structure, slots: Slots, terms: Terms) -> Foreseen:
    """The cheapest battery powers with all known beforehand; raises :class:`PlanError` where there are none."""
    bounds = _bounds(shape, slots, terms)
    solver = opened(shape, bounds)
    never = np.zeros(shape.steps, dtype=np.bool_)
    forbidden = Impossible(never, never, never)
    new = forbidden._replace(both_ways=slots.export_eur_per_kwh > slots.import_eur_per_kwh)
    while True:
        _forbid(solver, slots, new)
        forbidden = Impossible(*(now | before for now, before in zip(new, forbidden, strict=True)))
        if forbidden.any():
            solver.setOptionValue("time_limit", solver.getRunTime() + MIP_LIMIT_S)
        answer = run(solver)
        if answer is None:
            return _nearly(shape, slots, terms, float(solver.getInfo().mip_dual_bound))
        step = shape.by_step(answer)
        found = _impossible(step, slots, shape.slot_s)
        new = Impossible(*(now & ~before for now, before in zip(found, forbidden, strict=True)))
        if not new.any():
            return Foreseen(W_PER_KW * (step[:, PD] - step[:, PC]), 0.0)


def _bounds(shape: Structure, slots: Slots, terms: Terms) -> Vectors:
    """The programme's numbers without the planner's aid against ties, which is no cost of the house's."""
    bounds = vectors(shape, slots, terms)
    bounds.q[CU::UNKNOWNS] -= CURTAIL_EUR_PER_KWH * shape.slot_s / SECONDS_PER_HOUR
    return bounds


def _nearly(shape: Structure, slots: Slots, terms: Terms, least_eur: float) -> Foreseen:
    """Directions from the grid, powers from the linear programme, distance from the proven bound."""
    bounds = settled(shape, slots, terms, way_over_levels(shape, slots, terms))
    answer = solve_linear(shape, bounds)
    free = _bounds(shape, slots, terms)
    relaxed_eur = float(free.q @ solve_linear(shape, free)) + free.constant_eur  # a bound even where no time was left
    step = shape.by_step(answer)
    cost_eur = float(bounds.q @ answer) + bounds.constant_eur
    return Foreseen(W_PER_KW * (step[:, PD] - step[:, PC]), max(cost_eur - max(least_eur, relaxed_eur), 0.0))


def settled(shape: Structure, slots: Slots, terms: Terms, power_kw: FloatArray) -> Vectors:
    """The programme with each slot's leg, way and throttling as a possible way through the days has them."""
    grid_kw = slots.net_load_kw - power_kw
    charges, imports = power_kw < 0.0, grid_kw > 0.0
    throttles = grid_kw < -slots.export_max_kw - SIMULTANEOUS_KW
    fixed = slots._replace(
        charge_max_kw=np.where(charges, slots.charge_max_kw, 0.0),
        discharge_max_kw=np.where(charges, 0.0, slots.discharge_max_kw),
        import_max_kw=np.where(imports, slots.import_max_kw, 0.0),
        # Less than what counts as throttling may still have to go somewhere.
        curtail_max_kw=np.minimum(slots.curtail_max_kw, np.where(throttles, np.inf, SIMULTANEOUS_KW)),
        export_max_kw=np.where(imports, 0.0, slots.export_max_kw),
    )
    bounds = _bounds(shape, fixed, terms)
    balance = slice(BAL, None, ROWS)
    bounds.l[balance] = np.where(throttles, bounds.u[balance], bounds.l[balance])
    return bounds


def way_over_levels(shape: Structure, slots: Slots, terms: Terms) -> FloatArray:
    """Cheapest way over a grid of stored energy through the energy now, by dynamic programming, float64[n] [kW]."""
    slot_h, leg_frac = shape.slot_s / SECONDS_PER_HOUR, shape.leg_efficiency_frac
    low_kwh, high_kwh = float(slots.stored_min_kwh[0]), float(slots.stored_max_kwh[0])
    now_kwh, level_kwh = terms.stored_wh / W_PER_KW, (high_kwh - low_kwh) / LEVELS_COUNT
    below = int((now_kwh - low_kwh) / level_kwh + SIMULTANEOUS_KW)
    count = below + int((high_kwh - now_kwh) / level_kwh + SIMULTANEOUS_KW) + 1
    reach = min(
        int(max(slots.charge_max_kw.max(), slots.discharge_max_kw.max() / leg_frac**2) * slot_h / level_kwh), count
    )
    gained_kwh = level_kwh * np.arange(-reach, reach + 1)
    power_kw = np.where(gained_kwh < 0.0, -gained_kwh * leg_frac, -gained_kwh / leg_frac) / slot_h
    ahead_eur = -terms.terminal_eur_per_kwh * level_kwh * np.arange(count)
    best = np.empty((shape.steps, count), dtype=np.int32)
    for k in range(shape.steps - 1, -1, -1):
        move_eur = slot_h * _move_eur(slots, k, power_kw, terms.wear_eur_per_kwh)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(ahead_eur, reach, constant_values=np.inf), power_kw.size
        )
        total_eur = windows + move_eur
        best[k] = total_eur.argmin(axis=1)
        ahead_eur = total_eur[np.arange(count), best[k]]
    at, way_kw = below, np.empty(shape.steps)
    for k in range(shape.steps):
        move = best[k, at]
        way_kw[k], at = power_kw[move], at + move - reach
    return way_kw


def _move_eur(slots: Slots, k: int, power_kw: FloatArray, wear_eur_per_kwh: float) -> FloatArray:
    """Cost an hour of each battery power in a slot; infinite for what is impossible [EUR/h]."""
    grid_kw = slots.net_load_kw[k] - power_kw
    least_kw = -slots.export_max_kw[k]
    metered_kw = np.maximum(grid_kw, least_kw)
    price = np.where(metered_kw > 0.0, slots.import_eur_per_kwh[k], slots.export_eur_per_kwh[k])
    beyond = (power_kw > slots.discharge_max_kw[k]) | (-power_kw > slots.charge_max_kw[k])
    beyond |= (grid_kw > slots.import_max_kw[k]) | (grid_kw < least_kw - slots.curtail_max_kw[k])
    return np.where(beyond, np.inf, price * metered_kw + wear_eur_per_kwh * np.maximum(power_kw, 0.0))


def _impossible(step: FloatArray, slots: Slots, slot_s: float) -> Impossible:
    """What of a relaxed answer pays and cannot be done; ties between prices are no fault."""
    legs = np.minimum(step[:, PC], step[:, PD]) > SIMULTANEOUS_KW
    grid_kw = slots.net_load_kw + step[:, PC] - step[:, PD]
    imports, exports = slots.import_eur_per_kwh, slots.export_eur_per_kwh
    real_kw = np.maximum(grid_kw, -slots.export_max_kw)
    real_eur = np.where(real_kw > 0.0, imports, exports) * real_kw
    export_kw = step[:, GI] - step[:, CU] - grid_kw
    cheated = slot_s / SECONDS_PER_HOUR * (real_eur - imports * step[:, GI] + exports * export_kw) > CHEATED_EUR
    if legs.any():  # the burden moves to the next slot that earns with it: forbid it there at once
        legs = legs | (exports < 0.0)
    return Impossible(legs, cheated, cheated & (slots.curtail_max_kw > 0.0))


def _forbid(solver: highspy.Highs, slots: Slots, where: Impossible) -> None:
    """A binary for each slot and kind: one leg, one way, curtailing at the export limit only, never while importing."""
    net_kw, import_kw, export_kw = slots.net_load_kw, slots.import_max_kw, slots.export_max_kw
    most_import_kw = np.clip(net_kw + slots.charge_max_kw, 0.0, import_kw)
    most_export_kw = np.clip(slots.discharge_max_kw - net_kw, 0.0, export_kw)
    for k in np.flatnonzero(where.both_legs).tolist():
        charge, switch = UNKNOWNS * k + PC, _binary(solver)
        _row(solver, -highspy.kHighsInf, 0.0, {charge: 1.0, switch: -slots.charge_max_kw[k]})
        discharge_kw = float(slots.discharge_max_kw[k])
        _row(solver, -highspy.kHighsInf, discharge_kw, {UNKNOWNS * k + PD: 1.0, switch: discharge_kw})
    for k in np.flatnonzero(where.both_ways).tolist():
        switch, most_kw = _binary(solver), float(most_export_kw[k])
        _row(solver, -highspy.kHighsInf, 0.0, {UNKNOWNS * k + GI: 1.0, switch: -most_import_kw[k]})
        _row(solver, -highspy.kHighsInf, float(net_kw[k]) + most_kw, {**_export(k), switch: most_kw})
    for k in np.flatnonzero(where.early_curtail).tolist():
        switch = _binary(solver)
        _row(solver, -highspy.kHighsInf, 0.0, {UNKNOWNS * k + CU: 1.0, switch: -slots.curtail_max_kw[k]})
        _row(solver, float(net_kw[k]), highspy.kHighsInf, {**_export(k), switch: -export_kw[k]})
        _row(solver, -highspy.kHighsInf, float(most_import_kw[k]), {UNKNOWNS * k + GI: 1.0, switch: most_import_kw[k]})


def _export(k: int) -> dict[int, float]:
    """Export plus the net load of a slot, in unknowns."""
    first = UNKNOWNS * k
    return {first + PC: -1.0, first + PD: 1.0, first + GI: 1.0, first + CU: -1.0}


def _binary(solver: highspy.Highs) -> int:
    column = int(solver.getNumCol())
    solver.addCol(0.0, 0.0, 1.0, 0, np.empty(0, dtype=np.int32), np.empty(0))
    solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)
    return column


def _row(solver: highspy.Highs, low: float, high: float, entries: dict[int, float]) -> None:
    columns, values = np.array(list(entries), dtype=np.int32), np.array(list(entries.values()), dtype=np.float64)
    solver.addRow(low, high, len(entries), columns, values)
