"""The PV figures: measured sets as tables, and rows that say what they measured beside what."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.bench.pv import CASES, Score, gefcom_rows, judged, nowcast_rows, rows, season_rows
from training.bench.pv_tables import GEFCOM, aneo, china, gefcom, newcastle
from training.boosters import Recipe
from training.errors import SetupError
from training.read import read_series
from training.site import load_site

pytestmark = pytest.mark.training
DATA = Path(os.environ.get("PEMS_DATA", Path(__file__).resolve().parents[2] / "../shared/data"))


def score(rmse, physics=80.0, coverage=0.8):
    ours = {"rmse": rmse, "pinball": rmse / 7.0, "coverage_80": coverage}
    others = {name: {"rmse": value, "pinball": value / 4.0} for name, value in
              (("persistence", 140.0), ("physics", physics), ("latest", 50.0))}  # fmt: skip
    return Score({"ours": ours, **others}, 1000.0)


def by_name(made):
    return {row.name.split(": ")[-1]: row for row in made}


def test_gefcom_is_the_mean_of_its_zones_as_a_share_of_capacity():
    made = by_name(gefcom_rows({"gefcom1": score(70.0), "gefcom2": score(76.0)}))
    assert made["RMSE"].value == pytest.approx(7.3)
    assert made["RMSE"].ok
    assert made["RMSE below 24 h persistence"].value == pytest.approx(100.0 * (1.0 - 73.0 / 140.0))
    assert made["daylight within P10 and P90"].ok
    assert made["RMSE beside physics"].target == "<= 8 %"


def test_a_figure_that_is_missed_says_so():
    made = by_name(gefcom_rows({"gefcom1": score(80.0, coverage=0.6), "gefcom2": score(80.0, coverage=0.6)}))
    assert not any(made[name].ok for name in ("RMSE", "RMSE below 24 h persistence", "daylight within P10 and P90"))
    late = season_rows(score(84.0))[0]
    assert (late.ok, late.value, late.reference_value) == (False, pytest.approx(8.4), pytest.approx(8.0))
    assert season_rows(score(82.0))[0].ok


def test_every_nowcast_stands_beside_the_seeds_target_too():
    made = nowcast_rows({"china5": score(31.0), "china5_15min": score(51.0), "newcastle": score(40.0)})
    assert [(row.target, row.ok) for row in made] == [
        ("<= 3.2 %", True), ("<= 5 %", True), ("<= 4.3 %", False), ("<= 5 %", False),
        ("<= 3.2 %", False), ("<= 5 %", True),
    ]  # fmt: skip
    assert made[2].reference_value == pytest.approx(5.0)


def test_a_set_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PEMS_DATA", str(tmp_path))
    with pytest.raises(SetupError, match="set of gefcom1 is absent"):
        rows()


@pytest.mark.parametrize(("make", "source"), [
    (china, "pv_china_stategrid"), (newcastle, "pv_newcastle_au"), (aneo, "pv_aneo_trondheim"),
])  # fmt: skip
def test_measured_sets_become_tables_with_noon_at_noon(make, source, tmp_path):
    if not (DATA / source).is_dir():
        pytest.skip(f"{DATA / source} is absent")
    files = make(DATA, tmp_path)
    site = load_site(files.site)
    frame = read_series(files.table, site.zone, site.extra).frame
    power_w = frame.column("pv_w")
    assert 0.7 * files.capacity_w < np.nanmax(power_w) < 1.1 * files.capacity_w or source == "pv_aneo_trondheim"
    hours = (frame.grid.starts_s() / 3600.0 + site.location.longitude_deg / 15.0) % 24.0
    known = np.isfinite(power_w)
    assert np.average(hours[known], weights=power_w[known]) == pytest.approx(12.0, abs=0.8)


@pytest.fixture
def month(tmp_path):
    """The files of one zone of GEFCom2014, cut to seven weeks."""
    if not (DATA / "pv_gefcom2014").is_dir():
        pytest.skip(f"{DATA / 'pv_gefcom2014'} is absent")

    def make(data, folder):
        files = gefcom(data, folder, 1)
        table = pd.read_parquet(files.table)
        table[table.time_utc < pd.Timestamp("2012-05-20", tz="UTC")].to_parquet(files.table, index=False)
        return files

    return make


def test_seven_weeks_of_one_zone_already_beat_persistence(month, tmp_path):
    case = CASES[0]._replace(make=month, train_until="2012-05-15", until="2012-05-20")
    found = judged(case, DATA, tmp_path, Recipe(rounds=15))
    assert found.capacity_w == GEFCOM[1][3]
    assert found.scores["ours"]["rows"] == 5 * 24
    assert found.percent("ours", "rmse") < found.percent("persistence", "rmse")
