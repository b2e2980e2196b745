"""The battery with measured losses: a slow twin by bisection, known points, and what no battery does."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.battery import BatteryParameters
from core_kernels.battery import simulate_self_consumption as simulate_plain
from core_kernels.battery_losses import Derating, LossCurve, LossyBattery, curve_from_efficiency, simulate

LIMITS = BatteryParameters(10000.0, 5000.0, 4000.0, taper_start_frac=0.8, taper_end_frac=0.1)
CURVE = LossCurve(30.0, 0.02, 5e-6)
BATTERY = LossyBattery(LIMITS, CURVE, CURVE, standby_w=10.0)
WARM = 25.0


def step(soc_frac: float, power_w: float, temp_c: float = WARM, dt_s: float = 3600.0, battery=BATTERY):
    soc, power = simulate(np.array([power_w]), np.array([temp_c]), soc_frac, dt_s, battery)
    return float(soc[1]), float(power[0])


def twin(soc_frac, power_w, hours, battery, share_in=1.0, share_out=1.0):
    """The same step in the plainest way: the largest power that leaves the state within bounds, by bisection."""
    limits, rested = battery.limits, max(soc_frac - battery.standby_w * hours / battery.limits.capacity_wh, 0.0)

    def after(p):
        curve = battery.discharge_loss if p > 0.0 else battery.charge_loss
        loss = curve.fixed_w + curve.linear_frac * abs(p) + curve.square_per_w * p * p if p else 0.0
        return rested - (p + loss) * hours / limits.capacity_wh

    taper = 1.0
    if rested > limits.taper_start_frac:
        way = (rested - limits.taper_start_frac) / (limits.soc_max_frac - limits.taper_start_frac)
        taper = 1.0 - (1.0 - limits.taper_end_frac) * min(way, 1.0)
    low, high = 0.0, min(power_w, limits.discharge_w * share_out)
    if power_w <= 0.0:
        high = min(-power_w, limits.charge_w * share_in * taper)
    sign = 1.0 if power_w > 0.0 else -1.0

    def allowed(p):
        state = after(sign * p)
        return state >= limits.soc_min_frac - 1e-15 if sign > 0.0 else state <= limits.soc_max_frac + 1e-15

    if (sign > 0.0 and rested <= limits.soc_min_frac) or (sign < 0.0 and rested >= limits.soc_max_frac):
        high = 0.0
    if not allowed(high):
        for _ in range(200):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if allowed(middle) else (low, middle)
        high = low
    return after(sign * high) if high > 0.0 else rested, sign * high


@given(st.floats(0.1, 1.0), st.floats(-7000.0, 7000.0), st.floats(60.0, 7200.0))
def test_a_step_is_that_of_the_slow_twin(soc_frac, power_w, dt_s):
    after, power = step(soc_frac, power_w, dt_s=dt_s)
    expected_after, expected_w = twin(soc_frac, power_w, dt_s / 3600.0, BATTERY)
    assert power == pytest.approx(expected_w, abs=1e-6)
    assert after == pytest.approx(max(expected_after, 0.0), abs=1e-9)


def test_losses_by_hand():
    # discharge 2000 W for an hour: 2000 + 30 + 40 + 20 from the cells, 10 Wh standby
    assert step(0.9, 2000.0) == (pytest.approx(0.9 - 0.2100), 2000.0)
    # charge 2000 W: 2000 - 90 into them
    assert step(0.3, -2000.0) == (pytest.approx(0.3 + 0.1900), -2000.0)


def test_idle_only_standby_is_drawn_and_never_below_empty():
    assert step(0.5, 0.0) == (pytest.approx(0.499), 0.0)
    assert step(0.0004, 0.0) == (0.0, 0.0)


def test_a_small_power_is_worse_than_a_middle_one():
    def efficiency(power_w):
        before = 0.9 - 0.001
        return power_w / ((before - step(0.9, power_w)[0]) * LIMITS.capacity_wh)

    assert efficiency(100.0) < efficiency(500.0) < efficiency(2000.0)
    assert efficiency(2000.0) > efficiency(4000.0)


@pytest.mark.parametrize(
    ("temp_c", "share"), [(-5.0, 0.0), (0.0, 0.0), (5.0, 0.5), (10.0, 1.0), (45.0, 1.0), (50.0, 0.5), (60.0, 0.0)]
)
def test_cold_and_heat_cut_the_charge_limit(temp_c, share):
    assert step(0.3, -9000.0, temp_c)[1] == pytest.approx(-5000.0 * share)


def test_the_taper_slows_the_last_fifth():
    assert step(0.91, -9000.0, dt_s=1.0)[1] == pytest.approx(-5000.0 * (1.0 - 0.9 * 0.55), rel=1e-4)


def test_without_losses_it_is_the_plain_battery():
    limits = BatteryParameters(8000.0, 3000.0, 3500.0, efficiency_frac=1.0, taper_start_frac=0.9)
    wish_w = 5000.0 * np.sin(np.arange(300.0) / 11.0)
    found = simulate(wish_w, np.full(300, WARM), 0.5, 900.0, LossyBattery(limits, LossCurve(), LossCurve()))
    expected = simulate_plain(wish_w, 0.5, 900.0, limits)
    assert found[0] == pytest.approx(expected[0], abs=1e-12)
    assert found[1] == pytest.approx(expected[1], abs=1e-8)


@given(st.lists(st.floats(-9000.0, 9000.0), min_size=1, max_size=30), st.floats(-30.0, 70.0))
def test_bounds_hold_and_nothing_is_gained(wishes, temp_c):
    wish_w = np.array(wishes)
    soc, power = simulate(wish_w, np.full(wish_w.size, temp_c), 0.5, 900.0, BATTERY)
    assert (soc >= 0.0).all()
    assert (soc <= 1.0 + 1e-12).all()
    assert (np.abs(power) <= np.abs(wish_w)).all()
    assert (power * wish_w >= 0.0).all()
    assert (np.diff(soc) * LIMITS.capacity_wh <= -power * 0.25 + 1e-9).all()


def test_a_curve_goes_through_its_three_points():
    power = np.array([500.0, 2000.0, 4500.0])
    eta = np.array([0.93, 0.965, 0.95])
    curve = curve_from_efficiency(power, eta)
    loss = curve.fixed_w + curve.linear_frac * power + curve.square_per_w * power * power
    assert power / (power + loss) == pytest.approx(eta, rel=1e-12)


def test_missing_stays_missing():
    wish_w, temp_c = np.array([100.0, math.nan, 100.0]), np.full(3, WARM)
    soc, power = simulate(wish_w, temp_c, 0.5, 60.0, BATTERY)
    assert np.isnan(soc).tolist() == [False, False, True, True]
    assert np.isnan(power).tolist() == [False, True, True]
    assert np.isnan(simulate(temp_c, wish_w, 0.5, 60.0, BATTERY)[1]).tolist() == [False, True, True]


def test_impossible_batteries_are_refused():
    for wrong, word in (
        (BATTERY._replace(standby_w=-1.0), "powers"),
        (BATTERY._replace(standby_w=math.nan), "finite"),
        (BATTERY._replace(limits=LIMITS._replace(soc_min_frac=1.1)), "soc_min_frac"),
        (BATTERY._replace(charge_loss=LossCurve(linear_frac=1.0)), "charge_loss"),
        (BATTERY._replace(discharge_derating=Derating(0.0, 0.0, 40.0, 50.0)), "discharge_derating"),
    ):
        with pytest.raises(ValueError, match=word):
            step(0.5, 1.0, battery=wrong)
    with pytest.raises(ValueError, match="power_w"):
        curve_from_efficiency(np.array([1.0, 1.0, 2.0]), np.full(3, 0.9))
    with pytest.raises(ValueError, match="efficiency_frac"):
        curve_from_efficiency(np.array([1.0, 3.0, 2.0]), np.full(3, 1.1))
    with pytest.raises(ValueError, match="dt_s"):
        step(0.5, 1.0, dt_s=0.0)
