"""Sun position: the NREL Solar Position Algorithm, its slow part evaluated every 6 hours and interpolated.

Reda and Andreas, NREL/TP-560-34302. What depends on the Earth alone (hour angle at Greenwich, declination, distance)
is computed with the full algorithm at nodes that lie on multiples of 6 h of Unix time and carried between them by a
cubic through four nodes; what depends on the place is exact for every sample.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels import spa_tables as tables
from core_kernels.jit import kernel
from core_kernels.units import FloatArray

NODE_S = 21600.0
J2000_S = 946728000.0  # 2000-01-01 12:00 UTC
DELTA_T_S = 67.0  # terrestrial time minus UT1; 5 s more move the sun by 6e-5 deg
REFRACTION_TEMP_C = 12.0
HORIZON_REFRACTION_DEG = 0.5667
SUN_RADIUS_DEG = 0.26667
EARTH_RADIUS_M = 6378140.0
EARTH_FLATNESS = 0.99664719
_RAD = math.pi / 180.0
_DEG = 180.0 / math.pi


class Location(NamedTuple):
    """A place on Earth: north and east positive."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float


class SunPosition(NamedTuple):
    """Where the sun stands, float64[n] each [deg]; azimuth from north clockwise; apparent means refracted."""

    zenith_deg: FloatArray
    apparent_zenith_deg: FloatArray
    azimuth_deg: FloatArray


@kernel("float64(Array(float64, 2, 'C', readonly=True), float64)")
def _series(terms: FloatArray, x: float) -> float:
    total = 0.0
    for row in range(terms.shape[0]):
        total += terms[row, 0] * math.cos(terms[row, 1] + terms[row, 2] * x)
    return total


@kernel("float64(float64)")
def _earth_longitude_rad(x: float) -> float:
    """Heliocentric longitude (eq. 9-12); ``x`` in Julian ephemeris millennia."""
    value = _series(tables.LONGITUDE_5, x)
    value = _series(tables.LONGITUDE_4, x) + x * value
    value = _series(tables.LONGITUDE_3, x) + x * value
    value = _series(tables.LONGITUDE_2, x) + x * value
    value = _series(tables.LONGITUDE_1, x) + x * value
    value = _series(tables.LONGITUDE_0, x) + x * value
    return value * 1e-8


@kernel("float64(float64)")
def _earth_latitude_rad(x: float) -> float:
    return (_series(tables.LATITUDE_0, x) + x * _series(tables.LATITUDE_1, x)) * 1e-8


@kernel("float64(float64)")
def _earth_distance_au(x: float) -> float:
    value = _series(tables.RADIUS_4, x)
    value = _series(tables.RADIUS_3, x) + x * value
    value = _series(tables.RADIUS_2, x) + x * value
    value = _series(tables.RADIUS_1, x) + x * value
    value = _series(tables.RADIUS_0, x) + x * value
    return value * 1e-8


@kernel("UniTuple(float64, 2)(float64)")
def _nutation_deg(c: float) -> tuple[float, float]:
    """Nutation in longitude and obliquity (eq. 15-23); ``c`` in Julian ephemeris centuries."""
    x0 = 297.85036 + c * (445267.111480 + c * (-0.0019142 + c / 189474.0))
    x1 = 357.52772 + c * (35999.050340 + c * (-0.0001603 - c / 300000.0))
    x2 = 134.96298 + c * (477198.867398 + c * (0.0086972 + c / 56250.0))
    x3 = 93.27191 + c * (483202.017538 + c * (-0.0036825 + c / 327270.0))
    x4 = 125.04452 + c * (-1934.136261 + c * (0.0020708 + c / 450000.0))
    longitude = 0.0
    obliquity = 0.0
    terms = tables.NUTATION
    for row in range(terms.shape[0]):
        angle = terms[row, 0] * x0 + terms[row, 1] * x1 + terms[row, 2] * x2 + terms[row, 3] * x3 + terms[row, 4] * x4
        longitude += (terms[row, 5] + terms[row, 6] * c) * math.sin(angle * _RAD)
        obliquity += (terms[row, 7] + terms[row, 8] * c) * math.cos(angle * _RAD)
    return longitude / 36000000.0, obliquity / 36000000.0


