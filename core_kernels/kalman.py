"""How likely a thermal network makes the measured rooms: innovations of the stationary Kalman predictor.

Room (air) temperatures are measured, masses are not. Unmodelled gains are white noise on airs and masses; the gain is
the stationary one, from the discrete Riccati equation by structured doubling, which converges quadratically.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.arguments import check_matrix, check_positive, check_vectors
from core_kernels.jit import kernel
from core_kernels.matrix_exp import invert
from core_kernels.predictor import fill_predictor
from core_kernels.registry import registered
from core_kernels.thermal import (
    ThermalInputs,
    ThermalNetwork,
    example_inputs,
    example_network,
    input_matrix,
    pack,
    simulate,
)
from core_kernels.units import FloatArray

_LOG_2PI = 1.8378770664093453
_SPAN = 256  # slots whose inputs are weighed together
_MATRIX = "Array(float64, 2, 'C', readonly=True)"


class ThermalNoise(NamedTuple):
    """Standard deviations: of an air's and a mass' unmodelled change over one hour, and of a measurement [K]."""

    air_k: float = 0.2
    mass_k: float = 0.02
    measured_k: float = 0.05


@kernel("void(float64[:, :, ::1], float64[::1], float64[:, ::1], int64, float64[::1])")
def _advance(blocks: FloatArray, now: FloatArray, drive: FloatArray, t: int, after: FloatArray) -> None:
    """``after = now blocks + drive[:, t]``, eight states at once in registers."""
    for block in range(blocks.shape[0]):
        rows = blocks[block]
        a = b = c = d = e = f = g = h = 0.0
        for i in range(rows.shape[0]):
            x = now[i]
            a += rows[i, 0] * x
            b += rows[i, 1] * x
            c += rows[i, 2] * x
            d += rows[i, 3] * x
            e += rows[i, 4] * x
            f += rows[i, 5] * x
            g += rows[i, 6] * x
            h += rows[i, 7] * x
        add, out = drive[8 * block : 8 * block + 8], after[8 * block : 8 * block + 8]
        out[0], out[1], out[2], out[3] = a + add[0, t], b + add[1, t], c + add[2, t], d + add[3, t]
        out[4], out[5], out[6], out[7] = e + add[4, t], f + add[5, t], g + add[6, t], h + add[7, t]


@kernel(f"void(float64[:, ::1], {_MATRIX}, {_MATRIX}, float64[:, ::1], float64[:, ::1])")
def _drive(
    weights: FloatArray, inputs: FloatArray, measured_c: FloatArray, columns: FloatArray, drive: FloatArray
) -> None:
    """What inputs and measurements add to each state in each slot of a span: long loops over time, state by state."""
    k = inputs.shape[1]
    for t in range(inputs.shape[0]):
        for i in range(k):
            columns[i, t] = inputs[t, i]
        for i in range(measured_c.shape[1]):
            value = measured_c[t, i]
            columns[k + i, t] = 0.0 if math.isnan(value) else value
    for j in range(drive.shape[0]):
        state = drive[j]
        state[:] = 0.0
        for i in range(0, columns.shape[0], 4):  # the columns come padded to fours with zeros
            a, b, c, d = weights[i, j], weights[i + 1, j], weights[i + 2, j], weights[i + 3, j]
            one, two, three, four = columns[i], columns[i + 1], columns[i + 2], columns[i + 3]
            for t in range(_SPAN):
                state[t] += (a * one[t] + b * two[t]) + (c * three[t] + d * four[t])


@kernel(f"void(float64[:, ::1], {_MATRIX}, {_MATRIX}, float64[::1], float64[:, ::1])")
def follow(rows: FloatArray, inputs: FloatArray, measured_c: FloatArray, states_c: FloatArray, out: FloatArray) -> None:
    """Innovations of each slot; ``states_c`` goes along from the begin of the first slot to the end of the last.

    Steps ``x' = (A - K C) x + (B u + K y)``. A missing measurement corrects nothing and leaves a NaN.
    """
    zones, m, k = measured_c.shape[1], rows.shape[1], inputs.shape[1]
    blocks = np.zeros(((m + 7) // 8, m, 8))
    for j in range(m):
        for i in range(m):
            blocks[j // 8, i, j % 8] = rows[i, j] - (rows[m + k + i, j] if i < zones else 0.0)
    wide = 8 * blocks.shape[0]
    now, after = np.zeros(wide), np.zeros(wide)
    now[:m] = states_c
    padded = (k + zones + 3) // 4 * 4
    columns, weights, drive = np.zeros((padded, _SPAN)), np.zeros((padded, wide)), np.empty((wide, _SPAN))
    weights[: k + zones, :m] = rows[m:]
    for begin in range(0, inputs.shape[0], _SPAN):
        span = inputs[begin : begin + _SPAN]
        _drive(weights, span, measured_c[begin : begin + _SPAN], columns, drive)
        for t in range(span.shape[0]):
            _advance(blocks, now, drive, t, after)
            for i in range(zones):
                off = measured_c[begin + t, i] - now[i]
                out[begin + t, i] = off
                if math.isnan(measured_c[begin + t, i]):
                    for j in range(m):
                        after[j] += rows[m + k + i, j] * now[i]
            now, after = after, now
    for j in range(m):
        states_c[j] = now[j]


@kernel("boolean(float64[:, ::1], float64[:, ::1])")
def cholesky(a: FloatArray, out: FloatArray) -> bool:
    """Lower triangle with ``out out' = a``; False if ``a`` is not positive definite."""
    out[:] = 0.0
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
    total, counted = 0.0, 0
    for t in range(innovations.shape[0]):
        square = 0.0
        for back in range(n):  # from the last row up, as both may be one memory
            i = n - 1 - back
            value = 0.0
            for k in range(i + 1):
                value += whitener[i, k] * innovations[t, k]
            white[t, i] = value
            square += value * value
        if math.isnan(square):
            for i in range(n):
                white[t, i] = 0.0
        else:
            total, counted = total + square, counted + 1
    return float(-0.5 * (total + counted * log_volume))


