"""Rainflow cycles of a series (ASTM E1049-85, 5.4.4): a whole series at once, or sample by sample.

Half and full cycles are those of the package ``rainflow`` (``extract_cycles``), to the last bit and in its order.
A sample that is not finite is missing: it turns nothing around, but its index counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import FloatArray

IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]

# A stream's state: seen, next index, index and value of the last finite sample, slope there, points held; the points.
_SEEN, _NEXT, _AT, _VALUE, _SLOPE, _HELD, _HEAD = range(7)
_FIRST_CAPACITY = 32
_LARGEST = float(np.finfo(np.float64).max)


class Cycles(NamedTuple):
    """Cycles in the order in which they close; arrays of one length.

    ``extent`` (highest less lowest value) and ``mean`` carry the unit of the series, ``cycles_count`` is 1.0 for a
    full and 0.5 for a half cycle, ``start`` and ``end`` are the indices of its two turning points.
    """

    extent: FloatArray
    mean: FloatArray
    cycles_count: FloatArray
    start: IntArray
    end: IntArray


@kernel("int64(Array(float64, 1, 'C', readonly=True), uint8[::1], float64[:, ::1])")
def _turning_points(series: FloatArray, flags: ByteArray, points: FloatArray) -> int:
    """Compact the turning points (row 0 values, row 1 indices) of three samples or more; -1: one was not finite.

    A first pass flags every inner sample that neither goes straight on nor lies inside a plateau; the second steps over
    eight unflagged samples at once and never branches on the data of the others. ``flags`` is zero, and padded to 8.
    """
    first, second, third = series[:-2], series[1:-1], series[2:]
    finite = 0
    for i in range(third.shape[0]):
        before, after = second[i] - first[i], third[i] - second[i]
        flags[i] = 0 if (before * after > 0.0) | ((before == 0.0) & (after == 0.0)) else 1
        finite += 1 if abs(second[i]) <= _LARGEST else 0
    if finite < third.shape[0] or not (math.isfinite(series[0]) and math.isfinite(series[-1])):
        return -1
    values, indices = points[0], points[1]
    values[0], indices[0], found = series[0], 0, 1
    slope = series[1] - series[0]  # the last step that was not level
    words = flags.view(np.uint64)
    for word in range(words.shape[0]):
        if words[word] == 0:
            continue
        for i in range(8 * word, min(8 * word + 8, third.shape[0])):
            x = second[i]
            before, after = x - first[i], third[i] - x
            slope = slope if before == 0.0 else before
            values[found], indices[found] = x, i + 1  # stays only if the slope turns here
            found += 1 if slope * after < 0.0 else 0
    values[found], indices[found] = series[-1], series.shape[0] - 1
    return found + 1


@kernel("UniTuple(int64, 3)(float64[:, ::1], int64, int64, float64[:, ::1], int64[:, ::1])")
def _fold(points: FloatArray, held: int, fresh: int, out: FloatArray, places: IntArray) -> tuple[int, int, int]:
    """Read the ``fresh`` points after the ``held`` ones; returns base and top of what is now held, and cycles closed.

    Rules 2-5 of E1049, 5.4.4. The points' own memory is the stack: it never outgrows what was read.
    """
    values, indices = points[0], points[1]
    extent, mean, count, start, end = out[0], out[1], out[2], places[0], places[1]
    base, top, closed = 0, held, 0
    for i in range(fresh):
        x, at = values[held + i], indices[held + i]
        while top - base >= 2:
            a, b = values[top - 2], values[top - 1]
            older = abs(a - b)
            if abs(x - b) < older:
                break
            half = top - base == 2  # it holds the first point of all
            extent[closed], mean[closed], count[closed] = older, 0.5 * (a + b), 0.5 if half else 1.0
            start[closed], end[closed] = int(indices[top - 2]), int(indices[top - 1])
            base += 1 if half else 0
            top -= 0 if half else 2
            closed += 1
        values[top], indices[top] = x, at
        top += 1
    return base, top, closed


@kernel("int64(float64[:, ::1], int64, int64, float64[:, ::1], int64[:, ::1], int64)")
def _rest(points: FloatArray, base: int, top: int, out: FloatArray, places: IntArray, closed: int) -> int:
    """Count the ranges that never closed as half cycles (rule 6)."""
    for i in range(base, top - 1):
        a, b = points[0, i], points[0, i + 1]
        out[0, closed], out[1, closed], out[2, closed] = abs(a - b), 0.5 * (a + b), 0.5
        places[0, closed], places[1, closed] = int(points[1, i]), int(points[1, i + 1])
        closed += 1
    return closed


@kernel("int64(float64[::1], float64[:, ::1], float64, float64[:, ::1], int64[:, ::1])")
def push_sample(head: FloatArray, points: FloatArray, x: float, out: FloatArray, places: IntArray) -> int:
    """One sample into a stream: how many cycles it closed, now in ``out``; -1: ``points`` is full."""
    held = int(head[_HELD])
    if held >= points.shape[1]:
        return -1
    index = head[_NEXT]
    head[_NEXT] = index + 1.0
    if not math.isfinite(x):
        return 0
    closed = 0
    step = x - head[_VALUE]
    if head[_SEEN] == 0.0:
        points[0, 0], points[1, 0], held = x, index, 1
    elif head[_SEEN] > 1.0 and head[_SLOPE] * step < 0.0:
        points[0, held], points[1, held] = head[_VALUE], head[_AT]
        base, top, closed = _fold(points, held, 1, out, places)
        for i in range(base, top):
            points[0, i - base], points[1, i - base] = points[0, i], points[1, i]
        held = top - base
    if head[_SEEN] < 2.0 or x != head[_VALUE]:
        head[_SLOPE] = step
    head[_SEEN], head[_AT], head[_VALUE], head[_HELD] = min(head[_SEEN] + 1.0, 3.0), index, x, held
    return closed


def _cycles(out: FloatArray, places: IntArray, closed: int) -> Cycles:
    return Cycles(out[0, :closed], out[1, :closed], out[2, :closed], places[0, :closed], places[1, :closed])


def _room(most: int) -> tuple[FloatArray, IntArray]:
    """Memory for so many cycles."""
    return np.empty((3, most)), np.empty((2, most), dtype=np.int64)


def _series(series: FloatArray) -> FloatArray:
    if not isinstance(series, np.ndarray) or series.dtype != np.float64 or series.ndim != 1:
        raise TypeError("series must be a float64 vector")
    return np.ascontiguousarray(series)


@registered(
    name="rainflow.extract_cycles",
    unit="of the series",
    source="ASTM E1049-85 (2017), 5.4.4",
    reference="rainflow.extract_cycles 3.2.0",
    tolerance=0.0,
    example=lambda: (np.sin(np.arange(500.0) ** 1.3),),
)
def extract_cycles(series: FloatArray) -> Cycles:
    """Rainflow cycles of a whole series.

    Parameters
    ----------
    series : float64[n]
        Any quantity, a state of charge say. Samples that are not finite are missing. Fewer than three finite samples
        hold no cycle.

    Returns
    -------
    Cycles
        Full cycles and half cycles as they close, then the ranges left over as half cycles.

    Notes
    -----
    ASTM E1049-85 (2017), section 5.4.4, rules 1-6.

    Examples
    --------
    >>> extract_cycles(np.array([-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0])).extent
    array([3., 4., 4., 8., 9., 8., 6.])
    """
    checked = _series(series)
    if checked.shape[0] < 3:
        return _cycles(*_room(0), 0)
    flags = np.zeros(-(-checked.shape[0] // 8) * 8, dtype=np.uint8)
    points = np.empty((2, checked.shape[0]))
    found = _turning_points(checked, flags, points)
    if found < 0:
        kept = np.flatnonzero(np.isfinite(checked))
        cycles = extract_cycles(checked[kept])
        return cycles._replace(start=kept[cycles.start], end=kept[cycles.end])
    out, places = _room(found)
    base, top, closed = _fold(points, 0, found, out, places)
    return _cycles(out, places, _rest(points, base, top, out, places, closed))


class RainflowStream:
    """The same cycles sample by sample; its whole memory is ``state``, one float64 vector that can be stored.

    The points that wait for their cycle to close lie on ever smaller ranges: a state of charge with a resolution of
    1/1000 holds 1000 at most, in practice a dozen. The memory doubles when it is full.
    """

    def __init__(self, state: FloatArray | None = None) -> None:
        if state is None:
            self._head = np.zeros(_HEAD)
            self._points = np.zeros((2, _FIRST_CAPACITY))
        else:
            checked = _series(state)
            if checked.shape[0] < _HEAD + 2 or (checked.shape[0] - _HEAD) % 2 or not np.isfinite(checked).all():
                raise ValueError("state is not one of a rainflow stream")
            self._head = checked[:_HEAD].copy()
            self._points = checked[_HEAD:].reshape(2, -1).copy()
            if not 0 <= self._head[_HELD] <= self._points.shape[1]:
                raise ValueError("state holds more points than it has room for")
        self._out, self._places = _room(self._points.shape[1] + 1)

    @property
    def state(self) -> FloatArray:
        """A copy of everything the stream remembers: float64[6 + 2 capacity]."""
        return np.concatenate([self._head, self._points.ravel()])

    def push(self, x: float) -> Cycles:
        """Take one sample; the cycles that it closes."""
        closed = self._count(float(x))
        return _cycles(self._out.copy(), self._places.copy(), closed)

    def _count(self, x: float) -> int:
        closed = push_sample(self._head, self._points, x, self._out, self._places)
        if closed < 0:
            self._points = np.concatenate([self._points, np.zeros_like(self._points)], axis=1)
            self._out, self._places = _room(self._points.shape[1] + 1)
            closed = push_sample(self._head, self._points, x, self._out, self._places)
        return int(closed)

    def rest(self) -> Cycles:
        """The half cycles that would remain if the series ended now; the stream goes on unchanged."""
        held = int(self._head[_HELD])
        if self._head[_SEEN] < 3.0:
            return _cycles(*_room(1), 0)
        points = np.zeros((2, held + 1))
        points[:, :held] = self._points[:, :held]
        points[:, held] = self._head[_VALUE], self._head[_AT]
        out, places = _room(held + 2)
        base, top, closed = _fold(points, held, 1, out, places)
        return _cycles(out, places, _rest(points, base, top, out, places, closed))
