"""The stationary Kalman predictor of a thermal network: Riccati equation, gain, covariance of the innovations."""

from __future__ import annotations

import numpy as np

from core_kernels.jit import kernel
from core_kernels.matrix_exp import add_scaled, copy, invert, multiply
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
        copy(other, a)
        if change <= 1e-17 * size:
            break


def predictor_of(
    values: FloatArray, pairs: IntArray, noise_k: tuple[float, float, float], zones: int, dt_s: float
) -> tuple[FloatArray, FloatArray]:
    """The predictor of packed values: what each state, input and innovation adds to the next states.

    float64[2n + 2 + n + n, 2n] holds one row for each of them, float64[n, n] is the covariance of the innovations.
    """
    m = 2 * zones
    matrix = hold_network(values, pairs, zones, dt_s)
    step, p = matrix[:, :m].copy(), np.zeros((m, m))
    hourly_k = np.repeat(noise_k[:2], zones)
    p.flat[:: m + 1] = hourly_k * hourly_k * (dt_s / SECONDS_PER_HOUR)
    stationary_covariance(step, noise_k[2], zones, p)
    spread = p[:zones, :zones].copy()
    spread.flat[:: zones + 1] += noise_k[2] * noise_k[2]
    weight, seen, gain = np.empty((zones, zones)), np.empty((m, zones)), np.empty((m, zones))
    invert(spread.copy(), weight)
    multiply(step, p[:, :zones].copy(), seen)
    multiply(seen, weight, gain)
    return np.ascontiguousarray(np.concatenate((matrix, gain), axis=1).T), spread
