"""A hill behind the garden: learned from clear days, carried by the bundle, and not seen where there is none."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core_kernels.features import PvPlant, sky
from core_kernels.pv import LINKE_DEFAULT, PvArray
from core_kernels.records import Frame
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid
from training.censor import censored
from training.dataset import Series
from training.pv_fit import identify, plant_document, plant_from
from training.shading import POINTS
from training.site import ArrayHint, TrainingSite

pytestmark = pytest.mark.training

ZONE = ZoneInfo("Europe/Prague")
PLACE = Location(49.2, 16.6, 230.0)
AZIMUTHS_DEG = np.linspace(0.0, 360.0, POINTS)
HILL_DEG = tuple(np.where((AZIMUTHS_DEG >= 230.0) & (AZIMUTHS_DEG <= 290.0), 24.0, 0.0).tolist())
ARRAYS = (PvArray(35.0, 190.0, 8000.0, 8000.0),)
YEAR = TimeGrid(start_s=1_672_531_200, slot_s=900, count=365 * 96)


def house(horizon_deg: tuple[float, ...]) -> tuple[Series, TrainingSite]:
    """A year of days clear and cloudy, with the noise of a meter."""
    random = np.random.default_rng(11)
    days = YEAR.count // 96
    cloud = np.repeat(np.where(random.random(days) < 0.35, 1.0, random.uniform(0.1, 0.8, days)), 96)
    flicker = np.where(cloud == 1.0, random.normal(1.0, 0.01, YEAR.count), random.uniform(0.5, 1.4, YEAR.count))
    haze = np.repeat(random.uniform(0.92, 1.02, days), 96)
    power_w = (
        sky(PvPlant(PLACE, ARRAYS, LINKE_DEFAULT, horizon_deg), YEAR).clear_w * np.clip(cloud * flicker, 0, 1) * haze
    )
    frame = Frame(grid=YEAR, columns={"pv_w": power_w})
    site = TrainingSite(
        name="hill", location=PLACE, zone=ZONE, linke_ratio=LINKE_DEFAULT, arrays=(ArrayHint(dc_w=8000.0),)
    )
    return Series(frame=frame, table_slot_s=900, zone=ZONE), site


def found(horizon_deg: tuple[float, ...]) -> tuple[PvPlant, Series]:
    series, site = house(horizon_deg)
    return identify(censored(series, site.location, site.export_w), site), series


def test_a_hill_in_the_west_is_found_where_it_stands_and_as_high_as_it_is():
    plant, series = found(HILL_DEG)
    profile_deg = np.array(plant.horizon_deg)
    middle = (AZIMUTHS_DEG >= 240.0) & (AZIMUTHS_DEG <= 280.0)
    np.testing.assert_allclose(profile_deg[middle], 24.0, atol=3.0)
    assert (profile_deg[(AZIMUTHS_DEG < 210.0) | (AZIMUTHS_DEG > 310.0)] == 0.0).all()
    assert abs(plant.arrays[0].azimuth_deg - 190.0) < 6.0  # without the hill the evening's loss turns it east
    late = np.isfinite(series.frame.column("pv_w")) & (sky(plant, YEAR).clear_w > 0.0)
    free, own = (sky(one, YEAR).clear_w[late] for one in (plant._replace(horizon_deg=()), plant))
    truth_w = sky(PvPlant(PLACE, ARRAYS, LINKE_DEFAULT, HILL_DEG), YEAR).clear_w[late]
    assert np.mean((own - truth_w) ** 2) < 0.3 * np.mean((free - truth_w) ** 2)


def test_under_a_free_sky_no_horizon_is_made_up():
    assert found(())[0].horizon_deg == ()


def test_hours_are_too_long_to_see_the_sun_come_out():
    series, site = house(HILL_DEG)
    hours = np.repeat(series.frame.column("pv_w").reshape(-1, 4).mean(axis=1), 4)
    hourly = Series(frame=Frame(grid=YEAR, columns={"pv_w": hours}), table_slot_s=3600, zone=ZONE)
    assert identify(censored(hourly, site.location, site.export_w), site).horizon_deg == ()


def test_the_horizon_goes_with_the_plant_and_a_free_one_is_not_written():
    hidden = PvPlant(PLACE, ARRAYS, LINKE_DEFAULT, HILL_DEG)
    assert plant_from(plant_document(hidden)) == hidden
    assert "horizon_deg" not in plant_document(hidden._replace(horizon_deg=()))
    assert plant_from(plant_document(hidden._replace(horizon_deg=()))).horizon_deg == ()
