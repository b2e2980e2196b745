"""The PV chain against values of pvlib 0.16.1, pvlib itself, and a measured roof."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.pv import LINKE_DEFAULT, PvArray, clear_sky_power_w, inverter_at, power_from_ghi_w
from core_kernels.solar import Location

BRNO = Location(49.2, 16.6, 230.0)
ROOFS = (PvArray(35.0, 180.0, 10000.0, 8000.0), PvArray(20.0, 90.0, 4000.0, 3000.0))
TIMES_S = np.array([1718967600.0, 1734773400.0, 1709218800.0, 1725165000.0, 1719010800.0])
GHI = np.array([700.0, 120.0, 300.0, 20.0, 0.0])
DAY_S = 1718928000.0 + 900.0 * np.arange(96) + 450.0


def test_clear_sky_power_is_that_of_the_pvlib_chain():
    want = [9826.751357, 6028.483429, 2421.858277, 2.778388, 0.0]
    assert clear_sky_power_w(TIMES_S, BRNO, ROOFS) == pytest.approx(want, abs=1e-4)


def test_power_from_global_irradiance_is_that_of_the_pvlib_chain():
    have = power_from_ghi_w(TIMES_S, BRNO, ROOFS, GHI, np.full(5, 20.0), np.full(5, 3.0))
    assert have == pytest.approx([7975.293788, 1472.84455, 4473.802473, 160.164294, 0.0], abs=1e-4)


def test_the_inverter_is_that_of_pvwatts():
    want = [0.0, 67.55934436027809, 948.3055058628204, 3847.874085296254, 4802.0031130019715, 5000.0]
    have = [inverter_at(dc_w, 5000.0) for dc_w in (0.0, 100.0, 1000.0, 4000.0, 5000.0, 6000.0)]
    assert have == pytest.approx(want, abs=1e-9)
    assert inverter_at(20.0, 5000.0) == 0.0


@given(st.floats(min_value=-1e5, max_value=1e5), st.floats(min_value=100.0, max_value=5e4))
def test_the_inverter_neither_creates_energy_nor_exceeds_its_rating(dc_w, inverter_w):
    assert 0.0 <= inverter_at(dc_w, inverter_w) <= min(max(dc_w, 0.0), inverter_w)


def test_missing_inputs_give_missing_power_day_and_night():
    for name in range(3):
        inputs = [GHI.copy(), np.full(5, 20.0), np.full(5, 3.0)]
        inputs[name][:] = np.nan
        assert np.isnan(power_from_ghi_w(TIMES_S, BRNO, ROOFS, *inputs)).all()
    assert np.isnan(clear_sky_power_w(TIMES_S, BRNO, ROOFS, temp_air_c=np.full(5, np.nan))).all()
    assert math.isnan(inverter_at(math.nan, 5000.0))


def test_one_missing_sample_leaves_the_others_alone():
    ghi = GHI.copy()
    ghi[1] = np.nan
    whole = power_from_ghi_w(TIMES_S, BRNO, ROOFS, GHI, np.full(5, 20.0), np.full(5, 3.0))
    holed = power_from_ghi_w(TIMES_S, BRNO, ROOFS, ghi, np.full(5, 20.0), np.full(5, 3.0))
    assert np.array_equal(np.isnan(holed), [False, True, False, False, False])
    assert np.array_equal(np.delete(holed, 1), np.delete(whole, 1))


def test_arrays_add_up():
    apart = [clear_sky_power_w(DAY_S, BRNO, (roof,)) for roof in ROOFS]
    assert clear_sky_power_w(DAY_S, BRNO, ROOFS) == pytest.approx(apart[0] + apart[1], abs=1e-9)


def test_a_small_inverter_clips_a_summer_noon():
    roof = PvArray(35.0, 180.0, 10000.0, 5000.0)
    power_w = clear_sky_power_w(DAY_S, BRNO, (roof,))
    assert power_w.max() == 5000.0
    assert np.count_nonzero(power_w == 5000.0) > 8


def test_an_east_roof_peaks_before_a_west_roof():
    east, west = (clear_sky_power_w(DAY_S, BRNO, (PvArray(30.0, a, 5000.0, 5000.0),)) for a in (90.0, 270.0))
    assert DAY_S[np.argmax(east)] + 4 * 3600 < DAY_S[np.argmax(west)]
    assert east.sum() == pytest.approx(west.sum(), rel=0.02)


def test_heat_costs_power_and_haze_costs_light():
    cool, hot = (clear_sky_power_w(TIMES_S[:1], BRNO, ROOFS[1:], temp_air_c=c)[0] for c in (0.0, 35.0))
    assert hot < cool
    hazy = clear_sky_power_w(TIMES_S[:1], BRNO, ROOFS[1:], linke=tuple(t + 2.0 for t in LINKE_DEFAULT))[0]
    assert hazy < clear_sky_power_w(TIMES_S[:1], BRNO, ROOFS[1:])[0]


@pytest.mark.parametrize(
    "arrays",
    [
        (),
        (PvArray(math.nan, 180.0, 1000.0, 1000.0),),
        (PvArray(30.0, 180.0, 0.0, 1000.0),),
        (PvArray(30.0, 180.0, 1000.0, -1.0),),
        (PvArray(30.0, 180.0, 1000.0, 1000.0, -0.004, 1.0),),
    ],
)
def test_impossible_arrays_are_refused(arrays):
    with pytest.raises(ValueError, match="arrays"):
        clear_sky_power_w(TIMES_S, BRNO, arrays)


def test_inputs_of_another_length_are_refused_by_name():
    with pytest.raises(ValueError, match="temp_air_c must have"):
        clear_sky_power_w(TIMES_S, BRNO, ROOFS, temp_air_c=np.zeros(2))
    with pytest.raises(ValueError, match="wind_m_per_s must have"):
        power_from_ghi_w(TIMES_S, BRNO, ROOFS, GHI, np.zeros(5), np.zeros(1))
    with pytest.raises(TypeError, match="ghi_w_per_m2"):
        power_from_ghi_w(TIMES_S, BRNO, ROOFS, GHI.astype(np.float32), np.zeros(5), np.zeros(5))


def pvlib_chain(pvlib, place, index, arrays, weather):
    """The same models by pvlib's own functions: AC power of all arrays [W]."""
    position = place.get_solarposition(index)
    extra = pvlib.irradiance.get_extra_radiation(index)
    sky = pvlib.irradiance.erbs(weather[0], position["zenith"].to_numpy(), index)
    total = np.zeros(len(index))
    sun = (position["apparent_zenith"], position["azimuth"])
    for roof in arrays:
        plane = pvlib.irradiance.get_total_irradiance(
            roof.tilt_deg,
            roof.azimuth_deg,
            *sun,
            sky["dni"],
            weather[0],
            sky["dhi"],
            dni_extra=extra,
            model="haydavies",
        )
        aoi = pvlib.irradiance.aoi(roof.tilt_deg, roof.azimuth_deg, *sun)
        effective = plane["poa_direct"] * pvlib.iam.physical(aoi) + plane["poa_diffuse"]
        cell = pvlib.temperature.faiman(plane["poa_global"], weather[1], weather[2])
        dc_w = pvlib.pvsystem.pvwatts_dc(effective, cell, roof.dc_w, roof.gamma_per_k) * (1.0 - roof.loss_frac)
        total += pvlib.inverter.pvwatts(dc_w, roof.inverter_w / 0.96).to_numpy()
    return total


