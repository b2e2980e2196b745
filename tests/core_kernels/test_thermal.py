"""Rooms: exact steps against scipy, heat that balances, and the likelihood against a plain numpy filter."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.kalman import Observations, ThermalNoise, first_states, log_likelihood
from core_kernels.thermal import (
    ThermalInputs,
    discretise,
    example_inputs,
    example_network,
    matrices,
    pack,
    simulate,
    unpack,
)

DT_S = 300.0
NOISE = ThermalNoise()


def spell(slots: int, zones: int = 3, seed: int = 0) -> Observations:
    inputs = example_inputs(slots, zones)
    airs = simulate(example_network(zones), inputs, np.full(2 * zones, 20.0), DT_S)[:-1, :zones]
    noise = np.random.default_rng(seed).normal(0.0, 0.05, airs.shape)
    return Observations(inputs, airs + noise, DT_S)


def naive_log_likelihood(network, noise, observations, measured):
    """The textbook filter with numpy matrices and scipy's Riccati solver."""
    zones = network.air_j_per_k.size
    a, b = matrices(network)
    block = np.zeros((3 * zones + 2,) * 2)
    block[: 2 * zones] = np.hstack([a, b])
    held = scipy.linalg.expm(block * DT_S)
    step, effect = held[: 2 * zones, : 2 * zones], held[: 2 * zones, 2 * zones :]
    see = np.eye(zones, 2 * zones)
    q = np.diag([noise.air_k**2] * zones + [noise.mass_k**2] * zones) * DT_S / 3600.0
    r = np.eye(zones) * noise.measured_k**2
    p = scipy.linalg.solve_discrete_are(step.T, see.T, q, r)
    spread = see @ p @ see.T + r
    gain = step @ p @ see.T @ np.linalg.inv(spread)
    inputs = np.column_stack([*observations.inputs[:2], observations.inputs.heat_w])
    now, total = first_states(network, observations), 0.0
    for u, y in zip(inputs, measured, strict=True):
        off = y - see @ now
        if not np.isnan(off).any():
            total += off @ np.linalg.solve(spread, off) + np.linalg.slogdet(2.0 * math.pi * spread)[1]
        now = step @ now + effect @ u + gain @ np.nan_to_num(off, nan=0.0)
    return -0.5 * total


@pytest.mark.parametrize(("zones", "slots"), [(1, 150), (2, 600), (3, 150), (5, 150)])
def test_the_likelihood_is_that_of_the_textbook_filter(zones, slots):
    observations = spell(slots, zones)
    network = unpack(pack(example_network(zones))[0] * 1.1, example_network(zones).pairs)
    expected = naive_log_likelihood(network, NOISE, observations, observations.measured_c)
    assert log_likelihood(network, NOISE, observations) == pytest.approx(expected, rel=1e-10)


def test_missing_measurements_correct_nothing_and_count_for_nothing():
    observations = spell(300)
    observations.measured_c[[0, 7, 60], [0, 1, 2]] = math.nan
    observations.measured_c[90:100] = math.nan
    observations.measured_c[255:257] = math.nan  # where one span of slots ends and the next begins
    expected = naive_log_likelihood(example_network(3), NOISE, observations, observations.measured_c)
    assert log_likelihood(example_network(3), NOISE, observations) == pytest.approx(expected, rel=1e-10)


def test_the_truth_is_likelier_than_its_neighbours():
    observations, truth = spell(900), example_network(3)
    quiet = ThermalNoise(air_k=0.01, mass_k=0.001)
    start_c = np.full(6, 20.0)
    values, pairs = pack(truth)
    best = log_likelihood(truth, quiet, observations, start_c)
    for column in (0, 3, 6, 9, 12, 15):
        for factor in (0.7, 1.4):
            other = values.copy()
            other[column] *= factor
            assert log_likelihood(unpack(other, pairs), quiet, observations, start_c) < best


def test_a_missing_input_makes_the_likelihood_missing():
    observations = spell(20)
    observations.inputs.outdoor_c[3] = math.nan
    assert math.isnan(log_likelihood(example_network(3), NOISE, observations))


