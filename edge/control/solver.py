"""The OSQP door: everything that goes in is checked, nothing that comes out is believed."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import osqp
from scipy.sparse import csc_matrix

from core_kernels.qp import Structure, Vectors, shift, violation
from core_kernels.sparse import Csc
from core_kernels.units import W_PER_KW, FloatArray
from edge.errors import PlanError

# Robust settings, measured over 84,000 closed-loop solves of homes: a rho update every 200 iterations
# only ever happens in cold or hard solves; polishing fails on degenerate active sets; a warm solve needs 10 to 30
# iterations, so that looking every 10 saves a quarter of its time; a relaxation of 1.4 takes a tenth less of them than
# OSQP's 1.6, warm and cold. Only the iterations end a solve, never the clock: a
# recorded question has the same answer on every machine, however busy.
SETTINGS = {
    "eps_abs": 1e-3,
    "eps_rel": 1e-3,
    "max_iter": 4000,
    "adaptive_rho": 1,
    "adaptive_rho_interval": 200,
    "scaling": 10,
    "alpha": 1.4,
    "sigma": 1e-6,
    "check_termination": 10,
    "polishing": False,
    "warm_starting": True,
    "verbose": False,
}
ACCEPTED_VIOLATION_W = 20.0
FINER = 0.1

# Two solves at once leave SIGINT swallowed for good (OSQP 1.1.3): one solve at a time in a process.
_LOCK = threading.Lock()


class Solved(NamedTuple):
    """A candidate that passed the residual check."""

    x: FloatArray
    y: FloatArray
    iterations: int
    violation_w: float
    status: str


def accepted(solved: Solved) -> bool:
    """Claims that an answer may be acted on: finite, and within its bounds."""
    return solved.violation_w <= ACCEPTED_VIOLATION_W and bool(np.isfinite(solved.y).all())


def _matrix(parts: Csc) -> csc_matrix:
    return csc_matrix((parts.data, parts.indices, parts.indptr), shape=parts.shape)


def _checked(name: str, values: FloatArray, size: int) -> FloatArray:
    """OSQP reads strided, short or NaN arrays without a word, so none of them may get there."""
    if values.dtype != np.float64 or values.shape != (size,) or not values.flags.c_contiguous:
        raise PlanError(f"{name} must be {size} contiguous float64, got {values.dtype} {values.shape}")
    if not np.isfinite(values).all():
        raise PlanError(f"{name} holds a number that is not finite")
    return values


class Solver:
    """One OSQP problem of a fixed structure, solved again and again from the shifted previous answer."""

    def __init__(self, shape: Structure, **settings: float) -> None:
        self._shape = shape
        self._settings = {**SETTINGS, **settings}
        self._problem: osqp.OSQP | None = None
        self._last: Solved | None = None
        self._stale = False

    def refill(self, shape: Structure) -> None:
        """Take other coefficients in the same places, of a heat pump in other weather say."""
        self._stale |= not np.array_equal(shape.rows.data, self._shape.rows.data)
        self._shape = shape

    def shift(self, steps: int) -> None:
        """Say that the next horizon begins ``steps`` later than the last; a jump back forgets the last answer."""
        if self._last is None or steps == 0:
            return
        if not 0 < steps < self._shape.steps:
            self._last = None
            return
        x, y = shift(self._shape, self._last.x, self._last.y, steps)
        self._last = self._last._replace(x=x, y=y)

    def solve(self, vectors: Vectors) -> Solved:
        """The optimum within tolerance; raises :class:`PlanError` where the answer fails the residual check.

        An interrupt (Ctrl-C) during the solve is raised when OSQP gives up because of it.
        """
        columns, rows = self._shape.rows.shape[1], self._shape.rows.shape[0]
        q = _checked("q", vectors.q, columns)
        l, u = _checked("l", vectors.l, rows), _checked("u", vectors.u, rows)
        if (l > u).any():
            raise PlanError(f"row {int(np.argmax(l > u))}: the lower bound is above the upper bound")
        with _LOCK:
            solved = self._run(q, l, u, vectors)
            if not accepted(solved) and np.isfinite(solved.x).all() and np.isfinite(solved.y).all():
                self._last = solved
                solved = self._finer(q, l, u, vectors)
        if not accepted(solved):
            self._last = None
            raise PlanError(f"the solver's answer breaks its bounds by {solved.violation_w:.3g} W ({solved.status})")
        self._last = solved
        return solved

    def _finer(self, q: FloatArray, l: FloatArray, u: FloatArray, vectors: Vectors) -> Solved:
        """Go on from an answer that is not good enough, to a tenth of the tolerance."""
        usual = {name: self._settings[name] for name in ("eps_abs", "eps_rel")}
        if self._problem is not None:
            self._problem.update_settings(**{name: FINER * value for name, value in usual.items()})
        solved = self._run(q, l, u, vectors)
        if self._problem is not None:
            self._problem.update_settings(**usual)
        return solved

    def _run(self, q: FloatArray, l: FloatArray, u: FloatArray, vectors: Vectors) -> Solved:
        try:
            if self._problem is None:
                self._problem = osqp.OSQP()
                quadratic, rows = _matrix(self._shape.quadratic), _matrix(self._shape.rows)
                self._problem.setup(quadratic, q, rows, l, u, **self._settings)
            else:
                if self._stale:
                    self._problem.update(Ax=self._shape.rows.data)
                self._problem.update(q=q, l=l, u=u)
            self._stale = False
            if self._last is None:
                self._problem.warm_start(x=np.zeros(q.size), y=np.zeros(l.size))
            else:
                self._problem.warm_start(x=self._last.x, y=self._last.y)
            result = self._problem.solve(raise_error=False)
        except (osqp.OSQPException, ValueError) as error:
            self._problem = None
            raise PlanError(f"OSQP refused the problem: {error}") from error
        if result.info.status_val == osqp.SolverStatus.OSQP_SIGINT:  # it takes Ctrl-C for itself while it solves
            raise KeyboardInterrupt
        x, y = np.array(result.x, dtype=np.float64), np.array(result.y, dtype=np.float64)
        worst_w = W_PER_KW * violation(self._shape, vectors, x)
        return Solved(x, y, int(result.info.iter), worst_w, str(result.info.status))
