"""What the thin layer over the kernels asks of its arguments; errors name the argument."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.units import FloatArray


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


def check_positive(**values: float) -> None:
    """Raise ``ValueError`` unless all numbers are finite and above 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be positive, got {value}")
