"""Sun, irradiance and PV beside pvlib, on a year of minutes and on two days of quarters."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pvlib

from core_kernels import cells, clear_sky, decomposition, disc, iam, inverters, planes
from core_kernels.pv import PvArray, power_from_ghi_w
from core_kernels.solar import Location, sun_position
from core_kernels.transposition import Sky, Surface
from core_kernels.units import FloatArray
from training.bench_kernels import Row, alternate, limit_row, ratio_row

SITE = Location(50.0, 14.5, 250.0)
ROOFS = (
    PvArray(35.0, 180.0, 5000.0, 4000.0),
    PvArray(30.0, 90.0, 3000.0, 2500.0),
    PvArray(30.0, 270.0, 2000.0, 1800.0),
)
YEAR = pd.date_range("2023-01-01", periods=525_600, freq="1min", tz="UTC", unit="ns")
TWO_DAYS = pd.date_range("2023-06-20", periods=192, freq="15min", tz="UTC", unit="ns")
START = "import time; from core_kernels.pv import *; import numpy as np; n = np.arange(192.0) * 900 + 1.7e9; "
START += "clear_sky_power_w(n, __import__('core_kernels.solar').solar.Location(50.0, 14.5, 250.0), "
START += "(PvArray(35.0, 180.0, 5000.0, 4000.0),)); print(time.process_time())"


def seconds(index: pd.DatetimeIndex) -> FloatArray:
    """Unix seconds of an index."""
    return np.asarray(index.asi8 / 1e9)


def difference(have: FloatArray, want: Any) -> float:
    """Largest difference of two results; infinite where one has a NaN and the other has not."""
    other = np.asarray(want, dtype=np.float64)
    if not np.array_equal(np.isnan(have), np.isnan(other)):
        return float("inf")
    return float(np.nanmax(np.abs(have - other)))


def sun_rows() -> list[Row]:
    """Sun position, on both lengths."""
    rows = []
    for index, minimum, rounds in ((YEAR, 200.0, 3), (TWO_DAYS, 150.0, 15)):
        times_s = seconds(index)

        def reference(index: pd.DatetimeIndex = index) -> Any:
            return pvlib.solarposition.get_solarposition(index, *SITE, method="nrel_numpy")

        def own(times_s: FloatArray = times_s) -> Any:
            return sun_position(times_s, SITE)

        have, want = own(), reference()
        turn = (have.azimuth_deg - want["azimuth"].to_numpy() + 180.0) % 360.0 - 180.0
        aside = np.abs(turn) * np.sin(np.radians(have.zenith_deg))
        error = max(float(aside.max()), difference(have.zenith_deg, want["zenith"]))
        times = alternate(own, reference, rounds, 3)
        name = f"solar position, {len(index)} points"
        rows.append(ratio_row(name, times, reference="pvlib nrel_numpy", minimum=minimum, error=error, tolerance=2e-7))
    return rows


def weather_of(index: pd.DatetimeIndex) -> tuple[FloatArray, FloatArray, FloatArray]:
    """GHI under moving clouds, air temperature and wind."""
    random = np.random.default_rng(1)
    count = len(index)
    height = np.cos(np.radians(sun_position(seconds(index), SITE).apparent_zenith_deg))
    ghi = 1050.0 * np.maximum(height, 0.0) * random.uniform(0.2, 1.0, count)
    return ghi, random.uniform(-5.0, 30.0, count), random.uniform(0.0, 8.0, count)


def pvlib_functions(index: pd.DatetimeIndex, weather: tuple[FloatArray, ...]) -> FloatArray:
    """The chain by pvlib's own functions: AC power of all roofs [W]."""
    position = pvlib.solarposition.get_solarposition(index, *SITE, method="nrel_numpy")
    zenith, azimuth = position["apparent_zenith"], position["azimuth"]
    extra = pvlib.irradiance.get_extra_radiation(index)
    sky = pvlib.irradiance.erbs(weather[0], position["zenith"].to_numpy(), index)
    total = np.zeros(len(index))
    for roof in ROOFS:
        place = (roof.tilt_deg, roof.azimuth_deg, zenith, azimuth)
        light = (sky["dni"], weather[0], sky["dhi"])
        plane = pvlib.irradiance.get_total_irradiance(*place, *light, dni_extra=extra, model="haydavies")
        glass = pvlib.iam.physical(pvlib.irradiance.aoi(*place))
        cell = pvlib.temperature.faiman(plane["poa_global"], weather[1], weather[2])
        useful = plane["poa_direct"] * glass + plane["poa_diffuse"]
        dc = pvlib.pvsystem.pvwatts_dc(useful, cell, roof.dc_w, roof.gamma_per_k) * (1.0 - roof.loss_frac)
        total += pvlib.inverter.pvwatts(dc, roof.inverter_w / 0.96).to_numpy()
    return total


