import itertools
import signal
import threading

import numpy as np
import pytest

from core_kernels import qp
from edge.control import solver as solver_module
from edge.control.oracle import solve_linear
from edge.control.solver import Solver
from edge.errors import PlanError

SHAPE = qp.structure(24, 3600.0, 0.95, 2e-4)


def bounds(net_kw: float = 1.0, stored_wh: float = 5000.0, high_eur: float = 0.4) -> qp.Vectors:
    one = np.ones(24)
    imports = np.where(np.arange(24) < 12, 0.1, high_eur)
    slots = qp.Slots(
        net_kw * one, imports, imports - 0.08, 5 * one, 5 * one, 17 * one, 10 * one, 0 * one, one, 10 * one
    )
    return qp.vectors(SHAPE, slots, qp.Terms(stored_wh, 0.02, 0.1))


def test_the_answer_is_the_optimum_of_the_linear_part():
    vectors = bounds()
    solved = Solver(SHAPE).solve(vectors)
    exact = solve_linear(SHAPE, vectors)
    assert vectors.q @ solved.x == pytest.approx(vectors.q @ exact, abs=0.02)
    assert solved.violation_w < 20.0


def test_the_dual_of_the_first_soc_row_is_the_worth_of_a_stored_kwh():
    less, more = bounds(stored_wh=4900.0), bounds(stored_wh=5100.0)
    gain = (less.q @ solve_linear(SHAPE, less) - more.q @ solve_linear(SHAPE, more)) / 0.2
    value = qp.water_values(SHAPE, Solver(SHAPE).solve(bounds()).y)[0]
    assert value == pytest.approx(gain, abs=0.01)


def test_a_shifted_start_needs_fewer_iterations():
    solver = Solver(SHAPE)
    cold = solver.solve(bounds()).iterations
    solver.shift(0)
    assert solver.solve(bounds(net_kw=1.01)).iterations <= cold


def test_a_jump_back_starts_afresh():
    solver = Solver(SHAPE)
    first = solver.solve(bounds())
    for steps in (1, -3, 100):
        solver.shift(steps)
        again = solver.solve(bounds())
        assert bounds().q @ again.x == pytest.approx(bounds().q @ first.x, abs=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v._replace(q=np.repeat(v.q, 2)[::2]), "contiguous"),
        (lambda v: v._replace(q=v.q[:-1]), "q must be 120"),
        (lambda v: v._replace(q=v.q.astype(np.float32)), "float32"),
        (lambda v: v._replace(l=np.where(v.l == 0.0, np.nan, v.l)), "l holds a number that is not finite"),
        (lambda v: v._replace(u=v.l - 1.0), "row 0: the lower bound is above"),
    ],
)
def test_what_osqp_would_swallow_is_refused(change, words):
    solver = Solver(SHAPE)
    with pytest.raises(PlanError, match=words):
        solver.solve(change(bounds()))
    assert solver.solve(bounds()).violation_w < 20.0


def test_an_answer_that_breaks_its_bounds_is_refused():
    with pytest.raises(PlanError, match="breaks its bounds"):
        Solver(SHAPE, max_iter=1, check_termination=1).solve(bounds())


def test_what_osqp_refuses_is_a_plan_error():
    with pytest.raises(PlanError, match="OSQP refused"):
        Solver(SHAPE, alpha=5.0).solve(bounds())


def solve_for_long() -> None:
    for _ in range(100):
        Solver(SHAPE, eps_abs=1e-12, eps_rel=1e-12, max_iter=100_000, time_limit=10.0).solve(bounds())


def test_an_interrupt_during_a_solve_is_not_swallowed():
    """Python's own handler only counts here, so that what is raised can only come from the solver."""
    heard, over = itertools.count(), threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: next(heard))

    def interrupt() -> None:
        while not over.wait(0.002):
            signal.raise_signal(signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            solve_for_long()
    finally:
        over.set()
        interrupter.join()
        signal.signal(signal.SIGINT, before)
    assert Solver(SHAPE).solve(bounds()).violation_w < 20.0


def test_an_answer_that_is_too_coarse_is_made_finer_before_it_is_refused(monkeypatch):
    coarse = {"eps_abs": 0.1, "eps_rel": 1e-3, "check_termination": 1}
    assert Solver(SHAPE, **coarse).solve(bounds()).violation_w <= 20.0
    monkeypatch.setattr(solver_module, "FINER", 1.0)
    with pytest.raises(PlanError, match="breaks its bounds"):
        Solver(SHAPE, **coarse).solve(bounds())
