"""Bad input gets an executable plan with named violations, or a named refusal before the solver; never silence."""

from __future__ import annotations

import math
import tomllib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from energy import START_S, evening_w, make_forecast, make_grid, make_prices, make_site, sunny_w

from edge.config import parse_site
from edge.config_house import Ev, FurtherBattery, Goals
from edge.control.demands import window
from edge.control.mpc import Mpc
from edge.control.surroundings import Surroundings, last_value, on_grid
from edge.errors import ConfigError, PlanError

PRAGUE = ZoneInfo("Europe/Prague")
CAR = Ev(name="car", energy_wh=8000.0, charge_w=7000.0)
GARAGE = FurtherBattery(name="garage", capacity_wh=5000.0, charge_w=2500.0, discharge_w=2500.0)


def known_on(grid):
    return {
        "issued_s": float(grid.start_s),
        "grid": grid,
        "soc_frac": 0.5,
        "pv": make_forecast("pv_w", grid, sunny_w(grid)),
        "load": make_forecast("load_w", grid, evening_w(grid)),
        "prices": make_prices(grid, 0.3, 0.1),
    }


def ask(site, grid, **changes):
    return Mpc(site).plan(**{**known_on(grid), **changes})


@pytest.mark.parametrize("stores", [(), (GARAGE,)])
def test_prices_of_four_euros_either_way_are_planned_within_all_limits(stores):
    grid = make_grid(48, slot_s=1800)
    spot = np.random.default_rng(3).choice([-4.0, 4.0], 48)
    site = make_site(evs=(CAR,), stores=stores)
    plan = ask(site, grid, prices=make_prices(grid, spot, spot - 0.01), around=Surroundings(soc_frac={"garage": 0.5}))
    power_w = np.array(plan.battery_w)
    assert np.abs(power_w).max() <= 5000.0 + 1e-6
    assert min(plan.soc_frac) >= 0.1 - 1e-9
    assert max(plan.grid_w) <= 17_000.0 + 25.0
    assert min(plan.grid_w) >= -10_000.0 - 1e-6
    car_w = np.array(plan.setpoint_w["ev.car"])
    assert car_w[:10].sum() * 0.5 * CAR.efficiency_frac == pytest.approx(8000.0, abs=60.0)  # 02:00 to 07:00


@pytest.mark.parametrize("column", ["pv", "load"])
def test_a_forecast_that_is_not_a_number_ends_the_plan_or_refuses_it_by_name(column):
    grid = make_grid(96)
    values = np.where(np.arange(96) < 40, 500.0, math.nan)
    plan = ask(make_site(evs=(CAR,)), grid, **{column: make_forecast(f"{column}_w", grid, values)})
    assert len(plan.battery_w) == len(plan.setpoint_w["ev.car"]) == 40
    word = {"pv": "PV", "load": "load"}[column]
    with pytest.raises(PlanError, match=f"nothing to plan from: {word} forecast missing"):
        ask(make_site(), grid, **{column: make_forecast(f"{column}_w", grid, math.nan)})


def test_prices_that_are_not_known_refuse_the_plan_by_name():
    grid = make_grid(96)
    with pytest.raises(PlanError, match="nothing to plan from: import price, export price missing"):
        ask(make_site(), grid, prices=make_prices(grid, math.nan, math.nan))


@pytest.mark.parametrize(
    ("around", "words"),
    [
        (Surroundings(is_connected={"ev.car": True}, departure_s={"ev.car": math.inf}), "infinity to integer"),
        (Surroundings(missing_wh={"ev.car": math.inf}), "ev.car"),
    ],
)
def test_numbers_that_the_sums_cannot_take_are_a_refusal_and_the_next_plan_is_made(around, words):
    grid, mpc = make_grid(96), Mpc(make_site(evs=(CAR,)))
    known = known_on(grid)
    with np.errstate(invalid="ignore"), pytest.raises(PlanError, match=f"the plan cannot be computed.*{words}"):
        mpc.plan(**known, around=around)
    np.testing.assert_allclose(mpc.plan(**known).battery_w, Mpc(make_site(evs=(CAR,))).plan(**known).battery_w)


def test_a_plan_that_fails_does_not_count_twice_what_the_car_was_given():
    mpc, grids = Mpc(make_site(evs=(CAR,))), [make_grid(96, START_S + 900 * k) for k in (0, 8, 12)]

    def at(grid, load_w):
        mpc.plan(
            issued_s=float(grid.start_s),
            grid=grid,
            soc_frac=0.5,
            pv=make_forecast("pv_w", grid, 0.0),
            load=make_forecast("load_w", grid, load_w),
            prices=make_prices(grid, np.where(grid.starts_s() < grids[1].start_s, 0.1, 0.3), 0.05),
        )
        return mpc.memory.given_wh.get("ev.car", 0.0)

    assert at(grids[0], 500.0) == 0.0
    with pytest.raises(PlanError):
        at(grids[1], math.nan)
    assert at(grids[2], 500.0) == pytest.approx(CAR.energy_wh, rel=0.01)


