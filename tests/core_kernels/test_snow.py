"""Snow on modules and on the ground: pvlib as oracle, a slow twin, plain cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.snow import SnowWeather, albedo, coverage, dc_loss

COUNT = 500
RANDOM = np.random.default_rng(9)
TIMES_S = 1.7e9 + 1800.0 * np.arange(COUNT)
WEATHER = SnowWeather(
    np.where(RANDOM.random(COUNT) < 0.03, RANDOM.uniform(0.0, 0.03, COUNT), 0.0),
    RANDOM.uniform(0.0, 900.0, COUNT),
    RANDOM.uniform(-15.0, 5.0, COUNT),
    np.abs(RANDOM.normal(0.05, 0.05, COUNT)),
)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore:A future version of pandas")
@pytest.mark.parametrize("tilt_deg", [0.0, 10.0, 35.0, 90.0])
def test_coverage_is_that_of_pvlib(tilt_deg):
    pvlib, pd = pytest.importorskip("pvlib"), pytest.importorskip("pandas")
    index = pd.to_datetime(TIMES_S, unit="s", utc=True)
    fall, poa, temp, depth = (pd.Series(values, index) for values in WEATHER)
    want = pvlib.snow.coverage_nrel(fall * 100.0, poa, temp, tilt_deg, depth * 100.0, initial_coverage=0.7)
    have = coverage(TIMES_S, WEATHER, tilt_deg, 0.7)
    assert np.abs(have[1:] - want.to_numpy()[1:]).max() < 1e-12
    for strings in (1, 3):
        assert np.array_equal(dc_loss(have, strings), pvlib.snow.dc_loss_nrel(have, strings))


def still(count, **changes):
    """Cold, dark hours on deep snow, without snowfall."""
    weather = SnowWeather(np.zeros(count), np.zeros(count), np.full(count, -20.0), np.full(count, 0.3))
    return 3600.0 * np.arange(float(count)), weather._replace(**changes)


def test_in_the_cold_and_dark_snow_stays():
    assert (coverage(*still(10), 35.0, 1.0) == 1.0).all()


def test_in_the_sun_it_slides_by_a_fifth_of_the_height_an_hour_times_the_sine_of_the_tilt():
    have = coverage(*still(10, temp_air_c=np.full(10, 1.0)), 30.0, 1.0)
    assert have == pytest.approx(np.maximum(1.0 - 0.0985 * np.arange(10.0), 0.0), abs=1e-12)


def test_bare_ground_means_a_clear_row():
    assert (coverage(*still(5, depth_m=np.zeros(5)), 35.0, 1.0) == 0.0).all()


@pytest.mark.parametrize("field", SnowWeather._fields)
def test_a_missing_input_makes_the_coverage_unknown_until_all_is_covered(field):
    times_s, weather = still(12)
    spoilt = getattr(weather, field).copy()
    spoilt[3] = math.nan
    weather = weather._replace(**{field: spoilt})
    snowfall_m = weather.snowfall_m.copy()
    snowfall_m[8] = 0.05
    have = coverage(times_s, weather._replace(snowfall_m=snowfall_m), 35.0, 0.4)
    assert have[:3] == pytest.approx(0.4)
    assert np.isnan(have[3:8]).all()
    assert (have[8:] == 1.0).all()


@given(st.floats(0.0, 90.0), st.floats(0.0, 1.0))
def test_coverage_and_loss_are_shares(tilt_deg, start_frac):
    have = coverage(TIMES_S[:80], SnowWeather(*(values[:80] for values in WEATHER)), tilt_deg, start_frac)
    assert ((have >= 0.0) & (have <= 1.0)).all()
    assert (dc_loss(have, 3) >= have - 1e-15).all()


def slow_albedo(times_s, snowfall_m, temp_air_c, depth_m, bare):
    """Verseghy's formula, row by row."""
    snow, found = 0.84, []
    for i in range(len(times_s)):
        hours = (times_s[i] - times_s[i - 1] if i else times_s[1] - times_s[0]) / 3600.0
        old = 0.5 if temp_air_c[i] >= 0.0 else 0.7
        snow = (snow - old) * math.exp(-0.01 * hours) + old
        if snowfall_m[i] >= 0.013 or depth_m[i] == 0.0:
            snow = 0.84
        share = min(depth_m[i] / 0.1, 1.0)
        found.append(bare + share * (snow - bare))
    return found


def test_the_ground_is_as_bright_as_the_formula_says():
    have = albedo(TIMES_S, WEATHER.snowfall_m, WEATHER.temp_air_c, WEATHER.depth_m)
    want = slow_albedo(TIMES_S, WEATHER.snowfall_m, WEATHER.temp_air_c, WEATHER.depth_m, 0.25)
    assert have == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize(("temp_c", "old_frac"), [(-5.0, 0.70), (0.0, 0.50)])
def test_fresh_snow_ages_towards_that_of_its_temperature(temp_c, old_frac):
    times_s, weather = still(1000)
    have = albedo(times_s, weather.snowfall_m, np.full(1000, temp_c), weather.depth_m)
    assert have[0] == pytest.approx(old_frac + (0.84 - old_frac) * math.exp(-0.01))
    assert have[-1] == pytest.approx(old_frac, abs=1e-4)
    assert (np.diff(have) < 0.0).all()


def test_without_snow_the_ground_is_bare_and_a_missing_depth_is_missing():
    times_s, weather = still(4)
    depth_m = np.array([0.0, 0.3, math.nan, 0.3])
    have = albedo(times_s, weather.snowfall_m, weather.temp_air_c, depth_m, 0.2)
    assert have[0] == 0.2
    assert np.isnan(have).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: coverage(*still(3), 91.0), "tilt_deg"),
        (lambda: coverage(*still(3), 30.0, math.nan), "start_frac"),
        (lambda: coverage(TIMES_S[::-1].copy(), WEATHER, 30.0), "times_s must rise"),
        (lambda: dc_loss(np.zeros(3), 0), "strings_count"),
        (lambda: albedo(*(np.ones(1),) * 4, 1.5), "bare_frac"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
