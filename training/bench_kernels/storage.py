"""Timings of the battery and room kernels: rainflow, ageing, likelihood and fit of rooms.

The references are the package ``rainflow``, SimSES' recursion in plain Python, and the same room filter with numpy
matrices and scipy's ``expm`` and Riccati solver.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import scipy.linalg

from core_kernels.battery import BatteryParameters, simulate_self_consumption
from core_kernels.degradation import calendar_loss_lfp, cycle_loss_lfp
from core_kernels.identification import fit
from core_kernels.kalman import Observations, ThermalNoise, first_states, log_likelihood
from core_kernels.matrix_exp import expm, zero_order_hold
from core_kernels.rainflow import extract_cycles
from core_kernels.thermal import ThermalNetwork, example_inputs, example_network, matrices, pack, simulate, unpack
from core_kernels.units import FloatArray
from training.bench_kernels import Row, alternate, cpu_s, limit_row, ratio_row

DT_S = 300.0
NOISE = ThermalNoise(0.05, 0.01, 0.05)
_RATIO_FIT_START = 2.2


def _year_of_soc(rng: np.random.Generator) -> FloatArray:
    """State of charge of a made-up home over a year of quarter hours."""
    day = np.arange(35040) / 96.0
    sky = np.repeat(rng.uniform(0.2, 1.0, 365), 96)
    pv_w = np.maximum(0.0, np.sin(2.0 * math.pi * (day - 0.25))) * 6000.0 * sky
    load_w = 400.0 + 300.0 * rng.standard_exponential(35040) * (1.0 + np.sin(2.0 * math.pi * (day - 0.5)))
    return simulate_self_consumption(load_w - pv_w, 0.5, 900.0, BatteryParameters(10000.0, 5000.0, 5000.0))[0]


def _listed(function: Callable[[list[float]], Iterable[object]], values: list[float]) -> list[object]:
    return list(function(values))


def _rainflow_rows() -> list[Row]:
    package = importlib.import_module("rainflow")
    rng = np.random.default_rng(1)
    cases = (("noisy, 525,600", rng.standard_normal(525600), 20.0), ("SoC of a year, 35,041", _year_of_soc(rng), 50.0))
    rows = []
    for name, series, minimum in cases:
        values = series.tolist()  # the package is fastest with plain floats
        found = extract_cycles(series)
        expected = list(package.extract_cycles(values))
        equal = list(zip(*(column.tolist() for column in found), strict=True)) == expected
        times = alternate(partial(extract_cycles, series), partial(_listed, package.extract_cycles, values), 3, 3)
        reference = f"rainflow {package.__version__}"
        row = ratio_row(f"rainflow, {name}", times, reference=reference, minimum=minimum, error=float(not equal))
        rows.append(row)
    return rows


def _simses_calendar(soc_frac: list[float], temp_c: list[float], dt_s: float) -> list[float]:
    """SimSES 1.3.12's recursion by virtual time (SonyLFPCalendarDegradationModel), without its classes."""
    total, losses = 0.0, []
    for soc, temp in zip(soc_frac, temp_c, strict=True):
        k = 1.2571e-5 * math.exp(-17126.0 / 8.3144598 * (1.0 / (temp + 273.15) - 1.0 / 298.15))
        k *= 2.8575 * (soc - 0.5) ** 3 + 0.60225
        total += k * ((total / k) ** 2 + dt_s) ** 0.5 - total
        losses.append(total)
    return losses


def _simses_cycles(depth_frac: list[float], c_rate_per_h: list[float]) -> list[float]:
    """The same for full cycles (SonyLFPCyclicDegradationModel)."""
    total, losses = 0.0, []
    for depth, rate in zip(depth_frac, c_rate_per_h, strict=True):
        k = (0.0630 * rate + 0.0971) * (4.0253 * (depth - 0.6) ** 3 + 1.0923)
        total += k * ((total * 100.0 / k) ** 2 + depth) ** 0.5 / 100.0 - total
        losses.append(total)
    return losses


def _ageing_rows() -> list[Row]:
    rng = np.random.default_rng(2)
    soc, temp = rng.uniform(0.05, 1.0, 350400), rng.uniform(5.0, 35.0, 350400)  # ten years of quarter hours
    ones = np.ones(soc.size)
    cases: tuple[tuple[str, Callable[[], FloatArray], list[float]], ...] = (
        (
            "calendar",
            partial(calendar_loss_lfp, soc, temp, 900.0),
            _simses_calendar(soc.tolist(), temp.tolist(), 900.0),
        ),
        ("cycle", partial(cycle_loss_lfp, soc, soc, ones), _simses_cycles(soc.tolist(), soc.tolist())),
    )
    rows = []
    for name, run, expected in cases:
        error = float(np.abs(run() - np.array(expected)).max())
        step_ns = float(np.median([cpu_s(run) for _ in range(5)])) / soc.size * 1e9
        reference = "SimSES 1.3.12 recursion, error <= 1e-12"
        row = limit_row(
            f"ageing LFP {name}, a step", step_ns, unit="ns", maximum=20.0, reference=reference, error=error
        )
        rows.append(row | {"ok": row["ok"] and error <= 1e-12})
    return rows


