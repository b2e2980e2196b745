import math

import numpy as np
import pytest
from energy import BATTERY, duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w
from exact_plans import optimum, worth
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Battery, Grid
from edge.control.mpc import Mpc
from edge.control.problem import inputs, terminal_value_eur_per_kwh, wear_eur_per_kwh
from edge.control.publish import LEASE_S
from edge.errors import PlanError
from edge.messages import Plan, plan_from_json, to_json

LEG = BATTERY.leg_efficiency_frac


def asked(grid, *, soc_frac=0.5, pv=0.0, load=1000.0, imports=0.3, exports=0.1):
    """The arguments of a plan."""
    return {
        "issued_s": float(grid.start_s),
        "grid": grid,
        "soc_frac": soc_frac,
        "pv": make_forecast("pv_w", grid, pv),
        "load": make_forecast("load_w", grid, load),
        "prices": make_prices(grid, imports, exports),
    }


def a_day(grid=None, *, soc_frac=0.5, fee=0.08):
    grid = grid or make_grid()
    spot = duck_eur_per_kwh(grid)
    return asked(
        grid, soc_frac=soc_frac, pv=sunny_w(grid), load=evening_w(grid), imports=spot + fee, exports=spot - 0.01
    )


def check_limits(plan: Plan, site) -> None:
    """Power, energy and balance of a plan hold in every slot."""
    battery = site.battery
    power_w, soc = np.array(plan.battery_w), np.array(plan.soc_frac)
    assert power_w.max() <= battery.discharge_w + 1e-6
    assert power_w.min() >= -battery.charge_w - 1e-6
    assert soc.max() <= battery.soc_max_frac + 1e-9
    assert soc.min() >= battery.soc_min_frac - 1e-9
    leg = battery.leg_efficiency_frac
    gained_wh = -np.where(power_w > 0.0, power_w / leg, power_w * leg) * plan.slot_s / 3600.0
    np.testing.assert_allclose(np.diff(soc) * battery.capacity_wh, gained_wh, atol=1e-6)
    need_w = np.array(plan.load_p50_w) - np.array(plan.pv_p50_w) - power_w
    np.testing.assert_allclose(plan.grid_w, np.maximum(need_w, -site.grid.export_w), atol=1e-6)


def test_a_plan_charges_when_cheap_discharges_when_dear_and_keeps_every_limit():
    site = make_site()
    plan = Mpc(site).plan(**a_day())
    check_limits(plan, site)
    power_w = np.array(plan.battery_w).reshape(2, 96)
    assert power_w[0, 44:60].sum() < 0.0
    assert power_w[0, 76:84].sum() > 0.0
    assert plan.valid_until_s == plan.issued_s + LEASE_S
    assert plan.source == "mpc"
    assert plan.violations == ()
    assert "ct a kWh" in plan.reason
    assert plan_from_json(to_json(plan)) == plan


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**6), soc_frac=st.floats(0.1, 1.0), wear=st.sampled_from([0.0, 100.0, 400.0]))
def test_a_plan_costs_hardly_more_than_highs_optimum(seed, soc_frac, wear):
    rng = np.random.default_rng(seed)
    battery = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=4000.0, replacement_eur_per_kwh=wear)
    site = make_site(battery)
    grid = make_grid(48, slot_s=1800)
    spot = rng.uniform(0.0, 0.3, 48)
    arguments = asked(
        grid,
        soc_frac=soc_frac,
        pv=sunny_w(grid) * rng.uniform(0.0, 1.5),
        load=rng.uniform(100.0, 3000.0, 48),
        imports=spot + 0.08,
        exports=spot - 0.01,
    )
    plan = Mpc(site).plan(**arguments)
    check_limits(plan, site)
    best, terminal = optimum(site, arguments)
    assert -0.002 <= worth(plan, battery, terminal) - best <= 0.06


@pytest.mark.parametrize("depth", [-0.03, -0.13, -0.33])
@pytest.mark.parametrize("wear", [0.0, 100.0, 300.0])
def test_negative_prices_match_the_exact_optimum_with_binaries(depth, wear):
    battery = Battery(
        capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0, efficiency_frac=0.85, replacement_eur_per_kwh=wear
    )
    site = make_site(battery)
    grid = make_grid(48, slot_s=1800)
    spot = duck_eur_per_kwh(grid, low=depth)
    arguments = asked(grid, pv=sunny_w(grid), load=evening_w(grid), imports=spot, exports=spot - 0.02)
    plan = Mpc(site).plan(**arguments)
    check_limits(plan, site)
    best, terminal = optimum(site, arguments, whole_numbers=True)
    assert -0.002 <= worth(plan, battery, terminal) - best <= 0.05


def test_export_above_import_is_no_money_machine():
    site = make_site()
    grid = make_grid(48, slot_s=1800)
    arguments = asked(grid, pv=sunny_w(grid), load=evening_w(grid), imports=0.10, exports=0.25)
    plan = Mpc(site).plan(**arguments)
    check_limits(plan, site)
    sold_kwh = -sum(min(power_w, 0.0) for power_w in plan.grid_w) * 0.5 / 1000.0
    assert sold_kwh <= 0.5 * (sunny_w(grid).sum() + 2 * 5000.0 * 48) / 1000.0
    stored_first = Mpc(site).plan(**asked(grid, soc_frac=1.0, imports=0.10, exports=0.25))
    assert stored_first.cost_eur < plan.cost_eur + 24.0


