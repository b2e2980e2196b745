"""Perfect foresight: the cheapest way through days that are over, by HiGHS on the same battery model."""

from __future__ import annotations

import highspy
import numpy as np

from core_kernels.qp import PC, PD, UNKNOWNS, Slots, Structure, Terms, Vectors, vectors
from core_kernels.units import W_PER_KW, FloatArray
from edge.control.problem import MIN_SPREAD_EUR_PER_KWH
from edge.errors import PlanError

SIMULTANEOUS_KW = 1e-6
MAX_PASSES = 8


def solve_linear(shape: Structure, bounds: Vectors) -> FloatArray:
    """Exact optimum of the linear part, float64[unknowns]; raises :class:`PlanError` where there is none."""
    model = highspy.HighsLp()
    matrix = shape.rows
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_ = bounds.q
    model.col_lower_ = np.full(matrix.shape[1], -highspy.kHighsInf)
    model.col_upper_ = np.full(matrix.shape[1], highspy.kHighsInf)
    model.row_lower_, model.row_upper_ = bounds.l, bounds.u
    model.offset_ = bounds.constant_eur
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise PlanError(f"HiGHS found no optimum: {solver.modelStatusToString(status)}")
    return np.asarray(solver.getSolution().col_value, dtype=np.float64)


def foresee(shape: Structure, slots: Slots, terms: Terms) -> FloatArray:
    """Battery power of every slot with all known beforehand, positive discharge, float64[n] [W].

    Where the relaxation charges and discharges at once (prices far below zero) the smaller leg is forbidden and the
    rest solved again; where export pays more than import costs, the export price is held just below.
    """
    ceiling = slots.import_eur_per_kwh - MIN_SPREAD_EUR_PER_KWH
    slots = slots._replace(export_eur_per_kwh=np.minimum(slots.export_eur_per_kwh, ceiling))
    for _ in range(MAX_PASSES):
        step = solve_linear(shape, vectors(shape, slots, terms)).reshape(shape.steps, UNKNOWNS)
        both = np.minimum(step[:, PC], step[:, PD]) > SIMULTANEOUS_KW
        if not both.any():
            break
        charges = step[:, PC] >= step[:, PD]
        slots = slots._replace(
            discharge_max_kw=np.where(both & charges, 0.0, slots.discharge_max_kw),
            charge_max_kw=np.where(both & ~charges, 0.0, slots.charge_max_kw),
        )
    power_w: FloatArray = W_PER_KW * (step[:, PD] - step[:, PC])
    return power_w
