"""Plants of every kind: several arrays on one inverter, Sandia, Perez, horizons, and every known part of the sky."""

import math

import numpy as np
import pytest

from core_kernels.irradiance import clear_sky
from core_kernels.plant import LINKE_DEFAULT, Inverter, Plant, PvArray, SandiaInverter, Weather, plant_of
from core_kernels.pv import clear_sky_power_w, plant_power_w, power_from_ghi_w
from core_kernels.solar import Location, sun_position
from core_kernels.transposition import MODELS

BRNO = Location(49.2, 16.6, 230.0)
EAST = PvArray(30.0, 90.0, 4000.0, 4000.0)
WEST = PvArray(30.0, 270.0, 4000.0, 4000.0)
DAY_S = 1718928000.0 + 900.0 * np.arange(96.0) + 450.0
AIR_C = np.linspace(10.0, 30.0, 96)
SKY = clear_sky(DAY_S, BRNO, LINKE_DEFAULT)


def power(plant, **weather):
    return plant_power_w(DAY_S, BRNO, plant, Weather(**weather))


def test_two_arrays_on_one_inverter_are_clipped_together():
    apart = power(plant_of((EAST, WEST)))
    together = power(Plant((EAST, WEST), (Inverter(4000.0 / 0.96),), (0, 0)))
    assert together.max() == pytest.approx(4000.0)
    assert apart.max() > 4000.0
    assert together.sum() < apart.sum()


def test_a_sandia_inverter_starts_late_and_eats_at_night():
    inverter = SandiaInverter(ac_w=4000.0, dc_w=4170.0, start_w=30.0, curve_per_w=-5e-6, night_w=1.5)
    have = power(Plant((EAST,), (inverter,), (0,)))
    assert have[0] == -1.5
    assert have.max() <= 4000.0
    assert have.max() > 2500.0
    with pytest.raises(ValueError, match="start_w"):
        inverter._replace(start_w=9000.0).curve()


@pytest.mark.parametrize("model", MODELS)
def test_every_sky_model_gives_a_day_that_resembles_the_others(model):
    have = power(plant_of((EAST, WEST))._replace(sky_model=model))
    assert have.sum() == pytest.approx(clear_sky_power_w(DAY_S, BRNO, (EAST, WEST)).sum(), rel=0.05)
    assert have.min() == 0.0


def test_a_cloudless_sky_given_in_three_parts_is_the_cloudless_sky():
    given = power(plant_of((EAST,)), **SKY._asdict())
    assert np.abs(given - clear_sky_power_w(DAY_S, BRNO, (EAST,))).max() < 1e-6


def test_the_clear_sky_index_scales_the_global():
    index = np.full(96, 0.5)
    by_index = power(plant_of((EAST,)), clear_sky_index=index, temp_air_c=AIR_C, wind_m_per_s=2.0)
    by_global = power_from_ghi_w(DAY_S, BRNO, (EAST,), 0.5 * SKY.ghi_w_per_m2, AIR_C, np.full(96, 2.0))
    assert np.abs(by_index - by_global).max() < 1e-6


def test_a_high_horizon_takes_the_direct_light_only():
    free, walled = (power(plant_of((EAST,))._replace(horizon_deg=h)) for h in ((), (89.0,) * 5))
    low = power(plant_of((EAST,))._replace(horizon_deg=(0.0,) * 5))
    morning = slice(20, 48)  # later the sun is behind the roof and its halo, spread over the sky, is a gain
    assert (walled[morning] <= free[morning] + 1e-9).all()
    assert 0.05 * free.sum() < walled.sum() < 0.5 * free.sum()
    assert np.abs(low - free).max() < 1.0


def test_snow_before_the_roof_adds_light():
    steep = plant_of((EAST._replace(tilt_deg=80.0),))
    assert power(steep, albedo_frac=0.75).sum() > 1.05 * power(steep, albedo_frac=0.2).sum()


@pytest.mark.parametrize("name", ["ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2", "temp_air_c", "wind_m_per_s"])
def test_one_missing_input_makes_one_missing_power(name):
    weather = {**SKY._asdict(), "temp_air_c": AIR_C, "wind_m_per_s": np.full(96, 2.0)}
    holed = weather[name].copy()
    holed[50] = math.nan
    have = power(plant_of((EAST,)), **{**weather, name: holed})
    assert np.flatnonzero(np.isnan(have)).tolist() == [50]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"inverter_of": (1,)}, "inverter_of"),
        ({"inverter_of": ()}, "inverter_of"),
        ({"sky_model": "klucher"}, "sky_model"),
        ({"horizon_deg": (1.0, 2.0)}, "profile_deg"),
        ({"linke": (3.0,)}, "linke"),
        ({"inverters": (Inverter(-1.0),)}, "inverter"),
    ],
)
def test_an_impossible_plant_is_refused_by_name(change, word):
    with pytest.raises(ValueError, match=word):
        power(plant_of((EAST,))._replace(**change))


def test_half_a_sky_is_refused():
    with pytest.raises(ValueError, match="weather must give"):
        power(plant_of((EAST,)), dni_w_per_m2=SKY.dni_w_per_m2)


def test_blocks_and_order_leave_no_trace():
    times_s = 1718928000.0 + 300.0 * np.arange(700.0)
    whole = clear_sky_power_w(times_s, BRNO, (EAST,))
    mixed = np.random.default_rng(4).permutation(700)
    assert np.array_equal(clear_sky_power_w(times_s[mixed], BRNO, (EAST,)), whole[mixed])
    assert clear_sky_power_w(np.empty(0), BRNO, (EAST,)).shape == (0,)
    assert whole[sun_position(times_s, BRNO).zenith_deg > 92.0].max() == 0.0
