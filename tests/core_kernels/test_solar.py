"""Sun position against the NREL report, pvlib, and the full algorithm without interpolation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import solar, spa
from core_kernels.solar import Location, sun_position

BRNO = Location(49.2, 16.6, 230.0)
# pvlib 0.16.1 spa_python, altitude 230 m, its standard pressure: zenith, apparent zenith, azimuth.
GOLDEN_TIMES_S = np.array([1718967600.0, 1734773400.0, 1709218800.0, 1725165000.0, 1719010800.0])
GOLDEN = np.array(
    [
        [25.779157817, 25.771251918, 182.367254619],
        [74.897726453, 74.838754971, 160.598528562],
        [76.241387113, 76.176761346, 240.475342195],
        [87.68600737, 87.431285726, 80.263310248],
        [107.361589527, 107.361589527, 1.052484011],
    ]
)


def turn_deg(a, b):
    """Smallest difference of two angles."""
    return np.abs((np.asarray(a) - np.asarray(b) + 180.0) % 360.0 - 180.0)


def test_the_example_of_the_nrel_report_comes_out():
    """NREL/TP-560-34302, A.5: 2003-10-17 12:30:30 -7 h; elevation without refraction 39.872046, azimuth 194.34024."""
    position = sun_position(np.array([1066419030.0]), Location(39.742476, -105.1786, 1830.14))
    assert position.zenith_deg[0] == pytest.approx(90.0 - 39.872046, abs=1e-6)
    assert position.azimuth_deg[0] == pytest.approx(194.340241, abs=1e-6)
    assert position.apparent_zenith_deg[0] == pytest.approx(50.11162, abs=3e-4)  # the report's 820 mbar and 11 degC


def test_the_golden_positions_of_pvlib_come_out():
    position = sun_position(GOLDEN_TIMES_S, BRNO)
    assert np.abs(position.zenith_deg - GOLDEN[:, 0]).max() < 2e-7
    assert np.abs(position.apparent_zenith_deg - GOLDEN[:, 1]).max() < 2e-7
    assert turn_deg(position.azimuth_deg, GOLDEN[:, 2]).max() < 5e-7


@pytest.mark.training
def test_random_places_and_times_agree_with_pvlib():
    pd = pytest.importorskip("pandas")
    pvlib = pytest.importorskip("pvlib")
    random = np.random.default_rng(7)
    for _ in range(6):
        place = Location(random.uniform(-66, 66), random.uniform(-180, 180), random.uniform(0, 3000))
        times_s = np.floor(random.uniform(946684800, 2524608000, 60))
        index = pd.DatetimeIndex((times_s * 1e9).astype(np.int64), tz="UTC")
        pressure = pvlib.atmosphere.alt2pres(place.altitude_m)
        want = pvlib.solarposition.spa_python(index, *place, pressure)
        have = sun_position(times_s, place)
        assert np.abs(have.zenith_deg - want["zenith"].to_numpy()).max() < 2e-7
        assert np.abs(have.apparent_zenith_deg - want["apparent_zenith"].to_numpy()).max() < 2e-7
        sideways = turn_deg(have.azimuth_deg, want["azimuth"].to_numpy()) * np.sin(np.radians(have.zenith_deg))
        assert sideways.max() < 2e-7


@pytest.mark.training
def test_pressure_of_the_standard_atmosphere_agrees_with_pvlib():
    pvlib = pytest.importorskip("pvlib")
    for altitude_m in (-100.0, 0.0, 1830.0, 4000.0):
        assert solar.pressure_pa(altitude_m) == pytest.approx(pvlib.atmosphere.alt2pres(altitude_m), rel=1e-12)


def almanac(time_s, place):
    """Slow obvious twin: the Astronomical Almanac's low-precision sun, good to 0.01 deg between 1950 and 2050."""
    days = (time_s - solar.J2000_S) / 86400.0
    mean = math.radians(357.529 + 0.98560028 * days)
    ecliptic = math.radians(280.459 + 0.98564736 * days + 1.915 * math.sin(mean) + 0.020 * math.sin(2 * mean))
    tilt = math.radians(23.439 - 0.00000036 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal_deg = 280.46061837 + 360.98564736629 * days + place.longitude_deg
    hour = math.radians(sidereal_deg) - ascension
    latitude = math.radians(place.latitude_deg)
    up = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour)
    return math.degrees(math.acos(max(-1.0, min(1.0, up))))


@given(
    time_s=st.floats(min_value=0.0, max_value=2.5e9),
    latitude_deg=st.floats(min_value=-89.0, max_value=89.0),
    longitude_deg=st.floats(min_value=-180.0, max_value=180.0),
)
def test_an_independent_formula_agrees_to_two_hundredths_of_a_degree(time_s, latitude_deg, longitude_deg):
    place = Location(latitude_deg, longitude_deg, 0.0)
    position = sun_position(np.array([time_s]), place)
    assert abs(position.zenith_deg[0] - almanac(time_s, place)) < 0.025
    assert 0.0 <= position.azimuth_deg[0] <= 360.0
    assert position.apparent_zenith_deg[0] <= position.zenith_deg[0]


def test_interpolation_between_nodes_costs_less_than_a_billionth_of_a_radian():
    times_s = 1.7e9 + np.array([0.0, 5000.0, 10799.0, 21599.0, 30000.0, 43000.0, 9e6, 3e7, *range(0, 80000, 10000)])
    exact = np.empty((4, 16))
    spa.earth_at(times_s, exact)
    carried = np.empty((4, 16))
    spa.fill_celestial(times_s, 0.0, np.zeros(2, dtype=np.int64), np.empty((4, 19)), carried)
    mean_day = 2.0 * np.pi * ((times_s / 86400.0) % 1.0 - 0.5)
    carried[0] = (carried[0] - mean_day + np.pi) % (2.0 * np.pi) - np.pi
    assert np.abs(carried - exact).max() < 2e-10


def test_order_of_the_times_does_not_matter():
    times_s = 1.7e9 + 1800.0 * np.arange(200)
    shuffled = np.random.default_rng(3).permutation(200)
    forward = sun_position(times_s, BRNO)
    mixed = sun_position(np.ascontiguousarray(times_s[shuffled]), BRNO)
    assert np.array_equal(forward.zenith_deg[shuffled], mixed.zenith_deg)
    assert np.array_equal(forward.azimuth_deg[shuffled], mixed.azimuth_deg)


def test_no_times_give_no_positions():
    assert sun_position(np.empty(0), BRNO).zenith_deg.shape == (0,)


@pytest.mark.parametrize(
    ("times_s", "error"),
    [
        (np.arange(3), TypeError),
        ([1.0], TypeError),
        (np.zeros((2, 2)), ValueError),
        (np.arange(6.0)[::2], ValueError),
        (np.array([np.nan]), ValueError),
        (np.array([np.inf]), ValueError),
    ],
)
def test_unfit_times_are_refused_by_name(times_s, error):
    with pytest.raises(error, match="times_s"):
        sun_position(times_s, BRNO)


@pytest.mark.parametrize("place", [Location(91.0, 0.0, 0.0), Location(0.0, math.nan, 0.0)])
def test_an_impossible_place_is_refused(place):
    with pytest.raises(ValueError, match="location"):
        sun_position(np.zeros(1), place)
