"""Sun position: the NREL Solar Position Algorithm, its slow part evaluated every 6 hours and interpolated.

Reda and Andreas, NREL/TP-560-34302. :mod:`core_kernels.spa` gives what depends on the Earth alone; what depends on the
place is exact for every sample, and written as vectors: parallax shifts the direction to the sun, refraction turns it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.spa import J2000_S, KEPT, LANES, NODE_S, QUANTITIES, fill_celestial
from core_kernels.units import FloatArray, Ratio

__all__ = [
    "J2000_S",
    "NODE_S",
    "Location",
    "SunPosition",
    "check_f64",
    "check_location",
    "check_times",
    "place_constants",
    "pressure_pa",
    "room",
    "sun_position",
]

REFRACTION_TEMP_C = 12.0
HORIZON_REFRACTION_DEG = 0.5667
SUN_RADIUS_DEG = 0.26667
EARTH_RADIUS_M = 6378140.0
EARTH_FLATNESS = 0.99664719
FARTHEST_S = 1.25e11  # Reda and Andreas: years -2000 to 6000
LOWEST_M, HIGHEST_M = -1000.0, 20000.0  # where standard pressure and Ineichen's altitude terms make sense
BLOCK = 256  # samples whose intermediate values stay in the first cache
WINDOW = KEPT + LANES  # nodes at hand
_LOWEST_BENT_DEG = -(SUN_RADIUS_DEG + HORIZON_REFRACTION_DEG)
_RAD = math.pi / 180.0
_DEG = 180.0 / math.pi
_IN = "Array(float64, 1, 'C', readonly=True)"


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


@kernel(inline=True)
def refraction_deg_at(elevation_deg: float, pressure_ratio: float) -> float:
    """Refraction (eq. 42) [deg]; 0 when the disc is below the horizon."""
    safe_deg = vmath.at_least(elevation_deg, _LOWEST_BENT_DEG)
    sine, cosine = vmath.sincos((safe_deg + 10.3 / (safe_deg + 5.11)) * _RAD)
    bent_deg = pressure_ratio * (1.02 / 60.0) * cosine / sine
    return 0.0 if elevation_deg < _LOWEST_BENT_DEG else bent_deg


@kernel(inline=True)
def horizontal_at(
    celestial: tuple[float, float, float, float], sin_latitude: Ratio, cos_latitude: Ratio, x: float, y: float
) -> tuple[float, float, float]:
    """South, west and up components of the direction to the sun, its parallax of eq. 30-38 as one vector.

    ``celestial`` is hour angle [rad], sine and cosine of declination, sine of parallax; the length is nearly 1.
    """
    hour, sin_declination, cos_declination, parallax = celestial
    sine, cosine = vmath.sincos(hour)
    meridian = cos_declination * cosine - x * parallax
    west = cos_declination * sine
    pole = sin_declination - y * parallax
    return meridian * sin_latitude - pole * cos_latitude, west, pole * sin_latitude + meridian * cos_latitude


@kernel()
def _angles(
    celestial: FloatArray, place: FloatArray, zenith: FloatArray, apparent: FloatArray, out: FloatArray
) -> None:
    """Zenith, apparent zenith and azimuth [deg] of each column of ``celestial``."""
    sin_lat, cos_lat, x, y, pressure_ratio = place[0], place[1], place[3], place[4], place[5]
    hour, sin_dec, cos_dec, parallax = celestial[0], celestial[1], celestial[2], celestial[3]
    for i in range(out.shape[0]):
        sky = (hour[i], sin_dec[i], cos_dec[i], parallax[i])
        south, west, up = horizontal_at(sky, sin_lat, cos_lat, x, y)
        elevation_deg = _DEG * vmath.atan2(up, math.sqrt(west * west + south * south))
        zenith[i] = 90.0 - elevation_deg
        apparent[i] = 90.0 - elevation_deg - refraction_deg_at(elevation_deg, pressure_ratio)
        out[i] = _DEG * vmath.atan2(west, south) + 180.0


@kernel(f"void({_IN}, {_IN}, float64[:, ::1])")
def _sun_kernel(times_s: FloatArray, place: FloatArray, out: FloatArray) -> None:
    """Fill ``out`` float64[3, n]: zenith, apparent zenith, azimuth [deg]; ``place`` of :func:`place_constants`."""
    known = np.zeros(2, dtype=np.int64)
    window = np.empty((QUANTITIES, WINDOW))
    celestial = np.empty((QUANTITIES, BLOCK))
    for begin in range(0, times_s.shape[0], BLOCK):
        end = min(begin + BLOCK, times_s.shape[0])
        fill_celestial(times_s[begin:end], place[2], known, window, celestial)
        _angles(celestial, place, out[0, begin:end], out[1, begin:end], out[2, begin:end])


@kernel("float64(float64)")
def pressure_pa(altitude_m: float) -> float:
    """Air pressure of the standard atmosphere at an altitude [Pa]; as ``pvlib.atmosphere.alt2pres``."""
    return 100.0 * vmath.power((44331.514 - altitude_m) / 11880.516, 1.0 / 0.1902632)


@kernel("void(float64, float64, float64, float64[::1])")
def _place_kernel(latitude_deg: float, longitude_deg: float, altitude_m: float, out: FloatArray) -> None:
    sine, cosine = vmath.sincos(latitude_deg * _RAD)
    across, along = EARTH_FLATNESS * sine, cosine
    length = math.sqrt(across * across + along * along)
    out[0] = sine
    out[1] = cosine
    out[2] = longitude_deg * _RAD
    out[3] = along / length + altitude_m / EARTH_RADIUS_M * cosine
    out[4] = EARTH_FLATNESS * across / length + altitude_m / EARTH_RADIUS_M * sine
    out[5] = pressure_pa(altitude_m) / 100.0 / 1010.0 * 283.0 / (273.0 + REFRACTION_TEMP_C)


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
        raise ValueError(f"{name} must have {count} values, got {values.shape[0]}")


def room(out: FloatArray | None, *shape: int) -> FloatArray:
    """The array that a caller gave for a result, checked, or a new one of that shape.

    Raises
    ------
    ValueError
        When ``out`` is not a writable C-contiguous float64 array of the shape.
    """
    if out is None:
        return np.empty(shape)
    if out.dtype != np.float64 or out.shape != shape or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(f"out must be a writable contiguous float64 array of shape {shape}")
    return out


def check_times(times_s: FloatArray) -> None:
    """Refuse times that are not float64 seconds of the SPA's years; raises ``TypeError`` or ``ValueError``."""
    check_f64("times_s", times_s)
    if not (np.abs(times_s) <= FARTHEST_S).all():
        raise ValueError("times_s must be finite, and between the years -2000 and 6000")


