"""Rooms found again from a made house, their predictor, and what is said of those that cannot be rooms."""

import dataclasses
import json
import os
import subprocess
import sys
import tomllib
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.pv import LINKE_DEFAULT
from core_kernels.records import Frame
from core_kernels.rooms import window_sun
from core_kernels.solar import Location
from core_kernels.thermal import ThermalInputs, example_network, simulate
from core_kernels.timegrid import TimeGrid
from training.boosters import Recipe
from training.dataset import Series, horizon
from training.errors import TrainingError
from training.site import TrainingSite
from training.thermal_fit import fit_rooms, room_names
from training.thermal_guess import SingleRoom, bounded, doubts, neighbours, single_room
from training.thermal_predictor import ThermalPredictor

pytestmark = pytest.mark.training
PLACE = Location(49.2, 16.6, 230.0)
DAYS = 9
FIT_DAYS = 7
SITE_TOML = """
[site]
name = "made"
latitude_deg = 49.2
longitude_deg = 16.6
altitude_m = 230
timezone = "Europe/Prague"
"""


@pytest.fixture(scope="module")
def house():
    """Two rooms behind southern windows, on-off heaters, a sensor of 0.05 K."""
    random = np.random.default_rng(2)
    grid = TimeGrid(start_s=1_706_745_600, slot_s=900, count=DAYS * SLOTS_PER_DAY)
    hour = (grid.starts_s() / 3600.0) % 24.0
    cloud_frac = np.repeat(random.uniform(0.1, 1.0, DAYS), SLOTS_PER_DAY)
    ghi = np.maximum(0.0, 350.0 * np.sin((hour - 7.0) / 10.0 * np.pi)) * ((hour > 7.0) & (hour < 17.0)) * cloud_frac
    outdoor_c = 2.0 + np.cumsum(random.normal(0.0, 0.1, grid.count)) * 0.5
    heat_w = np.repeat(random.random((grid.count // 8, 2)) < 0.4, 8, axis=0) * 1500.0
    sun = window_sun(grid, ghi, PLACE, 180.0)
    states_c = simulate(example_network(2), ThermalInputs(outdoor_c, sun, heat_w), np.full(4, 20.0), 900.0)
    columns = {"temp_air_c": outdoor_c, "ghi_w_per_m2": ghi}
    for room, name in enumerate(("bath", "hall")):
        noise_k = random.normal(0.0, 0.05, grid.count)
        columns |= {f"heat_{name}_w": heat_w[:, room], f"room_{name}_c": states_c[:-1, room] + noise_k}
    zone = ZoneInfo("Europe/Prague")
    site = TrainingSite(name="made", location=PLACE, zone=zone, linke_ratio=LINKE_DEFAULT, arrays=())
    return Series(frame=Frame(grid=grid, columns=columns), table_slot_s=900, zone=zone), site


@pytest.fixture(scope="module")
def until_s(house):
    return float(house[0].frame.grid.start_s + FIT_DAYS * 86400)


@pytest.fixture(scope="module")
def command(house, tmp_path_factory):
    """`pems-train rooms` on the house, in a process whose kernels are compiled: searching takes many simulations."""
    folder = tmp_path_factory.mktemp("rooms")
    (folder / "site.toml").write_text(SITE_TOML)
    frame = house[0].frame
    table = pd.DataFrame({"time_utc": pd.to_datetime(frame.grid.starts_s(), unit="s", utc=True), **frame.columns})
    table.to_parquet(folder / "table.parquet", index=False)

    def run(*arguments):
        files = ("--site", str(folder / "site.toml"), "--table", str(folder / "table.parquet"))
        done = subprocess.run(
            [sys.executable, "-m", "training.cli", *arguments, *files],
            env={**os.environ, "NUMBA_DISABLE_JIT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    until = (table["time_utc"].iloc[0] + pd.Timedelta(days=FIT_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return run, folder, until


@pytest.fixture(scope="module")
def printed(command):
    run, folder, until = command
    return run("rooms", "--until", until, "--out", str(folder / "rooms"))


@pytest.fixture(scope="module")
def fitted(house, command, printed):
    assert printed
    return ThermalPredictor.load(command[1] / "rooms", house[1])


def days_after(until_s):
    return [(until_s + day * 86400.0, horizon(until_s + day * 86400.0, 96)) for day in range(2)]


def test_windows_and_resistances_are_found_again(fitted):
    truth, model = example_network(2), fitted.model
    assert model.window_azimuth_deg == 180.0
    total = model.network.air_mass_k_per_w + model.network.mass_out_k_per_w
    assert total == pytest.approx(truth.air_mass_k_per_w + truth.mass_out_k_per_w, rel=0.15)
    assert model.network.air_j_per_k == pytest.approx(truth.air_j_per_k, rel=0.25)
    assert fitted.fitted.doubts == ()
    assert (fitted.fitted.deviation_frac[:2] < 0.2).all()
    assert sum(model.mix) == pytest.approx(1.0)
    assert model.mix.network_frac > 0.9


def test_a_day_ahead_it_beats_the_present_and_a_single_room(house, fitted, until_s):
    scores = fitted.evaluate(house[0], days_after(until_s)).scores
    for name in ("room_bath_c", "room_hall_c"):
        ours, others = scores[name]["ours"], (scores[name]["persistence"], scores[name]["single_rc"])
        assert ours["rmse"] < 0.3
        assert ours["rmse"] < 0.5 * min(other["rmse"] for other in others)
        assert ours["coverage_80"] > 0.5


def test_rooms_are_printed_as_the_sites_zones_with_their_errors(printed):
    zones = tomllib.loads(printed)["zone"]
    assert [zone["name"] for zone in zones] == ["bath", "hall"]
    assert zones[0]["air_wh_per_k"] * 3600.0 == pytest.approx(example_network(2).air_j_per_k[0], rel=0.3)
    assert set(zones[0]) == {
        "name",
        "heat_w",
        "air_wh_per_k",
        "mass_wh_per_k",
        "air_mass_k_per_w",
        "mass_out_k_per_w",
        "solar_m2",
    }
    assert "windows at 180 deg" in printed
    assert "+- " in printed


def test_a_backtest_writes_the_asked_room_and_scores_all(command):
    run, folder, until = command
    out = folder / "hall.parquet"
    later = str(pd.Timestamp(until) + pd.Timedelta(days=2))[:10]
    said = run(
        *("backtest", "thermal", "--train-until", until, "--until", later),
        *("--room", "hall", "--out", str(out), "--json"),
    )
    summary = json.loads(said)
    assert summary["signal"] == "room_hall_c"
    assert set(summary["rooms"]) == {"room_bath_c", "room_hall_c"}
    assert summary["scores"]["ours"]["rmse"] < summary["scores"]["persistence"]["rmse"]
    table = pd.read_parquet(out)
    assert list(table.columns) == ["time_utc", "p10", "p50", "p90"]
    assert (table["p10"] <= table["p50"]).all()


def test_rooms_survive_the_disk(house, fitted, until_s, tmp_path):
    fitted.save(tmp_path)
    again = ThermalPredictor.load(tmp_path, house[1])
    day = days_after(until_s)[0]
    for name, values in fitted.predict(house[0], *day).items():
        np.testing.assert_array_equal(again.predict(house[0], *day)[name], values)
    assert again.importance() == fitted.importance()
    assert again.fitted.doubts == ()


def test_nothing_measured_after_the_issue_is_known(house, fitted, until_s):
    series, day = house[0], days_after(until_s)[0]
    later = series.frame.grid.starts_s() >= until_s
    columns = {n: np.where(later & n.startswith("room_"), 99.0, v) for n, v in series.frame.columns.items()}
    changed = dataclasses.replace(series, frame=Frame(grid=series.frame.grid, columns=columns))
    for name, values in fitted.predict(series, *day).items():
        np.testing.assert_array_equal(fitted.predict(changed, *day)[name], values)


def test_before_the_fit_there_is_nothing_to_ask(house):
    with pytest.raises(TrainingError, match="not fitted yet"):
        ThermalPredictor(house[1], Recipe()).model  # noqa: B018


def test_a_table_without_rooms_or_weather_is_refused(house):
    frame = house[0].frame
    bare = {name: values for name, values in frame.columns.items() if not name.startswith("room_")}
    with pytest.raises(TrainingError, match="0 columns room_"):
        room_names(Frame(grid=frame.grid, columns=bare))
    blind = {**frame.columns, "ghi_w_per_m2": np.full(frame.grid.count, np.nan)}
    with pytest.raises(TrainingError, match="3 days without a gap in temp_air_c, ghi_w_per_m2"):
        fit_rooms(Frame(grid=frame.grid, columns=blind), PLACE)


def test_a_first_look_finds_one_resistor_and_capacitor():
    random = np.random.default_rng(1)
    count, tau_s, resistance, window_m2 = 2000, 40.0 * 3600.0, 0.02, 3.0
    outdoor_c, sun = 5.0 + np.cumsum(random.normal(0.0, 0.1, count)), random.uniform(0.0, 200.0, count)
    heat_w = np.repeat(random.random(count // 8) < 0.5, 8) * 1000.0
    room_c = np.full(count, 20.0)
    for slot in range(count - 1):
        rest_c = outdoor_c[slot] + resistance * (heat_w[slot] + window_m2 * sun[slot])
        room_c[slot + 1] = rest_c + (room_c[slot] - rest_c) * np.exp(-900.0 / tau_s)
    found = single_room(ThermalInputs(outdoor_c, sun, heat_w[:, None]), 0, room_c, 900.0)
    assert found.tau_h == pytest.approx(40.0, rel=0.05)
    assert found.resistance_k_per_w == pytest.approx(resistance, rel=0.05)
    assert found.solar_m2 == pytest.approx(window_m2, rel=0.05)


def test_a_start_lies_within_what_a_room_can_be():
    assert bounded(SingleRoom(1e-6, 1e10, 2.0)) == pytest.approx(SingleRoom(0.008, 1e8, 2.0))
    assert bounded(SingleRoom(0.02, 1e7, 2.0)) == pytest.approx(SingleRoom(0.02, 1e7, 2.0))


def test_what_is_not_like_a_room_is_named():
    house = example_network(2)._replace(mass_out_k_per_w=np.array([0.001, 0.02]))
    assert "resistance 0.005 K/W is outside 0.008..0.5" in doubts("hall", house, 0)[0]
    assert doubts("bath", house, 1) == []


def test_many_rooms_touch_the_two_that_move_like_them():
    base = np.cumsum(np.random.default_rng(3).normal(size=(300, 3)), axis=0)
    rooms_c = np.column_stack([base[:, 0], base[:, 0] + 0.01 * base[:, 1], base[:, 1], base[:, 2], 0.9 * base[:, 2]])
    pairs = {tuple(pair) for pair in neighbours(rooms_c)}
    assert {(0, 1), (3, 4)} <= pairs
    assert len(pairs) < 10
    assert len(neighbours(rooms_c[:, :3])) == 3