@pytest.mark.training
@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear")
def test_a_year_of_weather_agrees_with_pvlib():
    pd = pytest.importorskip("pandas")
    pvlib = pytest.importorskip("pvlib")
    index = pd.date_range("2024-01-01", "2025-01-01", freq="19h", tz="UTC", unit="ns")
    random = np.random.default_rng(5)
    weather = (
        random.uniform(0, 1000, len(index)),
        random.uniform(-15, 35, len(index)),
        random.uniform(0, 9, len(index)),
    )
    place = pvlib.location.Location(BRNO.latitude_deg, BRNO.longitude_deg, altitude=BRNO.altitude_m)
    roofs = (*ROOFS, PvArray(60.0, 275.0, 3000.0, 1800.0, -0.0035, 0.1))
    have = power_from_ghi_w(index.asi8 / 1e9, BRNO, roofs, *weather)
    assert np.abs(have - pvlib_chain(pvlib, place, index, roofs, weather)).max() < 3e-4


@pytest.mark.training
@pytest.mark.data
def test_a_measured_roof_follows_the_chain(shared_data):
    """NREL SERF East, Golden: 6 kW, tilt 45, azimuth 158 (PVDAQ); 3 summer weeks, GHI seen by satellite (PSM3)."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "pv_nrel_pvdaq" / "serf_east_15min.parquet").iloc[: 21 * 96]
    times_s = table["t_utc"].dt.as_unit("ns").astype("int64").to_numpy() / 1e9 + 450.0
    roof = PvArray(45.0, 158.0, 6000.0, 6000.0)
    inputs = [np.ascontiguousarray(table[name], dtype=np.float64) for name in ("ghi", "temp_air")]
    have = power_from_ghi_w(times_s, Location(39.742, -105.1727, 1994.7), (roof,), *inputs, np.full(len(table), 2.0))
    measured = table["ac_power"].to_numpy(dtype=np.float64)
    known = np.isfinite(measured) & np.isfinite(have)
    assert known.mean() > 0.9
    error_w = have[known] - measured[known]
    assert np.corrcoef(have[known], measured[known])[0, 1] > 0.9
    assert math.sqrt(np.mean(error_w**2)) < 0.11 * 6000.0
