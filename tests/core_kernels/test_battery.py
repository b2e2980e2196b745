"""The controller's battery: bounds hold, energy is conserved, missing stays missing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.battery import BatteryParameters, simulate_self_consumption, step

PLAIN = BatteryParameters(capacity_wh=10000.0, charge_w=3000.0, discharge_w=4000.0, efficiency_frac=0.81)
SOC = st.floats(min_value=0.1, max_value=1.0)
POWER = st.floats(min_value=-8000.0, max_value=8000.0)
SPAN = st.floats(min_value=1.0, max_value=7200.0)


def test_discharge_draws_the_loss_from_the_cells():
    after_frac, accepted_w = step(0.5, 1800.0, 3600.0, PLAIN)
    assert accepted_w == 1800.0
    assert after_frac == pytest.approx(0.5 - 0.2)


def test_charge_loses_on_the_way_in():
    after_frac, accepted_w = step(0.5, -2000.0, 3600.0, PLAIN)
    assert accepted_w == -2000.0
    assert after_frac == pytest.approx(0.5 + 0.18)


def test_limits_cap_a_wish():
    assert step(0.5, 9000.0, 60.0, PLAIN)[1] == 4000.0
    assert step(0.5, -9000.0, 60.0, PLAIN)[1] == -3000.0


def test_an_empty_battery_never_discharges_and_a_full_one_never_charges():
    assert step(0.1, 500.0, 900.0, PLAIN) == (0.1, 0.0)
    assert step(1.0, -500.0, 900.0, PLAIN)[1] == 0.0


def test_a_battery_below_its_bound_is_not_pushed_further_and_may_charge():
    assert step(0.05, 500.0, 900.0, PLAIN) == (0.05, 0.0)
    assert step(0.05, -500.0, 900.0, PLAIN)[0] > 0.05


def test_the_last_step_to_empty_ends_exactly_at_the_bound():
    after_frac, accepted_w = step(0.15, 4000.0, 3600.0, PLAIN)
    assert after_frac == pytest.approx(0.1)
    assert accepted_w == pytest.approx(500.0 * 0.9)


def test_the_charge_limit_tapers_on_a_line():
    tapered = PLAIN._replace(taper_start_frac=0.8, taper_end_frac=0.1)
    accepted = [step(soc, -3000.0, 1.0, tapered)[1] for soc in (0.5, 0.8, 0.9, 0.9999)]
    assert accepted == pytest.approx([-3000.0, -3000.0, -1650.0, -301.35])


@given(SOC, POWER, SPAN)
def test_bounds_and_limits_hold_and_energy_is_conserved(soc_frac, power_w, dt_s):
    after_frac, accepted_w = step(soc_frac, power_w, dt_s, PLAIN)
    assert 0.1 - 1e-12 <= after_frac <= 1.0 + 1e-12
    assert -3000.0 <= accepted_w <= 4000.0
    assert accepted_w * power_w >= 0.0
    assert abs(accepted_w) <= abs(power_w)
    leg_frac = 1.0 / 0.9 if accepted_w > 0.0 else 0.9
    drawn_wh = accepted_w * leg_frac * dt_s / 3600.0
    assert (soc_frac - after_frac) * 10000.0 == pytest.approx(drawn_wh, abs=1e-6)


@given(SOC, st.floats(min_value=10.0, max_value=2000.0))
def test_a_round_trip_gives_back_the_efficiency(soc_frac, power_w):
    room_frac = power_w * 0.9 / 10000.0
    if soc_frac + room_frac > 1.0:
        soc_frac = 0.5
    charged_frac, taken_w = step(soc_frac, -power_w, 3600.0, PLAIN)
    given_w = (charged_frac - soc_frac) * 10000.0 * 0.9
    assert given_w == pytest.approx(0.81 * -taken_w, rel=1e-6)


@pytest.mark.parametrize(("soc_frac", "power_w"), [(math.nan, 100.0), (0.5, math.nan)])
def test_missing_in_is_missing_out(soc_frac, power_w):
    assert all(math.isnan(value) for value in step(soc_frac, power_w, 900.0, PLAIN))


def test_simulation_is_the_step_repeated():
    net_w = np.random.default_rng(2).normal(0.0, 3000.0, 200)
    soc_frac, battery_w = simulate_self_consumption(net_w, 0.4, 900.0, PLAIN)
    expected = 0.4
    for i in range(200):
        assert soc_frac[i] == expected
        expected, accepted_w = step(expected, float(net_w[i]), 900.0, PLAIN)
        assert battery_w[i] == accepted_w
    assert soc_frac.shape == (201,)


def test_self_consumption_covers_load_and_stores_surplus():
    _, battery_w = simulate_self_consumption(np.array([1000.0, -500.0, 0.0]), 0.5, 900.0, PLAIN)
    assert battery_w.tolist() == [1000.0, -500.0, 0.0]


def test_after_a_missing_slot_the_state_is_unknown():
    soc_frac, battery_w = simulate_self_consumption(np.array([100.0, math.nan, 100.0]), 0.5, 900.0, PLAIN)
    assert np.isnan(soc_frac).tolist() == [False, False, True, True]
    assert np.isnan(battery_w).tolist() == [False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"capacity_wh": 0.0},
        {"capacity_wh": math.nan},
        {"charge_w": -1.0},
        {"efficiency_frac": 0.0},
        {"efficiency_frac": 1.1},
        {"taper_end_frac": 2.0},
        {"soc_min_frac": 0.9, "soc_max_frac": 0.5},
    ],
)
def test_impossible_parameters_are_refused(change):
    with pytest.raises(ValueError, match="parameters"):
        step(0.5, 0.0, 900.0, PLAIN._replace(**change))


@pytest.mark.parametrize("dt_s", [0.0, -1.0, math.nan, math.inf])
def test_a_span_must_be_positive(dt_s):
    with pytest.raises(ValueError, match="dt_s"):
        step(0.5, 0.0, dt_s, PLAIN)


def test_a_net_load_of_another_type_is_refused():
    with pytest.raises(TypeError, match="net_load_w"):
        simulate_self_consumption([1.0], 0.5, 900.0, PLAIN)
