"""The price of wear: convex, below the true cost and close to it, and equal to what the next cycle really loses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.degradation import cycle_loss_lfp, cycle_loss_nmc, open_circuit_voltage_nmc
from core_kernels.wear import WearTerms, cycle_cost, wear_price

TERMS = WearTerms(replacement_eur_per_kwh=400.0, cyclic_loss_frac=0.1)
DEPTH = np.linspace(0.0, 1.0, 101)


@pytest.mark.parametrize("depth_frac", [0.1, 0.6, 1.0])
def test_the_cost_is_that_of_the_loss_the_next_cycle_adds(depth_frac):
    one = np.ones(1)
    depth = np.array([depth_frac])
    lfp = cycle_loss_lfp(depth, 0.25 * one, one, 0.1)[0] - 0.1
    nmc = cycle_loss_nmc(depth, open_circuit_voltage_nmc(0.5 * one), one, 0.1)[0] - 0.1
    assert cycle_cost("lfp", depth, TERMS)[0] == pytest.approx(lfp * 400.0 / 0.2, rel=3e-3)
    assert cycle_cost("nmc", depth, TERMS)[0] == pytest.approx(nmc * 400.0 / 0.2, rel=3e-3)


def test_naumann_at_a_quarter_c_costs_a_few_cents():
    # by hand at depth 0.6: (0.0630/4 + 0.0971)^2 * 1.0923^2 * 0.6 / 1e4 / (2 * 0.1) * 400 / 0.2
    by_hand = (0.0630 / 4.0 + 0.0971) ** 2 * 1.0923**2 * 0.6 / 1e4 / 0.2 * 2000.0
    assert cycle_cost("lfp", np.array([0.6]), TERMS)[0] == pytest.approx(by_hand, rel=1e-12)
    price = wear_price("lfp", TERMS).price_eur_per_kwh
    assert 0.002 < price[0] < price[-1] < 0.08


def full_cycle(chemistry, terms=TERMS):
    return float(cycle_cost(chemistry, np.ones(1), terms)[0])


def test_the_level_is_the_cell_s_cycle_life_and_beside_the_literature():
    """Halfway to the end of life a cycle costs its share of the replacement: 400 EUR/kWh over the cycles to 80 %."""
    lfp_rate, nmc_rate = (0.0630 / 4.0 + 0.0971) * (4.0253 * 0.4**3 + 1.0923) / 100.0, 7.6e-4 + 4.081e-3
    assert full_cycle("lfp") == pytest.approx(400.0 / (0.2 / lfp_rate) ** 2, rel=1e-12)
    assert full_cycle("nmc") == pytest.approx(400.0 / ((0.2 / nmc_rate) ** 2 / (2.0 * 2.05)), rel=0.02)
    xu_eur_per_kwh = 5.24e-4 * 400.0  # Xu et al. 2018, at depth 1
    assert full_cycle("lfp") < xu_eur_per_kwh < full_cycle("nmc") < 5.0 * xu_eur_per_kwh
    shallow = float(cycle_cost("nmc", np.array([0.2]), TERMS)[0])
    assert 1.0 < shallow / (xu_eur_per_kwh * 0.2**2.03) < 3.0


@pytest.mark.parametrize("chemistry", ["lfp", "nmc"])
def test_a_named_cycle_life_sets_the_level_and_leaves_the_shape(chemistry):
    named = TERMS._replace(cycle_life_count=4000.0)
    assert full_cycle(chemistry, named) == pytest.approx(0.1, rel=1e-12)
    shape = cycle_cost(chemistry, DEPTH, TERMS) / full_cycle(chemistry)
    assert cycle_cost(chemistry, DEPTH, named) == pytest.approx(shape * 0.1, rel=1e-12)
    with pytest.raises(ValueError, match="cycle_life_count"):
        cycle_cost(chemistry, DEPTH, TERMS._replace(cycle_life_count=0.0))


@pytest.mark.parametrize("chemistry", ["lfp", "nmc"])
def test_prices_never_fall_with_depth_and_stay_close_to_the_cost(chemistry):
    depth, price = wear_price(chemistry, TERMS)
    assert (np.diff(price) >= 0.0).all()
    assert (price > 0.0).all()
    total = np.interp(DEPTH, depth, np.concatenate([[0.0], np.cumsum(price * np.diff(depth))]))
    exact = cycle_cost(chemistry, DEPTH, TERMS)
    assert np.abs(total - exact).max() <= 0.025 * exact[-1]
    assert total[-1] == pytest.approx(exact[-1], rel=1e-12)


def test_many_knots_reach_the_hull_from_below():
    depth, price = wear_price("lfp", TERMS, tuple(np.linspace(0.0, 1.0, 101)))
    total = np.concatenate([[0.0], np.cumsum(price * np.diff(depth))])
    exact = cycle_cost("lfp", DEPTH, TERMS)
    assert (total <= exact + 1e-15).all()
    assert (exact - total).max() <= 0.034 / 1.82 * exact[-1]  # the curve is almost convex


@given(st.floats(0.0, 0.3), st.floats(0.0, 2000.0), st.floats(0.05, 2.0))
def test_prices_scale_with_the_replacement_and_fall_with_age(loss_frac, cost_eur_per_kwh, c_rate_per_h):
    terms = WearTerms(cost_eur_per_kwh, loss_frac, c_rate_per_h)
    price = wear_price("lfp", terms).price_eur_per_kwh
    assert (np.diff(price) >= 0.0).all()
    older = wear_price("lfp", terms._replace(cyclic_loss_frac=loss_frac + 0.1)).price_eur_per_kwh
    assert (older <= price).all()


def test_a_new_battery_is_priced_as_one_of_two_percent():
    new, used = (wear_price("lfp", TERMS._replace(cyclic_loss_frac=q)).price_eur_per_kwh for q in (0.0, 0.02))
    assert np.array_equal(new, used)


@pytest.mark.parametrize("knots", [(0.0,), (0.1, 1.0), (0.0, 0.9), (0.0, 0.5, 0.5, 1.0)])
def test_knots_must_rise_from_0_to_1(knots):
    with pytest.raises(ValueError, match="knots_frac"):
        wear_price("lfp", TERMS, knots)


def test_impossible_terms_are_refused():
    for terms in (TERMS._replace(cyclic_loss_frac=math.nan), TERMS._replace(replacement_eur_per_kwh=-1.0)):
        with pytest.raises(ValueError, match="terms"):
            wear_price("lfp", terms)
    with pytest.raises(ValueError, match="c_rate_per_h"):
        wear_price("lfp", TERMS._replace(c_rate_per_h=0.0))
    with pytest.raises(ValueError, match="chemistry"):
        wear_price("lead", TERMS)
    assert np.isnan(cycle_cost("lfp", np.array([math.nan]), TERMS)).all()