class Observations(NamedTuple):
    """A measured spell: inputs and room temperatures float64[N, n] at the begin of each slot, NaN where missing."""

    inputs: ThermalInputs
    measured_c: FloatArray
    dt_s: float


def _example() -> tuple[ThermalNetwork, ThermalNoise, Observations]:
    inputs = example_inputs(300)
    rng = np.random.Generator(np.random.PCG64(11))
    airs = simulate(example_network(), inputs, np.full(8, 20.0), 300.0)[:-1, :4]
    return example_network(), ThermalNoise(), Observations(inputs, airs + rng.normal(0.0, 0.05, airs.shape), 300.0)


def check_noise(noise: ThermalNoise) -> tuple[float, float, float]:
    """The noise as the kernels take it; each must be positive."""
    check_positive(**noise._asdict())
    return float(noise.air_k), float(noise.mass_k), float(noise.measured_k)


def check_observations(observations: Observations, zones: int) -> tuple[FloatArray, FloatArray]:
    """Input and measurement matrices; wrong ones are named."""
    check_positive(dt_s=observations.dt_s)
    rows = input_matrix(observations.inputs, zones)
    return rows, check_matrix("measured_c", observations.measured_c, rows=rows.shape[0], columns=zones)


def first_states(network: ThermalNetwork, observations: Observations) -> FloatArray:
    """Where the filter starts: the airs as first measured, the masses settled between air and outdoors [degC]."""
    if observations.measured_c.shape[0] == 0:
        raise ValueError("measured_c must hold a measurement of each zone")
    air_c = observations.measured_c[0]
    if not np.isfinite(air_c).all():
        known = np.isfinite(observations.measured_c)
        if not known.any(axis=0).all():
            raise ValueError("measured_c must hold a measurement of each zone")
        air_c = observations.measured_c[known.argmax(axis=0), np.arange(known.shape[1])]
    inside, outside = network.air_mass_k_per_w, network.mass_out_k_per_w
    mass_c = (air_c * outside + observations.inputs.outdoor_c[0] * inside) / (inside + outside)
    return np.concatenate([air_c, mass_c])


@registered(
    name="kalman.log_likelihood",
    unit="-",
    source="Ljung 1999, System Identification, eq. 7.17 and 4.94; Chu et al. 2004, Int. J. Control 77(8) (SDA)",
    reference="numpy, scipy.linalg.expm and solve_discrete_are",
    tolerance=1e-10,
    example=_example,
)
def log_likelihood(
    network: ThermalNetwork, noise: ThermalNoise, observations: Observations, start_c: FloatArray | None = None
) -> float:
    """Log-likelihood of measured room temperatures; NaN if an input is missing.

    Parameters
    ----------
    network : ThermalNetwork
    noise : ThermalNoise
    observations : Observations
        Slots with a missing room count for nothing; the known rooms still correct the states.
    start_c : float64[2n], optional
        States at the begin; :func:`first_states` if absent. [degC]

    Returns
    -------
    float
        ``-1/2 sum (e' S^-1 e + log det S + n log 2 pi)`` over the slots with all rooms known. Relative error 1e-10.
    """
    innovations, spread, _ = _follow(network, noise, observations, start_c)
    if not all(np.isfinite(part).all() for part in observations.inputs):
        return math.nan
    return float(weigh(innovations, spread, innovations))


@registered(
    name="kalman.estimate_states",
    unit="degC",
    source="Ljung 1999, System Identification, eq. 4.94 (stationary one-step predictor)",
    reference="numpy and scipy.linalg.solve_discrete_are",
    tolerance=1e-10,
    example=_example,
)
def estimate_states(
    network: ThermalNetwork, noise: ThermalNoise, observations: Observations, start_c: FloatArray | None = None
) -> FloatArray:
    """States at the end of a measured spell: where a forecast starts.

    Parameters
    ----------
    network, noise, observations, start_c
        As in :func:`log_likelihood`.

    Returns
    -------
    float64[2n]
        Airs, then masses; NaN after a missing input. [degC]
    """
    return _follow(network, noise, observations, start_c)[2]


def _follow(
    network: ThermalNetwork, noise: ThermalNoise, observations: Observations, start_c: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Innovations, their covariance, and the states at the end."""
    values, pairs = pack(network)
    zones = network.air_j_per_k.shape[0]
    inputs, measured = check_observations(observations, zones)
    rows, spread = np.empty((4 * zones + 2, 2 * zones)), np.empty((zones, zones))
    fill_predictor(values, pairs, check_noise(noise), float(observations.dt_s), rows, spread)
    (start,) = check_vectors(start_c=first_states(network, observations) if start_c is None else start_c)
    if start.shape[0] != 2 * zones:
        raise ValueError(f"start_c must hold {2 * zones} temperatures, got {start.shape[0]}")
    innovations, states_c = np.empty_like(measured), start.copy()
    follow(rows, inputs, measured, states_c, innovations)
    return innovations, spread, states_c
