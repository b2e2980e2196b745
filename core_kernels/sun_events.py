"""Sunrise, sunset and transit of the sun, found on the same path that :func:`solar.sun_position` follows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import WINDOW, Location, check_times, place_constants
from core_kernels.spa import QUANTITIES, fill_celestial
from core_kernels.units import FloatArray, Ratio

RISE_ELEVATION_DEG = -0.8333  # refraction and radius of the disc (NREL/TP-560-34302, A.2.3)
DAY_S = 86400.0
_STEPS = 8  # each divides the error by about 300 away from the polar circles
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


class SunEvents(NamedTuple):
    """Unix UTC seconds of each day's events, float64[n] each; NaN where the sun does not rise or set."""

    sunrise_s: FloatArray
    transit_s: FloatArray
    sunset_s: FloatArray


@kernel(f"void({_IN}, {_IN}, float64, float64[:, ::1])")
def _events_kernel(noons_s: FloatArray, place: FloatArray, sin_low: Ratio, out: FloatArray) -> None:
    """Fill ``out`` float64[3, n] by fixed-point steps on the hour angle, from mean noon on."""
    known = np.zeros(2, dtype=np.int64)
    window = np.empty((QUANTITIES, WINDOW))
    sky = np.empty((QUANTITIES, 1))
    now_s = np.empty(1)
    for day in range(noons_s.shape[0]):
        for event in range(3):
            side = event - 1.0
            now_s[0] = noons_s[day] + side * 0.25 * DAY_S
            for _ in range(_STEPS):
                fill_celestial(now_s, place[2], known, window, sky)
                turn = sky[0, 0] / (2.0 * math.pi)
                hour = sky[0, 0] - 2.0 * math.pi * ((turn + vmath.ROUND) - vmath.ROUND)
                divisor = place[1] * sky[2, 0]
                ratio = (sin_low - place[0] * sky[1, 0]) / (divisor if divisor != 0.0 else 1e-300)
                wanted = side * vmath.acos(ratio) if side != 0.0 else 0.0
                now_s[0] += (wanted - hour) * (DAY_S / (2.0 * math.pi))
                if not abs(now_s[0] - noons_s[day]) < DAY_S:
                    now_s[0] = math.nan
                    break
            out[event, day] = now_s[0]


def _example() -> tuple[FloatArray, Location]:
    return 1.7e9 + 45.0 * DAY_S * np.arange(8.0), Location(49.2, 16.6, 230.0)


@registered(
    name="sun_events",
    unit="s",
    source="Reda and Andreas 2004, NREL/TP-560-34302, appendix A.2",
    reference="pvlib.solarposition.sun_rise_set_transit_spa",
    tolerance=1.0,
    example=_example,
)
def sun_events(times_s: FloatArray, location: Location) -> SunEvents:
    """Sunrise, transit and sunset around the local mean noon of each instant's UTC day.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, finite; only the day counts. [s]
    location : Location

    Returns
    -------
    SunEvents
        The centre of the disc at -0.8333 deg without refraction; NaN in polar day and night. [s]

    Notes
    -----
    Seen from the centre of the Earth, as the appendix has it.
    """
    check_times(times_s)
    place = place_constants(location)
    noons_s = np.floor(times_s / DAY_S) * DAY_S + 0.5 * DAY_S - location.longitude_deg / 360.0 * DAY_S
    out = np.empty((3, times_s.shape[0]))
    _events_kernel(noons_s, place, float(vmath.sin(RISE_ELEVATION_DEG * _RAD)), out)
    return SunEvents(out[0], out[1], out[2])
