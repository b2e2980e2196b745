"""Irradiance of a cloudless sky, air mass, and the split of a measured global; the door to the models beside it.

The ``*_at`` functions are the scalar kernels, one instant each and free of branches; the array functions check their
arguments and loop over them. NaN in, NaN out; below the horizon a clear sky is 0.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from core_kernels import vmath
from core_kernels.clear_sky import (
    airmass,
    airmass_at,
    airmass_of,
    altitude_terms,
    extraterrestrial,
    haurwitz,
    haurwitz_at,
    ineichen,
    ineichen_at,
    ineichen_of,
    share_of,
)
from core_kernels.daily import SOLAR_CONSTANT_W_PER_M2, day_of_year_at, end_of_day, extra_at, interpolate_at, linke_at
from core_kernels.decomposition import MAX_ZENITH_DEG, MIN_COS_ZENITH, erbs_at, erbs_of
from core_kernels.iam import GLASS_EXTINCTION, GLASS_INDEX, Cosine, iam_physical_at
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import Location, check_f64, check_times, pressure_pa, sun_position
from core_kernels.transposition import ALBEDO_FRAC, MIN_PROJECTION, Plane, Sky, hay_davies_at, positive_at
from core_kernels.units import FloatArray

__all__ = [
    "ALBEDO_FRAC",
    "GLASS_EXTINCTION",
    "GLASS_INDEX",
    "MAX_ZENITH_DEG",
    "MIN_COS_ZENITH",
    "MIN_PROJECTION",
    "SEA_LEVEL_PA",
    "SOLAR_CONSTANT_W_PER_M2",
    "Cosine",
    "Linke",
    "Plane",
    "Sky",
    "airmass",
    "airmass_at",
    "clear_sky",
    "clear_sky_matrix",
    "day_of_year_at",
    "decompose",
    "erbs_at",
    "erbs_matrix",
    "extra_at",
    "extraterrestrial",
    "haurwitz",
    "haurwitz_at",
    "hay_davies_at",
    "iam_physical_at",
    "ineichen",
    "ineichen_at",
    "interpolate_at",
    "linke_at",
    "positive_at",
]

SEA_LEVEL_PA = 101325.0
Linke: TypeAlias = tuple[float, ...]  # turbidity of the twelve months, January first
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, {_IN}, {_IN}, float64, float64, float64[:, ::1])")
def _clear_sky_kernel(
    times_s: FloatArray,
    apparent_zenith_deg: FloatArray,
    linke: FloatArray,
    altitude_m: float,
    pressure_ratio: float,
    out: FloatArray,
) -> None:
    """Fill ``out`` float64[4, n]: GHI, DNI, DHI, extra-terrestrial; ``pressure_ratio`` is that to sea level."""
    terms = altitude_terms(altitude_m)
    begin = 0
    while begin < times_s.shape[0]:
        end = end_of_day(times_s, begin)
        extra = extra_at(times_s[begin])
        turbidity = linke_at(times_s[begin], linke)
        share = share_of(turbidity, terms[5])
        zenith = apparent_zenith_deg[begin:end]
        ghi, dni, dhi = out[0, begin:end], out[1, begin:end], out[2, begin:end]
        out[3, begin:end] = extra
        for i in range(zenith.shape[0]):
            night = zenith[i] >= 90.0
            cosine = vmath.cos(zenith[i] * _RAD)
            air = airmass_of(cosine, 90.0 - zenith[i]) * pressure_ratio
            a, b, c = ineichen_of(cosine, air, turbidity, share, extra, terms)
            ghi[i] = 0.0 if night else a
            dni[i] = 0.0 if night else b
            dhi[i] = 0.0 if night else c
        begin = end


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[:, ::1])")
def _erbs_kernel(times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, out: FloatArray) -> None:
    """Fill ``out`` float64[4, n]: GHI, DNI, DHI, extra-terrestrial."""
    begin = 0
    while begin < times_s.shape[0]:
        end = end_of_day(times_s, begin)
        extra = extra_at(times_s[begin])
        out[3, begin:end] = extra
        light, zenith = ghi_w_per_m2[begin:end], zenith_deg[begin:end]
        ghi, dni, dhi = out[0, begin:end], out[1, begin:end], out[2, begin:end]
        for i in range(light.shape[0]):
            ghi[i] = light[i]
            low = zenith[i] > MAX_ZENITH_DEG
            a, b = erbs_of(light[i], vmath.sin_quarter((90.0 - zenith[i]) * _RAD), extra, low)
            dni[i] = a
            dhi[i] = b
        begin = end


def clear_sky_matrix(
    times_s: FloatArray, apparent_zenith_deg: FloatArray, location: Location, linke: Linke
) -> FloatArray:
    """GHI, DNI, DHI and extra-terrestrial irradiance of a cloudless sky, float64[4, n] [W/m2].

    ``linke`` holds the turbidity of the twelve months.
    """
    check_times(times_s)
    check_f64("apparent_zenith_deg", apparent_zenith_deg, times_s.shape[0])
    turbidity = np.array(linke, dtype=np.float64)
    if turbidity.shape != (12,) or not (turbidity >= 1.0).all():
        raise ValueError(f"linke must be twelve turbidities of at least 1, got {linke}")
    out = np.empty((4, times_s.shape[0]))
    pressure = pressure_pa(location.altitude_m) / SEA_LEVEL_PA
    _clear_sky_kernel(times_s, apparent_zenith_deg, turbidity, location.altitude_m, pressure, out)
    return out


def erbs_matrix(times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray) -> FloatArray:
    """GHI, DNI, DHI and extra-terrestrial irradiance from measured GHI, float64[4, n] [W/m2]."""
    check_times(times_s)
    check_f64("ghi_w_per_m2", ghi_w_per_m2, times_s.shape[0])
    check_f64("zenith_deg", zenith_deg, times_s.shape[0])
    out = np.empty((4, times_s.shape[0]))
    _erbs_kernel(times_s, ghi_w_per_m2, zenith_deg, out)
    return out


def _times_example() -> FloatArray:
    return 1.7e9 + 2477.0 * np.arange(200.0)


@registered(
    name="irradiance.clear_sky",
    unit="W/m2",
    source="Ineichen and Perez 2002, Solar Energy 73(3), 151-157",
    reference="pvlib.location.Location.get_clearsky(model='ineichen')",
    tolerance=1e-5,
    example=lambda: (_times_example(), Location(49.2, 16.6, 230.0), (3.0,) * 12),
)
def clear_sky(times_s: FloatArray, location: Location, linke: Linke) -> Sky:
    """Cloudless sky at each instant, with the altitude and standard pressure of the location.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds. [s]
    location : Location
    linke : 12 floats
        Turbidity of the months, January first, at least 1. [1]

    Returns
    -------
    Sky
        0 at night. [W/m2]
    """
    position = sun_position(times_s, location)
    matrix = clear_sky_matrix(times_s, position.apparent_zenith_deg, location, linke)
    return Sky(matrix[0], matrix[1], matrix[2])


def _ghi_example() -> tuple[FloatArray, FloatArray, FloatArray]:
    return _times_example(), np.linspace(0.0, 1000.0, 200), np.linspace(20.0, 100.0, 200)


@registered(
    name="irradiance.decompose",
    unit="W/m2",
    source="Erbs, Klein and Duffie 1982, Solar Energy 28(4), 293-302",
    reference="pvlib.irradiance.erbs",
    tolerance=1e-9,
    example=_ghi_example,
    missing=(1, 2),
)
def decompose(times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray) -> Sky:
    """Measured GHI split into direct and diffuse.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds; the day decides the light outside the atmosphere. [s]
    ghi_w_per_m2 : float64[n]
        NaN gives NaN. [W/m2]
    zenith_deg : float64[n]
        Without refraction. [deg]

    Returns
    -------
    Sky
        [W/m2]
    """
    matrix = erbs_matrix(times_s, ghi_w_per_m2, zenith_deg)
    return Sky(matrix[0], matrix[1], matrix[2])
