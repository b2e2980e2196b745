import math
from dataclasses import replace

import numpy as np
import pytest
from energy import BATTERY, make_house
from fakes import make_plan
from hypothesis import given
from hypothesis import strategies as st

from edge.control.fastloop import LEASE_S, PULL_EUR_PER_KWH, best_power_w, self_consumption_w, wish
from edge.control.words import Marginals, explain

NOW_S = 900.0
LEG = BATTERY.leg_efficiency_frac


def plan(planned_w=0.0, *, imports=0.3, exports=0.1, value=0.2, wear=0.02, **changes):
    prices = {"price_import_eur_per_kwh": (imports,) * 4, "price_export_eur_per_kwh": (exports,) * 4}
    worth = {"water_value_eur_per_kwh": value, "wear_eur_per_kwh": wear}
    return make_plan(battery_w=(planned_w,) * 4, **prices, **worth, **changes)


def wished(net_w, planned_w=0.0, **prices):
    return wish(make_house(NOW_S, load_w=max(net_w, 0.0), pv_w=max(-net_w, 0.0)), plan(planned_w, **prices), BATTERY)


def test_a_dear_deficit_is_left_to_the_inverter_that_covers_it_anyway():
    command = wished(2000.0)
    assert command.mode == "native"
    assert command.reason.startswith("cover the house: import costs 30.0 ct a kWh, using stored energy costs 23.1 ct")


def test_a_cheap_deficit_is_not_covered_from_the_battery():
    command = wished(2000.0, imports=0.21)
    assert (command.mode, command.battery_w, command.lease_s) == ("power", 0.0, LEASE_S)
    assert command.reason.startswith("keep stored energy for later: import costs 21.0 ct")


def test_a_surplus_that_sells_well_is_sold():
    command = wished(-2000.0, imports=0.4, exports=0.2, value=0.2)
    assert (command.mode, command.battery_w) == ("power", 0.0)
    assert command.reason.startswith("sell the surplus, leave room for later: export pays 20.0 ct")


def test_a_surplus_that_sells_badly_is_left_to_the_inverter_that_stores_it_anyway():
    command = wished(-2000.0)
    assert command.mode == "native"
    assert command.reason.startswith("store the surplus: export pays 10.0 ct")


def test_cheap_energy_is_bought_as_planned():
    command = wished(1000.0, planned_w=-5000.0, imports=0.1, exports=0.01)
    assert (command.mode, command.battery_w) == ("power", -5000.0)
    assert command.reason.startswith("charge with grid energy: import costs 10.0 ct")


def test_dear_energy_is_sold_out_of_the_battery():
    command = wished(1000.0, planned_w=5000.0, imports=0.5, exports=0.4)
    assert (command.mode, command.battery_w) == ("power", 5000.0)
    assert command.reason.startswith("discharge into the grid: export pays 40.0 ct")


def test_where_prices_decide_nothing_the_plan_does():
    value = 0.2
    command = wished(1000.0, planned_w=-3000.0, imports=value * LEG, exports=0.0, value=value)
    assert command.battery_w == pytest.approx(-3000.0)


@pytest.mark.parametrize(
    ("net_w", "soc_frac", "prices", "words"),
    [
        (-2000.0, 1.0, {}, "the battery is full: the surplus is sold, export pays 10.0 ct a kWh"),
        (2000.0, 0.1, {}, "the battery is empty: the house imports at 30.0 ct a kWh"),
        (1000.0, 1.0, {"planned_w": -5000.0, "imports": 0.1, "exports": 0.01}, "the battery is full"),
        (-2000.0, 0.99, {}, "store the surplus"),
        (2000.0, 0.11, {}, "cover the house"),
    ],
)
def test_a_full_or_empty_battery_is_a_reason_of_its_own(net_w, soc_frac, prices, words):
    house = make_house(NOW_S, load_w=max(net_w, 0.0), pv_w=max(-net_w, 0.0), soc_frac=soc_frac)
    assert wish(house, plan(**prices), BATTERY).reason.startswith(words)


# Using stored energy costs 0.2 / leg + 0.02 = 23.08 ct, storing is worth 18.97 ct.
@pytest.mark.parametrize(
    ("battery_w", "net_w", "imports", "exports", "words"),
    [
        (1000.0, 2000.0, 0.2300, 0.05, "cover the house"),
        (0.0, 2000.0, 0.2320, 0.05, "keep stored energy"),
        (-1000.0, -2000.0, 0.3, 0.1905, "store the surplus"),
        (0.0, -2000.0, 0.3, 0.1890, "sell the surplus"),
        (-1000.0, 1000.0, 0.1905, 0.05, "charge with grid energy"),
        (3000.0, 1000.0, 0.3, 0.2300, "discharge into the grid"),
    ],
)
def test_a_reason_that_its_own_prices_contradict_by_a_hair_says_so(battery_w, net_w, imports, exports, words):
    reason = explain(battery_w, net_w, Marginals(imports, exports, 0.2, 0.02, LEG))
    assert reason.startswith(words)
    assert reason.endswith("so close that the plan decides")


