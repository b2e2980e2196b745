"""Components of the house's programme: what each adds to every step, and how the steps are laid out.

A component is a :class:`Part` (unknowns, rows, cells: what stays from plan to plan) and its :class:`Numbers` (costs and
bounds: what changes). Names are the only tie between components: a heat pump stands in the row ``balance`` because one
of its cells says so. Within a step each part has its unknowns together, and its rows followed by the bounds of its
unknowns, so that one shift of the horizon stays one roll.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core_kernels.sparse import Places
from core_kernels.units import FloatArray


class Cell(NamedTuple):
    """A coefficient: of an unknown of the same step (``lag`` 0) or of the step before (1) in a row of each step."""

    row: str
    unknown: str
    value: FloatArray | float
    lag: int = 0


class Ramp(NamedTuple):
    """``weight_eur`` times the squared change from step to step of a signed sum of unknowns."""

    signs: tuple[tuple[str, float], ...]
    weight_eur: float


class Part(NamedTuple):
    """A component's matrices: ``free`` unknowns have no bounds, ``squares`` cost half their weight times x squared."""

    unknowns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    free: frozenset[str] = frozenset()
    squares: tuple[tuple[str, float], ...] = ()
    ramps: tuple[Ramp, ...] = ()

    @property
    def bounded(self) -> tuple[str, ...]:
        """Unknowns that have a row for their bounds."""
        return tuple(name for name in self.unknowns if name not in self.free)


Values = Mapping[str, FloatArray | float]


class Numbers(NamedTuple):
    """A component's vectors by name: cost of unknowns, bounds of rows and unknowns; a row without bounds is ``= 0``."""

    cost: Values
    low: Values
    high: Values


class Layout(NamedTuple):
    """Where each name stands within a step: column of an unknown, line of a row or of an unknown's bounds."""

    columns: Mapping[str, int]
    lines: Mapping[str, int]

    @property
    def width(self) -> int:
        """Unknowns a step."""
        return len(self.columns)

    @property
    def height(self) -> int:
        """Rows a step."""
        return len(self.lines)


def lay_out(parts: Sequence[Part]) -> Layout:
    """The places of all names; raises ``ValueError`` for a name that is there twice."""
    columns = [name for part in parts for name in part.unknowns]
    lines = [name for part in parts for name in (*part.rows, *part.bounded)]
    for names in (columns, lines):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"more than one component has {', '.join(twice)}")
    return Layout({name: i for i, name in enumerate(columns)}, {name: i for i, name in enumerate(lines)})


def _cells(parts: Sequence[Part]) -> Iterator[Cell]:
    for part in parts:
        yield from part.cells
        yield from (Cell(name, name, 1.0) for name in part.bounded)


def places(parts: Sequence[Part], layout: Layout, count: int) -> tuple[Places, Places]:
    """Row and column of every coefficient of ``count`` steps, in the order of :func:`coefficients`."""
    k = np.arange(count, dtype=np.int64)
    rows, columns = [], []
    for cell in _cells(parts):
        rows.append(layout.height * k[cell.lag :] + layout.lines[cell.row])
        columns.append(layout.width * k[: count - cell.lag] + layout.columns[cell.unknown])
    return np.concatenate(rows), np.concatenate(columns)


def coefficients(parts: Sequence[Part], count: int) -> FloatArray:
    """Every coefficient of ``count`` steps."""
    return np.concatenate(
        [np.broadcast_to(np.asarray(cell.value, dtype=np.float64), (count,))[cell.lag :] for cell in _cells(parts)]
    )


def quadratic(parts: Sequence[Part], layout: Layout, count: int) -> tuple[Places, Places, FloatArray]:
    """Triplets of the upper triangle of the quadratic cost, with no place twice."""
    k = np.arange(count, dtype=np.int64)
    touching = (k > 0).astype(np.float64) + (k < count - 1)
    found: dict[tuple[int, int, int], FloatArray] = {}
    for part in parts:
        for name, weight in part.squares:
            at = layout.columns[name]
            found[at, at, 0] = found.get((at, at, 0), np.zeros(count)) + weight
        for ramp in part.ramps:
            twice = 2.0 * ramp.weight_eur
            for first, one in ramp.signs:
                for second, other in ramp.signs:
                    i, j = layout.columns[first], layout.columns[second]
                    if i <= j:
                        found[i, j, 0] = found.get((i, j, 0), np.zeros(count)) + one * other * twice * touching
                    found[i, j, 1] = found.get((i, j, 1), np.zeros(count)) - one * other * twice
    rows = [layout.width * k[: count - lag] + i for i, _, lag in found]
    columns = [layout.width * k[lag:] + j for _, j, lag in found]
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    return (
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate([value[lag:] for (_, _, lag), value in found.items()]),
    )


def on_bus(parts: Sequence[Part], layout: Layout) -> tuple[tuple[int, FloatArray | float], ...]:
    """Columns that stand in the balance of the house's bus, with their coefficients."""
    return tuple(
        (layout.columns[cell.unknown], cell.value) for part in parts for cell in part.cells if cell.row == "balance"
    )


def place_values(into: FloatArray, places_by_name: Mapping[str, int], given: Values) -> None:
    """Write a component's values into their columns of float64[n, width]; raises ``ValueError`` by name."""
    for name, value in given.items():
        array = np.asarray(value, dtype=np.float64)
        if array.shape not in ((), (into.shape[0],)) or not np.isfinite(array).all():
            raise ValueError(f"{name} must be one or {into.shape[0]} finite numbers")
        into[:, places_by_name[name]] = array
