"""What the thin layer over the kernels asks of its arguments; errors name the argument."""

from __future__ import annotations

import sys
from typing import TypeAlias

import numpy as np

from core_kernels.units import FlagArray, FloatArray

Powers: TypeAlias = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # grid, PV, battery, load


def check_vectors(**named: FloatArray) -> tuple[FloatArray, ...]:
    """The arguments as C-contiguous float64 vectors of one length.

    Another type, dtype or shape raises ``TypeError``, another length ``ValueError``.
    """
    first, length = next(iter(named)), -1
    checked = []
    for name, array in named.items():
        if not isinstance(array, np.ndarray) or array.dtype != np.float64 or array.ndim != 1:
            raise TypeError(f"{name} must be a float64 vector")
        length = array.shape[0] if length < 0 else length
        if array.shape[0] != length:
            raise ValueError(f"{name} must be as long as {first}: {length}, got {array.shape[0]}")
        checked.append(np.ascontiguousarray(array))
    return tuple(checked)


def check_matrix(name: str, matrix: FloatArray, rows: int = -1, columns: int = -1) -> FloatArray:
    """The argument as a C-contiguous float64 matrix, of the given size where one is given; else an error as above."""
    if not isinstance(matrix, np.ndarray) or matrix.dtype != np.float64 or matrix.ndim != 2:
        raise TypeError(f"{name} must be a float64 matrix")
    for asked, found, what in ((rows, matrix.shape[0], "rows"), (columns, matrix.shape[1], "columns")):
        if asked not in (-1, found):
            raise ValueError(f"{name} must have {asked} {what}, got {found}")
    return np.ascontiguousarray(matrix)


def check_powers(powers_w: Powers) -> Powers:
    """The four powers of a house as float64 vectors of one length; errors as :func:`check_vectors`."""
    grid_w, pv_w, battery_w, load_w = powers_w
    checked = check_vectors(grid_w=grid_w, pv_w=pv_w, battery_w=battery_w, load_w=load_w)
    return checked[0], checked[1], checked[2], checked[3]


def check_flags(name: str, flags: FlagArray, count: int = -1) -> None:
    """Raise ``TypeError`` unless the argument is a uint16 vector, ``ValueError`` for another than the given length."""
    if not isinstance(flags, np.ndarray) or flags.dtype != np.uint16 or flags.ndim != 1:
        raise TypeError(f"{name} must be a vector of uint16, got {getattr(flags, 'dtype', type(flags).__name__)}")
    if count not in (-1, flags.shape[0]):
        raise ValueError(f"{name} must have {count} values, got {flags.shape[0]}")


def check_positive(maximum: float = sys.float_info.max, /, **values: float) -> None:
    """Raise ``ValueError`` unless all numbers are finite, above 0 and not above the maximum."""
    for name, value in values.items():
        if not 0.0 < value <= maximum:
            raise ValueError(f"{name} must be positive, and {maximum:g} at most, got {value}")
