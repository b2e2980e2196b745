"""The HiGHS door: a linear programme goes in with its options, silent and on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import highspy

from core_kernels.sparse import Csc
from core_kernels.units import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

FREE = highspy.kHighsInf  # a bound that is none
# The search was ended before the optimum was proven.
ENDED_EARLY = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kSolutionLimit)


class Columns(NamedTuple):
    """Cost and bounds of the unknowns, and the constant that completes the cost [EUR]."""

    cost: FloatArray
    low: FloatArray
    high: FloatArray
    constant_eur: float


def opened(
    columns: Columns,
    matrix: Csc | csc_matrix,
    bounds: tuple[FloatArray, FloatArray],
    options: Mapping[str, float],
) -> highspy.Highs:
    """HiGHS with the programme in it; ``bounds`` are the rows' lower and upper, ``options`` HiGHS' own by name."""
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_, model.col_lower_, model.col_upper_ = columns.cost, columns.low, columns.high
    model.row_lower_, model.row_upper_ = bounds
    model.offset_ = columns.constant_eur
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in {"output_flag": False, "threads": 1, "mip_rel_gap": 0.0, **options}.items():
        solver.setOptionValue(name, value)
    solver.passModel(model)
    return solver
