"""The capacity tariff: what is billed, what is planned, what the second-by-second loop does about it."""

import math
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from energy import (
    BATTERY,
    FEES,
    START_S,
    PerfectForecasts,
    duck_eur_per_kwh,
    evening_w,
    make_days,
    make_forecast,
    make_grid,
    make_house,
    make_prices,
    make_site,
)
from fakes import make_plan
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import qp
from core_kernels.records import Frame
from edge.control.fastloop import PULL_EUR_PER_KWH, best_power_w, wish
from edge.control.ledger import Market, cost_of
from edge.control.mpc import Mpc
from edge.control.oracle import solve_linear
from edge.control.peak import Cap, QuarterImport, cap_of, month_peak_w, months
from edge.control.problem import inputs, problem
from edge.control.words import Marginals
from edge.ingest.tariff import PriceBook
from edge.messages import plan_from_json, to_json
from edge.replay import Days, replay

PRAGUE = ZoneInfo("Europe/Prague")
BILLED = replace(FEES, peak_eur_per_kw_month=5.0)
NOON_S = START_S + 12 * 3600


def test_months_turn_at_local_midnight():
    last_of_june_s = 1_719_784_800  # 2024-06-30T22:00:00Z, midnight in Prague
    grid = make_grid(4, last_of_june_s - 1800)
    assert np.diff(months(grid, PRAGUE)).tolist() == [0, 1, 0]


def test_the_month_s_peak_is_its_highest_import_and_no_other_month_s():
    grid = make_grid(8, START_S - 3600 - 7200)  # 21:00Z on 31 May: June begins in Prague at 22:00Z
    grid_w = np.array([9000.0, 9000.0, 8000.0, math.nan, 700.0, math.nan, 1200.0, -5000.0])
    assert month_peak_w(grid_w, grid, START_S, PRAGUE) == 1200.0
    assert month_peak_w(-np.ones(8), grid, START_S, PRAGUE) == 0.0
    assert month_peak_w(np.full(8, math.nan), grid, START_S, PRAGUE) == 0.0


def test_what_fits_into_the_quarter_hour_shrinks_with_what_was_imported():
    plan = make_plan(peak_w=3000.0, peak_eur_per_kw=5.0)
    assert cap_of(make_plan(), NOON_S, 0.0) is None
    start, middle = cap_of(plan, NOON_S, 0.0), cap_of(plan, NOON_S + 450, 500.0)
    assert start is not None
    assert middle is not None
    assert (start.allowed_w, start.eur_per_kwh) == (3000.0, 20.0)
    assert middle.allowed_w == pytest.approx(2000.0)  # 750 Wh are allowed, 250 are left for half a quarter
    spent = cap_of(plan, NOON_S + 899, 800.0)
    assert spent is not None
    assert spent.allowed_w == 0.0


@given(
    net_w=st.floats(-9000.0, 9000.0),
    planned_w=st.floats(-5000.0, 5000.0),
    allowed_w=st.floats(0.0, 8000.0),
    prices=st.tuples(st.floats(-0.2, 0.6), st.floats(0.0, 0.2), st.floats(0.0, 0.5)),
)
def test_the_capped_power_is_the_best_of_a_fine_search(net_w, planned_w, allowed_w, prices):
    imports, spread, value = prices
    marginals = Marginals(imports, imports - spread, value, 0.02, BATTERY.leg_efficiency_frac)
    cap = Cap(allowed_w, 20.0, allowed_w, 5.0)

    def cost_eur(power_w):
        grid_kw, kw = (net_w - power_w) / 1000.0, power_w / 1000.0
        bill = grid_kw * (imports if grid_kw > 0.0 else imports - spread)
        stored = kw * (marginals.use_above_eur_per_kwh if kw > 0.0 else marginals.store_below_eur_per_kwh)
        pull = PULL_EUR_PER_KWH * ((power_w - planned_w) / 1000.0) ** 2
        return bill + stored + pull + 20.0 * max(grid_kw - allowed_w / 1000.0, 0.0)

    found_w = best_power_w(net_w, planned_w, marginals, BATTERY, cap)
    searched = min(cost_eur(power_w) for power_w in np.linspace(-5000.0, 5000.0, 401))
    assert -5000.0 <= found_w <= 5000.0
    assert cost_eur(found_w) <= searched + 1e-9


def test_a_spike_is_covered_up_to_the_peak_although_stored_energy_is_dear():
    dear = {"price_import_eur_per_kwh": (0.3,) * 4, "water_value_eur_per_kwh": 0.3}
    plan = make_plan(peak_w=3000.0, peak_eur_per_kw=5.0, **dear)
    house = make_house(900.0, load_w=5000.0)
    assert wish(house, make_plan(**dear), BATTERY).battery_w == 0.0
    command = wish(house, plan, BATTERY)
    assert command.battery_w == 2000.0
    assert command.reason == "hold the month's highest quarter hour at 3.0 kW: a kW more costs 5.00 EUR"


def test_charging_stops_where_the_quarter_hour_is_full():
    plan = make_plan(
        battery_w=(-5000.0,) * 4,
        price_import_eur_per_kwh=(0.05,) * 4,
        price_export_eur_per_kwh=(0.0,) * 4,
        peak_w=3000.0,
        peak_eur_per_kw=5.0,
    )
    assert wish(make_house(900.0, load_w=1000.0), plan, BATTERY).battery_w == -2000.0
    assert wish(make_house(900.0, load_w=1000.0), plan, BATTERY, imported_wh=600.0).battery_w == pytest.approx(400.0)


