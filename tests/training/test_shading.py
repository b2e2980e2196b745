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
from core_kernels.units import FloatArray
from training.censor import censored
from training.clear_days import clear_days
from training.dataset import Series
from training.pv_fit import identify, plant_document, plant_from
from training.shading import POINTS, horizon_of, lit_slots
from training.site import ArrayHint, TrainingSite

pytestmark = pytest.mark.training

ZONE = ZoneInfo("Europe/Prague")
PLACE = Location(49.2, 16.6, 230.0)
AZIMUTHS_DEG = np.linspace(0.0, 360.0, POINTS)
HILL_DEG = tuple(np.where((AZIMUTHS_DEG >= 230.0) & (AZIMUTHS_DEG <= 290.0), 24.0, 0.0).tolist())
ARRAYS = (PvArray(35.0, 190.0, 8000.0, 8000.0),)
SPRING = TimeGrid(start_s=1_680_307_200, slot_s=900, count=36 * 96)  # from April on: the kernels are plain Python here


def true_clear_w(horizon_deg: tuple[float, ...]) -> FloatArray:
    return sky(PvPlant(PLACE, ARRAYS, LINKE_DEFAULT, horizon_deg), SPRING).clear_w


def series_of(clear_w: FloatArray, table_slot_s: int = 900) -> Series:
    """Days clear and cloudy, with the noise of a meter."""
    random = np.random.default_rng(11)
    days = SPRING.count // 96
    cloud = np.repeat(np.where(random.random(days) < 0.35, 1.0, random.uniform(0.1, 0.8, days)), 96)
    flicker = np.where(cloud == 1.0, random.normal(1.0, 0.01, SPRING.count), random.uniform(0.5, 1.4, SPRING.count))
    haze = np.repeat(random.uniform(0.92, 1.02, days), 96)
    power_w = clear_w * np.clip(cloud * flicker, 0.0, 1.0) * haze
    return Series(frame=Frame(grid=SPRING, columns={"pv_w": power_w}), table_slot_s=table_slot_s, zone=ZONE)


def horizon_seen(series: Series) -> tuple[float, ...]:
    """What the clear days of a known plant show."""
    return horizon_of(lit_slots(clear_days(series, PLACE, 6), PvPlant(PLACE, ARRAYS, LINKE_DEFAULT)))


def identified(series: Series) -> PvPlant:
    arrays = (ArrayHint(dc_w=8000.0, tilt_deg=35.0),)  # one month does not tell a tilt
    site = TrainingSite(name="hill", location=PLACE, zone=ZONE, linke_ratio=LINKE_DEFAULT, arrays=arrays)
    return identify(censored(series, site.location, site.export_w), site)


def test_a_hill_in_the_west_is_found_where_it_stands_and_as_high_as_it_is():
    truth_w = true_clear_w(HILL_DEG)
    plant = identified(series_of(truth_w))
    profile_deg = np.array(plant.horizon_deg)
    middle = np.isin(AZIMUTHS_DEG, (260.0, 270.0))  # in April the sun stands above the hill before, and sets after
    np.testing.assert_allclose(profile_deg[middle], 24.0, atol=3.0)
    assert (profile_deg[(AZIMUTHS_DEG < 210.0) | (AZIMUTHS_DEG > 310.0)] == 0.0).all()
    assert abs(plant.arrays[0].azimuth_deg - 190.0) < 6.0  # without the hill the evening's loss turns it east
    free, own = (sky(one, SPRING).clear_w for one in (plant._replace(horizon_deg=()), plant))
    assert np.mean((own - truth_w) ** 2) < 0.7 * np.mean((free - truth_w) ** 2)


def test_under_a_free_sky_no_horizon_is_made_up():
    assert horizon_seen(series_of(true_clear_w(()))) == ()


def test_a_few_days_make_no_horizon():
    clear = clear_days(series_of(true_clear_w(HILL_DEG)), PLACE, 1)
    assert horizon_of(lit_slots(clear, PvPlant(PLACE, ARRAYS, LINKE_DEFAULT))) == ()


def test_hours_are_too_long_to_see_the_sun_come_out():
    hours_w = np.repeat(true_clear_w(HILL_DEG).reshape(-1, 4).mean(axis=1), 4)
    assert identified(series_of(hours_w, table_slot_s=3600)).horizon_deg == ()


def test_the_horizon_goes_with_the_plant_and_a_free_one_is_not_written():
    hidden = PvPlant(PLACE, ARRAYS, LINKE_DEFAULT, HILL_DEG)
    assert plant_from(plant_document(hidden)) == hidden
    free = hidden._replace(horizon_deg=())
    assert "horizon_deg" not in plant_document(free)
    assert plant_from(plant_document(free)) == free
