"""Forecast weather as features: the light inside a forecast's slot, the hours around, and columns that a site names."""

import numpy as np
import pytest

from core_kernels.features import pv_features
from core_kernels.featurespec import AROUND, PV_FEATURES
from core_kernels.irradiance import clear_sky
from core_kernels.pv import LINKE_DEFAULT, PvArray
from core_kernels.pv_plant import PvPlant
from core_kernels.records import Frame
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid
from core_kernels.weather_features import extra_features, extra_of, ghi_w_per_m2, weather_columns

START_S = 1_370_304_000  # 2013-06-04 00:00 UTC
PLANT = PvPlant(Location(49.2, 16.6, 230.0), (PvArray(35.0, 180.0, 5000.0, 5000.0),), LINKE_DEFAULT)
QUARTERS = TimeGrid(start_s=START_S, slot_s=900, count=96)
HOURS = TimeGrid(start_s=START_S - 4 * 3600, slot_s=3600, count=32)
KNOWN = {feature.name for feature in PV_FEATURES}


def clear_ghi(grid):
    times_s = (grid.starts_s()[:, None] + (np.arange(60) + 0.5)[None, :] * grid.slot_s / 60).ravel()
    return clear_sky(times_s, PLANT.location, PLANT.linke_ratio).ghi_w_per_m2.reshape(-1, 60).mean(axis=1)


def hourly(**columns):
    return Frame(grid=HOURS, columns=columns)


def test_an_hourly_forecast_of_a_half_clear_day_follows_the_sun_inside_each_hour():
    found = ghi_w_per_m2(QUARTERS, PLANT, hourly(fc_ghi_w_per_m2=0.5 * clear_ghi(HOURS)))
    wanted = 0.5 * clear_ghi(QUARTERS)
    assert found == pytest.approx(wanted, abs=3.0)
    hold = np.repeat(0.5 * clear_ghi(HOURS)[4:28], 4)
    assert np.abs(found - wanted).max() < 0.1 * np.abs(hold - wanted).max()


def test_a_quarterly_forecast_is_taken_as_it_is():
    values = np.linspace(0.0, 500.0, 96)
    found = ghi_w_per_m2(QUARTERS, PLANT, Frame(grid=QUARTERS, columns={"fc_ghi_w_per_m2": values}))
    assert found == pytest.approx(values)


def test_a_forecast_of_darkness_stays_dark():
    night = TimeGrid(start_s=START_S, slot_s=900, count=8)
    found = ghi_w_per_m2(
        night,
        PLANT,
        Frame(grid=TimeGrid(start_s=START_S, slot_s=3600, count=2), columns={"fc_ghi_w_per_m2": np.zeros(2)}),
    )
    assert (found == 0.0).all()


def test_neighbours_are_the_same_forecast_hours_earlier_and_later():
    cloud = np.linspace(0.1, 0.9, HOURS.count)
    columns = weather_columns(QUARTERS, PLANT, hourly(fc_cloud_frac=cloud, fc_ghi_w_per_m2=0.7 * clear_ghi(HOURS)))
    for name in ("fc_cloud_frac", "fc_plant_frac", "fc_clearness"):
        for suffix, hours in AROUND.items():
            moved, middle = columns[name + suffix], columns[name]
            first, last = max(-hours, 0) * 4, 96 - max(hours, 0) * 4
            np.testing.assert_array_equal(moved[first:last], middle[first + hours * 4 : last + hours * 4])
    noon = columns["fc_clearness"][40:56]
    assert noon == pytest.approx(0.7, abs=0.01)
    assert columns["fc_day_clearness"][40:56] == pytest.approx(0.7, abs=0.01)


def test_what_no_forecast_says_is_missing():
    columns = weather_columns(QUARTERS, PLANT, None, ("fc_humidity_frac",))
    assert all(np.isnan(values).all() for values in columns.values())
    assert {"fc_humidity_frac_m2h", "fc_wind_m_per_s", "fc_day_clearness"} <= set(columns)


def test_columns_that_a_site_names_come_with_their_hours_and_four_digits():
    weather = hourly(fc_pressure_pa=np.linspace(95_123.4, 96_987.6, HOURS.count))
    history = Frame(grid=TimeGrid(start_s=START_S - 86_400, slot_s=900, count=96), columns={})
    matrix = pv_features(START_S, QUARTERS, history, PLANT, weather, ("fc_pressure_pa",))
    assert matrix.names[-5:] == tuple(f"fc_pressure_pa{suffix}" for suffix in AROUND)
    last = matrix.values[:, -5].astype(np.float64)
    assert last == pytest.approx(np.rint(last / 10.0) * 10.0, abs=0.01)
    assert last[0] == pytest.approx(95_360.0, abs=20.0)


def test_a_model_says_by_its_inputs_which_columns_it_needs():
    names = ("horizon_h", "fc_cloud_frac_m1h", "fc_pressure_pa_p2h", "fc_rain_mm", "fc_pressure_pa", "moon")
    assert extra_of(names, KNOWN) == ("fc_pressure_pa", "fc_rain_mm")
    assert len(extra_features(("fc_rain_mm",))) == len(AROUND)
