"""The day plan as a mixed-integer programme: which device is on in which quarter hour, by HiGHS.

The house's own programme with three things more: a switched power is its full power times a binary; a run and a rest
last their least; comfort, quadratic in the house's programme, is a convex chain of straight pieces. What remains
(battery, grid, temperatures) is optimised along with it, so that two schedules compare by what the house then costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from core_kernels.qp import Structure, Vectors
from core_kernels.units import W_PER_KW, FloatArray
from edge.control import highs
from edge.control.rounding import BoolArray, Switch
from edge.errors import PlanError

# Comfort's straight pieces meet its parabola where a step's discomfort costs this much.
KNOTS_EUR = np.array([0.002, 0.02, 0.1])
LAST_SLOPE = 1.5  # of the parabola's own at the last knot
GAP_EUR = 5e-4
# Ends a question at the same place on every machine; the clock only where that machine is very slow.
NODES_COUNT = 50

Squares = Sequence[tuple[str, float]]
# Rows, columns and the one coefficient that stands in all these places.
_Entry = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float]


class Candidate(NamedTuple):
    """A schedule bool[devices, decided], what the house then costs, and the programme's whole answer."""

    on: BoolArray
    cost_eur: float
    answer: FloatArray


class _Rows(NamedTuple):
    """Rows over all columns, with their bounds."""

    matrix: sparse.csc_matrix
    low: FloatArray
    high: FloatArray


class ColumnMap(NamedTuple):
    """Where things stand among the columns: the house's, comfort's pieces, binaries, starts."""

    house: int
    pieces: int
    devices: int
    decided: int

    @property
    def first(self) -> int:
        """The first binary."""
        return self.house + self.pieces

    @property
    def size(self) -> int:
        """All columns."""
        return self.first + 2 * self.devices * self.decided

    def on(self, device: int) -> npt.NDArray[np.int64]:
        """The binaries of a device."""
        return self.first + device * self.decided + np.arange(self.decided)

    def start(self, device: int) -> npt.NDArray[np.int64]:
        """The starts of a device."""
        return self.on(device) + self.devices * self.decided


class SwitchModel:
    """HiGHS with the house's programme and the switches of its first ``decided`` steps; the later ones are relaxed.

    ``squares`` are the unknowns with a quadratic cost (half the weight times the square) that comfort has.
    """

    def __init__(
        self, shape: Structure, bounds: Vectors, switches: Sequence[Switch], squares: Squares, decided: int
    ) -> None:
        slopes, widths, entries = _pieces(shape, squares)
        self._at = ColumnMap(shape.rows.shape[1], slopes.size, len(switches), decided)
        equal = np.zeros(len(squares) * shape.steps)
        blocks = [
            _Rows(_house(shape, self._at.size), bounds.l, bounds.u),
            _Rows(_matrix(equal.size, self._at.size, *entries), equal, equal),
        ]
        blocks += [block for i, switch in enumerate(switches) for block in _switch(shape, switch, i, self._at)]
        forced = [switch.forced() for switch in switches]
        self._least = np.array([must for must, _ in forced], dtype=np.float64)
        self._most = np.array([~mustnot for _, mustnot in forced], dtype=np.float64)
        starts_eur = np.repeat([switch.start_eur for switch in switches], decided)
        binaries = np.zeros(starts_eur.size)
        cost = np.concatenate((bounds.q, slopes, binaries, starts_eur))
        low = np.concatenate(
            (np.full(self._at.house, -highs.FREE), np.zeros(slopes.size), self._least.ravel(), binaries)
        )
        high = np.concatenate((np.full(self._at.house, highs.FREE), widths, self._most.ravel(), binaries + 1.0))
        self._solver = highs.opened(
            highs.Columns(cost, low, high, bounds.constant_eur),
            sparse.vstack([block.matrix for block in blocks], format="csc"),
            (np.concatenate([block.low for block in blocks]), np.concatenate([block.high for block in blocks])),
            {"mip_abs_gap": GAP_EUR, "mip_max_nodes": NODES_COUNT},
        )
        for column in range(self._at.first, self._at.first + binaries.size):
            self._solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)

    def judge(self, on: BoolArray, limit_s: float) -> Candidate | None:
        """What the house costs with a schedule; ``None`` where its limits leave no room for it."""
        return self._run(on, np.zeros(on.shape, dtype=np.bool_), None, limit_s)

    def improve(self, best: Candidate, free: BoolArray, limit_s: float) -> Candidate | None:
        """A better schedule that differs in ``free`` bool[devices, decided] only; ``None`` where none was found."""
        found = self._run(best.on, free, best, limit_s)
        return found if found is not None and found.cost_eur < best.cost_eur - GAP_EUR else None

    def search(self, limit_s: float) -> Candidate | None:
        """The best schedule that HiGHS finds from nothing, whatever the nodes: what shorter ways are measured by."""
        free = np.ones(self._least.shape, dtype=np.bool_)
        self._solver.setOptionValue("mip_max_nodes", highspy.kHighsIInf)
        try:
            return self._run(np.zeros_like(free), free, None, limit_s)
        finally:
            self._solver.setOptionValue("mip_max_nodes", NODES_COUNT)

    def _run(self, on: BoolArray, free: BoolArray, start: Candidate | None, limit_s: float) -> Candidate | None:
        fixed = on.astype(np.float64)
        least, most = np.where(free, self._least, fixed), np.where(free, self._most, fixed)
        columns = self._at.first + np.arange(on.size, dtype=np.int32)
        self._solver.changeColsBounds(on.size, columns, least.ravel(), most.ravel())
        if start is not None:
            given = highspy.HighsSolution()
            given.col_value = start.answer.tolist()
            self._solver.setSolution(given)
        self._solver.setOptionValue("time_limit", self._solver.getRunTime() + max(limit_s, 0.0))
        self._solver.run()
        return self._read(on.shape)

    def _read(self, shape: tuple[int, ...]) -> Candidate | None:
        status, info = self._solver.getModelStatus(), self._solver.getInfo()
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
        if status != highspy.HighsModelStatus.kOptimal and status not in highs.ENDED_EARLY:
            raise PlanError(f"HiGHS gave up the day plan: {self._solver.modelStatusToString(status)}")
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        answer = np.asarray(self._solver.getSolution().col_value, dtype=np.float64)
        first = self._at.first
        on = answer[first : first + shape[0] * shape[1]].reshape(shape) > 0.5
        return Candidate(on, float(info.objective_function_value), answer)


