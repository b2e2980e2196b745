"""Rooms as resistors and capacitors: air and mass of each zone, neighbours, sun and heat; stepped exactly.

States are the temperatures of the n airs, then of the n masses. A mass stands between its air and the outdoors; sun
comes into the air through an equivalent aperture; pairs of zones exchange heat between their airs. This is the
two-node model TiTe of Bacher & Madsen 2011 (doi 10.1016/j.enbuild.2011.02.005) for each zone, coupled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.arguments import check_matrix, check_positive, check_vectors
from core_kernels.jit import kernel
from core_kernels.matrix_exp import hold, zero_order_hold
from core_kernels.rainflow import IntArray
from core_kernels.registry import registered
from core_kernels.units import FloatArray


class ThermalNetwork(NamedTuple):
    """Everything a house of n zones and m neighbourhoods is made of; vectors float64[n], the last two of length m.

    ``solar_m2`` is the aperture that turns global irradiance into heat; ``pairs`` int64[m, 2] numbers the zones that
    ``between_k_per_w`` connects.
    """

    air_j_per_k: FloatArray
    mass_j_per_k: FloatArray
    air_mass_k_per_w: FloatArray
    mass_out_k_per_w: FloatArray
    solar_m2: FloatArray
    between_k_per_w: FloatArray
    pairs: IntArray


_SOLAR = 4  # which field may be 0


class ThermalInputs(NamedTuple):
    """What acts on the rooms, constant in each of N slots: float64[N], float64[N] and float64[N, n]."""

    outdoor_c: FloatArray
    solar_w_per_m2: FloatArray
    heat_w: FloatArray


@kernel("void(Array(float64, 1, 'C', readonly=True), int64[:, ::1], float64[:, ::1], float64[:, ::1])")
def fill_network(values: FloatArray, pairs: IntArray, a: FloatArray, b: FloatArray) -> None:
    """Continuous matrices ``x' = a x + b [outdoor, sun, heat...]`` of packed values; both come zeroed."""
    n = a.shape[0] // 2
    for z in range(n):
        air, mass = values[z], values[n + z]
        inner, outer = 1.0 / values[2 * n + z], 1.0 / values[3 * n + z]
        a[z, z] -= inner / air
        a[z, n + z] += inner / air
        a[n + z, z] += inner / mass
        a[n + z, n + z] -= (inner + outer) / mass
        b[n + z, 0] = outer / mass
        b[z, 1] = values[4 * n + z] / air
        b[z, 2 + z] = 1.0 / air
    for k in range(pairs.shape[0]):
        i, j, flow = pairs[k, 0], pairs[k, 1], 1.0 / values[5 * n + k]
        a[i, i] -= flow / values[i]
        a[i, j] += flow / values[i]
        a[j, j] -= flow / values[j]
        a[j, i] += flow / values[j]


def hold_network(values: FloatArray, pairs: IntArray, zones: int, dt_s: float) -> FloatArray:
    """Exact step of packed values: state and input matrix side by side, float64[2n, 2n + 2 + n]."""
    a, b = np.zeros((2 * zones, 2 * zones)), np.zeros((2 * zones, 2 + zones))
    fill_network(values, pairs, a, b)
    return hold(a, b, dt_s)


@kernel("void(float64[:, ::1], Array(float64, 2, 'C', readonly=True), float64[:, ::1])")
def _simulate_kernel(matrix: FloatArray, inputs: FloatArray, states: FloatArray) -> None:
    """Fill ``states`` from its first row on."""
    m = states.shape[1]
    for t in range(inputs.shape[0]):
        for i in range(m):
            total = 0.0
            for j in range(m):
                total += matrix[i, j] * states[t, j]
            for j in range(inputs.shape[1]):
                total += matrix[i, m + j] * inputs[t, j]
            states[t + 1, i] = total