def model_chains(index: pd.DatetimeIndex, weather: tuple[FloatArray, ...]) -> list[Any]:
    """The chain by pvlib's ModelChain, one a roof, after Erbs."""
    place = pvlib.location.Location(SITE.latitude_deg, SITE.longitude_deg, altitude=SITE.altitude_m)
    position = pvlib.solarposition.get_solarposition(index, *SITE, method="nrel_numpy")
    sky = pvlib.irradiance.erbs(weather[0], position["zenith"].to_numpy(), index)
    table = pd.DataFrame({"ghi": weather[0], "dni": sky["dni"], "dhi": sky["dhi"]}, index=index)
    table["temp_air"], table["wind_speed"] = weather[1], weather[2]
    arrays = [
        pvlib.pvsystem.Array(
            pvlib.pvsystem.FixedMount(roof.tilt_deg, roof.azimuth_deg),
            module_parameters={"pdc0": roof.dc_w, "gamma_pdc": roof.gamma_per_k},
            temperature_model_parameters={"u0": 25.0, "u1": 6.84},
        )
        for roof in ROOFS
    ]
    system = pvlib.pvsystem.PVSystem(arrays, inverter_parameters={"pdc0": sum(r.inverter_w for r in ROOFS) / 0.96})
    chain = pvlib.modelchain.ModelChain(
        system,
        place,
        transposition_model="haydavies",
        dc_model="pvwatts",
        ac_model="pvwatts",
        aoi_model="physical",
        spectral_model="no_loss",
        temperature_model="faiman",
        losses_model="no_loss",
    )
    return [chain.run_model(table)]


