"""What the broker's users say of cars and rooms, in the plan: believed while it is young, named when it is not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from energy import START_S, duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.timegrid import TimeGrid
from edge.config import Site
from edge.config_house import Ev, Zone
from edge.control.demands import as_seen, window
from edge.control.mpc import Mpc
from edge.control.said import EV_AGE_S, SETPOINT_AGE_S, heard
from edge.control.surroundings import Surroundings
from edge.messages import Plan

CAR = Ev(name="car", energy_wh=20_000.0, charge_w=11_000.0, efficiency_frac=0.9, capacity_wh=60_000.0)
ROOM = Zone(
    name="living", heat_w=3000.0, air_wh_per_k=400.0, mass_wh_per_k=4000.0, air_mass_k_per_w=0.004,
    mass_out_k_per_w=0.02,
)  # fmt: skip
NOW_S = float(START_S)  # 02:00 in Prague
HOME = {"connected": 1.0, "vehicleSoc": 50.0, "effectiveLimitSoc": 80.0}


def told(age_s: float = 30.0, **values: float) -> dict[str, tuple[float, float]]:
    return {f"ev.{name}": (value, NOW_S - age_s) for name, value in values.items()}


def planned(site: Site, said: dict[str, tuple[float, float]], around: Surroundings | None = None) -> Plan:
    grid = make_grid(96)
    spot = duck_eur_per_kwh(grid)
    return Mpc(site).plan(
        issued_s=NOW_S,
        grid=grid,
        soc_frac=0.5,
        pv=make_forecast("pv_w", grid, sunny_w(grid)),
        load=make_forecast("load_w", grid, evening_w(grid)),
        prices=make_prices(grid, spot + 0.08, spot - 0.01),
        around=heard(site, around or Surroundings(), said, NOW_S),
    )


def given_wh(plan: Plan, first: int, last: int) -> float:
    """What reaches the car's battery in some slots [Wh]."""
    return float(np.array(plan.setpoint_w["ev.car"])[first:last].sum()) * 0.25 * 0.9


def test_a_car_gets_what_its_charge_lacks_to_its_limit_instead_of_the_usual() -> None:
    plan = planned(make_site(evs=(CAR,)), told(**HOME))
    assert given_wh(plan, 0, 20) == pytest.approx(18_000.0, abs=60.0), "30 % of 60 kWh by 07:00"
    assert plan.violations == ()


def test_a_car_that_is_full_or_away_gets_nothing_until_it_comes_again() -> None:
    for said in (told(**HOME | {"vehicleSoc": 80.0}), told(connected=0.0)):
        plan = planned(make_site(evs=(CAR,)), said)
        assert given_wh(plan, 0, 60) == pytest.approx(0.0, abs=5.0)
        assert plan.violations == ()


def test_its_departure_comes_before_the_clocks() -> None:
    plan = planned(make_site(evs=(CAR,)), told(**HOME, effectivePlanTime=NOW_S + 2 * 3600.0))
    assert given_wh(plan, 0, 8) == pytest.approx(18_000.0, abs=60.0)
    assert given_wh(plan, 8, 60) == 0.0, "it has left at four in the morning, until five in the afternoon"


def test_a_car_at_home_by_day_may_take_the_sun() -> None:
    late = Ev(name="car", energy_wh=9000.0, charge_w=11_000.0, arrival="20:00", departure="01:00", capacity_wh=60_000.0)
    by_clock, there = (planned(make_site(evs=(late,)), said) for said in ({}, told(**HOME)))
    assert given_wh(by_clock, 0, 70) == 0.0
    assert given_wh(there, 0, 70) == pytest.approx(18_000.0 * 0.9 / 0.92, rel=0.002)


def test_what_the_session_has_had_counts_where_the_charge_is_not_told() -> None:
    plan = planned(make_site(evs=(CAR,)), told(connected=1.0, chargedEnergy=10_000.0))
    assert given_wh(plan, 0, 20) == pytest.approx(11_000.0, abs=60.0)


