"""Sparse matrices in compressed columns, as the solvers take them: built from triplets, multiplied, nothing more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.units import FloatArray

IntArray = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]


class Csc(NamedTuple):
    """A sparse matrix in compressed columns, rows sorted within each column; ``columns`` tells each entry's own."""

    data: FloatArray
    indices: IntArray
    indptr: IntArray
    shape: tuple[int, int]
    columns: Places


def column_order(row: Places, column: Places) -> Places:
    """In which order triplets stand in compressed columns."""
    return np.lexsort((row, column))


def compress(
    row: Places, column: Places, value: FloatArray, shape: tuple[int, int], order: Places | None = None
) -> Csc:
    """Triplets (no duplicates) as compressed columns; ``order`` saves the sorting where it is known."""
    order = column_order(row, column) if order is None else order
    counts = np.bincount(column, minlength=shape[1])
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return Csc(
        data=np.ascontiguousarray(value[order], dtype=np.float64),
        indices=row[order].astype(np.int32),
        indptr=indptr,
        shape=shape,
        columns=column[order],
    )


def multiply(matrix: Csc, x: FloatArray) -> FloatArray:
    """Matrix times vector, float64[rows]."""
    image = np.bincount(matrix.indices, weights=matrix.data * x[matrix.columns], minlength=matrix.shape[0])
    return np.asarray(image, dtype=np.float64)
