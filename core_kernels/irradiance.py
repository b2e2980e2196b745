"""Irradiance: extra-terrestrial, clear sky, decomposition of the global, transposition to a roof, glass.

The ``*_at`` functions are the scalar kernels, one instant each, free of branches on the outside world; the array
functions check their arguments and loop over them. NaN in, NaN out; below the horizon a clear sky is 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels.jit import kernel
from core_kernels.solar import Location, check_f64, check_times, pressure_pa, sun_position
from core_kernels.units import FloatArray

SOLAR_CONSTANT_W_PER_M2 = 1366.1  # Spencer 1971 as in pvlib
SEA_LEVEL_PA = 101325.0
ALBEDO_FRAC = 0.25  # grass and soil, pvlib's default
MIN_COS_ZENITH = 0.065  # Erbs: clearness is not trusted below 3.7 deg of elevation
MAX_ZENITH_DEG = 87.0
MIN_PROJECTION = 0.01745  # Hay-Davies: cosine of 89 deg
GLASS_INDEX = 1.526
GLASS_EXTINCTION = 4.0 * 0.002  # K [1/m] times thickness [m]
Cosine: TypeAlias = float  # of an angle, -1..1
Linke: TypeAlias = tuple[float, ...]  # turbidity of the twelve months, January first
_RAD = math.pi / 180.0
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Sky(NamedTuple):
    """Global, direct normal and diffuse horizontal irradiance, float64[n] each [W/m2]."""

    ghi_w_per_m2: FloatArray
    dni_w_per_m2: FloatArray
    dhi_w_per_m2: FloatArray


class Plane(NamedTuple):
    """Direct, sky-diffuse and ground-reflected irradiance on a tilted plane, float64[n] each [W/m2]."""

    direct_w_per_m2: FloatArray
    sky_w_per_m2: FloatArray
    ground_w_per_m2: FloatArray


@kernel("float64(float64)")
def positive_at(value: float) -> float:
    """The value, 0 where it is negative; NaN stays NaN, which ``max`` does not promise."""
    if value < 0.0:
        return 0.0
    return value


@kernel("float64(float64, float64, float64)")
def interpolate_at(a: float, b: float, share_frac: float) -> float:
    """The value at a share of the way from ``a`` to ``b``."""
    return a + (b - a) * share_frac


@kernel("UniTuple(int64, 2)(float64)")
def day_of_year_at(time_s: float) -> tuple[int, int]:
    """UTC day of the year (1 = 1 January) and the year's length [days]; Gregorian, Howard Hinnant's civil_from_days."""
    shifted = math.floor(time_s / 86400.0) + 719468  # days since 0000-03-01
    era = shifted // 146097
    day = shifted - era * 146097
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    since_march = day - (365 * year + year // 4 - year // 100)
    leap_day = 1 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 0
    if since_march < 306:
        return int(since_march) + 60 + leap_day, 365 + leap_day
    following = year + 1
    length = 366 if (following % 4 == 0 and following % 100 != 0) or following % 400 == 0 else 365
    return int(since_march) - 305, length


@kernel("float64(float64)")
def extra_at(time_s: float) -> float:
    """Extra-terrestrial normal irradiance of the UTC day (Spencer 1971) [W/m2]."""
    day, _ = day_of_year_at(time_s)
    b = 2.0 * math.pi / 365.0 * (day - 1)
    ratio = 1.00011 + 0.034221 * math.cos(b) + 0.00128 * math.sin(b)
    return SOLAR_CONSTANT_W_PER_M2 * (ratio + 0.000719 * math.cos(2.0 * b) + 7.7e-05 * math.sin(2.0 * b))


@kernel("float64(float64, Array(float64, 1, 'C', readonly=True))")
def linke_at(time_s: float, linke: FloatArray) -> float:
    """Linke turbidity of the UTC day, linear between the middles of the months (as pvlib)."""
    day, length = day_of_year_at(time_s)
    left_day = -15.5
    left = linke[11]
    end = 0.0
    for month in range(12):
        days = _MONTH_DAYS[month]
        if month == 1 and length == 366:
            days = 29
        right_day = end + days / 2.0
        if day <= right_day:
            return interpolate_at(left, linke[month], (day - left_day) / (right_day - left_day))
        left, left_day, end = linke[month], right_day, end + days
    return interpolate_at(left, linke[0], (day - left_day) / (end + 15.5 - left_day))


@kernel("float64(float64)")
def airmass_at(apparent_zenith_deg: float) -> float:
    """Relative optical air mass (Kasten and Young 1989, eq. 3); NaN below the horizon."""
    if not apparent_zenith_deg <= 90.0:
        return math.nan
    elevation_deg = 90.0 - apparent_zenith_deg
    return 1.0 / (math.cos(apparent_zenith_deg * _RAD) + 0.50572 * math.pow(elevation_deg + 6.07995, -1.6364))


@kernel("UniTuple(float64, 3)(float64, float64, float64, float64, float64)")
def ineichen_at(
    apparent_zenith_deg: float, airmass_ratio: float, linke_ratio: float, altitude_m: float, extra_w_per_m2: float
) -> tuple[float, float, float]:
    """Clear-sky GHI, DNI, DHI (Ineichen and Perez 2002); ``airmass_ratio`` is pressure-corrected [W/m2]."""
    if apparent_zenith_deg >= 90.0:
        return 0.0, 0.0, 0.0
    cos_zenith = math.cos(apparent_zenith_deg * _RAD)
    fh1 = math.exp(-altitude_m / 8000.0)
    fh2 = math.exp(-altitude_m / 1250.0)
    cg1 = 5.09e-05 * altitude_m + 0.868
    cg2 = 3.92e-05 * altitude_m + 0.0387
    ghi = cg1 * extra_w_per_m2 * cos_zenith * math.exp(-cg2 * airmass_ratio * (fh1 + fh2 * (linke_ratio - 1.0)))
    dni = extra_w_per_m2 * (0.664 + 0.163 / fh1) * math.exp(-0.09 * airmass_ratio * (linke_ratio - 1.0))
    share = 1.0 - (0.1 - 0.2 * math.exp(-linke_ratio)) / (0.1 + 0.882 / fh1)
    limit = ghi * min(max(share / cos_zenith, 0.0), 1e20)
    dni = min(dni, limit)
    return ghi, dni, ghi - dni * cos_zenith


@kernel("float64(float64)")
def haurwitz_at(apparent_zenith_deg: float) -> float:
    """Clear-sky GHI from the zenith angle alone (Haurwitz 1945) [W/m2]."""
    if apparent_zenith_deg >= 90.0:
        return 0.0
    cos_zenith = math.cos(apparent_zenith_deg * _RAD)
    return 1098.0 * cos_zenith * math.exp(-0.059 / cos_zenith)


@kernel("UniTuple(float64, 2)(float64, float64, float64)")
def erbs_at(ghi_w_per_m2: float, zenith_deg: float, extra_w_per_m2: float) -> tuple[float, float]:
    """DNI and DHI from GHI and the TRUE zenith (Erbs, Klein and Duffie 1982) [W/m2]; all diffuse near the horizon."""
    cos_zenith = math.cos(zenith_deg * _RAD)
    if not math.isnan(ghi_w_per_m2) and (zenith_deg > MAX_ZENITH_DEG or ghi_w_per_m2 < 0.0):
        return 0.0, ghi_w_per_m2
    kt = ghi_w_per_m2 / (extra_w_per_m2 * max(cos_zenith, MIN_COS_ZENITH))
    if kt > 0.8:
        diffuse_frac = 0.165
    elif kt > 0.22:
        diffuse_frac = 0.9511 + kt * (-0.1604 + kt * (4.388 + kt * (-16.638 + kt * 12.336)))
    else:
        diffuse_frac = 1.0 - 0.09 * kt
    dhi = diffuse_frac * ghi_w_per_m2
    return (ghi_w_per_m2 - dhi) / cos_zenith, dhi


@kernel("UniTuple(float64, 3)(UniTuple(float64, 4), float64, float64, float64)")
def hay_davies_at(
    sky_w_per_m2: tuple[float, float, float, float], cos_zenith: Cosine, cos_aoi: Cosine, cos_tilt: Cosine
) -> tuple[float, float, float]:
    """Direct, sky-diffuse and ground-reflected irradiance on a plane (Hay and Davies 1980) [W/m2].

    ``sky_w_per_m2`` is GHI, DNI, DHI and the extra-terrestrial normal irradiance; ``cos_zenith`` the apparent one.
    """
    ghi, dni, dhi, extra = sky_w_per_m2
    projection = max(cos_aoi, 0.0)
    anisotropy = dni / extra
    isotropic = dhi * (1.0 - anisotropy) * 0.5 * (1.0 + cos_tilt)
    circumsolar = dhi * anisotropy * projection / max(cos_zenith, MIN_PROJECTION)
    sky = positive_at(isotropic) + positive_at(circumsolar)
    return dni * projection, sky, ghi * ALBEDO_FRAC * (1.0 - cos_tilt) * 0.5


@kernel("float64(float64)")
def iam_physical_at(cos_aoi: Cosine) -> float:
    """Share of the direct light that passes the glass, 1 at normal incidence (De Soto et al. 2006, eq. 2-4)."""
    outside = max(cos_aoi, 0.0)
    sin_inside = math.sqrt(1.0 - outside * outside) / GLASS_INDEX
    inside = math.sqrt(1.0 - sin_inside * sin_inside)
    reflected_s = (outside - GLASS_INDEX * inside) / (outside + GLASS_INDEX * inside)
    reflected_p = (inside - GLASS_INDEX * outside) / (inside + GLASS_INDEX * outside)
    normal = (1.0 - GLASS_INDEX) / (1.0 + GLASS_INDEX)
    passed = 1.0 - 0.5 * (reflected_s * reflected_s + reflected_p * reflected_p)
    return passed / (1.0 - normal * normal) * math.exp(GLASS_EXTINCTION * (1.0 - 1.0 / inside))


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
    today, extra, turbidity = math.nan, math.nan, math.nan
    for i in range(times_s.shape[0]):
        if math.floor(times_s[i] / 86400.0) != today:
            today = math.floor(times_s[i] / 86400.0)
            extra = extra_at(times_s[i])
            turbidity = linke_at(times_s[i], linke)
        airmass = airmass_at(apparent_zenith_deg[i]) * pressure_ratio
        out[0, i], out[1, i], out[2, i] = ineichen_at(apparent_zenith_deg[i], airmass, turbidity, altitude_m, extra)
        out[3, i] = extra


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[:, ::1])")
def _erbs_kernel(times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, out: FloatArray) -> None:
    """Fill ``out`` float64[4, n]: GHI, DNI, DHI, extra-terrestrial."""
    today, extra = math.nan, math.nan
    for i in range(times_s.shape[0]):
        if math.floor(times_s[i] / 86400.0) != today:
            today = math.floor(times_s[i] / 86400.0)
            extra = extra_at(times_s[i])
        out[0, i] = ghi_w_per_m2[i]
        out[1, i], out[2, i] = erbs_at(ghi_w_per_m2[i], zenith_deg[i], extra)
        out[3, i] = extra


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


def clear_sky(times_s: FloatArray, location: Location, linke: Linke) -> Sky:
    """Cloudless sky at each instant (Ineichen and Perez 2002, altitude and standard pressure of the location)."""
    position = sun_position(times_s, location)
    matrix = clear_sky_matrix(times_s, position.apparent_zenith_deg, location, linke)
    return Sky(matrix[0], matrix[1], matrix[2])


def decompose(times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray) -> Sky:
    """Measured GHI split into direct and diffuse (Erbs et al. 1982); ``zenith_deg`` without refraction."""
    matrix = erbs_matrix(times_s, ghi_w_per_m2, zenith_deg)
    return Sky(matrix[0], matrix[1], matrix[2])
