"""Fisher scoring of innovations: information and gradient from differences of whitened innovations."""

from __future__ import annotations

import numpy as np

from core_kernels.jit import kernel
from core_kernels.matrix_exp import fill, invert, multiply
from core_kernels.units import FloatArray
from core_kernels.whitening import cholesky

STEP = 1e-5  # of a logarithm, for differences


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], int64)")
def fill_slope(
    here: FloatArray, there: FloatArray, spread: FloatArray, white: FloatArray, slopes: FloatArray, column: int
) -> None:
    """One column of the derivative of the whitened innovations (their covariance held), for complete rows."""
    n = spread.shape[0]
    lower = np.empty((n, n))
    cholesky(spread, lower)
    row = np.empty(n)
    for t in range(here.shape[0]):
        counted = False
        for i in range(n):
            counted = counted or white[t, i] != 0.0
        for i in range(n):
            value = (there[t, i] - here[t, i]) / STEP
            for k in range(i):
                value -= lower[i, k] * row[k]
            row[i] = value / lower[i, i]
            slopes[t * n + i, column] = row[i] if counted else 0.0


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1])")
def gather(slopes: FloatArray, white: FloatArray, information: FloatArray, gradient: FloatArray) -> None:
    """``information += slopes' slopes``, ``gradient += slopes' white``."""
    p, n = slopes.shape[1], white.shape[1]
    for r in range(slopes.shape[0]):
        row, residual = slopes[r], white[r // n, r % n]
        for i in range(p):
            factor, into = row[i], information[i]
            gradient[i] += factor * residual
            for j in range(p):
                into[j] += factor * row[j]


@kernel("float64(float64[:, ::1], float64[:, ::1])")
def sum_squares(white: FloatArray, squares: FloatArray) -> float:
    """Sum of the outer products of the whitened innovations; returns how many slots count."""
    n, counted = white.shape[1], 0.0
    fill(0.0, squares)
    for t in range(white.shape[0]):
        seen = False
        for i in range(n):
            seen = seen or white[t, i] != 0.0
            for j in range(n):
                squares[i, j] += white[t, i] * white[t, j]
        counted += 1.0 if seen else 0.0
    return counted


@kernel("void(float64[:, :, ::1], float64[:, ::1], float64[:, :, ::1])")
def whiten_changes(spreads: FloatArray, spread: FloatArray, changes: FloatArray) -> None:
    """Derivatives of the covariance seen by whitened innovations: ``L^-1 dS L'^-1`` for each value."""
    n = spread.shape[0]
    lower, weight, turned = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    change, half = np.empty((n, n)), np.empty((n, n))
    cholesky(spread, lower)
    invert(lower, weight)
    for i in range(n):
        for j in range(n):
            turned[j, i] = weight[i, j]
    for q in range(spreads.shape[0]):
        for i in range(n):
            for j in range(n):
                change[i, j] = (spreads[q, i, j] - spread[i, j]) / STEP
        multiply(weight, change, half)
        multiply(half, turned, changes[q])


@kernel("void(float64[:, :, ::1], float64[:, ::1], float64, float64[:, ::1], float64[::1])")
def gather_spread(
    changes: FloatArray, squares: FloatArray, count: float, information: FloatArray, gradient: FloatArray
) -> None:
    """Add what the covariance's own change with each value contributes."""
    n = squares.shape[0]
    for q in range(changes.shape[0]):
        for i in range(n):
            gradient[q] += 0.5 * count * changes[q, i, i]
            for j in range(n):
                gradient[q] -= 0.5 * squares[i, j] * changes[q, i, j]
        for r in range(changes.shape[0]):
            total = 0.0
            for i in range(n):
                for j in range(n):
                    total += changes[q, i, j] * changes[r, i, j]
            information[q, r] += 0.5 * count * total


@kernel("boolean(float64[:, ::1], float64[::1], float64[::1])")
def solve_positive(a: FloatArray, b: FloatArray, x: FloatArray) -> bool:
    """``a x = b`` of a positive definite matrix; False if it is not."""
    n = a.shape[0]
    lower = np.empty((n, n))
    if not cholesky(a, lower):
        return False
    for i in range(n):
        total = b[i]
        for k in range(i):
            total -= lower[i, k] * x[k]
        x[i] = total / lower[i, i]
    for back in range(n):
        i = n - 1 - back
        total = x[i]
        for k in range(i + 1, n):
            total -= lower[k, i] * x[k]
        x[i] = total / lower[i, i]
    return True