def test_the_step_is_scipys():
    a, b = matrices(example_network(4))
    block = np.zeros((14, 14))
    block[:8] = np.hstack([a, b])
    expected = scipy.linalg.expm(block * 900.0)
    step, effect = discretise(example_network(4), 900.0)
    assert np.abs(step - expected[:8, :8]).max() <= 1e-14
    assert np.abs(effect - expected[:8, 8:]).max() <= 1e-14


def test_a_simulation_is_the_solution_of_the_differential_equation():
    network, inputs = example_network(2), example_inputs(12, 2)
    a, b = matrices(network)
    rows = np.column_stack([*inputs[:2], inputs.heat_w])
    states = np.array([21.0, 19.0, 18.0, 17.0])
    simulated = simulate(network, inputs, states, 3600.0)
    for slot, u in enumerate(rows):
        solved = scipy.integrate.solve_ivp(
            lambda _t, x, u=u: a @ x + b @ u, (0.0, 3600.0), states, rtol=1e-11, atol=1e-11
        )
        states = solved.y[:, -1]
        assert simulated[slot + 1] == pytest.approx(states, abs=1e-7)


@given(st.floats(-20.0, 40.0))
def test_a_house_without_heat_and_sun_rests_at_the_outdoor_temperature(outdoor_c):
    still = ThermalInputs(np.full(5, outdoor_c), np.zeros(5), np.zeros((5, 3)))
    assert simulate(example_network(3), still, np.full(6, outdoor_c), DT_S) == pytest.approx(outdoor_c, abs=1e-9)


def test_heat_that_comes_in_is_stored_or_leaves():
    network, inputs = example_network(3), example_inputs(400, 3)
    states = simulate(network, inputs, np.full(6, 15.0), 5.0)
    capacity = np.concatenate([network.air_j_per_k, network.mass_j_per_k])
    stored_j = ((states[-1] - states[0]) * capacity).sum()
    mass_c = 0.5 * (states[1:, 3:] + states[:-1, 3:])
    leaving_w = ((mass_c - inputs.outdoor_c[:, None]) / network.mass_out_k_per_w).sum(axis=1)
    entering_w = inputs.heat_w.sum(axis=1) + inputs.solar_w_per_m2 * network.solar_m2.sum()
    assert stored_j == pytest.approx(((entering_w - leaving_w) * 5.0).sum(), rel=1e-6)


def test_missing_weather_stays_missing_from_there_on():
    inputs = example_inputs(6, 2)
    inputs.heat_w[2, 0] = math.nan
    states = simulate(example_network(2), inputs, np.full(4, 20.0), DT_S)
    assert np.isfinite(states[:3]).all()
    assert np.isnan(states[3:]).all()


def test_impossible_houses_and_wrong_shapes_are_named():
    network, inputs, start = example_network(2), example_inputs(6, 2), np.full(4, 20.0)
    with pytest.raises(ValueError, match="mass_j_per_k"):
        simulate(network._replace(mass_j_per_k=np.array([1e7, -1.0])), inputs, start, DT_S)
    with pytest.raises(ValueError, match="pairs"):
        simulate(network._replace(pairs=np.array([[0, 2]])), inputs, start, DT_S)
    with pytest.raises(ValueError, match="solar_m2"):
        simulate(network._replace(solar_m2=np.ones(3)), inputs, start, DT_S)
    with pytest.raises(ValueError, match="heat_w must have 2 columns"):
        simulate(network, example_inputs(6, 3), start, DT_S)
    with pytest.raises(ValueError, match="start_c"):
        simulate(network, inputs, np.ones(3), DT_S)
    with pytest.raises(ValueError, match="start_c"):
        log_likelihood(network, NOISE, spell(9, 2), np.ones(3))
    with pytest.raises(ValueError, match="air_k"):
        log_likelihood(network, ThermalNoise(air_k=0.0), spell(9, 2))
    with pytest.raises(ValueError, match="measured_c must hold"):
        log_likelihood(network, NOISE, Observations(inputs, np.full((6, 2), math.nan), DT_S))
