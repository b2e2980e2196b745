"""Small dense matrices without a library: product, inverse, exponential, exact zero-order hold.

Loops in a fixed order with + - * / only, so that the numbers are the same on every machine; meant for up to some dozen
rows, where a call into BLAS costs more than the work.
"""

from __future__ import annotations

import math

import numpy as np

from core_kernels.arguments import check_matrix, check_positive
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import FloatArray

_NORM = 0.5  # scaled below this, sixteen terms of Taylor's series leave 2e-20
_FACTORIAL = tuple(float(math.factorial(i)) for i in range(17))


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def multiply(a: FloatArray, b: FloatArray, out: FloatArray) -> None:
    """``out = a b``; ``out`` is neither of the two."""
    for i in range(a.shape[0]):
        row = out[i]
        for j in range(row.shape[0]):
            row[j] = 0.0
        for k in range(a.shape[1]):
            factor, other = a[i, k], b[k]
            for j in range(row.shape[0]):
                row[j] += factor * other[j]


@kernel()
def copy(a: FloatArray, out: FloatArray) -> None:
    """As ``out[:] = a``, which takes the compiler twenty times as long."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = a[i, j]


@kernel()
def fill(value: float, out: FloatArray) -> None:
    """As ``out[:] = value``."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = value


@kernel("void(float64[:, ::1], float64[:, ::1])")
def invert(a: FloatArray, out: FloatArray) -> None:
    """Inverse by Gauss-Jordan with row pivots; overwrites ``a``; a singular matrix gives inf or NaN."""
    n = a.shape[0]
    fill(0.0, out)
    for i in range(n):
        out[i, i] = 1.0
    for column in range(n):
        pivot = column
        for i in range(column + 1, n):
            if abs(a[i, column]) > abs(a[pivot, column]):
                pivot = i
        if pivot != column:
            for j in range(n):
                a[column, j], a[pivot, j] = a[pivot, j], a[column, j]
                out[column, j], out[pivot, j] = out[pivot, j], out[column, j]
        scale = 1.0 / a[column, column]
        for j in range(n):
            a[column, j] *= scale
            out[column, j] *= scale
        for i in range(n):
            factor = a[i, column]
            if i != column and factor != 0.0:
                for j in range(n):
                    a[i, j] -= factor * a[column, j]
                    out[i, j] -= factor * out[column, j]


@kernel("void(float64, float64[:, ::1], float64[:, ::1])")
def add_scaled(factor: float, a: FloatArray, out: FloatArray) -> None:
    """``out += factor a``."""
    for i in range(a.shape[0]):
        row, other = out[i], a[i]
        for j in range(row.shape[0]):
            row[j] += factor * other[j]


@kernel("int64(float64[:, ::1])")
def _halvings(a: FloatArray) -> int:
    """How often to halve a matrix until its 1-norm is small; -1 if it is not finite."""
    norm = 0.0
    for j in range(a.shape[1]):
        total = 0.0
        for i in range(a.shape[0]):
            total += abs(a[i, j])
        if not math.isfinite(total):
            return -1
        norm = max(norm, total)
    halvings = 0
    while norm > _NORM:
        norm *= 0.5
        halvings += 1
    return halvings


@kernel("void(float64[:, ::1], float64[:, ::1])")
def exponential(a: FloatArray, out: FloatArray) -> None:
    """e**a by scaling, Taylor's series to degree 16 in Paterson-Stockmeyer form, and squaring; overwrites ``a``."""
    n = a.shape[0]
    halvings = _halvings(a)
    if halvings < 0:
        fill(math.nan, out)
        return
    scale = 1.0
    for _ in range(halvings):
        scale *= 0.5
    powers = np.zeros((5, n, n))
    for i in range(n):
        powers[0, i, i] = 1.0
    add_scaled(scale, a, powers[1])
    for power in range(2, 5):
        multiply(powers[power - 1], powers[1], powers[power])
    other = np.empty((n, n))
    fill(0.0, out)
    add_scaled(1.0 / _FACTORIAL[16], powers[4], out)
    for block in range(3, -1, -1):
        for term in range(4):
            add_scaled(1.0 / _FACTORIAL[4 * block + term], powers[term], out)
        if block > 0:
            multiply(out, powers[4], other)
            copy(other, out)
    for _ in range(halvings):
        multiply(out, out, other)
        copy(other, out)


def hold(a: FloatArray, b: FloatArray, dt_s: float) -> FloatArray:
    """Both matrices of the zero-order hold, side by side, from one exponential of ``[a b; 0 0] dt``."""
    n, width = a.shape[0], a.shape[0] + b.shape[1]
    block, grown = np.zeros((width, width)), np.empty((width, width))
    block[:n, :n], block[:n, n:] = a * dt_s, b * dt_s
    exponential(block, grown)
    return grown[:n]


def _example() -> FloatArray:
    return np.ascontiguousarray(np.sin(np.arange(36.0)).reshape(6, 6))


@registered(
    name="matrix_exp.expm",
    unit="-",
    source="Higham 2005, SIAM J. Matrix Anal. Appl. 26(4) (scaling, squaring); Paterson & Stockmeyer 1973",
    reference="scipy.linalg.expm",
    tolerance=1e-14,
    example=lambda: (_example(),),
)
def expm(a: FloatArray) -> FloatArray:
    """Exponential of a square matrix.

    Parameters
    ----------
    a : float64[n, n]
        [-]

    Returns
    -------
    float64[n, n]
        All NaN where one element is not finite.

    Notes
    -----
    Errors are relative to the norm of the result and grow with the 1-norm of ``a``, some 1e-16 for each doubling.
    """
    square = check_matrix("a", a)
    check_matrix("a", a, rows=square.shape[1])
    out = np.empty_like(square)
    exponential(square.copy(), out)
    return out


@registered(
    name="matrix_exp.zero_order_hold",
    unit="-",
    source="Van Loan 1978, IEEE Trans. Autom. Control 23(3), eq. 1.2",
    reference="scipy.linalg.expm of the augmented matrix",
    tolerance=1e-14,
    example=lambda: (_example() - 2.0 * np.eye(6), _example()[:, :2].copy(), 1.5),
)
def zero_order_hold(a: FloatArray, b: FloatArray, dt_s: float) -> tuple[FloatArray, FloatArray]:
    """Exact step of ``x' = a x + b u`` over ``dt_s`` seconds while ``u`` stands still.

    Parameters
    ----------
    a : float64[n, n]
        [1/s]
    b : float64[n, k]
        Effect of one unit of each input. [1/s]
    dt_s : float
        [s]

    Returns
    -------
    step, effect : float64[n, n], float64[n, k]
        ``x(t + dt) = step x(t) + effect u``; a singular ``a`` is no exception. All NaN if an element is not finite.
    """
    square = check_matrix("a", a)
    check_matrix("a", a, rows=square.shape[1])
    wide = check_matrix("b", b, rows=square.shape[0])
    check_positive(dt_s=dt_s)
    out = hold(square, wide, float(dt_s))
    return out[:, : square.shape[0]].copy(), out[:, square.shape[0] :].copy()