@kernel("float64(float64)")
def _mean_obliquity_deg(x: float) -> float:
    """Mean obliquity of the ecliptic (eq. 24); ``x`` in Julian ephemeris millennia."""
    u = x / 10.0
    high = -249.67 + u * (-39.05 + u * (7.12 + u * (27.87 + u * (5.79 + u * 2.45))))
    return (84381.448 + u * (-4680.93 + u * (-1.55 + u * (1999.25 + u * (-51.38 + u * high))))) / 3600.0


@kernel("void(float64, float64[::1])")
def _earth_node(time_s: float, node: FloatArray) -> None:
    """Fill one node: hour angle at Greenwich beyond the mean day [deg], sine and cosine of declination, distance [AU].

    The mean day (360 deg from noon to noon of UT) is left out so that the rest is small and smooth.
    """
    days = (time_s - J2000_S) / 86400.0
    century = (days + DELTA_T_S / 86400.0) / 36525.0
    distance_au = _earth_distance_au(century / 10.0)
    psi_deg, epsilon_deg = _nutation_deg(century)
    obliquity = (_mean_obliquity_deg(century / 10.0) + epsilon_deg) * _RAD
    aberration_deg = -20.4898 / (3600.0 * distance_au)
    ecliptic = _earth_longitude_rad(century / 10.0) + math.pi + (psi_deg + aberration_deg) * _RAD
    latitude = -_earth_latitude_rad(century / 10.0)
    ascension_deg = _DEG * math.atan2(
        math.sin(ecliptic) * math.cos(obliquity) - math.tan(latitude) * math.sin(obliquity), math.cos(ecliptic)
    )
    sin_declination = math.sin(latitude) * math.cos(obliquity)
    sin_declination += math.cos(latitude) * math.sin(obliquity) * math.sin(ecliptic)
    ut_century = days / 36525.0
    sidereal_deg = 280.46061837 + 0.98564736629 * days + ut_century * ut_century * (0.000387933 - ut_century / 38710000)
    hour_deg = sidereal_deg + psi_deg * math.cos(obliquity) - ascension_deg
    node[0] = hour_deg - 360.0 * math.floor(hour_deg / 360.0 + 0.5)
    node[1] = sin_declination
    node[2] = math.sqrt(1.0 - sin_declination * sin_declination)
    node[3] = distance_au


@kernel("void(int64, int64, float64[:, ::1])")
def _move_window(segment: int, previous: int, window: FloatArray) -> None:
    """Make the four nodes those of segment - 1 .. segment + 2, keeping three when time moved on by one."""
    first = 0
    if segment == previous + 1:
        window[:3] = window[1:].copy()
        first = 3
    for row in range(first, 4):
        _earth_node((segment + row - 1) * NODE_S, window[row])


@kernel("float64(float64, float64)")
def _refraction_deg(elevation_deg: float, pressure_ratio: float) -> float:
    """Refraction (eq. 42); 0 when the disc is below the horizon."""
    if not elevation_deg >= -(SUN_RADIUS_DEG + HORIZON_REFRACTION_DEG):
        return 0.0
    bent_deg = elevation_deg + 10.3 / (elevation_deg + 5.11)
    return pressure_ratio * 1.02 / (60.0 * math.tan(bent_deg * _RAD))


