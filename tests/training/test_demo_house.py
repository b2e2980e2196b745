import numpy as np
import pytest

from core_kernels.features import PvPlant, sky
from core_kernels.pv import LINKE_DEFAULT, PvArray
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid
from training.errors import TrainingError
from training.sources import demo_house

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def pv():
    return demo_house.measured_pv_w()


@pytest.mark.parametrize("day", ["2012-03-04", "2012-11-06", "2013-03-05", "2013-03-18", "2013-06-09", "2013-06-20"])
def test_the_loggers_clock_shift_is_gone_in_summer_and_winter(pv, day):
    import pandas as pd

    start = pd.Timestamp(day, tz="America/Denver").tz_convert("UTC")
    measured = pv[start : start + pd.Timedelta(hours=24) - pd.Timedelta(minutes=15)].to_numpy()
    plant = PvPlant(Location(39.742, -105.1727, 1830.0), (PvArray(54.0, 167.0, 3470.0, 3500.0),), LINKE_DEFAULT)
    fits = []
    for minutes in range(-90, 91, 15):
        grid = TimeGrid(start_s=int(start.timestamp()) + minutes * 60, slot_s=900, count=96)
        fits.append((float(np.corrcoef(sky(plant, grid).clear_w, measured)[0, 1]), minutes))
    best, minutes = max(fits)
    assert best > 0.98
    assert abs(minutes) <= 15


def test_power_is_what_the_package_holds(pv):
    # shared/data/README.md: the largest value of the channel is 3,368 W, 3 % are missing
    assert pv.max() == pytest.approx(3368.0, abs=1.0)
    assert pv.isna().mean() == pytest.approx(0.03, abs=0.005)
    assert (pv.index.to_series().diff().dropna().dt.total_seconds() == 900.0).all()


def test_frost_that_the_weather_file_does_not_know_is_missing():
    import pandas as pd

    index = pd.date_range("2012-01-15 08:00", periods=24 * 4, freq="15min", tz="UTC")
    weather = demo_house.measured_weather(index)
    assert weather["temp_air_c"].isna().any()
    assert not (weather["temp_air_c"] <= 0.0).any()
    assert weather["ghi_w_per_m2"].notna().all()


def test_the_days_energy_is_the_profiles_and_the_power_is_lumpy():
    import pandas as pd

    load = demo_house.made_load_w("2013-06-03", 7, seed=1)
    profile = demo_house._profile_w()
    for day, group in load.groupby(load.index.tz_convert(demo_house.ZONE).date):
        kind = {5: "SA", 6: "FT"}.get(pd.Timestamp(day).weekday(), "WT")
        assert group.sum() / 60.0 == pytest.approx(profile[6, kind].sum() / 4.0, rel=1e-9)
    assert load.max() > 1800.0
    assert load.min() > 30.0
    share = {"SA": 1 / 7, "FT": 1 / 7, "WT": 5 / 7}
    yearly_wh = sum(values.sum() / 4.0 * share[kind] for (_, kind), values in profile.items()) * 365.0 / 12.0
    assert yearly_wh == pytest.approx(demo_house.YEAR_WH, rel=0.02)


def test_a_seed_gives_the_same_days_whatever_the_span():
    long, short = demo_house.made_load_w("2013-06-01", 4, seed=1), demo_house.made_load_w("2013-06-03", 1, seed=1)
    assert long[short.index].equals(short)
    assert not demo_house.made_load_w("2013-06-03", 1, seed=2).equals(short)


def test_days_with_a_clock_change_have_every_minute():
    for day in ("2013-03-10", "2013-11-03"):
        load = demo_house.made_load_w(day, 2, seed=1)
        assert load.notna().all()
        assert (load.index.to_series().diff().dropna().dt.total_seconds() == 60.0).all()


def test_the_demos_files_join_without_a_gap(tmp_path):
    import pandas as pd

    said = demo_house.write_demo(tmp_path, days=2)
    assert said["start"] == "2013-06-04T06:00:00Z"
    train = pd.read_parquet(tmp_path / "train.parquet")
    house, history = (pd.read_csv(tmp_path / name, parse_dates=["time_utc"]) for name in ("house.csv", "history.csv"))
    assert len(house) == (2 + demo_house.EXTRA_DAYS) * 1440
    assert len(history) == demo_house.HISTORY_DAYS * 96
    start = pd.Timestamp(said["start"])
    assert house["time_utc"].iloc[0] == start
    assert train["time_utc"].iloc[-1] == history["time_utc"].iloc[-1] == start - pd.Timedelta(minutes=15)
    assert not house.isna().any().any()
    assert house["pv_w"].iloc[:60].max() == 0.0


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("2011-04-20", "the demo can start from"),
        ("2013-12-30", "not on 2013-12-30"),
        ("2012-04-15", "was not measured"),
    ],
)
def test_a_span_that_was_not_measured_is_refused(tmp_path, first, says):
    with pytest.raises(TrainingError, match=says):
        demo_house.write_demo(tmp_path, first)


def test_a_package_without_its_data_is_named(monkeypatch):
    with pytest.raises(TrainingError, match="does not hold none.csv"):
        demo_house._package_file("demandlib", "none.csv")