def _house(shape: Structure, columns: int) -> sparse.csc_matrix:
    """The house's own rows, with room for more columns."""
    rows = shape.rows
    starts = np.concatenate((rows.indptr, np.full(columns - rows.shape[1], rows.indptr[-1])))
    return sparse.csc_matrix((rows.data, rows.indices, starts), shape=(rows.shape[0], columns))


def _pieces(shape: Structure, squares: Squares) -> tuple[FloatArray, FloatArray, list[_Entry]]:
    """Comfort's straight pieces: slopes, widths, and the rows ``unknown = pieces above - pieces below``."""
    n, width = shape.steps, shape.layout.width
    house, each = shape.rows.shape[1], KNOTS_EUR.size + 1
    slopes, widths, entries = [np.empty(0)], [np.empty(0)], list[_Entry]()
    for i, (name, weight_eur) in enumerate(squares):
        knots = np.sqrt(2.0 * KNOTS_EUR / weight_eur)
        inner = np.diff(KNOTS_EUR, prepend=0.0) / np.diff(knots, prepend=0.0)
        slopes.append(np.tile(np.append(inner, LAST_SLOPE * weight_eur * knots[-1]), 2 * n))
        widths.append(np.tile(np.append(np.diff(knots, prepend=0.0), highs.FREE), 2 * n))
        row = i * n + np.arange(n)
        entries.append((row, width * np.arange(n) + shape.layout.columns[name], 1.0))
        pieces = (house + 2 * each * (i * n + np.arange(n)))[:, None] + np.arange(each)
        entries += [
            (np.repeat(row, each), pieces.ravel(), -1.0),
            (np.repeat(row, each), (pieces + each).ravel(), 1.0),
        ]
    return np.concatenate(slopes), np.concatenate(widths), entries


def _switch(shape: Structure, switch: Switch, device: int, at: ColumnMap) -> tuple[_Rows, ...]:
    """A device's rows: its power follows its binary; starts count; runs and rests last."""
    n, k = at.decided, np.arange(at.decided)
    on, start = at.on(device), at.start(device)
    was_on = float(switch.state.held.is_on)
    first = np.zeros(n)
    first[0] = was_on
    power = shape.layout.width * k + shape.layout.columns[switch.unknown]
    follows = _matrix(n, at.size, (k, power, 1.0), (k, on, -switch.power_w / W_PER_KW))
    # A start is at least the step from off to on: start_k - on_k + on_(k-1) >= 0, with what it was before on the right.
    begins = _matrix(n, at.size, (k, start, 1.0), (k, on, -1.0), (k[1:], on[:-1], 1.0))
    runs = _matrix(n, at.size, *((k[lag:], start[: n - lag], 1.0) for lag in range(switch.on_steps)), (k, on, -1.0))
    rest = switch.off_steps
    within = [(k[lag:], start[: n - lag], 1.0) for lag in range(min(rest, n))]
    rests = _matrix(n, at.size, *within, (k[rest:], on[: max(n - rest, 0)], 1.0))
    free, never = np.full(n, highs.FREE), np.full(n, -highs.FREE)
    return (
        _Rows(follows, np.zeros(n), np.zeros(n)),
        _Rows(begins, -first, free),
        _Rows(runs, never, np.zeros(n)),
        _Rows(rests, never, np.where(k < rest, 1.0 - was_on, 1.0)),
    )


def _matrix(height: int, width: int, *entries: _Entry) -> sparse.csc_matrix:
    if not entries:
        return sparse.csc_matrix((height, width))
    rows, columns = np.concatenate([entry[0] for entry in entries]), np.concatenate([entry[1] for entry in entries])
    values = np.concatenate([np.full(entry[0].size, entry[2]) for entry in entries])
    return sparse.csc_matrix((values, (rows, columns)), shape=(height, width))
