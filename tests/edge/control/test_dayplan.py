"""Schedules of relays and programs: shortest runs and rests kept, never dearer than before, the best of small cases."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from energy import BATTERY, duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w
from hypothesis import given, settings
from hypothesis import strategies as st

from core_kernels.qp import Structure
from edge.config import Grid, Site
from edge.config_house import HotWater, Load, Zone
from edge.control.dayplan import decide, model_of, states
from edge.control.mpc import Mpc, new_structure
from edge.control.problem import Problem, inputs, problem
from edge.control.repair import Fixed, Programme
from edge.control.rounding import Held, State, Switch, kept, rounded, starts
from edge.control.surroundings import Surroundings
from edge.control.switching import GAP_EUR
from edge.messages import Plan

HALF_HOUR_S = 1800.0
TANK = HotWater(litres_count=200.0, heat_w=2000.0, draw_wh=4000.0, by="relay")


def room(name: str, heat_w: float = 1000.0, **changes) -> Zone:
    values = {"least_c": 20.5, "most_c": 22.5, "min_on_s": HALF_HOUR_S, "min_off_s": HALF_HOUR_S}
    shape = {"air_wh_per_k": 400.0, "mass_wh_per_k": 3000.0, "air_mass_k_per_w": 0.01, "mass_out_k_per_w": 0.04}
    return Zone(name=name, heat_w=heat_w, by="relay", **{**shape, **values, **changes})


def around(site: Site, count: int, air_c: float = 20.8) -> Surroundings:
    rooms_c = {zone.signal: air_c for zone in site.zones}
    return Surroundings(
        outdoor_c=np.full(count, -3.0), solar_w_per_m2=np.zeros(count), temperature_c={**rooms_c, "room_tank_c": 46.0}
    )


def winter_plan(site: Site, mpc: Mpc, start_slot: int = 0, count: int = 96, load_w: float | None = None) -> Plan:
    grid = make_grid(count, start_s=make_grid().start_s + 900 * start_slot)
    spot = duck_eur_per_kwh(grid)
    return mpc.plan(
        issued_s=float(grid.start_s),
        grid=grid,
        soc_frac=0.5,
        pv=make_forecast("pv_w", grid, 0.2 * sunny_w(grid)),
        load=make_forecast("load_w", grid, evening_w(grid) if load_w is None else load_w),
        prices=make_prices(grid, spot + 0.08, spot - 0.01),
        around=around(site, count),
    )


def posed_of(site: Site, count: int) -> tuple[Structure, Problem]:
    grid = make_grid(count)
    spot = duck_eur_per_kwh(grid)
    prices = make_prices(grid, spot + 0.08, spot - 0.01)
    known = inputs(make_forecast("pv_w", grid, 0.0), make_forecast("load_w", grid, evening_w(grid)), prices)
    posed = problem(site, 0.5, known, 0.1, None, around(site, count))
    return new_structure(site, known, posed), posed


@st.composite
def devices(draw: st.DrawFn) -> tuple[list[Switch], np.ndarray, np.ndarray]:
    count, n = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    found = []
    for i in range(count):
        held = Held(draw(st.booleans()), draw(st.integers(1, 6)))
        allowed = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))) | draw(st.booleans())
        lasts = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        found.append(Switch(f"d{i}", "x", draw(st.floats(200.0, 3000.0)), *lasts, 0.0, allowed, State(held)))
    share = st.floats(0.0, 1.0)
    duty = np.array([draw(st.lists(share, min_size=n, max_size=n)) for _ in range(count)])
    return found, duty, np.full(n, draw(st.floats(0.5, 20.0)))


@given(devices())
def test_a_rounded_schedule_keeps_runs_rests_and_the_room_there_is_where_nothing_forces_it(case):
    switches, duty_frac, room_kw = case
    on = rounded(switches, duty_frac, room_kw)
    drawn_kw = sum(switch.power_w / 1000.0 * row for switch, row in zip(switches, on, strict=True))
    assert (drawn_kw <= room_kw + 1e-6).all()
    for switch, row in zip(switches, on, strict=True):
        assert not (row & ~switch.allowed).any()
        alone = switch.allowed.all() and sum(other.power_w / 1000.0 for other in switches) <= room_kw[0]
        if alone:
            assert kept(switch, row)


@given(st.lists(st.floats(0.0, 1.0), min_size=30, max_size=30), st.integers(1, 4))
def test_a_rounded_schedule_never_owes_or_gives_more_than_a_run(duty, on_steps):
    switch = Switch("d", "x", 1.0, on_steps, 1, 0.0, np.ones(30, dtype=np.bool_))
    on = rounded([switch], np.array([duty]), np.full(30, 5.0))[0]
    assert np.abs(np.cumsum(duty) - np.cumsum(on)).max() <= on_steps + 1.0


@pytest.mark.parametrize("start_eur", [0.0, 0.02])
def test_the_schedule_of_two_relays_is_the_best_of_all_schedules(start_eur):
    site = make_site(zones=(room("a", start_eur=start_eur), room("b", 1500.0, start_eur=start_eur)))
    shape, posed = posed_of(site, 5)
    switches = [component.switch for component in posed.components if component.switch]
    model = model_of(Programme(shape, posed), switches, Fixed({}, {}))
    every = [np.array(row) for row in itertools.product((False, True), repeat=5)]
    fit = [np.array(pair) for pair in itertools.product(every, every) if all(map(kept, switches, pair))]
    best_eur = min(found.cost_eur for on in fit if (found := model.judge(on, 10.0)))
    decision = decide(model, switches, np.full((2, 5), 0.4), np.full(5, 17.0), 60.0)
    found = model.judge(decision.on, 10.0)
    assert found is not None
    assert all(map(kept, switches, decision.on))
    assert best_eur - 1e-6 <= found.cost_eur <= best_eur + 3 * GAP_EUR


def test_the_model_counts_starts_and_comfort_as_they_are():
    site = make_site(zones=(room("a", start_eur=0.5),))
    shape, posed = posed_of(site, 8)
    switch = next(component.switch for component in posed.components if component.switch)
    model = model_of(Programme(shape, posed), [switch], Fixed({}, {}))
    once, twice = np.array([[0, 1, 1, 1, 1, 0, 0, 0]], bool), np.array([[0, 1, 1, 0, 0, 1, 1, 0]], bool)
    costs = [found.cost_eur for on in (once, twice) if (found := model.judge(on, 10.0))]
    assert costs[1] - costs[0] == pytest.approx(0.5, abs=0.05)
    assert [starts(switch, on[0]) for on in (once, twice)] == [1, 2]


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_a_plan_never_costs_more_than_the_schedule_before(seed):
    rng = np.random.default_rng(seed)
    site = make_site(zones=(room("a"), room("b", 700.0), room("c", 1300.0)))
    shape, posed = posed_of(site, 12)
    plain = [component.switch for component in posed.components if component.switch]
    before = rounded(plain, rng.uniform(0.0, 1.0, (3, 12)), np.full(12, 17.0))
    switches = [switch._replace(state=State(before=row)) for switch, row in zip(plain, before, strict=True)]
    model = model_of(Programme(shape, posed), switches, Fixed({}, {}))
    old = model.judge(before, 10.0)
    decision = decide(model, switches, rng.uniform(0.0, 1.0, (3, 12)), np.full(12, 17.0), 0.0)
    new = model.judge(decision.on, 10.0)
    assert old is not None
    assert new is not None
    assert new.cost_eur <= old.cost_eur + 1e-6


def test_relays_of_a_plan_are_on_or_off_for_a_day_and_keep_their_least_spells():
    site = make_site(zones=(room("a"), room("b", 1500.0)), hotwater=TANK)
    plan = winter_plan(site, Mpc(site, slice_s=2.0), count=120)
    for name, power_w in (("zone.a", 1000.0), ("zone.b", 1500.0), ("hotwater", 2000.0)):
        row = np.array(plan.setpoint_w[name])
        assert set(np.unique(row[:96])) <= {0.0, power_w}
        spells = np.diff(np.flatnonzero(np.diff(row[:96]) != 0.0))
        assert name == "hotwater" or not spells.size or spells.min() >= 2
    assert np.array(plan.expected_c["zone.a"])[:97].min() > 20.0


def test_a_tank_by_relay_is_heated_by_what_it_draws_and_by_nothing_else():
    site = make_site(hotwater=TANK)
    plan = winter_plan(site, Mpc(site, slice_s=0.0))
    heated_wh = 0.25 * sum(plan.setpoint_w["hotwater"])
    gained_wh = 200.0 * 1.163 * (plan.expected_c["hotwater"][-1] - plan.expected_c["hotwater"][0])
    lost_wh = heated_wh - gained_wh - 4000.0
    assert heated_wh > 4000.0
    assert 0.4 * 24.0 * TANK.loss_w < lost_wh < 1.2 * 24.0 * TANK.loss_w


def test_a_slice_of_nothing_gives_a_plan_that_keeps_the_fuse():
    site = make_site(zones=tuple(room(f"r{i}", 2000.0) for i in range(4)), grid=Grid(import_w=5500.0, export_w=5000.0))
    plan = winter_plan(site, Mpc(site, slice_s=0.0))
    assert max(plan.grid_w) <= 5520.0
    assert {power_w for row in plan.setpoint_w.values() for power_w in row} == {0.0, 2000.0}


def test_a_run_that_the_last_plan_began_goes_on_and_the_slot_that_runs_is_left_alone():
    site = make_site(zones=(room("a", min_on_s=7200.0),))
    mpc = Mpc(site, slice_s=0.0)
    first = np.array(winter_plan(site, mpc).setpoint_w["zone.a"])
    begin = int(np.flatnonzero(first > 0.0)[0])
    again = np.array(winter_plan(site, mpc, begin).setpoint_w["zone.a"])
    same = np.array(winter_plan(site, mpc, begin, load_w=900.0).setpoint_w["zone.a"])
    assert same[0] == again[0]
    if again[0] > 0.0:
        later = np.array(winter_plan(site, mpc, begin + 2).setpoint_w["zone.a"])
        assert (later[:6] > 0.0).all()


def test_how_a_device_stands_follows_from_what_was_told():
    grid = make_grid(8)
    told = grid, {"zone.a": np.array([0.0, 900.0, 900.0, 900.0, 0.0, 0.0, 0.0, 0.0])}
    later = make_grid(8, start_s=grid.start_s + 3 * 900)
    state = states(told, {"zone.a": Held(False, 5)}, later)
    assert state["zone.a"].held == Held(True, 2)
    assert state["zone.a"].before.tolist() == [True] + 7 * [False]
    assert "zone.b" not in state
    assert states(None, {}, later) == {}
    assert states(told, {}, make_grid(8, slot_s=1800)) == {}


def test_a_run_that_the_house_has_no_room_for_is_cut_short_by_name():
    site = make_site(
        replace(BATTERY, soc_min_frac=0.5), zones=(room("a", 4000.0),), grid=Grid(import_w=2000.0, export_w=0.0)
    )
    shape, posed = posed_of(site, 8)
    plain = next(component.switch for component in posed.components if component.switch)
    switch = plain._replace(on_steps=4, state=State(Held(True, 1)))
    model = model_of(Programme(shape, posed), [switch], Fixed({}, {}))
    decision = decide(model, [switch], np.zeros((1, 8)), np.full(8, 1.0), 0.0)
    assert not decision.on.any()
    assert decision.violations == ("zone.a is switched off before its shortest run is over",)


def test_a_program_that_may_not_be_interrupted_runs_once_and_through():
    washer = Load(name="washer", energy_wh=3000.0, power_w=2000.0, earliest="08:00", latest="16:00", uninterrupted=True)
    site = make_site(loads=(washer,))
    row = np.array(winter_plan(site, Mpc(site, slice_s=2.0), count=60).setpoint_w["load.washer"])
    run = np.flatnonzero(row)
    assert run.size == 6
    assert (row[run] == 2000.0).all()
    assert np.ptp(run) == 5
    local_hour = (make_grid(60).starts_s()[run] / 3600.0 + 2.0) % 24.0
    assert local_hour.min() >= 8.0
    assert local_hour.max() < 16.0
