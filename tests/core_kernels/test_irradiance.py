"""Irradiance models against values of pvlib 0.16.1 and, where it is installed, pvlib itself."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import irradiance
from core_kernels.pv import LINKE_DEFAULT
from core_kernels.solar import Location, sun_position

BRNO = Location(49.2, 16.6, 230.0)
# 2024-06-21 11:00, 2024-12-21 09:30, 2024-02-29 15:00, 2024-09-01 04:30, 2024-06-21 23:00 UTC
TIMES_S = np.array([1718967600.0, 1734773400.0, 1709218800.0, 1725165000.0, 1719010800.0])
EXTRA = [1321.458422975, 1412.898187072, 1392.034539469, 1341.396857312, 1321.458422975]
TURBIDITY = [4.200819672131147, 2.0798387096774196, 3.3866666666666667, 4.222950819672131, 4.200819672131147]
CLEAR = [
    [868.071768, 805.267911, 142.898191],
    [234.239175, 822.422307, 19.145822],
    [166.179985, 489.4007, 49.248787],
    [3.077074, 9.817559, 2.637075],
    [0.0, 0.0, 0.0],
]


@given(st.integers(min_value=0, max_value=4_102_444_799))
def test_day_of_year_is_that_of_the_calendar(time_s):
    moment = datetime.fromtimestamp(time_s, UTC)
    days = 366 if moment.year % 4 == 0 and (moment.year % 100 or moment.year % 400 == 0) else 365
    assert irradiance.day_of_year_at(float(time_s)) == (moment.timetuple().tm_yday, days)


def test_extraterrestrial_irradiance_and_turbidity_are_those_of_pvlib():
    assert [irradiance.extra_at(t) for t in TIMES_S] == pytest.approx(EXTRA, abs=1e-8)
    linke = np.array(LINKE_DEFAULT)
    assert [irradiance.linke_at(t, linke) for t in TIMES_S] == pytest.approx(TURBIDITY, abs=1e-12)


def test_turbidity_runs_through_the_turn_of_the_year():
    linke = np.array(LINKE_DEFAULT)
    christmas, newyear = (datetime(2023, 12, 31, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    before, after = (irradiance.linke_at(day.timestamp(), linke) for day in (christmas, newyear))
    assert LINKE_DEFAULT[11] < before < after < LINKE_DEFAULT[0]


def test_airmass_is_that_of_kasten_and_young():
    want = [0.9997119918558381, 1.1539922333636758, 1.9942928525292494, 10.305791327930304, 37.91960837783625]
    assert [irradiance.airmass_at(z) for z in (0.0, 30.0, 60.0, 85.0, 90.0)] == pytest.approx(want, rel=1e-12)
    assert math.isnan(irradiance.airmass_at(90.001))


def test_haurwitz_is_that_of_pvlib():
    want = [1035.0920325344955, 714.2502789136854, 135.74174809181346, 0.0]
    assert [irradiance.haurwitz_at(z) for z in (0.0, 45.0, 80.0, 95.0)] == pytest.approx(want, rel=1e-12)


def test_glass_is_that_of_pvlib():
    angles = np.radians([0.0, 30.0, 60.0, 80.0, 89.0])
    want = [1.0, 0.9978868630200604, 0.9460029142226124, 0.6341166932367229, 0.09922519330755941]
    assert [irradiance.iam_physical_at(math.cos(a)) for a in angles] == pytest.approx(want, abs=1e-12)
    assert irradiance.iam_physical_at(-0.5) == pytest.approx(0.0, abs=1e-12)


def test_clear_sky_is_that_of_pvlib():
    sky = irradiance.clear_sky(TIMES_S, BRNO, LINKE_DEFAULT)
    assert np.abs(np.array(sky).T - np.array(CLEAR)).max() < 1e-5


def test_erbs_is_that_of_pvlib():
    ghi = np.array([700.0, 120.0, 300.0, 20.0, 0.0])
    sky = irradiance.decompose(TIMES_S, ghi, sun_position(TIMES_S, BRNO).zenith_deg)
    assert sky.dni_w_per_m2 == pytest.approx([415.5084695, 33.1354410, 1053.2649103, 0.0, 0.0], abs=1e-5)
    assert sky.dhi_w_per_m2 == pytest.approx([325.8441660, 111.3667988, 49.5, 20.0, 0.0], abs=1e-5)


@given(
    ghi=st.floats(min_value=0.0, max_value=1300.0),
    zenith_deg=st.floats(min_value=0.0, max_value=120.0),
)
def test_erbs_keeps_the_closure_of_the_global(ghi, zenith_deg):
    dni, dhi = irradiance.erbs_at(ghi, zenith_deg, 1361.0)
    assert dni >= 0.0
    assert 0.0 <= dhi <= ghi
    assert dni * math.cos(math.radians(zenith_deg)) + dhi == pytest.approx(ghi, abs=1e-9)


@given(
    st.floats(min_value=0.0, max_value=1000.0),
    st.floats(min_value=0.0, max_value=500.0),
    st.floats(min_value=0.05, max_value=1.0),
)
def test_a_flat_roof_sees_what_the_horizontal_plane_sees(dni, dhi, cos_zenith):
    sky = (dni * cos_zenith + dhi, dni, dhi, 1361.0)
    direct, diffuse, ground = irradiance.hay_davies_at(sky, cos_zenith, cos_zenith, 1.0)
    assert direct + diffuse + ground == pytest.approx(sky[0], rel=1e-9, abs=1e-9)


def test_a_plane_turned_away_sees_no_direct_light():
    direct, diffuse, ground = irradiance.hay_davies_at((500.0, 600.0, 100.0, 1361.0), 0.6, -0.2, 0.0)
    assert direct == 0.0
    assert 0.0 < diffuse < 100.0
    assert ground == pytest.approx(500.0 * 0.25 / 2.0)


def test_more_direct_light_than_reaches_the_air_gives_no_negative_sky():
    assert irradiance.hay_davies_at((900.0, 1500.0, 100.0, 1361.0), 0.6, 0.0, 0.5)[1] == 0.0


def test_missing_irradiance_stays_missing():
    zenith_deg = sun_position(TIMES_S, BRNO).zenith_deg
    sky = irradiance.decompose(TIMES_S, np.full(5, np.nan), zenith_deg)
    assert np.isnan(np.array(sky)).all()
    assert math.isnan(irradiance.positive_at(math.nan))
    assert np.isnan(irradiance.hay_davies_at((math.nan, math.nan, math.nan, 1361.0), 0.5, 0.5, 0.5)).all()


def test_a_negative_global_at_night_is_all_diffuse():
    assert irradiance.erbs_at(-2.0, 100.0, 1361.0) == (0.0, -2.0)


@pytest.mark.parametrize("linke", [(3.0,) * 11, (3.0,) * 11 + (0.5,), (3.0,) * 11 + (math.nan,)])
def test_unfit_turbidity_is_refused(linke):
    with pytest.raises(ValueError, match="linke"):
        irradiance.clear_sky(TIMES_S, BRNO, linke)


def test_arrays_of_another_length_are_refused_by_name():
    with pytest.raises(ValueError, match="ghi_w_per_m2 must have"):
        irradiance.decompose(TIMES_S, np.zeros(2), np.zeros(5))


@pytest.mark.training
@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear")
def test_a_year_of_clear_sky_agrees_with_pvlib():
    pd = pytest.importorskip("pandas")
    pvlib = pytest.importorskip("pvlib")
    index = pd.date_range("2023-12-30", "2025-01-03", freq="17h", tz="UTC", unit="ns")
    times_s = index.asi8 / 1e9
    place = pvlib.location.Location(BRNO.latitude_deg, BRNO.longitude_deg, altitude=BRNO.altitude_m)
    turbidity = pvlib.clearsky._interpolate_turbidity(np.array(LINKE_DEFAULT), index)
    want = place.get_clearsky(index, model="ineichen", linke_turbidity=turbidity)
    have = irradiance.clear_sky(times_s, BRNO, LINKE_DEFAULT)
    for name, values in zip(("ghi", "dni", "dhi"), have, strict=True):
        assert np.abs(values - want[name].to_numpy()).max() < 1e-5
