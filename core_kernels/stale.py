"""Values that stand still, and values that lie on a straight line: a stuck sensor, and a logger that fills its holes.

A window that ends at a sample is stale when all its values are close to its first; the flags are those of pvanalytics
to the last one. Blocks without two neighbours alike, which is most of the data, are passed over at memory speed.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
Mark: TypeAlias = Literal["end", "tail", "all"]
OwnUnit: TypeAlias = float  # a number in the unit of the signal

RELATIVE = 1e-5  # numpy.allclose's tolerances, as pvanalytics uses them
ABSOLUTE = 1e-8
_BLOCK = 64
_ROUND = 1.5 * 2.0**52  # adding and taking it off again rounds to whole numbers, below 2**51
_ROUND_LIMIT = 2.0**51
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel("int64(boolean[::1], int64, int64, int64)", inline=True)
def _mark(found: BoolArray, end: int, span: int, marked: int) -> int:
    """Mark the ``span`` samples up to ``end``, from ``marked`` on; the first sample that is not yet marked after it."""
    for k in range(max(end + 1 - span, marked), end + 1):
        found[k] = True
    return end + 1


@kernel("int64(int64[::1], int64)")
def _sum(counts: IntArray, size: int) -> int:
    """Sum of the first ``size``."""
    total = 0
    for i in range(size):
        total += counts[i]
    return total


@kernel(f"void({_IN}, int64, float64, float64, int64, boolean[::1])")
def _close_kernel(
    values: FloatArray, window: int, relative: OwnUnit, absolute: OwnUnit, span: int, found: BoolArray
) -> None:
    """Windows of values close to their first; ``span`` samples up to each window's end are marked."""
    marked = 0
    close = np.empty(_BLOCK, dtype=np.int64)
    for base in range(0, values.shape[0] - window + 1, _BLOCK):
        size = min(_BLOCK, values.shape[0] - window + 1 - base)
        first, second = values[base : base + size], values[base + 1 : base + 1 + size]
        hits = 0
        for s in range(size):
            hits += abs(second[s] - first[s]) <= absolute + relative * abs(first[s])
        if hits == 0:
            continue
        for s in range(size):
            close[s] = 1
        for k in range(1, window):
            later = values[base + k : base + k + size]
            for s in range(size):
                difference = abs(later[s] - first[s])
                close[s] &= (difference <= absolute + relative * abs(first[s])) & (difference < math.inf)
        if _sum(close, size) == size:
            marked = _mark(found, base + size + window - 2, span + size - 1, marked)
            continue
        for s in range(size):
            if close[s]:
                marked = _mark(found, base + s + window - 1, span, marked)


@kernel(f"void({_IN}, int64, float64, int64, boolean[::1])")
def _round_kernel(values: FloatArray, window: int, scale: float, span: int, found: BoolArray) -> None:
    """Runs of ``window`` values that are equal after rounding to 1 / ``scale``."""
    marked, run = 0, 1
    for base in range(1, values.shape[0], _BLOCK):
        size = min(_BLOCK, values.shape[0] - base)
        here, before = values[base : base + size], values[base - 1 : base - 1 + size]
        same = huge = 0
        for s in range(size):
            scaled, last = here[s] * scale, before[s] * scale
            same += (scaled + _ROUND) - _ROUND == (last + _ROUND) - _ROUND
            huge += abs(scaled) >= _ROUND_LIMIT
        if same + huge == 0:
            run = 1
            continue
        if same == size and huge == 0 and run >= window - 1:
            run += size
            marked = _mark(found, base + size - 1, span + size - 1, marked)
            continue
        for s in range(size):
            change = np.rint(here[s] * scale) / scale - np.rint(before[s] * scale) / scale
            run = run + 1 if change == 0.0 else 1
            if run >= window:
                marked = _mark(found, base + s, span, marked)


def _span(mark: Mark, window_count: int) -> int:
    spans = {"end": 1, "tail": window_count - 1, "all": window_count}
    if mark not in spans:
        raise ValueError(f"mark must be one of 'end', 'tail', 'all', got {mark!r}")
    return spans[mark]


def _check(values: FloatArray, window_count: int, least_count: int) -> None:
    check_f64("values", values)
    if window_count < least_count:
        raise ValueError(f"window_count must be at least {least_count}, got {window_count}")


