"""Negative prices: what the repaired relaxation costs over the exact optimum with binaries, over a grid of cases."""

import numpy as np
import pytest
from energy import duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w
from exact_plans import optimum, worth

from edge.config import Battery, Grid
from edge.control.mpc import Mpc
from edge.control.problem import CYCLE_LIFE_COUNT

WEARS_EUR_PER_KWH = (0.0, 0.005, 0.01, 0.02, 0.03)
LOWS_EUR_PER_KWH = (-0.03, -0.08, -0.13, -0.23, -0.33)


def asked(low: float, grid, exports=None):
    spot = duck_eur_per_kwh(grid, low=low)
    return {
        "issued_s": float(grid.start_s),
        "grid": grid,
        "soc_frac": 0.5,
        "pv": make_forecast("pv_w", grid, sunny_w(grid)),
        "load": make_forecast("load_w", grid, evening_w(grid)),
        "prices": make_prices(grid, spot, spot - 0.02 if exports is None else exports),
    }


def battery_of_wear(wear_eur_per_kwh: float) -> Battery:
    return Battery(
        capacity_wh=10_000.0,
        charge_w=5000.0,
        discharge_w=5000.0,
        efficiency_frac=0.85,
        replacement_eur_per_kwh=wear_eur_per_kwh * CYCLE_LIFE_COUNT["lfp"],
    )


@pytest.mark.parametrize("low", LOWS_EUR_PER_KWH)
@pytest.mark.parametrize("wear", WEARS_EUR_PER_KWH)
def test_a_day_costs_what_the_exact_optimum_costs(low, wear):
    site = make_site(battery_of_wear(wear), grid=Grid(import_w=17_000.0, export_w=10_000.0))
    arguments = asked(low, make_grid(48, slot_s=1800))
    plan = Mpc(site).plan(**arguments)
    best_eur, terminal = optimum(site, arguments, whole_numbers=True)
    assert worth(plan, site.battery, terminal) - best_eur == pytest.approx(0.0, abs=5e-4)


def test_no_executed_step_charges_and_discharges_or_buys_and_sells():
    """The plan has one power a step by its form; the energy that it walks must be the one that it was priced with."""
    site = make_site(battery_of_wear(0.0))
    grid = make_grid(48, slot_s=1800)
    plan = Mpc(site).plan(**asked(-0.33, grid, exports=np.full(48, 0.05)))
    leg, power_w = site.battery.leg_efficiency_frac, np.array(plan.battery_w)
    gained_wh = -np.where(power_w > 0.0, power_w / leg, power_w * leg) * 0.5
    np.testing.assert_allclose(np.diff(plan.soc_frac) * 10_000.0, gained_wh, atol=1e-6)
