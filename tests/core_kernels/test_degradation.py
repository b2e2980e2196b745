"""Capacity loss: SimSES' own classes step by step, the papers' numbers, and virtual time as the slow twin."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.ageing import BatteryAge, Loss, age
from core_kernels.degradation import (
    calendar_loss_lfp,
    calendar_loss_nmc,
    cycle_loss_lfp,
    cycle_loss_nmc,
    open_circuit_voltage_nmc,
)

FIXTURE = json.loads((Path(__file__).resolve().parents[1] / "data" / "simses_ageing.json").read_text())
YEAR = 365 * 24


def case(name: str) -> dict[str, np.ndarray]:
    return {key: np.array(values) for key, values in FIXTURE["cases"][name].items()}


def test_the_fixture_says_what_made_it():
    assert FIXTURE["made_with"]["simses"] == "1.3.12"


def test_lfp_calendar_loss_is_that_of_simses_under_changing_stress():
    days = case("calendar_lfp")
    loss_frac = calendar_loss_lfp(days["soc_frac"], days["temp_c"], FIXTURE["dt_s"])
    assert np.abs(loss_frac - days["loss_frac"]).max() <= 1e-12


def test_lfp_cycle_loss_is_that_of_simses_under_changing_stress():
    cycles = case("cycle_lfp")
    loss_frac = cycle_loss_lfp(cycles["depth_frac"], cycles["c_rate_per_h"], cycles["count"])
    assert np.abs(loss_frac - cycles["loss_frac"]).max() <= 1e-12


def test_nmc_losses_are_those_of_simses_under_constant_stress():
    still, even = case("calendar_nmc"), case("cycle_nmc")
    calendar = calendar_loss_nmc(still["voltage_v"], still["temp_c"], FIXTURE["dt_s"])
    cyclic = cycle_loss_nmc(even["depth_frac"], even["voltage_v"], even["count"])
    assert np.abs(calendar - still["loss_frac"]).max() <= 1e-12
    assert np.abs(cyclic - even["loss_frac"]).max() <= 1e-12


def test_nmc_voltage_is_that_of_simses():
    curve = case("voltage_nmc")
    assert np.abs(open_circuit_voltage_nmc(curve["soc_frac"]) - curve["voltage_v"]).max() <= 1e-12


def test_nmc_calendar_loss_carries_over_at_equal_loss():
    rng = np.random.default_rng(3)
    voltage_v, temp_c = rng.uniform(3.3, 4.1, 300), rng.uniform(5.0, 45.0, 300)
    total = 0.0
    for v, t in zip(voltage_v, temp_c, strict=True):
        alpha = (7.543 * v - 23.75) * 1e6 * math.exp(-6976.0 / (t + 273.15))
        virtual_d = (total / alpha) ** (4.0 / 3.0)
        total = alpha * (virtual_d + 0.5) ** 0.75
    assert calendar_loss_nmc(voltage_v, temp_c, 43200.0)[-1] == pytest.approx(total, abs=1e-14)


def test_naumann_loses_seven_percent_of_a_full_cell_at_25_degrees_in_ten_years():
    # k_ref k_SOC(1) sqrt(10 a) by hand: 1.2571e-5 * 0.9594375 * sqrt(3.1536e8)
    loss_frac = calendar_loss_lfp(np.ones(10 * YEAR), np.full(10 * YEAR, 25.0), 3600.0)
    assert loss_frac[-1] == pytest.approx(1.2571e-5 * 0.9594375 * math.sqrt(3.1536e8), rel=1e-12)


def test_naumann_cycles_by_hand():
    # 1000 full cycles of depth 0.6 at 0.5 C: (0.0315 + 0.0971) * 1.0923 * sqrt(600) / 100
    loss_frac = cycle_loss_lfp(np.full(1000, 0.6), np.full(1000, 0.5), np.ones(1000))
    assert loss_frac[-1] == pytest.approx((0.0315 + 0.0971) * 1.0923 * math.sqrt(600.0) / 100.0, rel=1e-12)


def test_below_its_least_voltage_the_nmc_cell_ages_as_there():
    low, least = (calendar_loss_nmc(np.full(9, v), np.full(9, 25.0), 86400.0) for v in (2.8, 3.149))
    assert np.array_equal(low, least)
    assert (low > 0.0).all()


@given(st.floats(0.0, 1.0), st.floats(-10.0, 60.0), st.floats(0.0, 0.2))
def test_loss_never_falls_and_slows_with_age(soc_frac, temp_c, start_frac):
    for loss in (calendar_loss_lfp, calendar_loss_nmc):
        level = np.array([soc_frac] * 50) if loss is calendar_loss_lfp else np.array([3.2 + soc_frac] * 50)
        after = loss(level, np.full(50, temp_c), 86400.0, start_frac)
        steps = np.diff(np.concatenate([[start_frac], after]))
        assert (steps >= -1e-15).all()
        assert (np.diff(steps) <= 1e-12).all()


def test_going_on_from_a_loss_is_going_on():
    soc, temp = np.linspace(0.1, 0.9, 200), np.linspace(30.0, 5.0, 200)
    whole = calendar_loss_lfp(soc, temp, 900.0)
    second = calendar_loss_lfp(soc[120:], temp[120:], 900.0, whole[119])
    assert second == pytest.approx(whole[120:], rel=1e-13)


def test_missing_stays_missing():
    soc = np.array([0.5, math.nan, 0.5])
    ones = np.ones(3)
    assert np.isnan(calendar_loss_lfp(soc, ones, 60.0)).tolist() == [False, True, True]
    assert np.isnan(calendar_loss_nmc(3.0 + soc, ones, 60.0)).tolist() == [False, True, True]
    assert np.isnan(cycle_loss_lfp(soc, ones, ones)).tolist() == [False, True, True]
    assert np.isnan(cycle_loss_nmc(soc, ones, ones)).tolist() == [False, True, True]
    assert np.isnan(open_circuit_voltage_nmc(soc)).tolist() == [False, True, False]


def test_wrong_arguments_are_named():
    ones = np.ones(3)
    with pytest.raises(TypeError, match="temp_c"):
        calendar_loss_lfp(ones, [1.0], 60.0)
    with pytest.raises(ValueError, match="temp_c"):
        calendar_loss_lfp(ones, np.ones(2), 60.0)
    with pytest.raises(ValueError, match="dt_s"):
        calendar_loss_lfp(ones, ones, 0.0)
    with pytest.raises(ValueError, match="start_frac"):
        cycle_loss_lfp(ones, ones, ones, -0.1)
    with pytest.raises(ValueError, match="chemistry"):
        age("lto", ones, ones, 60.0)


@pytest.mark.parametrize("chemistry", ["lfp", "nmc"])
def test_a_streamed_battery_ages_as_the_whole_series(chemistry):
    rng = np.random.default_rng(8)
    soc = np.clip(0.5 + 0.08 * rng.standard_normal(600).cumsum(), 0.05, 1.0)
    soc[[7, 100, 101]] = math.nan
    temp = rng.uniform(10.0, 35.0, 600)
    temp[50] = math.nan
    battery = BatteryAge(chemistry, 900.0)
    for i in range(300):
        battery.push(soc[i], temp[i])
    battery = BatteryAge(chemistry, 900.0, state=battery.state)
    for i in range(300, 600):
        battery.push(soc[i], temp[i])
    assert battery.loss == pytest.approx(age(chemistry, soc, temp, 900.0), rel=1e-11)
    assert battery.loss.total_frac > 0.0


def test_a_battery_without_samples_is_as_old_as_it_began():
    start = Loss(0.01, 0.02)
    assert age("lfp", np.empty(0), np.empty(0), 900.0, start) == start
    assert BatteryAge("nmc", 900.0, start).loss == start
    assert start.total_frac == pytest.approx(0.03)