def test_a_charge_without_a_capacity_is_named() -> None:
    site = make_site(evs=(replace(CAR, capacity_wh=math.nan),))
    plan = planned(site, told(**HOME))
    assert given_wh(plan, 0, 20) == pytest.approx(20_000.0, abs=60.0)
    assert plan.violations == ("ev.car: its charge is told, but without capacity_wh it says nothing",)


def test_what_is_too_old_is_not_used_and_named_in_the_plan() -> None:
    plan = planned(make_site(evs=(CAR,)), told(EV_AGE_S + 7200.0, **HOME))
    assert given_wh(plan, 0, 20) == pytest.approx(20_000.0, abs=60.0)
    assert plan.violations == ("ev.car: whether it is there was last told 3 h ago and is not used",)
    young = told(connected=1.0) | told(2 * EV_AGE_S, vehicleSoc=50.0)
    around = heard(make_site(evs=(CAR,)), Surroundings(), young, NOW_S)
    assert around.notes == ("ev.car: its charge was last told 2 h ago and is not used",)
    assert around.missing_wh == {}
    set_back = heard(make_site(evs=(CAR,)), Surroundings(), told(-3600.0, **HOME), NOW_S)
    assert set_back.is_connected == {}


def test_a_rooms_setpoint_moves_its_band() -> None:
    site = make_site(zones=(ROOM,))
    grid = make_grid(96)
    winter = Surroundings(
        outdoor_c=np.zeros(grid.count), solar_w_per_m2=np.zeros(grid.count), temperature_c={"room_living_c": 21.0}
    )
    usual = planned(site, {}, winter)
    warmer = planned(site, {"room.living.setpoint_c": (22.0, NOW_S - 3600.0)}, winter)
    assert min(warmer.expected_c["zone.living"][40:]) - min(usual.expected_c["zone.living"][40:]) > 1.5
    old = planned(site, {"room.living.setpoint_c": (22.0, NOW_S - SETPOINT_AGE_S - 100_000.0)}, winter)
    assert old.expected_c["zone.living"] == usual.expected_c["zone.living"]
    assert old.violations == ("the setpoint of living was last told 2 d ago and is not used",)


def test_a_house_of_which_nobody_says_anything_is_as_it_was() -> None:
    around = Surroundings(import_limit_w=3000.0)
    found = heard(make_site(evs=(CAR,), zones=(ROOM,)), around, {}, NOW_S)
    assert (found.import_limit_w, found.notes, found.is_connected, found.setpoint_c) == (3000.0, (), {}, {})


@given(
    st.integers(0, 23), st.integers(0, 23), st.integers(0, 95), st.sampled_from([None, True, False]),
    st.one_of(st.just(math.nan), st.floats(-7200.0, 3 * 86_400.0)),
)  # fmt: skip
def test_a_window_as_seen_always_ends_at_a_deadline_and_is_the_clocks_beyond_it(
    begin: int, end: int, shift: int, connected: bool | None, leaves_s: float
) -> None:
    grid = TimeGrid(start_s=START_S + 900 * shift, slot_s=900, count=192)
    zone = make_site().zone
    by_clock = window(grid, zone, f"{begin:02d}:00", f"{end:02d}:00")
    seen = as_seen(by_clock, grid, is_connected=connected, departure_s=grid.start_s + leaves_s)
    assert not (seen.due & ~seen.open).any(), "a deadline stands where something may run"
    if connected is None or (not connected and not by_clock.open[0]):
        assert seen is by_clock
        return
    assert bool(seen.open[0]) == connected
    last = min(math.ceil(max(leaves_s, 1.0) / 900.0) - 1, 191) if connected and leaves_s > 0.0 else -1
    if last >= 0:
        assert seen.open[: last + 1].all()
        assert not seen.due[:last].any()
    deadlines = np.flatnonzero(by_clock.due)
    ends = max(last, int(deadlines[0]) if last < 0 else 0)
    beyond = next((int(at) + 1 for at in deadlines if at >= ends), 192)
    np.testing.assert_array_equal(seen.open[beyond:], by_clock.open[beyond:])
    np.testing.assert_array_equal(seen.due[beyond:], by_clock.due[beyond:])