@pytest.mark.parametrize("slot_s", [1800, 3600])
def test_series_of_other_slots_are_refused_by_name(slot_s):
    grid, coarse = make_grid(96), make_grid(96 * 900 // slot_s, slot_s=slot_s)
    with pytest.raises(PlanError, match="on another grid"):
        ask(make_site(), grid, load=make_forecast("load_w", coarse, 500.0))
    with pytest.raises(PlanError, match="on another grid"):
        ask(make_site(), grid, prices=make_prices(coarse, 0.3, 0.1))


@pytest.mark.parametrize("slot_s", [900, 1800, 3600])
def test_any_slot_length_that_all_share_is_planned(slot_s):
    plan = ask(make_site(evs=(CAR,)), make_grid(24 * 3600 // slot_s, slot_s=slot_s))
    assert plan.slot_s == slot_s
    assert plan.violations == ()


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-06-01", 24)])
def test_a_deadline_is_at_seven_by_the_clock_on_the_wall(day, hours):
    start_s = int(datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=PRAGUE).timestamp())
    grid = make_grid(4 * hours, start_s)
    when = window(grid, PRAGUE, "17:00", "07:00")
    ends = [datetime.fromtimestamp(time_s, PRAGUE) for time_s in grid.edges_s()[1:][when.due].tolist()]
    assert [(end.hour, end.minute) for end in ends] == [(7, 0)]
    closed = [datetime.fromtimestamp(time_s, PRAGUE).hour for time_s in grid.starts_s()[~when.open].tolist()]
    assert set(closed) == set(range(7, 17))


def test_an_open_window_has_one_deadline_a_day():
    when = window(make_grid(192), PRAGUE, "00:00", "00:00")
    assert when.open.all()
    assert when.due.sum() == 2


SITE = {"site": {"name": "t", "latitude_deg": 49.2, "longitude_deg": 16.6}}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"battery": {"capacity_wh": 0, "charge_w": 1, "discharge_w": 1}}, "battery.capacity_wh must be >= 1"),
        (
            {"ev": [{"name": "a", "energy_wh": 1, "charge_w": 1, "arrival": "25:00"}]},
            r"ev\[0\].arrival .* time of the day",
        ),
        ({"load": [{"name": "a", "energy_wh": 1, "power_w": 1, "latest": "7"}]}, r"load\[0\].latest '7' is not HH:MM"),
        ({"ev": [{"name": "My Car", "energy_wh": 1, "charge_w": 1}]}, "ev.name must be of lower-case letters"),
        ({"load": [{"name": "a", "energy_wh": 1, "power_w": 1}] * 2}, "load.name must be different for each"),
        ({"hotwater": {"litres_count": 100, "heat_w": 2000, "draw_wh": 1, "by": "heatpump"}}, r"needs a \[heatpump\]"),
        ({"grid": {"load_phase_frac": [1.0, 1.0, 1.0]}}, "three shares that add up to 1"),
        (
            {"store": [{"name": "a", "capacity_wh": 1, "charge_w": 1, "discharge_w": 1, "soc_min_frac": 1.0}]},
            r"store\[0\].soc_min_frac must be below soc_max_frac",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_path(tables, words):
    with pytest.raises(ConfigError, match=words):
        parse_site({**SITE, **tables}, "site.toml", Path())


def test_the_tables_of_the_docs_are_a_site():
    text = (Path(__file__).resolve().parents[3] / "docs" / "house.md").read_text()
    tables = tomllib.loads("".join(block.split("```")[0] for block in text.split("```toml")[1:3]))
    site = parse_site({**SITE, **tables}, "house.md", Path())
    assert (site.evs[0].name, site.zones[0].by, site.stores[0].name) == ("car", "heatpump", "garage")
    assert (site.heatpump, site.hotwater, site.reserve, site.goals) != (None, None, None, Goals())


def test_too_many_or_upside_down_zones_are_refused():
    zone = {
        "heat_w": 1,
        "air_wh_per_k": 1,
        "mass_wh_per_k": 1,
        "air_mass_k_per_w": 1,
        "mass_out_k_per_w": 1,
        "least_c": 23,
        "most_c": 20,
    }
    with pytest.raises(ConfigError) as caught:
        parse_site({**SITE, "zone": [{**zone, "name": f"z{i}"} for i in range(18)]}, "site.toml", Path())
    assert "zone: there are 18, at most 17 are planned" in str(caught.value)
    assert "zone[17].least_c must be below most_c" in str(caught.value)


def test_stale_and_absent_measurements_are_not_known():
    from core_kernels.records import Frame

    grid = make_grid(12, slot_s=900)
    frame = Frame(grid=grid, columns={"room_a_c": np.where(np.arange(12) < 3, 20.0, math.nan)})
    assert last_value(frame, "room_a_c", grid.start_s + 3 * 900) == 20.0
    assert math.isnan(last_value(frame, "room_a_c", grid.start_s + 12 * 900))
    assert math.isnan(last_value(frame, "room_b_c", grid.start_s + 900))
    assert math.isnan(last_value(None, "room_a_c", 0.0))
    later = make_grid(4, start_s=grid.start_s + 10 * 900)
    weather = Frame(grid=grid, columns={"fc_temp_air_c": np.arange(12.0)})
    np.testing.assert_array_equal(on_grid(weather, "fc_temp_air_c", later), [10.0, 11.0, math.nan, math.nan])
    assert on_grid(None, "fc_temp_air_c", later).size == 0