@pytest.mark.parametrize(("soc_frac", "words"), [(0.03, "below its minimum"), (0.98, "above its maximum")])
def test_a_battery_outside_its_bounds_is_believed_named_and_led_back(soc_frac, words):
    battery = Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0, soc_max_frac=0.9)
    plan = Mpc(make_site(battery)).plan(**a_day(soc_frac=soc_frac))
    assert words in plan.violations[0]
    assert plan.soc_frac[0] == soc_frac
    assert 0.1 - 1e-3 <= plan.soc_frac[96] <= 0.9 + 1e-3


def test_a_load_above_the_fuse_is_named_not_refused():
    site = make_site(grid=Grid(import_w=3000.0, export_w=3000.0))
    plan = Mpc(site).plan(**asked(make_grid(24), load=4000.0, soc_frac=0.1))
    assert plan.violations == ("the load forecast exceeds the import limit by 1000 W",)


def test_pv_above_the_export_limit_is_throttled():
    site = make_site(grid=Grid(import_w=3000.0, export_w=2000.0))
    plan = Mpc(site).plan(**asked(make_grid(24), pv=9000.0, soc_frac=0.95))
    assert min(plan.grid_w) == pytest.approx(-2000.0)


def test_the_horizon_ends_where_a_forecast_does():
    grid = make_grid()
    pv = np.where(np.arange(192) < 50, 100.0, math.nan)
    plan = Mpc(make_site()).plan(**asked(grid, pv=pv))
    assert len(plan.battery_w) == 50
    assert len(plan.soc_frac) == 51


def test_an_outlook_too_short_is_no_plan():
    grid = make_grid()
    pv = np.where(np.arange(192) < 2, 100.0, math.nan)
    with pytest.raises(PlanError, match="PV forecast missing within 4 slots"):
        Mpc(make_site()).plan(**asked(grid, pv=pv))
    with pytest.raises(PlanError, match="horizon missing"):
        Mpc(make_site()).plan(**asked(make_grid(3)))


@pytest.mark.parametrize("soc_frac", [math.nan, -0.1, 1.2])
def test_an_unknown_charge_is_no_plan(soc_frac):
    with pytest.raises(PlanError, match="state of charge"):
        Mpc(make_site()).plan(**a_day(soc_frac=soc_frac))


def test_grids_must_agree():
    arguments = a_day()
    other = make_grid(96)
    with pytest.raises(PlanError, match="prices are on another grid"):
        Mpc(make_site()).plan(**{**arguments, "prices": make_prices(other, 0.3, 0.1)})
    with pytest.raises(PlanError, match="pv forecast is on another grid"):
        Mpc(make_site()).plan(**{**arguments, "pv": make_forecast("pv_w", other, 0.0)})


def test_the_next_quarter_hour_agrees_with_the_last_plan():
    mpc = Mpc(make_site())
    first = mpc.plan(**a_day())
    later = a_day(make_grid(start_s=first.start_s + 900), soc_frac=first.soc_frac[1])
    second = mpc.plan(**later)
    np.testing.assert_allclose(second.soc_frac[:80], first.soc_frac[1:81], atol=0.12)
    assert second.water_value_eur_per_kwh == pytest.approx(first.water_value_eur_per_kwh, abs=0.02)


def test_the_water_value_is_what_a_stored_kwh_saves():
    site = make_site()
    known, base = make_grid(), {}
    for soc_frac in (0.45, 0.55):
        base[soc_frac], _ = optimum(site, a_day(known, soc_frac=soc_frac))
    plan = Mpc(site).plan(**a_day(known))
    assert plan.water_value_eur_per_kwh == pytest.approx(base[0.45] - base[0.55], abs=0.015)


def test_energy_left_at_the_end_is_worth_what_tomorrow_would_pay():
    grid = make_grid(96)
    arguments = asked(grid, imports=0.3)
    known = inputs(arguments["pv"], arguments["load"], arguments["prices"])
    assert terminal_value_eur_per_kwh(BATTERY, known) == pytest.approx(LEG * (0.3 - 0.02))
    surplus = known._replace(pv_w=known.load_w + 1.0)
    sold_eur = float(surplus.export_eur_per_kwh.max())
    assert terminal_value_eur_per_kwh(BATTERY, surplus) == pytest.approx(LEG * max(sold_eur - 0.02, 0.0))
    free = surplus._replace(export_eur_per_kwh=np.zeros(96))
    assert terminal_value_eur_per_kwh(BATTERY, free) == 0.0
    paid = known._replace(import_eur_per_kwh=known.import_eur_per_kwh - 1.0)
    assert terminal_value_eur_per_kwh(BATTERY, paid) == 0.0


def test_wear_spreads_the_replacement_over_the_cycle_life():
    assert wear_eur_per_kwh(Battery(capacity_wh=1.0, charge_w=1.0, discharge_w=1.0)) == pytest.approx(0.04)
    assert wear_eur_per_kwh(Battery(capacity_wh=1.0, charge_w=1.0, discharge_w=1.0, chemistry="nmc")) == 0.08
