"""The Pareto front of a plan: ends, order, convexity, and what a plan's other wishes keep."""

import numpy as np
import pytest
from energy import duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w

from edge.config_house import Ev, HotWater
from edge.control.mpc import Mpc
from edge.control.pareto import OBJECTIVES, front
from edge.control.surroundings import Surroundings
from edge.errors import PlanError

CAR = Ev(name="car", energy_wh=8000.0, charge_w=7000.0)


def planned(site, *, low=0.02, exports=None):
    grid = make_grid(96, slot_s=900)
    spot = duck_eur_per_kwh(grid, low=low)
    return Mpc(site).plan(
        issued_s=float(grid.start_s),
        grid=grid,
        soc_frac=0.5,
        pv=make_forecast("pv_w", grid, sunny_w(grid)),
        load=make_forecast("load_w", grid, evening_w(grid)),
        prices=make_prices(grid, spot + 0.08, spot - 0.01 if exports is None else exports),
        around=Surroundings(temperature_c={"room_tank_c": 50.0}),
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("low", [0.02, -0.3])
def test_less_of_the_other_costs_more_and_ever_more(objective, low):
    site = make_site(evs=(CAR,))
    points = front(site, planned(site, low=low), objective, 5)
    cost_eur = np.array([point.cost_eur for point in points])
    value = np.array([point.value for point in points])
    assert len(points) >= 2
    assert (np.diff(value) < 0.0).all()
    assert (np.diff(cost_eur) >= -1e-6).all()
    if low > 0.0:  # a convex programme: each further unit costs at least what the last one did
        slope = -np.diff(cost_eur) / np.diff(value)
        assert (np.diff(slope) >= -1e-4).all()
        duals = np.array([point.marginal_eur for point in points])
        assert (duals[1:] >= slope - 1e-3).all()


def test_the_first_point_is_the_plan_within_a_cent_or_two_and_the_last_wastes_no_energy():
    site = make_site()
    plan = planned(site)
    points = front(site, plan, "export")
    assert points[0].battery_w[80:84] == pytest.approx(plan.battery_w[80:84], abs=600.0)
    assert points[-1].value >= 0.0


def test_the_least_discharge_is_none_and_the_least_peak_is_a_flat_import():
    site = make_site()
    plan = planned(site)
    assert front(site, plan, "discharge")[-1].value == pytest.approx(0.0, abs=1e-3)
    assert front(site, plan, "peak")[-1].value <= max(plan.load_p50_w) / 1000.0


def test_hot_water_stays_as_it_is_planned():
    tank = HotWater(litres_count=150.0, heat_w=2000.0, draw_wh=5000.0)
    site = make_site(hotwater=tank)
    plan = planned(site)
    assert sum(plan.setpoint_w["hotwater"]) > 0.0
    bare = front(make_site(), planned(make_site()), "co2", 3)
    assert front(site, plan, "co2", 3)[0].value > bare[0].value


@pytest.mark.parametrize("arguments", [("comfort",), ("co2", 1)])
def test_what_is_no_front_is_refused(arguments):
    site = make_site()
    with pytest.raises(PlanError, match="a front needs one of co2, export, discharge, peak and two points"):
        front(site, planned(site), *arguments)
