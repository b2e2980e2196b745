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
from core_kernels.predictor import predictor_of
from core_kernels.registry import registered
from core_kernels.thermal import (
    ThermalInputs,
    ThermalNetwork,
    check_inputs,
    example_inputs,
    example_network,
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


@kernel()
def _advance(blocks: FloatArray, now: FloatArray, after: FloatArray) -> None:
    """Add what ``now`` does to ``after``, eight states by eight; in pairs, so that few additions wait for another."""
    for j in range(blocks.shape[0]):
        out = after[j]
        for i in range(blocks.shape[1]):
            x, w = now[i], blocks[j, i]
            a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
            for k in range(out.shape[0]):
                low = (w[k] * a + w[8 + k] * b) + (w[16 + k] * c + w[24 + k] * d)
                out[k] += low + ((w[32 + k] * e + w[40 + k] * f) + (w[48 + k] * g + w[56 + k] * h))


@kernel()
def _drive(gains: FloatArray, columns: FloatArray, begin: int, lane: FloatArray, path: FloatArray) -> None:
    """What inputs and measurements add to each state after each slot from ``begin`` on: long loops over time."""
    for j in range(gains.shape[1]):
        lane[:] = 0.0
        for i in range(0, columns.shape[0], 4):
            a, b, c, d = gains[i, j], gains[i + 1, j], gains[i + 2, j], gains[i + 3, j]
            one, two = columns[i, begin:], columns[i + 1, begin:]
            three, four = columns[i + 2, begin:], columns[i + 3, begin:]
            for t in range(lane.shape[0]):
                lane[t] += (a * one[t] + b * two[t]) + (c * three[t] + d * four[t])
        for t in range(lane.shape[0]):
            path[t + 1, j // 8, j % 8] = lane[t]


@kernel(f"void(float64[:, ::1], float64[:, ::1], {_MATRIX}, float64[::1], float64[:, ::1])")
def follow(
    rows: FloatArray, columns: FloatArray, measured_c: FloatArray, states_c: FloatArray, out: FloatArray
) -> None:
    """Innovations of each slot; ``states_c`` goes along from the begin of the first slot to the end of the last.

    Steps ``x' = (A - K C) x + (B u + K y)`` with the ``columns`` of :func:`lay_out`. A missing measurement corrects
    nothing and leaves a NaN.
    """
    zones, m = measured_c.shape[1], rows.shape[1]
    first, eights = rows.shape[0] - zones, (m + 7) // 8  # first: where what the measurements do begins
    blocks, gains = np.zeros((eights, eights, 64)), np.zeros((columns.shape[0], m))
    for j in range(m):
        for i in range(m):
            correction = rows[first + i, j] if i < zones else 0.0
            blocks[j // 8, i // 8, i % 8 * 8 + j % 8] = rows[i, j] - correction
        for i in range(rows.shape[0] - m):
            gains[i, j] = rows[m + i, j]
    lane, path = np.empty(_SPAN), np.zeros((_SPAN + 1, eights, 8))
    for begin in range(0, measured_c.shape[0], _SPAN):
        seen_c, off = measured_c[begin : begin + _SPAN], out[begin : begin + _SPAN]
        _drive(gains, columns, begin, lane, path)
        for j in range(m):
            path[0, j // 8, j % 8] = states_c[j]
        for t in range(seen_c.shape[0]):
            now, after = path[t], path[t + 1]
            _advance(blocks, now, after)
            for i in range(zones):
                predicted_c = now[i // 8, i % 8]
                off[t, i] = seen_c[t, i] - predicted_c
                if math.isnan(seen_c[t, i]):
                    for j in range(m):
                        after[j // 8, j % 8] += rows[first + i, j] * predicted_c
        for j in range(m):
            states_c[j] = path[seen_c.shape[0], j // 8, j % 8]


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


@kernel()
def _whiten(whitener: FloatArray, columns: FloatArray, out: FloatArray) -> None:
    """The rows of ``whitener columns``, and in the last row the sum of their squares."""
    squares = out[columns.shape[0]]
    squares[:] = 0.0
    for i in range(columns.shape[0]):
        row = out[i]
        row[:] = 0.0
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


def lay_out(observations: Observations, zones: int) -> tuple[FloatArray, FloatArray]:
    """Columns of inputs and measurements as :func:`follow` takes them, and the measurements; wrong ones are named.

    0 stands for what was not measured and fills the columns up to fours, the slots to whole spans.
    """
    check_positive(dt_s=observations.dt_s)
    outdoor_c, solar, heat_w = check_inputs(observations.inputs, zones)
    measured_c = check_matrix("measured_c", observations.measured_c, rows=outdoor_c.shape[0], columns=zones)
    count, k = outdoor_c.shape[0], 2 + zones
    columns = np.zeros((-(-(k + zones) // 4) * 4, -(-count // _SPAN) * _SPAN))
    columns[0, :count], columns[1, :count], columns[2:k, :count] = outdoor_c, solar, heat_w.T
    columns[k : k + zones, :count] = np.where(np.isnan(measured_c), 0.0, measured_c).T
    return columns, measured_c


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
    innovations, spread, end_c = _follow(network, noise, observations, start_c)
    if np.isnan(end_c).any():  # what an input that is not finite does to every state after it
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
    columns, measured_c = lay_out(observations, zones)
    rows, spread = predictor_of(values, pairs, check_noise(noise), zones, float(observations.dt_s))
    (start,) = check_vectors(start_c=first_states(network, observations) if start_c is None else start_c)
    if start.shape[0] != 2 * zones:
        raise ValueError(f"start_c must hold {2 * zones} temperatures, got {start.shape[0]}")
    innovations, states_c = np.empty_like(measured_c), start.copy()
    follow(rows, columns, measured_c, states_c, innovations)
    return innovations, spread, states_c
