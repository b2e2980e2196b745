import dataclasses
import math

import numpy as np
import pytest
from energy import BATTERY, make_forecast, make_grid, make_prices, make_site

from core_kernels.qp import Terms
from edge.config_supply import Tariff
from edge.control.mpc import Mpc
from edge.control.problem import inputs
from edge.control.worth import stored_curve
from edge.messages import WORTH_COUNT, plan_from_json, to_json

GRID = make_grid(96)
SITE = make_site()
NOTHING_W = np.zeros(1)
TERMS = Terms(3000.0, 0.02, 0.05)


def forecast(name, mean_w, spread_w=0.0):
    made = make_forecast(name, GRID, mean_w)
    low_w, high_w = (np.maximum(made.p50 + sign * spread_w, 0.0) for sign in (-1.0, 1.0))
    return dataclasses.replace(made, p10=low_w, p90=high_w)


def worth(pv, load, *, drawn_w=NOTHING_W, site=SITE, imports=0.4, exports=0.02, stored_wh=3000.0):
    known = inputs(pv, load, make_prices(GRID, imports, exports))
    return stored_curve(site, (pv, load), known, drawn_w, TERMS).worth_eur_per_kwh(stored_wh)


def test_a_wider_spread_of_the_load_makes_a_kwh_in_a_full_house_worth_more():
    pv = forecast("pv_w", 1500.0)
    assert worth(pv, forecast("load_w", 1300.0, 1200.0)) > worth(pv, forecast("load_w", 1300.0)) + 0.01


def test_what_the_plan_gives_to_others_is_covered_as_the_load_is():
    pv, load = forecast("pv_w", 500.0), forecast("load_w", 500.0)
    assert worth(pv, load, drawn_w=np.full(96, 2000.0)) == pytest.approx(worth(pv, forecast("load_w", 2500.0)))


def test_a_battery_without_room_has_no_curve():
    pinned = make_site(dataclasses.replace(BATTERY, soc_min_frac=0.5, soc_max_frac=0.5))
    pv, load = forecast("pv_w", 0.0), forecast("load_w", 500.0)
    known = inputs(pv, load, make_prices(GRID, 0.4, 0.02))
    assert stored_curve(pinned, (pv, load), known, NOTHING_W, TERMS) is None


def test_the_plan_depends_on_the_spread_and_under_a_capacity_tariff_on_the_means_alone():
    pv, load = forecast("pv_w", 1500.0), forecast("load_w", 1300.0, 1200.0)
    prices = make_prices(GRID, 0.4, 0.02)

    sure = forecast("load_w", 1300.0)

    def water_value(site, loads):
        plan = Mpc(site).plan(issued_s=GRID.start_s, grid=GRID, soc_frac=0.3, pv=pv, load=loads, prices=prices)
        return plan.water_value_eur_per_kwh

    peaky = make_site(tariff=Tariff(peak_eur_per_kw_month=5.0))
    assert abs(water_value(SITE, load) - water_value(SITE, sure)) > 0.01
    assert water_value(peaky, load) == water_value(peaky, sure)


def test_the_worth_follows_the_charge_down_and_back():
    pv, load = forecast("pv_w", 1500.0, 1000.0), forecast("load_w", 1300.0, 1200.0)
    plan = Mpc(SITE).plan(
        issued_s=GRID.start_s, grid=GRID, soc_frac=0.3, pv=pv, load=load, prices=make_prices(GRID, 0.4, 0.02)
    )
    assert len(plan.worth_eur_per_kwh) == WORTH_COUNT
    assert plan.worth_at(0.3) == pytest.approx(plan.water_value_eur_per_kwh, abs=1e-6)
    assert plan.worth_at(0.15) > plan.worth_at(0.95)
    assert plan.worth_at(0.325) == pytest.approx((plan.worth_at(0.3) + plan.worth_at(0.35)) / 2)
    assert plan.worth_at(1.0) == plan.worth_eur_per_kwh[-1]
    assert plan.worth_at(math.nan) == plan.water_value_eur_per_kwh
    assert plan_from_json(to_json(plan)) == plan
    with pytest.raises(ValueError, match="worth_eur_per_kwh"):
        plan_from_json(to_json(dataclasses.replace(plan, worth_eur_per_kwh=(0.1, 0.2))))
