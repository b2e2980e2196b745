"""The sign convention and the bill."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import units

POWER = st.floats(min_value=-1e5, max_value=1e5)


@given(POWER, POWER, POWER)
def test_a_load_from_the_balance_leaves_no_residual(grid_w, pv_w, battery_w):
    load_w = units.load_w(grid_w, pv_w, battery_w)
    assert units.balance_residual_w(grid_w, pv_w, battery_w, load_w) == 0.0


def test_import_pv_and_discharge_feed_the_load():
    assert units.load_w(500.0, 1000.0, -300.0) == 1200.0


def test_a_missing_term_makes_the_residual_missing():
    assert math.isnan(units.balance_residual_w(1.0, math.nan, 0.0, 0.0))


def test_a_kilowatt_for_a_quarter_of_an_hour_is_250_wh():
    assert units.energy_wh(1000.0, 900.0) == 250.0
    assert np.array_equal(units.energy_wh(np.array([1000.0, -2000.0]), 900.0), [250.0, -500.0])


def test_import_costs_and_export_earns():
    bill = units.cost_eur(np.array([2000.0, -1000.0, 0.0]), np.full(3, 0.30), np.full(3, 0.08))
    assert bill == pytest.approx([0.60, -0.08, 0.0])


def test_the_bill_of_a_missing_slot_is_missing():
    bill = units.cost_eur(np.array([math.nan, 1000.0]), np.array([0.3, math.nan]), np.array([0.1, 0.1]))
    assert np.isnan(bill).all()