@kernel("void(Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), float64[:, ::1])")
def _sun_kernel(times_s: FloatArray, place: FloatArray, out: FloatArray) -> None:
    """Fill ``out`` float64[3, n]: zenith, apparent zenith, azimuth [deg]; ``place`` as made by :func:`_place`."""
    sin_lat, cos_lat, longitude_deg, x, y, pressure_ratio = place
    window = np.empty((4, 4))
    segment = -(2**60)
    for i in range(times_s.shape[0]):
        position = times_s[i] / NODE_S
        if math.floor(position) != segment:
            following = math.floor(position)
            _move_window(following, segment, window)
            segment = following
        s = position - segment
        w0 = -s * (s - 1.0) * (s - 2.0) / 6.0
        w1 = (s + 1.0) * (s - 1.0) * (s - 2.0) / 2.0
        w2 = -(s + 1.0) * s * (s - 2.0) / 2.0
        w3 = (s + 1.0) * s * (s - 1.0) / 6.0
        beyond_deg = w0 * window[0, 0] + w1 * window[1, 0] + w2 * window[2, 0] + w3 * window[3, 0]
        sin_dec = w0 * window[0, 1] + w1 * window[1, 1] + w2 * window[2, 1] + w3 * window[3, 1]
        cos_dec = w0 * window[0, 2] + w1 * window[1, 2] + w2 * window[2, 2] + w3 * window[3, 2]
        distance_au = w0 * window[0, 3] + w1 * window[1, 3] + w2 * window[2, 3] + w3 * window[3, 3]
        days = (times_s[i] - J2000_S) / 86400.0
        hour = (360.0 * (days - math.floor(days)) + beyond_deg + longitude_deg) * _RAD
        parallax = math.sin(8.794 / (3600.0 * distance_au) * _RAD)
        # The parallax of eq. 30-38 as one vector: meridian, west and pole components of the direction to the sun.
        meridian = cos_dec * math.cos(hour) - x * parallax
        west = cos_dec * math.sin(hour)
        pole = sin_dec - y * parallax
        south = meridian * sin_lat - pole * cos_lat
        up = pole * sin_lat + meridian * cos_lat
        elevation_deg = _DEG * math.atan2(up, math.sqrt(west * west + south * south))
        out[0, i] = 90.0 - elevation_deg
        out[1, i] = 90.0 - elevation_deg - _refraction_deg(elevation_deg, pressure_ratio)
        out[2, i] = _DEG * math.atan2(west, south) + 180.0


def pressure_pa(altitude_m: float) -> float:
    """Air pressure of the standard atmosphere at an altitude [Pa]; as ``pvlib.atmosphere.alt2pres``."""
    return float(100.0 * ((44331.514 - altitude_m) / 11880.516) ** (1.0 / 0.1902632))


def check_f64(name: str, values: FloatArray, count: int | None = None) -> None:
    """Refuse an argument that is not a C-contiguous float64 vector of the expected length.

    Raises
    ------
    TypeError, ValueError
        Each names the argument.
    """
    if not isinstance(values, np.ndarray) or values.dtype != np.float64:
        raise TypeError(f"{name} must be a float64 array, got {getattr(values, 'dtype', type(values).__name__)}")
    if values.ndim != 1 or not values.flags.c_contiguous:
        raise ValueError(f"{name} must be one-dimensional and contiguous, got shape {values.shape}")
    if count is not None and values.shape[0] != count:
        raise ValueError(f"{name} has {values.shape[0]} values, times_s has {count}")


def check_times(times_s: FloatArray) -> None:
    """Refuse times that are not finite float64 seconds; raises ``TypeError`` or ``ValueError``."""
    check_f64("times_s", times_s)
    if not np.isfinite(times_s).all():
        raise ValueError("times_s must be finite")


def _place(location: Location) -> FloatArray:
    """The constants of a location that the kernel needs, float64[6] (eq. 34-36)."""
    if not all(math.isfinite(value) for value in location) or abs(location.latitude_deg) > 90.0:
        raise ValueError(f"location must be finite with latitude -90..90, got {location}")
    latitude = location.latitude_deg * _RAD
    u = math.atan(EARTH_FLATNESS * math.tan(latitude))
    x = math.cos(u) + location.altitude_m / EARTH_RADIUS_M * math.cos(latitude)
    y = EARTH_FLATNESS * math.sin(u) + location.altitude_m / EARTH_RADIUS_M * math.sin(latitude)
    pressure_ratio = pressure_pa(location.altitude_m) / 100.0 / 1010.0 * 283.0 / (273.0 + REFRACTION_TEMP_C)
    return np.array([math.sin(latitude), math.cos(latitude), location.longitude_deg, x, y, pressure_ratio])


def sun_position(times_s: FloatArray, location: Location) -> SunPosition:
    """Position of the sun at each instant.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, finite, in any order; ascending is fastest. Valid 1900..2100. [s]
    location : Location
        The place; its altitude sets pressure (standard atmosphere at 12 degC) and parallax.

    Returns
    -------
    SunPosition
        float64[n] each. [deg]

    Notes
    -----
    Reda and Andreas (2004), Solar Energy 76(5), eq. 4-46. Differs from ``pvlib`` ``nrel_numpy`` by less than
    2e-7 deg, most of which is pvlib's rounding of the Julian date.
    """
    check_times(times_s)
    out = np.empty((3, times_s.shape[0]))
    _sun_kernel(times_s, _place(location), out)
    return SunPosition(out[0], out[1], out[2])
