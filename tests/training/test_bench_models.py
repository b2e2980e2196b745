"""The models' bench: rows and their targets, measured homes as they lie on disk, and one home's figures."""

import json

import numpy as np
import pandas as pd
import pytest

from core_kernels.figures import limit_row, machine, ratio_row
from training.bench import data_folder
from training.bench.fit import home_year, main
from training.bench.homes import load_home, thermal_home
from training.bench.load import home_rows
from training.cli.bench import _document, _line
from training.errors import SetupError

pytestmark = pytest.mark.training


def test_a_row_is_met_up_to_its_share_of_the_reference():
    assert ratio_row("x", (92.0, 100.0), "W", "other", 0.92, "<= 0.92x").ok
    missed = ratio_row("x", (93.0, 100.0), "W", "other", 0.92, "<= 0.92x")
    assert not missed.ok
    assert missed.ratio == pytest.approx(0.93)
    assert _line(missed) == "MISSED  x: 93 W; other 100, ratio 0.930; target <= 0.92x"
    assert json.loads(json.dumps(_document(missed)))["error"] is None


def test_a_limit_is_met_below_it_whatever_the_reference_says():
    assert limit_row("x", (0.4, 0.1), "K", "other", 0.5).ok
    assert not limit_row("x", (0.6, 9.0), "K", "other", 0.5).ok
    assert machine()


def test_absent_data_are_said_with_the_variable_that_names_them(monkeypatch, tmp_path):
    monkeypatch.setenv("PEMS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SetupError, match="PEMS_DATA names their folder"):
        data_folder()
    monkeypatch.setenv("PEMS_DATA", str(tmp_path))
    assert data_folder() == tmp_path


def write(folder, name, table):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_parquet(folder / name)


def test_local_clocks_become_utc_and_long_slots_are_held(tmp_path):
    clock = pd.date_range("2012-01-01", periods=48, freq="30min")
    write(tmp_path, "home_ausgrid_c12/customer.parquet", {"t_local": clock, "GC": np.arange(48.0)})
    (tmp_path / "home_ausgrid_c12" / "customer.parquet").rename(
        tmp_path / "home_ausgrid_c12" / "ausgrid_c12_30min.parquet"
    )
    series = load_home("ausgrid", tmp_path)
    assert series.frame.grid.start_s == pd.Timestamp("2011-12-31T13:00Z").timestamp()
    assert series.table_slot_s == 1800
    assert series.frame.column("load_w")[:4].tolist() == [0.0, 0.0, 1000.0, 1000.0]
    hours = pd.date_range("2016-08-01", periods=24, freq="1h")
    write(tmp_path, "homes_citylearn2022/load_kwh_hourly.parquet", {"label_local_clock": hours, "b3": np.full(24, 0.5)})
    assert (load_home("b3", tmp_path).frame.column("load_w") == 500.0).all()


def test_a_measured_house_of_one_room_has_watts_and_sun(tmp_path):
    times = pd.date_range("2009-02-05 14:26", periods=30, freq="5min").astype(str)
    flat = {name: np.full(30, value) for name, value in {"Ta": 1.0, "Ps": -0.001, "Ph": 5.0, "yTi": 21.0}.items()}
    write(tmp_path, "thermal_flexhouse/flexhouse_prbs_5min.parquet", {"TimeDate": times, **flat})
    series, place = thermal_home("flexhouse", tmp_path)
    frame = series.frame
    assert np.nanmax(frame.column("heat_hall_w")) == 5000.0
    assert np.nanmax(frame.column("ghi_w_per_m2")) == 0.0
    assert place.latitude_deg == pytest.approx(55.69)


def test_one_homes_figures_stand_beside_their_references(made):
    pinball, rmse = home_rows("made", made.series)
    assert pinball.reference == "28-day empirical quantiles"
    assert pinball.ok
    assert 10.0 < pinball.value < pinball.reference_value
    assert (rmse.reference, rmse.target) == ("7-day mean", "<= 1x")


def test_the_made_year_has_everything_that_is_fitted(capsys):
    series, site = home_year(3)
    assert {"pv_w", "load_w", "room_hall_c", "heat_bath_w"} <= set(series.frame.columns)
    assert np.isfinite(series.frame.column("room_hall_c")).all()
    assert site.arrays[0].dc_w == 9000.0
    main("nothing")
    assert json.loads(capsys.readouterr().out)["peak_mb"] > 50.0
