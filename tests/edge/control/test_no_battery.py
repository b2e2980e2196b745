"""A house without a battery: its car, rooms and programs are planned all the same."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from energy import duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w

from core_kernels.timegrid import TimeGrid
from edge.config import Site
from edge.config_house import Ev, HotWater, Load, Reserve
from edge.config_supply import Tariff
from edge.control.mpc import Mpc
from edge.control.pareto import front
from edge.control.problem import decides
from edge.control.surroundings import Surroundings
from edge.messages import Plan, plan_from_json, to_json

CAR = Ev(name="car", energy_wh=8000.0, charge_w=4000.0, efficiency_frac=0.9)
TANK = HotWater(litres_count=200.0, heat_w=2000.0, draw_wh=6000.0)


def planned(site: Site, grid: TimeGrid, pv_w=0.0, load_w=500.0, spot=None) -> Plan:
    spot = duck_eur_per_kwh(grid) if spot is None else spot
    return Mpc(site).plan(
        issued_s=float(grid.start_s),
        grid=grid,
        soc_frac=0.0,
        pv=make_forecast("pv_w", grid, pv_w),
        load=make_forecast("load_w", grid, load_w),
        prices=make_prices(grid, spot + 0.08, spot - 0.01),
        around=Surroundings(temperature_c={"room_tank_c": 50.0}),
    )


def test_a_car_takes_the_cheapest_quarter_hours_before_its_deadline():
    grid = make_grid(96)
    plan = planned(make_site(None, evs=(CAR,)), grid)
    # 02:00 by the clock on the wall: twenty quarter hours to the first deadline, the next one is beyond the horizon.
    cheapest = np.sort(duck_eur_per_kwh(grid)[:20] + 0.08)
    slots = CAR.energy_wh / CAR.efficiency_frac / (CAR.charge_w / 4.0)
    whole = int(slots)
    least_eur = (cheapest[:whole].sum() + (slots - whole) * cheapest[whole]) * CAR.charge_w / 4000.0
    house_eur = 0.5 * 0.25 * (duck_eur_per_kwh(grid) + 0.08).sum()
    assert plan.cost_eur == pytest.approx(house_eur + least_eur, rel=0.005)
    assert sum(plan.setpoint_w["ev.car"]) / 4.0 * CAR.efficiency_frac == pytest.approx(8000.0, rel=0.005)
    assert set(plan.battery_w) == {0.0}


def test_surplus_goes_into_the_tank_before_it_is_sold():
    grid = make_grid(96)
    site = make_site(None, hotwater=TANK)
    plan = planned(site, grid, sunny_w(grid), evening_w(grid), np.full(96, 0.1))
    surplus = np.array(plan.pv_p50_w) > np.array(plan.load_p50_w) + 100.0
    drawn_w = np.array(plan.setpoint_w["hotwater"])
    assert drawn_w[surplus].sum() > 0.9 * drawn_w.sum() > 0.0


def test_the_reason_names_what_runs_at_which_prices():
    grid = make_grid(96)
    flat = np.full(96, 0.1)
    washer = Load(name="washer", energy_wh=1500.0, power_w=2000.0, earliest="01:00", latest="02:30")
    now = planned(make_site(None, loads=(washer,)), grid, spot=flat)
    assert now.reason == "run load.washer now: import costs 18.0 ct a kWh, export pays 9.0 ct a kWh"
    assert planned(make_site(None), grid, spot=flat).reason.startswith("nothing to run now: ")


def test_the_charge_of_what_is_not_there_is_missing_and_the_message_is_believed():
    plan = planned(make_site(None, evs=(CAR,)), make_grid(96))
    told = plan_from_json(json.loads(json.dumps(to_json(plan))))
    assert all(map(math.isnan, told.soc_frac))
    assert told.worth_eur_per_kwh == ()
    assert told.battery_w == plan.battery_w


def test_a_capacity_tariff_is_kept_low_by_moving_the_car():
    grid, tariff = make_grid(96), Tariff(peak_eur_per_kw_month=5.0)
    plan = planned(make_site(None, evs=(CAR,), tariff=tariff), grid, spot=np.full(96, 0.1))
    # 8.9 kWh over the five hours to the deadline on top of the house.
    assert max(plan.grid_w) == pytest.approx(500.0 + 8000.0 / 0.9 / 5.0, rel=0.02)
    assert plan.peak_w == pytest.approx(max(plan.grid_w), rel=0.02)


def test_a_reserve_without_a_battery_is_named():
    plan = planned(make_site(None, evs=(CAR,), reserve=Reserve(energy_wh=2000.0)), make_grid(96))
    assert plan.violations == ("the reserve is 2000 Wh more than the battery holds",)


def test_less_export_has_a_price_here_too():
    grid = make_grid(96)
    site = make_site(None, evs=(Ev(name="car", energy_wh=8000.0, charge_w=7000.0, arrival="00:00", departure="00:00"),))
    points = front(site, planned(site, grid, sunny_w(grid), evening_w(grid)), "export", 3)
    assert [point.value for point in points] == sorted((point.value for point in points), reverse=True)


def test_a_house_with_nothing_to_decide_needs_no_planner():
    assert not decides(make_site(None))
    assert decides(make_site(None, evs=(CAR,)))
    assert decides(make_site())