def house(slots: int) -> Observations:
    """A made-up house of four zones, measured with 0.05 K of noise."""
    inputs = example_inputs(slots)
    airs = simulate(example_network(), inputs, np.full(8, 20.0), DT_S)[:-1, :4]
    return Observations(inputs, airs + np.random.default_rng(3).normal(0.0, 0.05, airs.shape), DT_S)


def plain_log_likelihood(network: ThermalNetwork, noise: ThermalNoise, observations: Observations) -> float:
    """The likelihood with numpy matrices, ``scipy.linalg.expm`` and ``solve_discrete_are``."""
    zones = network.air_j_per_k.size
    a, b = matrices(network)
    block = np.zeros((3 * zones + 2, 3 * zones + 2))
    block[: 2 * zones] = np.hstack([a, b])
    held = scipy.linalg.expm(block * observations.dt_s)
    step, effect = held[: 2 * zones, : 2 * zones], held[: 2 * zones, 2 * zones :]
    see = np.eye(zones, 2 * zones)
    q = np.diag([noise.air_k**2] * zones + [noise.mass_k**2] * zones) * observations.dt_s / 3600.0
    r = np.eye(zones) * noise.measured_k**2
    p = scipy.linalg.solve_discrete_are(step.T, see.T, q, r)
    spread = see @ p @ see.T + r
    gain = step @ p @ see.T @ np.linalg.inv(spread)
    inputs = np.column_stack(
        [observations.inputs.outdoor_c, observations.inputs.solar_w_per_m2, observations.inputs.heat_w]
    )
    innovations, now = np.empty_like(observations.measured_c), first_states(network, observations)
    for t in range(inputs.shape[0]):
        innovations[t] = observations.measured_c[t] - see @ now
        now = step @ now + effect @ inputs[t] + gain @ innovations[t]
    squares = float(np.einsum("ti,ij,tj->", innovations, np.linalg.inv(spread), innovations))
    log_volume = float(np.linalg.slogdet(2.0 * math.pi * spread)[1])
    return float(-0.5 * (squares + inputs.shape[0] * log_volume))


def _room_rows() -> list[Row]:
    observations, network = house(8640), example_network()
    expected = plain_log_likelihood(network, NOISE, observations)
    error = abs(log_likelihood(network, NOISE, observations) / expected - 1.0)
    times = alternate(
        lambda: log_likelihood(network, NOISE, observations),
        lambda: plain_log_likelihood(network, NOISE, observations),
        rounds=5,
        kernel_rounds=5,
    )
    name, reference = "RC likelihood, 4 zones, 30 days at 5 min", "numpy, scipy.linalg.expm, solve_discrete_are"
    likelihood = ratio_row(name, times, reference=reference, minimum=100.0, error=error, tolerance=1e-10)
    values, pairs = pack(network)
    away = np.random.default_rng(4).uniform(-1.0, 1.0, values.size) * math.log(_RATIO_FIT_START)
    start = unpack(values * np.exp(away), pairs)
    found = fit(start, NOISE, observations)
    error = float(np.median(np.abs(pack(found.network)[0] / values - 1.0)))
    fit_s = float(np.median([cpu_s(lambda: fit(start, NOISE, observations)) for _ in range(3)]))
    reference = "limit; error: median relative error of the values, start wrong by up to 2.2 times"
    fitted = limit_row("RC fit, 24 parameters", fit_s, unit="s", maximum=0.5, reference=reference, error=error)
    return [likelihood, fitted | {"ok": fitted["ok"] and found.converged}]


def _matrix_rows() -> list[Row]:
    a, b = matrices(example_network())
    block = np.zeros((14, 14))
    block[:8] = np.hstack([a, b]) * DT_S
    error = float(np.abs(expm(block) - scipy.linalg.expm(block)).max())
    times = alternate(lambda: zero_order_hold(a, b, DT_S), lambda: scipy.linalg.expm(block))
    name = "zero-order hold, 8 states, 6 inputs"
    return [ratio_row(name, times, reference="scipy.linalg.expm", minimum=1.0, error=error, tolerance=1e-14)]


def rows() -> list[Row]:
    """All rows of this group."""
    return [*_rainflow_rows(), *_ageing_rows(), *_room_rows(), *_matrix_rows()]