def test_between_the_prices_a_balanced_house_does_nothing():
    assert explain(0.0, 0.0, Marginals(0.3, 0.1, 0.2, 0.02, LEG)).startswith("nothing to do: import costs 30.0 ct")


@pytest.mark.parametrize(
    ("the_plan", "words"),
    [
        (None, "no plan"),
        (plan(valid_until_s=NOW_S), "expired"),
        (plan(start_s=90_000), "expired"),
        (plan(imports=math.nan), "lacks a price"),
        (plan(planned_w=math.nan), "lacks a price or a power"),
    ],
)
def test_without_a_usable_plan_the_inverter_is_on_its_own(the_plan, words):
    command = wish(make_house(NOW_S), the_plan, BATTERY)
    assert command.mode == "native"
    assert words in command.reason


@pytest.mark.parametrize("name", ["load_w", "pv_w"])
def test_an_unknown_house_is_left_to_the_inverter(name):
    command = wish(make_house(NOW_S, **{name: math.nan}), plan(imports=0.01), BATTERY)
    assert command.mode == "native"
    assert "unknown" in command.reason


def test_self_consumption_covers_and_stores_within_the_limits():
    assert [self_consumption_w(net_w, BATTERY) for net_w in (-9000.0, -100.0, 0.0, 700.0, 9000.0)] == [
        -5000.0,
        -100.0,
        0.0,
        700.0,
        5000.0,
    ]


def slow_best_w(net_w, planned_w, marginals):
    """The obvious twin: try every watt in steps of ten."""
    power_w = np.concatenate((np.arange(-5000.0, 5001.0, 10.0), [self_consumption_w(net_w, BATTERY)]))
    grid = (net_w - power_w) / 1000.0
    bill = grid * np.where(grid > 0.0, marginals.import_eur_per_kwh, marginals.export_eur_per_kwh)
    stored = np.where(power_w > 0.0, power_w / LEG, power_w * LEG) / 1000.0 * marginals.water_value_eur_per_kwh
    wear = np.maximum(power_w, 0.0) / 1000.0 * marginals.wear_eur_per_kwh
    return bill + stored + wear + PULL_EUR_PER_KWH * ((power_w - planned_w) / 1000.0) ** 2, power_w


@given(
    net_w=st.floats(-12_000.0, 12_000.0),
    planned_w=st.floats(-5000.0, 5000.0),
    imports=st.floats(-0.2, 0.6),
    spread=st.floats(-0.1, 0.2),
    value=st.floats(-0.1, 0.5),
)
def test_the_best_power_beats_every_power_on_a_fine_grid(net_w, planned_w, imports, spread, value):
    marginals = Marginals(imports, imports - spread, value, 0.02, LEG)
    best_w = best_power_w(net_w, planned_w, marginals, BATTERY)
    costs, power_w = slow_best_w(net_w, planned_w, marginals)
    at_best = float(np.interp(best_w, power_w[:-1], costs[:-1]))
    assert -BATTERY.charge_w <= best_w <= BATTERY.discharge_w
    assert at_best <= costs.min() + 0.01


def test_marginals_decide_by_losses_and_wear():
    marginals = Marginals(0.24, 0.18, 0.2, 0.02, 0.95)
    assert marginals.use_above_eur_per_kwh == pytest.approx(0.2 / 0.95 + 0.02)
    assert marginals.store_below_eur_per_kwh == pytest.approx(0.19)
    assert marginals.covers
    assert marginals.stores


def gaining(gain_eur: float, running_w: float) -> str:
    """The mode where holding back for a kW's deficit gains so much over a lease, with the battery at a power now."""
    reluctant = replace(BATTERY, least_gain_eur=0.002)
    margin_eur_per_kwh = gain_eur / 0.25
    worth = 0.2 + margin_eur_per_kwh  # using a stored kWh costs this much more than the import it saves
    plan = make_plan(
        battery_w=(0.0,) * 4,
        price_import_eur_per_kwh=(0.2,) * 4,
        water_value_eur_per_kwh=worth * BATTERY.leg_efficiency_frac,
        wear_eur_per_kwh=0.0,
    )
    house = make_house(900.0, load_w=1000.0, battery_w=running_w)
    return wish(house, plan, reluctant).mode


def test_a_command_begins_only_where_it_gains_and_goes_on_without():
    # The pull to the plan adds 0.0005 EUR: a kW of distance for a quarter of an hour.
    assert gaining(0.0022, running_w=1000.0) == "power"
    assert gaining(0.0014, running_w=1000.0) == "native"
    assert gaining(0.0014, running_w=0.0) == "power"  # it is held back already
    assert gaining(-0.02, running_w=0.0) == "native"


def test_a_command_that_is_not_worth_it_says_so():
    plan = make_plan(battery_w=(0.0,) * 4, price_import_eur_per_kwh=(0.2,) * 4, water_value_eur_per_kwh=0.2)
    command = wish(make_house(900.0, load_w=1000.0, battery_w=1000.0), plan, replace(BATTERY, least_gain_eur=1.0))
    assert command.mode == "native"
    assert command.reason.endswith("it gains too little to be worth a command")
