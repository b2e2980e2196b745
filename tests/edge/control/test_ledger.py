import math

import numpy as np
import pytest
from energy import BATTERY, make_site

from core_kernels.battery import simulate_self_consumption
from edge.control.ledger import Cost, Ledger, Market, cost_of, stored_value_eur_per_kwh
from edge.control.rules import rules_command
from edge.control.ways import Ways, parameters_of, perfect_foresight
from edge.errors import PlanError

DAY = 96
IMPORTS = np.where(np.arange(DAY) < 24, 0.10, 0.35)
MARKET = Market(import_eur_per_kwh=IMPORTS, export_eur_per_kwh=IMPORTS - 0.09)
NET_W = np.where((np.arange(DAY) > 40) & (np.arange(DAY) < 60), -3000.0, 1000.0)
WAYS = Ways(site=make_site(), battery=BATTERY, market=MARKET, slot_s=900, start_soc_frac=0.5)


def rules_path(net_w=NET_W):
    soc_frac, battery_w = simulate_self_consumption(net_w, 0.5, 900.0, parameters_of(BATTERY))
    return battery_w, soc_frac


def test_a_cost_is_the_bill_and_the_wear_less_what_was_stored():
    grid_wh = np.array([1000.0, -500.0])
    market = Market(import_eur_per_kwh=np.array([0.3, 0.3]), export_eur_per_kwh=np.array([0.1, 0.1]))
    cost = cost_of(grid_wh, 2000.0, 1000.0, market, BATTERY)
    assert cost.bill_eur == pytest.approx(0.3 - 0.05)
    assert cost.wear_eur == pytest.approx(2.0 * 0.02)
    assert cost.stored_eur == pytest.approx(BATTERY.leg_efficiency_frac * (0.3 - 0.02))
    assert cost.total_eur == pytest.approx(0.25 + 0.04 - cost.stored_eur)


def test_without_battery_only_the_bill_counts():
    assert cost_of(np.array([1000.0] * DAY), 5.0, 5.0, MARKET, None) == Cost(bill_eur=pytest.approx(IMPORTS.sum()))


def test_a_missing_energy_is_refused_not_counted_as_nothing():
    with pytest.raises(ValueError, match="lacks slot 1"):
        cost_of(np.array([1.0, math.nan]), 0.0, 0.0, MARKET, None)


def test_stored_energy_is_never_worth_less_than_nothing():
    cheap = Market(import_eur_per_kwh=IMPORTS - 1.0, export_eur_per_kwh=IMPORTS - 1.0)
    assert stored_value_eur_per_kwh(cheap, BATTERY) == 0.0


def test_the_share_is_what_was_taken_of_what_was_possible():
    costs = [Cost(bill_eur=bill) for bill in (10.0, 8.0, 5.0, 4.0)]
    ledger = Ledger(no_battery=costs[0], rules=costs[1], ours=costs[2], perfect_foresight=costs[3])
    assert ledger.share_frac == pytest.approx(0.75)
    nothing = Ledger(no_battery=costs[0], rules=costs[1], ours=costs[1], perfect_foresight=costs[1])
    assert math.isnan(nothing.share_frac)


def test_rules_as_ours_take_nothing_and_foresight_beats_both():
    battery_w, soc_frac = rules_path()
    ledger = WAYS.ledger(NET_W, battery_w, soc_frac)
    assert ledger.ours == ledger.rules
    assert ledger.share_frac == 0.0
    assert ledger.perfect_foresight.total_eur < ledger.rules.total_eur


def test_foresight_alone_is_the_same_as_in_the_ledger():
    battery_w, soc_frac = rules_path()
    alone = perfect_foresight(make_site(), MARKET, NET_W, 900, 0.5)
    assert alone == WAYS.ledger(NET_W, battery_w, soc_frac).perfect_foresight


def test_slots_without_measurement_are_left_out_of_all_four():
    gap = NET_W.copy()
    gap[70:80] = math.nan
    battery_w, soc_frac = rules_path(np.where(np.isnan(gap), 0.0, gap))
    ledger = WAYS.ledger(gap, battery_w, soc_frac)
    paid_kwh = np.maximum(np.where(np.isnan(gap), 0.0, gap), 0.0) * 0.25 / 1000.0
    sold_kwh = np.maximum(np.where(np.isnan(gap), 0.0, -gap), 0.0) * 0.25 / 1000.0
    bill = paid_kwh @ IMPORTS - sold_kwh @ (IMPORTS - 0.09)
    assert ledger.no_battery.bill_eur == pytest.approx(bill)
    assert ledger.ours == ledger.rules


def test_a_site_without_battery_foresees_nothing():
    with pytest.raises(PlanError, match="no battery"):
        perfect_foresight(make_site(None), MARKET, NET_W, 900, 0.5)


def test_rules_leave_the_battery_to_the_inverter():
    assert rules_command(make_site()).mode == "native"
    assert "self-consumption" in rules_command(make_site()).reason
    assert "no battery" in rules_command(make_site(None)).reason
