"""A plan's rooms by the bundle: which numbers the planner takes from it, and how warm it will be under the plan."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from energy import duck_eur_per_kwh, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w
from fakes import make_plan
from made_rooms import Days, made_rooms, room_days

from core_kernels.units import SECONDS_PER_HOUR
from edge.config import parse_site
from edge.config_house import HeatPumpUnit, Zone
from edge.control.heating import whole
from edge.control.mpc import Mpc
from edge.control.surroundings import identified_of, surroundings_of
from edge.errors import ConfigError
from edge.foresight import planned_heat_w, with_rooms
from edge.messages import plan_from_json, to_json
from edge.recording import plain
from edge.recording.planning import ask_again

ROOMS = made_rooms()
NETWORK = ROOMS.model.network
HALL = Zone(name="hall", least_c=8.0, most_c=26.0)
HEAD = {"name": "t", "latitude_deg": 49.2, "longitude_deg": 16.6}
PAST = 4 * 96


@pytest.fixture(scope="module")
def days() -> Days:
    grid = make_grid(96)
    return room_days(5, start_s=grid.start_s - 900 * PAST)


def question(days: Days, zone: Zone, **changes: Any) -> dict[str, Any]:
    grid = make_grid(96)
    spot = duck_eur_per_kwh(grid)
    site = make_site(zones=(zone,), **changes)
    around = surroundings_of(site, grid, days.part(0, PAST), days.weather(0, PAST + 96), ROOMS)
    return {
        "issued_s": float(grid.start_s),
        "grid": grid,
        "soc_frac": 0.5,
        "pv": make_forecast("pv_w", grid, sunny_w(grid)),
        "load": make_forecast("load_w", grid, evening_w(grid)),
        "prices": make_prices(grid, spot + 0.08, spot - 0.01),
        "around": around,
    }


def test_a_zone_without_numbers_is_the_bundles_room_of_its_name() -> None:
    zone = whole(HALL, identified_of(ROOMS))
    assert zone.absent == ()
    assert zone.heat_w == 1200.0
    assert zone.air_wh_per_k * SECONDS_PER_HOUR == pytest.approx(NETWORK.air_j_per_k[0])
    assert zone.mass_wh_per_k * SECONDS_PER_HOUR == pytest.approx(NETWORK.mass_j_per_k[0])
    assert (zone.mass_out_k_per_w, zone.solar_m2) == (NETWORK.mass_out_k_per_w[0], NETWORK.solar_m2[0])
    assert whole(dataclasses.replace(HALL, heat_w=900.0), identified_of(ROOMS)).heat_w == 900.0


def test_what_site_toml_says_of_a_room_goes_before_the_bundle() -> None:
    own = Zone(name="hall", heat_w=1.0, air_wh_per_k=2.0, mass_wh_per_k=3.0, air_mass_k_per_w=4.0, mass_out_k_per_w=5.0)
    assert whole(own, identified_of(ROOMS)) is own
    assert whole(dataclasses.replace(HALL, name="attic"), identified_of(ROOMS)).absent != ()


def test_the_bundles_room_is_planned_and_decided_again_from_the_tape(days: Days) -> None:
    asked = question(days, HALL)
    site = make_site(zones=(HALL,))
    plan = Mpc(site).plan(**asked)
    assert plan.violations == ()
    assert max(plan.setpoint_w["zone.hall"]) <= 1200.0 + 1.0
    assert min(plan.expected_c["zone.hall"]) > 7.5
    again = ask_again(Mpc(site), json.loads(plain.text(plain.plain(asked))))
    assert plain.text(plain.plain(again)) == plain.text(plain.plain(plan))


def test_a_room_that_neither_file_nor_bundle_knows_is_left_out_and_named(days: Days) -> None:
    attic = dataclasses.replace(HALL, name="attic", sensor="room_bath_c")
    plan = Mpc(make_site(zones=(attic,))).plan(**question(days, attic))
    assert plan.violations[0].startswith("zone.attic is left out of the plan: neither site.toml nor the bundle knows")
    bath = dataclasses.replace(HALL, name="bath")
    plan = Mpc(make_site(zones=(bath,))).plan(**question(days, bath))
    assert plan.violations[0].endswith("knows its heat_w")


def test_a_plan_tells_how_warm_its_rooms_will_be(days: Days) -> None:
    site = make_site(zones=(HALL,))
    plan = Mpc(site).plan(**question(days, HALL))
    found = with_rooms(site, ROOMS, plan, days.part(0, PAST), days.weather(0, PAST + 96))
    assert list(found.room_p50_c) == ["hall", "bath"]
    middle_c, expected_c = np.array(found.room_p50_c["hall"]), np.array(found.expected_c["zone.hall"])
    assert middle_c.shape == (96,)
    assert np.abs(middle_c - (expected_c[1:] + expected_c[:-1]) / 2.0).max() < 2.5
    assert (np.array(found.room_p10_c["hall"]) <= middle_c).all()
    assert (np.array(found.room_p90_c["bath"]) >= np.array(found.room_p50_c["bath"])).all()
    assert to_json(plan_from_json(to_json(found))) == to_json(found)
    told = plain.text(plain.plain(found))
    assert plain.text(plain.plain(plain.plan(json.loads(told)))) == told


def test_a_plan_recorded_before_rooms_were_known_is_still_read(days: Days) -> None:
    old = plain.plain(make_plan())
    for name in ("room_p10_c", "room_p50_c", "room_p90_c"):
        del old[name]
    assert plain.plan(old).room_p50_c == {}


def test_without_rooms_in_the_bundle_a_plan_stays_as_it_is(days: Days) -> None:
    plan = make_plan()
    assert with_rooms(make_site(), None, plan, days.part(0, PAST), None) is plan


def test_rooms_that_cannot_be_forecast_are_named_in_the_plan(days: Days) -> None:
    plan = Mpc(make_site(zones=(HALL,))).plan(**question(days, HALL))
    found = with_rooms(make_site(), ROOMS, plan, days.part(0, PAST), None)
    assert found.room_p50_c == {}
    assert found.violations[-1].startswith("rooms are not forecast: ")


def test_a_heat_pump_gives_a_room_more_heat_than_it_draws(days: Days) -> None:
    zone = dataclasses.replace(HALL, by="heatpump")
    pump = HeatPumpUnit(heating_w=8000.0)
    plan = Mpc(make_site(zones=(zone,), heatpump=pump)).plan(**question(days, zone, heatpump=pump))
    grid, weather = make_grid(96), days.weather(0, PAST + 96)
    drawn_w = np.array(plan.setpoint_w["zone.hall"])
    heat_w = planned_heat_w(make_site(zones=(zone,), heatpump=pump), plan, weather, grid)["hall"]
    assert drawn_w.max() > 50.0
    assert (heat_w[drawn_w > 50.0] > 2.0 * drawn_w[drawn_w > 50.0]).all()
    direct = planned_heat_w(make_site(zones=(HALL,)), plan, weather, grid)["hall"]
    assert direct == pytest.approx(drawn_w)


@pytest.mark.parametrize(
    ("zone", "bundled", "says"),
    [
        ({"heat_w": 1000.0}, False, "zone[0].air_wh_per_k is missing"),
        ({}, False, "zone[0].heat_w is missing"),
        ({"air_wh_per_k": 100.0}, True, "zone[0].heat_w is missing"),
        ({"heat_w": 900.0, "air_wh_per_k": 100.0}, True, "zone[0].mass_wh_per_k is missing"),
    ],
)
def test_half_a_room_is_a_problem_of_the_file(zone: dict[str, float], bundled: bool, says: str) -> None:
    data: dict[str, Any] = {"site": HEAD, "zone": [{"name": "hall", **zone}]}
    if bundled:
        data["bundle"] = {"path": "b.zip", "public_key": "b.pub"}
    with pytest.raises(ConfigError) as caught:
        parse_site(data, "site.toml", Path())
    assert any(says in problem for problem in caught.value.problems)


def test_a_room_by_its_name_alone_is_enough_beside_a_bundle() -> None:
    data = {"site": HEAD, "zone": [{"name": "hall"}], "bundle": {"path": "b.zip", "public_key": "b.pub"}}
    (zone,) = parse_site(data, "site.toml", Path()).zones
    assert math.isnan(zone.heat_w)
