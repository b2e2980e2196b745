"""The stationary Kalman predictor of a thermal network: Riccati equation, gain, covariance of the innovations."""

from __future__ import annotations

import numpy as np

from core_kernels.jit import kernel
from core_kernels.matrix_exp import add_scaled, invert, multiply
from core_kernels.rainflow import IntArray
from core_kernels.thermal import hold_network
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

_DOUBLINGS = 60


@kernel("void(float64[:, ::1], float64[:, ::1])")
def _transpose(a: FloatArray, out: FloatArray) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[j, i] = a[i, j]


@kernel("void(float64[:, ::1], float64, int64, float64[:, ::1])")
def stationary_covariance(step: FloatArray, measured_k: float, zones: int, p: FloatArray) -> None:
    """Covariance of the one-step prediction, in place of the process covariance that ``p`` comes with.

    Structured doubling of ``P = A (P - P C' (C P C' + R)^-1 C P) A' + Q`` (Chu, Fan, Lin & Wang 2004, algorithm SDA),
    with C the first ``zones`` rows of the identity and R a multiple of it. ``measured_k`` squared is that multiple [K].
    """
    m = step.shape[0]
    a, g = np.empty((m, m)), np.zeros((m, m))
    _transpose(step, a)
    for i in range(zones):
        g[i, i] = 1.0 / (measured_k * measured_k)
    w, w_inverse, left, right, other = (
        np.empty((m, m)),
        np.empty((m, m)),
        np.empty((m, m)),
        np.empty((m, m)),
        np.empty((m, m)),
    )
    for _ in range(_DOUBLINGS):
        multiply(g, p, w)
        for i in range(m):
            w[i, i] += 1.0
        invert(w, w_inverse)
        multiply(w_inverse, a, left)  # W^-1 A
        multiply(p, left, right)  # H W^-1 A
        _transpose(a, w)
        multiply(w, right, other)
        change, size = 0.0, 0.0
        for i in range(m):
            change, size = max(change, abs(other[i, i])), max(size, abs(p[i, i]))
        add_scaled(1.0, other, p)
        multiply(w_inverse, g, right)  # W^-1 G
        multiply(right, w, other)
        multiply(a, other, right)
        add_scaled(1.0, right, g)
        multiply(a, left, other)
        a[:] = other
        if change <= 1e-17 * size:
            break


@kernel(
    "void(Array(float64, 1, 'C', readonly=True), int64[:, ::1], UniTuple(float64, 3), float64,"
    " float64[:, ::1], float64[:, ::1])"
)
def fill_predictor(
    values: FloatArray,
    pairs: IntArray,
    noise_k: tuple[float, float, float],
    dt_s: float,
    rows: FloatArray,
    spread: FloatArray,
) -> None:
    """The predictor of packed values: what each state, input and innovation adds to the next states.

    ``rows`` float64[2n + 2 + n + n, 2n] holds one row for each of them, ``spread`` float64[n, n] the covariance of the
    innovations.
    """
    zones = spread.shape[0]
    m = 2 * zones
    matrix = np.empty((m, m + 2 + zones))
    hold_network(values, pairs, dt_s, matrix)
    step, p = np.empty((m, m)), np.zeros((m, m))
    hours = dt_s / SECONDS_PER_HOUR
    for i in range(m):
        hourly_k = noise_k[0] if i < zones else noise_k[1]
        p[i, i] = hourly_k * hourly_k * hours
        for j in range(m):
            step[i, j] = matrix[i, j]
    stationary_covariance(step, noise_k[2], zones, p)
    for i in range(zones):
        for j in range(zones):
            spread[i, j] = p[i, j] + (noise_k[2] * noise_k[2] if i == j else 0.0)
    work, weight, seen, gain = spread.copy(), np.empty((zones, zones)), np.empty((m, zones)), np.empty((m, zones))
    invert(work, weight)
    multiply(step, p[:, :zones].copy(), seen)
    multiply(seen, weight, gain)
    for i in range(m):
        for j in range(m + 2 + zones):
            rows[j, i] = matrix[i, j]
        for j in range(zones):
            rows[m + 2 + zones + j, i] = gain[i, j]