def check_location(location: Location) -> None:
    """Raise ``ValueError`` for a place that is not on Earth."""
    on_earth = abs(location.latitude_deg) <= 90.0 and abs(location.longitude_deg) <= 360.0
    if not (on_earth and LOWEST_M <= location.altitude_m <= HIGHEST_M):
        places = f"latitude_deg -90..90, longitude_deg -360..360 and altitude_m {LOWEST_M:g}..{HIGHEST_M:g}"
        raise ValueError(f"location must be finite with {places}, got {location}")


def place_constants(location: Location) -> FloatArray:
    """What the kernels need of a place, float64[6].

    Sine and cosine of latitude, longitude [rad], x and y (eq. 34-36), ratio of air density for refraction (eq. 42).
    """
    check_location(location)
    out = np.empty(6)
    _place_kernel(float(location.latitude_deg), float(location.longitude_deg), float(location.altitude_m), out)
    return out


def _example() -> tuple[FloatArray, Location]:
    return 1.7e9 + 2477.0 * np.arange(300.0), Location(49.2, 16.6, 230.0)


@registered(
    name="sun_position",
    unit="deg",
    source="Reda and Andreas 2004, Solar Energy 76(5), eq. 4-46",
    reference="pvlib.solarposition.spa_python (nrel_numpy)",
    tolerance=2e-7,
    example=_example,
)
def sun_position(times_s: FloatArray, location: Location) -> SunPosition:
    """Position of the sun at each instant.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds in any order; ascending is fastest. Years -2000..6000, exact in 1900..2100. [s]
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
    _sun_kernel(times_s, place_constants(location), out)
    return SunPosition(out[0], out[1], out[2])