def pack(network: ThermalNetwork) -> tuple[FloatArray, IntArray]:
    """The network as the kernels take it; what cannot be raises ``ValueError`` with the field's name."""
    fields = check_vectors(**dict(zip(network._fields[:5], network[:5], strict=True)))
    (between,) = check_vectors(between_k_per_w=network.between_k_per_w)
    pairs = np.ascontiguousarray(network.pairs, dtype=np.int64)
    zones = fields[0].shape[0]
    if pairs.shape != (between.shape[0], 2) or (pairs.size and not (0 <= pairs.min() <= pairs.max() < zones)):
        raise ValueError("pairs must name two zones for each of between_k_per_w")
    packed = np.concatenate([*fields, between])
    possible = np.isfinite(packed) & (packed >= 0.0)
    possible &= (packed > 0.0) | (np.arange(packed.shape[0]) // max(zones, 1) == _SOLAR)
    if not possible.all():
        field = min(int(np.argmin(possible)) // zones, _SOLAR + 1)
        raise ValueError(f"{network._fields[field]} must be positive")
    return packed, pairs


def unpack(values: FloatArray, pairs: IntArray) -> ThermalNetwork:
    """The inverse of :func:`pack`."""
    zones = (values.shape[0] - pairs.shape[0]) // 5
    parts = [values[i * zones : (i + 1) * zones].copy() for i in range(5)]
    air, mass, inner, outer, solar = parts
    return ThermalNetwork(air, mass, inner, outer, solar, values[5 * zones :].copy(), pairs)


def check_inputs(inputs: ThermalInputs, zones: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Outdoor temperature, sun and heat as the kernels take them; wrong ones are named."""
    outdoor, solar = check_vectors(outdoor_c=inputs.outdoor_c, solar_w_per_m2=inputs.solar_w_per_m2)
    return outdoor, solar, check_matrix("heat_w", inputs.heat_w, rows=outdoor.shape[0], columns=zones)


def matrices(network: ThermalNetwork) -> tuple[FloatArray, FloatArray]:
    """Continuous matrices float64[2n, 2n] and float64[2n, 2 + n] of ``x' = a x + b [outdoor, sun, heat...]`` [1/s]."""
    values, pairs = pack(network)
    states = 2 * network.air_j_per_k.shape[0]
    a, b = np.zeros((states, states)), np.zeros((states, 2 + states // 2))
    fill_network(values, pairs, a, b)
    return a, b


@registered(
    name="thermal.discretise",
    unit="K/K, K/unit of the input",
    source="Van Loan 1978, IEEE Trans. Automatic Control 23(3), 395-404, eq. 1.2",
    reference="scipy.linalg.expm of the augmented matrix",
    tolerance=1e-12,
    example=lambda: (example_network(), 300.0),
)
def discretise(network: ThermalNetwork, dt_s: float) -> tuple[FloatArray, FloatArray]:
    """Exact step of a network, see :func:`core_kernels.matrix_exp.zero_order_hold`.

    Parameters
    ----------
    network : ThermalNetwork
    dt_s : float
        Length of the step. [s]

    Returns
    -------
    step : float64[2n, 2n]
    effect : float64[2n, 2 + n]
        Of outdoor, sun and each zone's heat.
    """
    return zero_order_hold(*matrices(network), dt_s)


def example_network(zones: int = 4) -> ThermalNetwork:
    """A house of equal rooms in a ring, with values of a heavy building."""
    scale: FloatArray = np.linspace(1.0, 0.8 + 0.2 * zones, zones)
    ring = np.array([(i, (i + 1) % zones) for i in range(zones if zones > 2 else zones - 1)], dtype=np.int64)
    return ThermalNetwork(
        air_j_per_k=1.2e6 * scale,
        mass_j_per_k=1.5e7 * scale,
        air_mass_k_per_w=0.004 / scale,
        mass_out_k_per_w=0.02 / scale,
        solar_m2=1.5 * scale,
        between_k_per_w=np.linspace(0.01, 0.008 + 0.002 * ring.shape[0], ring.shape[0]),
        pairs=ring.reshape(-1, 2),
    )


def example_inputs(slots: int, zones: int = 4) -> ThermalInputs:
    """Weather and thermostat-like heating of a made-up spell in winter."""
    rng = np.random.Generator(np.random.PCG64(7))
    day = np.arange(slots) * (300.0 / 86400.0)
    outdoor_c = np.cumsum(rng.normal(0.0, 0.1, slots)) * 0.3 + 5.0 - 4.0 * np.abs((day % 1.0) - 0.6)
    solar = np.maximum(0.0, 1.0 - 16.0 * ((day % 1.0) - 0.5) ** 2) * 400.0
    heat = np.where(rng.random((slots // 12 + 1, zones)) < 0.4, 1500.0, 0.0).repeat(12, axis=0)[:slots]
    return ThermalInputs(outdoor_c, solar, np.ascontiguousarray(heat))


@registered(
    name="thermal.simulate",
    unit="degC",
    source="Bacher & Madsen 2011, Energy and Buildings 43(7), 1511-1522; Van Loan 1978 for the step",
    reference="scipy.linalg.expm and a loop",
    tolerance=1e-10,
    example=lambda: (example_network(), example_inputs(300), np.full(8, 20.0), 300.0),
)
def simulate(network: ThermalNetwork, inputs: ThermalInputs, start_c: FloatArray, dt_s: float) -> FloatArray:
    """Temperatures on the edges of the slots.

    Parameters
    ----------
    network : ThermalNetwork
    inputs : ThermalInputs
        Means over the slots; heat that leaves is negative. [degC], [W/m2], [W]
    start_c : float64[2n]
        Airs, then masses. [degC]
    dt_s : float
        Length of a slot. [s]

    Returns
    -------
    states_c : float64[N + 1, 2n]
        NaN from the first missing input on, in all zones that it reaches. [degC]
    """
    values, pairs = pack(network)
    check_positive(dt_s=dt_s)
    zones = network.air_j_per_k.shape[0]
    rows = np.column_stack(check_inputs(inputs, zones))
    (start,) = check_vectors(start_c=start_c)
    if start.shape[0] != 2 * zones:
        raise ValueError(f"start_c must hold {2 * zones} temperatures, got {start.shape[0]}")
    matrix = hold_network(values, pairs, zones, float(dt_s))
    states_c = np.empty((rows.shape[0] + 1, 2 * zones))
    states_c[0] = start
    _simulate_kernel(matrix, rows, states_c)
    return states_c
