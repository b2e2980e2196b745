"""The single kernels against pvlib's functions on the same arrays."""

import numpy as np
import pytest

from core_kernels import cells, clear_sky, decomposition, disc, horizon, iam, inverters, planes
from core_kernels.transposition import MODELS, Sky, Surface

pytestmark = pytest.mark.training
pvlib = pytest.importorskip("pvlib")
pd = pytest.importorskip("pandas")

COUNT = 3000
RANDOM = np.random.default_rng(11)
ZENITH_DEG = RANDOM.uniform(0.0, 100.0, COUNT)
AZIMUTH_DEG = RANDOM.uniform(0.0, 360.0, COUNT)
GHI = RANDOM.uniform(0.0, 1200.0, COUNT)
DHI = GHI * RANDOM.uniform(0.05, 1.0, COUNT)
DNI = RANDOM.uniform(0.0, 1000.0, COUNT)
EXTRA = RANDOM.uniform(1320.0, 1415.0, COUNT)
AIR_C = RANDOM.uniform(-20.0, 40.0, COUNT)
WIND = RANDOM.uniform(0.0, 15.0, COUNT)
TIMES = pd.date_range("2024-02-20", periods=COUNT, freq="37min", tz="UTC", unit="ns")
TIMES_S = TIMES.asi8 / 1e9


def close(have, want, tolerance=1e-10):
    want = np.asarray(want, dtype=np.float64)
    assert np.array_equal(np.isnan(have), np.isnan(want))
    assert np.nanmax(np.abs(have - want)) <= tolerance


def test_airmass():
    close(clear_sky.airmass(ZENITH_DEG), pvlib.atmosphere.get_relative_airmass(ZENITH_DEG, "kastenyoung1989"))


def test_haurwitz():
    want = pvlib.clearsky.haurwitz(pd.Series(ZENITH_DEG))["ghi"]
    close(clear_sky.haurwitz(ZENITH_DEG), want)


def test_ineichen():
    air = pvlib.atmosphere.get_relative_airmass(ZENITH_DEG, "kastenyoung1989") * 0.97
    with np.errstate(divide="ignore"):
        want = pvlib.clearsky.ineichen(ZENITH_DEG, air, 3.2, altitude=450.0, dni_extra=EXTRA)
    have = clear_sky.ineichen(ZENITH_DEG, air, 3.2, 450.0, EXTRA)
    for row, name in enumerate(("ghi", "dni", "dhi")):
        close(have[row], want[name])


@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear")
def test_extraterrestrial():
    close(clear_sky.extraterrestrial(TIMES_S), pvlib.irradiance.get_extra_radiation(TIMES, method="spencer"))


@pytest.mark.parametrize("name", ["erbs", "erbs_driesse"])
def test_split_of_the_global(name):
    days = RANDOM.integers(1, 366, COUNT)
    want = getattr(pvlib.irradiance, name)(GHI, ZENITH_DEG, datetime_or_doy=days)
    have = getattr(decomposition, name)(GHI, ZENITH_DEG, pvlib.irradiance.get_extra_radiation(days))
    close(have[0], want["dni"])
    close(have[1], want["dhi"])


@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear")
def test_disc():
    want = pvlib.irradiance.disc(GHI, ZENITH_DEG, TIMES, pressure=95000.0)
    have = disc.disc(TIMES_S, GHI, ZENITH_DEG, 95000.0)
    close(have[0], want["dni"])
    close(have[1], want["kt"])
    close(have[2], want["airmass"])


@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear")
@pytest.mark.parametrize("dew_c", [None, RANDOM.uniform(-10.0, 20.0, COUNT)])
def test_dirint(dew_c):
    ghi, zenith = pd.Series(GHI, TIMES), pd.Series(ZENITH_DEG, TIMES)
    want = pvlib.irradiance.dirint(ghi, zenith, TIMES, pressure=95000.0, temp_dew=dew_c)
    close(disc.dirint(TIMES_S, GHI, ZENITH_DEG, 95000.0, dew_c), want)