def test_import_is_added_up_within_the_clock_s_quarter_hour():
    quarter = QuarterImport()
    assert quarter.add(NOON_S + 100.0, 3600.0) == pytest.approx(100.0)  # before: taken to have been the same
    assert quarter.add(NOON_S + 110.0, 1800.0) == pytest.approx(110.0)
    assert quarter.add(NOON_S + 120.0, -500.0) == pytest.approx(115.0)
    assert quarter.add(NOON_S + 130.0, 0.0) == pytest.approx(115.0)  # export does not give it back
    assert quarter.add(NOON_S + 890.0, math.nan) == pytest.approx(115.0)
    assert quarter.add(NOON_S + 890.0, 3600.0) == pytest.approx(875.0)  # a long gap is filled with what came after
    assert quarter.add(NOON_S + 910.0, 0.0) == pytest.approx(10.0)  # a new quarter begins with the power before it


def test_a_plan_lifts_the_peak_only_as_far_as_it_pays():
    grid = make_grid()
    load = make_forecast("load_w", grid, evening_w(grid))
    arguments = {
        "issued_s": float(START_S),
        "grid": grid,
        "soc_frac": 0.5,
        "pv": make_forecast("pv_w", grid, 0.0),
        "load": load,
        "prices": make_prices(grid, duck_eur_per_kwh(grid) + 0.08, duck_eur_per_kwh(grid) - 0.01),
    }
    free = Mpc(make_site()).plan(**arguments)
    plan = Mpc(make_site(tariff=BILLED)).plan(**arguments)
    assert math.isnan(free.peak_w)
    assert max(free.grid_w) > 5000.0
    assert plan.peak_w == pytest.approx(max(plan.grid_w))
    assert plan.peak_w < 1500.0
    reached = Mpc(make_site(tariff=BILLED)).plan(**arguments, reached_peak_w=6000.0)
    assert reached.peak_w == pytest.approx(6000.0, abs=20.0)
    assert max(reached.grid_w) > 5000.0
    assert plan_from_json(to_json(plan)) == plan


@pytest.mark.parametrize("soc_frac", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("floor_w", [0.0, 1500.0])
def test_the_plan_is_as_good_as_the_exact_optimum(soc_frac, floor_w):
    grid = make_grid(96)
    site = make_site(tariff=replace(BILLED, peak_floor_w=floor_w))
    pv, load = make_forecast("pv_w", grid, 0.0), make_forecast("load_w", grid, evening_w(grid))
    prices = make_prices(grid, duck_eur_per_kwh(grid) + 0.08, duck_eur_per_kwh(grid) - 0.01)
    mpc = Mpc(site)
    # The pull to the last plan's peak fades over a few plans of the same moment.
    for _ in range(6):
        plan = mpc.plan(issued_s=START_S, grid=grid, soc_frac=soc_frac, pv=pv, load=load, prices=prices)
    known = inputs(pv, load, prices)
    least_kw = np.array([floor_w / 1000.0])
    peaks = qp.Peaks(5.0, least_kw, least_kw, np.ones(96, dtype=np.bool_))
    posed = problem(site, soc_frac, known, 0.0, peaks)
    shape = qp.structure(96, 900.0, BATTERY.leg_efficiency_frac, 0.0, np.zeros(96, dtype=np.int64))
    bounds = qp.vectors(shape, posed.slots, posed.terms)
    exact_kw = solve_linear(shape, bounds)[-1]
    assert plan.peak_w / 1000.0 == pytest.approx(exact_kw, abs=0.1)


def test_every_month_of_the_days_is_billed_from_the_floor_on():
    imports_wh = np.array([500.0, 100.0, 250.0, -900.0])
    market = Market(
        import_eur_per_kwh=np.zeros(4),
        export_eur_per_kwh=np.zeros(4),
        month=np.array([0, 0, 1, 1]),
        peak_eur_per_kw=5.0,
        peak_floor_w=1500.0,
    )
    cost = cost_of(imports_wh, 0.0, 0.0, market, None)
    assert cost.peak_eur == pytest.approx(5.0 * (2.0 + 1.5))
    assert cost.total_eur == cost.peak_eur


def test_replayed_days_pay_less_for_peaks_than_the_rules_do():
    measured = make_days(6)
    measured = Frame(grid=measured.grid, columns={**measured.columns, "pv_w": 0.2 * measured.columns["pv_w"]})
    site = make_site(tariff=BILLED)
    book = PriceBook(
        source="made",
        grid=make_grid(96 * 9),
        import_eur_per_kwh=duck_eur_per_kwh(make_grid(96 * 9)) + 0.08,
        export_eur_per_kwh=duck_eur_per_kwh(make_grid(96 * 9)) - 0.01,
        zone=site.zone,
    )
    days = Days(measured=measured, span=make_grid(96 * 3, START_S + 2 * 86_400), prices=book)
    ledger = replay(site, days, PerfectForecasts(measured)).ledger
    assert ledger.perfect_foresight.peak_eur < ledger.ours.peak_eur < ledger.rules.peak_eur
    assert ledger.ours.total_eur < ledger.rules.total_eur
    assert ledger.share_frac > 0.8