def chain_rows() -> list[Row]:
    """The fused chain beside pvlib's functions and beside ModelChain, on both lengths."""
    rows = []
    for index, minima, rounds in ((YEAR, (120.0, 200.0), 3), (TWO_DAYS, (600.0, 900.0), 9)):
        times_s, weather = seconds(index), weather_of(index)

        def own(times_s: FloatArray = times_s, weather: tuple[FloatArray, ...] = weather) -> FloatArray:
            return power_from_ghi_w(times_s, SITE, ROOFS, *weather)

        def functions(index: pd.DatetimeIndex = index, weather: tuple[FloatArray, ...] = weather) -> Any:
            return pvlib_functions(index, weather)

        def chains(index: pd.DatetimeIndex = index, weather: tuple[FloatArray, ...] = weather) -> Any:
            return model_chains(index, weather)

        error = difference(own(), functions())
        times = alternate(own, functions, rounds, 5)
        name = f"fused chain, 3 roofs, Hay-Davies, {len(index)} points"
        rows.append(ratio_row(name, times, reference="pvlib functions", minimum=minima[0], error=error, tolerance=1e-4))
        times = alternate(own, chains, max(rounds // 3, 1), 5)
        rows.append(ratio_row(name, times, reference="pvlib ModelChain", minimum=minima[1]))
    return rows


def single_cases() -> list[tuple[str, float, Callable[[], Any], Callable[[], Any]]]:
    """Name, least ratio, kernel and reference of each single function, on the same arrays of a year."""
    times_s, (ghi, air_c, wind) = seconds(YEAR), weather_of(YEAR)
    sun = sun_position(times_s, SITE)
    zenith, apparent, azimuth = sun
    extra = clear_sky.extraterrestrial(times_s)
    air = pvlib.atmosphere.get_relative_airmass(apparent, "kastenyoung1989")
    dni, dhi = decomposition.erbs(ghi, zenith, extra)
    surface, sky = Surface(35.0, 170.0), Sky(ghi, dni, dhi)
    aoi_deg = np.degrees(np.arccos(planes.aoi_projection(surface, apparent, azimuth)))
    lights, sun_series = pd.Series(ghi, YEAR), pd.Series(zenith, YEAR)
    place = (35.0, 170.0, apparent, azimuth)
    total = pvlib.irradiance.get_total_irradiance
    one, two, three = np.empty(len(ghi)), np.empty((2, len(ghi))), np.empty((3, len(ghi)))
    return [
        (
            "Faiman",
            3,
            lambda: cells.faiman(ghi, air_c, wind, out=one),
            lambda: pvlib.temperature.faiman(ghi, air_c, wind),
        ),
        (
            "PVWatts DC",
            3,
            lambda: cells.pvwatts_dc(ghi, air_c, 5000.0, -0.004, one),
            lambda: pvlib.pvsystem.pvwatts_dc(ghi, air_c, 5000.0, -0.004),
        ),
        (
            "PVWatts inverter",
            3,
            lambda: inverters.pvwatts(ghi, 800.0, out=one),
            lambda: pvlib.inverter.pvwatts(ghi, 800.0),
        ),
        (
            "airmass",
            8,
            lambda: clear_sky.airmass(apparent, one),
            lambda: pvlib.atmosphere.get_relative_airmass(apparent, "kastenyoung1989"),
        ),
        ("IAM physical", 8, lambda: iam.physical(aoi_deg, one), lambda: pvlib.iam.physical(aoi_deg)),
        (
            "Ineichen",
            8,
            lambda: clear_sky.ineichen(apparent, air, 3.2, 250.0, extra, three),
            lambda: pvlib.clearsky.ineichen(apparent, air, 3.2, 250.0, extra),
        ),
        (
            "Hay-Davies",
            30,
            lambda: planes.transpose(surface, apparent, azimuth, sky, extra, out=three),
            lambda: total(*place, dni, ghi, dhi, dni_extra=extra, model="haydavies"),
        ),
        (
            "DIRINT",
            20,
            lambda: disc.dirint(times_s, ghi, zenith),
            lambda: pvlib.irradiance.dirint(lights, sun_series, YEAR),
        ),
        (
            "Erbs",
            80,
            lambda: decomposition.erbs(ghi, zenith, extra, two),
            lambda: pvlib.irradiance.erbs(ghi, zenith, YEAR),
        ),
    ]


def single_rows() -> list[Row]:
    """Every single function on a year of minutes."""
    rows = []
    for name, minimum, own, reference in single_cases():
        have, want = np.array(own()), reference()
        if name == "Hay-Davies":
            parts = ("poa_direct", "poa_sky_diffuse", "poa_ground_diffuse")
            want = np.array([want[part] for part in parts])
        elif name == "Ineichen":
            want = np.array([want["ghi"], want["dni"], want["dhi"]])
        elif name == "Erbs":
            want = np.array([want["dni"], want["dhi"]])
        error = difference(have, want)
        times = alternate(own, reference, 5, 3)
        rows.append(
            ratio_row(f"{name}, 525600 points", times, reference="pvlib", minimum=minimum, error=error, tolerance=1e-10)
        )
    return rows


def start_rows() -> list[Row]:
    """Compile everything into an empty cache, then start anew from it; CPU seconds of fresh interpreters."""
    root = Path(__file__).resolve().parents[2]
    everything = "import time; from core_kernels.registry import discover; discover(); print(time.process_time())"
    spent_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "PYTHONPATH": str(root)}
        for code in (everything, START, START, START):
            begin = os.times()
            subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
            end = os.times()
            used_s = end.children_user + end.children_system - begin.children_user - begin.children_system
            spent_s.append(used_s)
    warm = limit_row("import to first result, warm cache", min(spent_s[2:]), unit="s", maximum=1.0, reference="limit")
    return [warm, limit_row("cold compile of everything", spent_s[0], unit="s", maximum=40.0, reference="limit")]


def rows() -> list[Row]:
    """All rows of this group."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [*sun_rows(), *chain_rows(), *single_rows(), *start_rows()]
