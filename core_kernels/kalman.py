"""How likely a thermal network makes the measured rooms: innovations of the stationary Kalman predictor.

Room (air) temperatures are measured, masses are not. Unmodelled gains are white noise on airs and masses; the gain is
the stationary one, from the discrete Riccati equation by structured doubling, which converges quadratically.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels.arguments import check_matrix, check_positive, check_vectors
from core_kernels.jit import kernel
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
from core_kernels.whitening import weigh

_SPAN = 256  # slots whose inputs are weighed together
_VECTOR, _MATRIX = (f"Array(float64, {rank}, 'C', readonly=True)" for rank in (1, 2))


class ThermalNoise(NamedTuple):
    """Standard deviations: of an air's and a mass' unmodelled change over one hour, and of a measurement [K]."""

    air_k: float = 0.2
    mass_k: float = 0.02
    measured_k: float = 0.05


@kernel(inline=True)
def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


@kernel()
def _drive(gains: FloatArray, acts: tuple[FloatArray, ...], seen_c: FloatArray, path: FloatArray) -> None:
    """Add what inputs and measurements do to each state after each slot of a span; what is missing does nothing.

    Four zones by eight states, slot after slot; a zone beyond the last is the last, without a gain.
    """
    outdoor_c, solar_w_per_m2, heat_w = acts
    last = seen_c.shape[1] - 1
    for i in range(gains.shape[1]):
        p, q, r, s = 4 * i, min(4 * i + 1, last), min(4 * i + 2, last), min(4 * i + 3, last)
        for j in range(gains.shape[0]):
            w = gains[j, i]
            for t in range(seen_c.shape[0]):
                out, outdoor, sun = path[t + 1, j], outdoor_c[t], solar_w_per_m2[t]
                a, b, c, d = heat_w[t, p], heat_w[t, q], heat_w[t, r], heat_w[t, s]
                e, f, g, h = _known(seen_c[t, p]), _known(seen_c[t, q]), _known(seen_c[t, r]), _known(seen_c[t, s])
                for k in range(out.shape[0]):
                    low = (w[k] * a + w[8 + k] * b) + (w[16 + k] * c + w[24 + k] * d)
                    high = (w[32 + k] * e + w[40 + k] * f) + (w[48 + k] * g + w[56 + k] * h)
                    out[k] += low + high + (w[64 + k] * outdoor + w[72 + k] * sun)


@kernel()
def _advance(blocks: FloatArray, rows: FloatArray, seen_c: FloatArray, path: FloatArray, off: FloatArray) -> None:
    """Add what the states do to the next ones, eight by eight and in pairs, so that few additions wait for another.

    On the way, how far each measurement is off; a missing one takes its correction back.
    """
    zones, m = seen_c.shape[1], rows.shape[1]
    for t in range(seen_c.shape[0]):
        for j in range(blocks.shape[0]):
            out = path[t + 1, j]
            for i in range(blocks.shape[1]):
                x, w = path[t, i], blocks[j, i]
                a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
                for k in range(out.shape[0]):
                    low = (w[k] * a + w[8 + k] * b) + (w[16 + k] * c + w[24 + k] * d)
                    out[k] += low + ((w[32 + k] * e + w[40 + k] * f) + (w[48 + k] * g + w[56 + k] * h))
        for i in range(zones):
            predicted_c = path[t, i // 8, i % 8]
            off[t, i] = seen_c[t, i] - predicted_c
            if math.isnan(seen_c[t, i]):
                for j in range(m):
                    path[t + 1, j // 8, j % 8] += rows[rows.shape[0] - zones + i, j] * predicted_c


@kernel()
def _lay_out(rows: FloatArray, zones: int, blocks: FloatArray, gains: FloatArray) -> None:
    """The predictor in blocks of eight states each way, and of eight states by four zones and the weather."""
    m, first = rows.shape[1], rows.shape[0] - zones  # first: where what the measurements do begins
    for j in range(m):
        block, place = j // 8, j % 8
        for i in range(m):
            correction = rows[first + i, j] if i < zones else 0.0
            blocks[block, i // 8, i % 8 * 8 + place] = rows[i, j] - correction
        for i in range(zones):
            gains[block, i // 4, i % 4 * 8 + place] = rows[m + 2 + i, j]
            gains[block, i // 4, (i % 4 + 4) * 8 + place] = rows[first + i, j]
        gains[block, 0, 64 + place], gains[block, 0, 72 + place] = rows[m, j], rows[m + 1, j]


@kernel(f"void(float64[:, ::1], Tuple(({_VECTOR}, {_VECTOR}, {_MATRIX})), {_MATRIX}, float64[::1], float64[:, ::1])")
def follow(
    rows: FloatArray,
    acts: tuple[FloatArray, FloatArray, FloatArray],
    measured_c: FloatArray,
    states_c: FloatArray,
    out: FloatArray,
) -> None:
    """Innovations of each slot; ``states_c`` goes along from the begin of the first slot to the end of the last.

    Steps ``x' = (A - K C) x + (B u + K y)``. A missing measurement corrects nothing and leaves a NaN.
    """
    zones, m = measured_c.shape[1], rows.shape[1]
    eights = (m + 7) // 8
    blocks, gains = np.zeros((eights, eights, 64)), np.zeros((eights, (zones + 3) // 4, 80))
    _lay_out(rows, zones, blocks, gains)
    for begin in range(0, measured_c.shape[0], _SPAN):
        end = begin + _SPAN
        seen_c, path = measured_c[begin:end], np.zeros((_SPAN + 1, eights, 8))
        for j in range(m):
            path[0, j // 8, j % 8] = states_c[j]
        _drive(gains, (acts[0][begin:end], acts[1][begin:end], acts[2][begin:end]), seen_c, path)
        _advance(blocks, rows, seen_c, path, out[begin:end])
        for j in range(m):
            states_c[j] = path[seen_c.shape[0], j // 8, j % 8]


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
    """The noise as the kernels take it; each must be positive, and 1000 K at most."""
    check_positive(1000.0, **noise._asdict())
    return float(noise.air_k), float(noise.mass_k), float(noise.measured_k)


def check_observations(
    observations: Observations, zones: int
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], FloatArray]:
    """Inputs and measurements as :func:`follow` takes them; wrong ones are named."""
    check_positive(dt_s=observations.dt_s)
    acts = check_inputs(observations.inputs, zones)
    return acts, check_matrix("measured_c", observations.measured_c, rows=acts[0].shape[0], columns=zones)


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
    acts, measured_c = check_observations(observations, zones)
    rows, spread = predictor_of(values, pairs, check_noise(noise), zones, float(observations.dt_s))
    (start,) = check_vectors(start_c=first_states(network, observations) if start_c is None else start_c)
    if start.shape[0] != 2 * zones:
        raise ValueError(f"start_c must hold {2 * zones} temperatures, got {start.shape[0]}")
    innovations, states_c = np.empty_like(measured_c), start.copy()
    follow(rows, acts, measured_c, states_c, innovations)
    return innovations, spread, states_c
