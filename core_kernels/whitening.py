"""Innovations made white: the Cholesky factor of their covariance, and how likely they are."""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.matrix_exp import fill, invert
from core_kernels.units import FloatArray

_LOG_2PI = 1.8378770664093453
_SPAN = 256  # slots that are whitened together


@kernel("boolean(float64[:, ::1], float64[:, ::1])")
def cholesky(a: FloatArray, out: FloatArray) -> bool:
    """Lower triangle with ``out out' = a``; False if ``a`` is not positive definite."""
    fill(0.0, out)
    for i in range(a.shape[0]):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= out[i, k] * out[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                out[i, i] = math.sqrt(total)
            else:
                out[i, j] = total / out[j, j]
    return True


@kernel()
def _whiten(whitener: FloatArray, columns: FloatArray, out: FloatArray) -> None:
    """The rows of ``whitener columns``, and in the last row the sum of their squares."""
    squares = out[columns.shape[0]]
    for t in range(squares.shape[0]):
        squares[t] = 0.0
    for i in range(columns.shape[0]):
        row = out[i]
        for t in range(row.shape[0]):
            row[t] = 0.0
        for k in range(i + 1):
            factor, column = whitener[i, k], columns[k]
            for t in range(row.shape[0]):
                row[t] += factor * column[t]
        for t in range(row.shape[0]):
            squares[t] += row[t] * row[t]


@kernel("float64(float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def weigh(innovations: FloatArray, spread: FloatArray, white: FloatArray) -> float:
    """Log-likelihood of innovations; ``white``, which may be the same memory, becomes them whitened.

    Rows with a missing zone count for nothing and whiten to zeros.
    """
    n = spread.shape[0]
    lower, whitener = np.empty((n, n)), np.empty((n, n))
    if not cholesky(spread, lower):
        return -math.inf
    log_volume = n * _LOG_2PI
    for i in range(n):
        log_volume += 2.0 * vmath.log(lower[i, i])
    invert(lower, whitener)
    columns, whites = np.empty((n, _SPAN)), np.empty((n + 1, _SPAN))
    sums, total, counted = np.zeros(_SPAN), 0.0, 0
    for begin in range(0, innovations.shape[0], _SPAN):
        part, whitened = innovations[begin : begin + _SPAN], white[begin : begin + _SPAN]
        for t in range(part.shape[0]):
            for i in range(n):
                columns[i, t] = part[t, i]
        _whiten(whitener, columns, whites)
        squares = whites[n]
        for t in range(part.shape[0]):
            known = squares[t] == squares[t]  # false for NaN only
            counted += known
            sums[t] += squares[t] if known else 0.0
            for i in range(n):
                whitened[t, i] = whites[i, t] if known else 0.0
    for t in range(_SPAN):
        total += sums[t]
    return float(-0.5 * (total + counted * log_volume))