def _example() -> tuple[FloatArray]:
    values = np.sin(0.1 * np.arange(200.0))
    values[20:40] = 0.5
    values[60:80] = np.linspace(0.0, 1.0, 20)
    values[100] = math.nan
    return (values,)


@registered(
    name="stale_by_difference",
    unit="1",
    source="pvanalytics 0.2.2, quality/gaps.py (Solar Forecast Arbiter)",
    reference="pvanalytics.quality.gaps.stale_values_diff",
    tolerance=0.0,
    example=_example,
)
def stale_by_difference(
    values: FloatArray,
    window_count: int = 6,
    relative: OwnUnit = RELATIVE,
    absolute: OwnUnit = ABSOLUTE,
    mark: Mark = "tail",
) -> BoolArray:
    """Samples in a window whose values are all close to its first.

    Parameters
    ----------
    values : float64[n]
        In any unit; a window that holds a NaN or an infinity is not stale.
    window_count : int
        Samples in a window, at least 2.
    relative, absolute : float
        ``|x - first| <= absolute + relative * |first|`` is close.
    mark : str
        What of a stale window is marked: its ``end``, all but its first (``tail``), or ``all``.

    Returns
    -------
    bool[n]
        True for stale.
    """
    _check(values, window_count, 2)
    found = np.zeros(values.shape[0], dtype=np.bool_)
    with np.errstate(all="ignore"):
        _close_kernel(values, window_count, relative, absolute, _span(mark, window_count), found)
    return found


@registered(
    name="stale_by_rounding",
    unit="1",
    source="pvanalytics 0.2.2, quality/gaps.py (PV Fleets QA)",
    reference="pvanalytics.quality.gaps.stale_values_round",
    tolerance=0.0,
    example=_example,
)
def stale_by_rounding(
    values: FloatArray, window_count: int = 6, decimals_count: int = 3, mark: Mark = "tail"
) -> BoolArray:
    """Samples in a run of values that are equal after rounding.

    Parameters
    ----------
    values : float64[n]
        In any unit; NaN and infinities end a run.
    window_count : int
        Samples that make a run, at least 2.
    decimals_count : int
        Decimals that are kept, 0..15; halves round to even.
    mark : str
        As in :func:`stale_by_difference`.

    Returns
    -------
    bool[n]
        True for stale.
    """
    _check(values, window_count, 2)
    if not 0 <= decimals_count <= 15:
        raise ValueError(f"decimals_count must be 0..15, got {decimals_count}")
    found = np.zeros(values.shape[0], dtype=np.bool_)
    with np.errstate(all="ignore"):
        _round_kernel(values, window_count, 10.0**decimals_count, _span(mark, window_count), found)
    return found


@registered(
    name="interpolated",
    unit="1",
    source="pvanalytics 0.2.2, quality/gaps.py (Solar Forecast Arbiter)",
    reference="pvanalytics.quality.gaps.interpolation_diff",
    tolerance=0.0,
    example=_example,
)
def interpolated(
    values: FloatArray,
    window_count: int = 6,
    relative: OwnUnit = RELATIVE,
    absolute: OwnUnit = ABSOLUTE,
    mark: Mark = "tail",
) -> BoolArray:
    """Samples in a window that is a straight line: its steps are all close to its first step.

    Parameters
    ----------
    values : float64[n]
        In any unit; a window that holds a NaN or an infinity is no line.
    window_count : int
        Samples in a window, at least 3.
    relative, absolute : float
        Tolerance of a step, as in :func:`stale_by_difference`.
    mark : str
        As in :func:`stale_by_difference`.

    Returns
    -------
    bool[n]
        True for a sample on a line; constant values are one.
    """
    _check(values, window_count, 3)
    found = np.zeros(values.shape[0], dtype=np.bool_)
    with np.errstate(all="ignore"):
        steps = np.empty_like(values)  # one array: what np.diff makes for its prepend costs more than the scan
        steps[:1] = math.nan
        np.subtract(values[1:], values[:-1], out=steps[1:])
        _close_kernel(steps, window_count - 1, relative, absolute, _span(mark, window_count), found)
    return found