@pytest.mark.parametrize("model", MODELS)
def test_planes(model):
    surface = Surface(37.0, 210.0, 0.2)
    want = pvlib.irradiance.get_total_irradiance(
        37.0,
        210.0,
        ZENITH_DEG,
        AZIMUTH_DEG,
        DNI,
        GHI,
        DHI,
        dni_extra=EXTRA,
        albedo=0.2,
        airmass=pvlib.atmosphere.get_relative_airmass(ZENITH_DEG, "kastenyoung1989"),
        model={"hay_davies": "haydavies", "perez_driesse": "perez-driesse"}.get(model, model),
    )
    have = planes.transpose(surface, ZENITH_DEG, AZIMUTH_DEG, Sky(GHI, DNI, DHI), EXTRA, model)
    close(have.direct_w_per_m2, want["poa_direct"])
    close(have.sky_w_per_m2, want["poa_sky_diffuse"], 2e-10)
    close(have.ground_w_per_m2, want["poa_ground_diffuse"])


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="model must be one of"):
        planes.transpose(Surface(1.0, 2.0), GHI, GHI, Sky(GHI, GHI, GHI), GHI, "klucher")


def test_projection():
    want = pvlib.irradiance.aoi_projection(37.0, 210.0, ZENITH_DEG, AZIMUTH_DEG)
    close(planes.aoi_projection(Surface(37.0, 210.0), ZENITH_DEG, AZIMUTH_DEG), want, 1e-14)


def test_glass():
    aoi_deg = RANDOM.uniform(-100.0, 100.0, COUNT)
    close(iam.physical(aoi_deg), pvlib.iam.physical(aoi_deg), 1e-13)
    close(iam.ashrae(aoi_deg), pvlib.iam.ashrae(aoi_deg), 1e-13)


def test_cell_temperatures():
    close(cells.faiman(GHI, AIR_C, WIND), pvlib.temperature.faiman(GHI, AIR_C, WIND))
    want = pvlib.temperature.sapm_cell(GHI, AIR_C, WIND, -3.56, -0.075, 3.0)
    close(cells.sapm(GHI, AIR_C, WIND), want)
    close(cells.noct(GHI, AIR_C, 45.0), pvlib.temperature.ross(GHI, AIR_C, 45.0))


def test_modules_and_inverters():
    close(cells.pvwatts_dc(GHI, AIR_C, 5000.0, -0.004), pvlib.pvsystem.pvwatts_dc(GHI, AIR_C, 5000.0, -0.004))
    dc_w = RANDOM.uniform(-10.0, 7000.0, COUNT)
    close(inverters.pvwatts(dc_w, 5200.0), pvlib.inverter.pvwatts(np.maximum(dc_w, 0.0), 5200.0))
    names = ("Paco", "Pdco", "Vdco", "Pso", "C0", "C1", "C2", "C3", "Pnt")
    model = inverters.Sandia(5000.0, 5200.0, 360.0, 25.0, -3e-6, -2e-5, 6e-4, -1e-4, 1.2)
    dc_v = RANDOM.uniform(250.0, 480.0, COUNT)
    want = pvlib.inverter.sandia(dc_v, dc_w, dict(zip(names, model, strict=True)))
    close(inverters.sandia(dc_w, dc_v, model), want)
    with pytest.raises(ValueError, match="rated_dc_w"):
        inverters.pvwatts(dc_w, 0.0)


def test_the_horizon_hides_what_stands_below_it():
    profile = RANDOM.uniform(0.0, 40.0, 37)
    profile[-1] = profile[0]
    have = horizon.visible(ZENITH_DEG, AZIMUTH_DEG, profile)
    want = np.interp(AZIMUTH_DEG, np.linspace(0.0, 360.0, 37), profile) <= 90.0 - ZENITH_DEG
    assert np.array_equal(have, want.astype(np.float64))
    for unfit in (np.array([1.0]), np.array([1.0, 2.0]), np.array([99.0, 99.0]), np.empty(0)):
        with pytest.raises(ValueError, match="profile_deg"):
            horizon.visible(ZENITH_DEG, AZIMUTH_DEG, unfit)
