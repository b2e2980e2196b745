"""The slow part of the NREL Solar Position Algorithm: where the Earth is, at nodes 6 hours apart, and between them.

Reda and Andreas, NREL/TP-560-34302. What depends on the Earth alone (hour angle at Greenwich, declination, parallax) is
computed with the full algorithm at nodes that lie on multiples of 6 h of Unix time, sixteen nodes side by side so that
the sums become vector instructions, and carried between them by a cubic through four nodes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core_kernels import spa_tables as tables
from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.units import FloatArray

IntArray = npt.NDArray[np.int64]

NODE_S = 21600.0
J2000_S = 946728000.0  # 2000-01-01 12:00 UTC
DELTA_T_S = 67.0  # terrestrial time minus UT1; 5 s more move the sun by 6e-5 deg
LANES = 16  # nodes computed side by side
KEPT = 3  # nodes that the next run of segments shares with the last
QUANTITIES = 4  # hour angle [rad], sine and cosine of declination, sine of the parallax
_RAD = math.pi / 180.0
_PI_HIGH, _PI_LOW = 3.1415926534682512, 1.2154201013012384e-10  # pi, the first part of 33 bits
_T3, _T5, _T7, _T9, _T11, _T13, _T15, _T17, _T19 = (
    float((-1) ** (n // 2)) / math.factorial(n) for n in range(3, 20, 2)
)
_IN = "Array(float64, 1, 'C', readonly=True)"
_MATRIX = "Array(float64, 2, 'C', readonly=True)"


@kernel(inline=True)
def _cosine(angle_rad: float) -> float:
    """Cosine to 1e-15 by one odd polynomial: cheaper than :func:`vmath.cos`, whose last place no sum here needs."""
    n = (angle_rad * (1.0 / math.pi) + 0.5 + vmath.ROUND) - vmath.ROUND
    half = n - 0.5
    r = (angle_rad - half * _PI_HIGH) - half * _PI_LOW
    odd = n - 2.0 * ((n * 0.5 + vmath.ROUND) - vmath.ROUND)
    z = r * r
    q = _T11 + z * (_T13 + z * (_T15 + z * (_T17 + z * _T19)))
    q = z * (_T3 + z * (_T5 + z * (_T7 + z * (_T9 + z * q))))
    return (1.0 - 2.0 * odd * odd) * (r + r * q)


@kernel(f"void({_MATRIX}, {_IN}, float64[::1])")
def _add_terms(terms: FloatArray, x: FloatArray, out: FloatArray) -> None:
    """Multiply ``out`` by ``x`` and add the sum of ``A cos(B + C x)`` (eq. 9-10), for all lanes."""
    for lane in range(out.shape[0]):
        out[lane] *= x[lane]
    for row in range(terms.shape[0]):
        a, b, c = terms[row, 0], terms[row, 1], terms[row, 2]
        for lane in range(out.shape[0]):
            out[lane] += a * _cosine(b + c * x[lane])


@kernel(f"void({_IN}, float64[::1], float64[::1])")
def _add_nutation(c: FloatArray, longitude: FloatArray, obliquity: FloatArray) -> None:
    """Add nutation in longitude and obliquity (eq. 15-23) [deg/36e6]; ``c`` in Julian ephemeris centuries."""
    moon, sun, moon_sun, latitude, node = np.empty((5, LANES))
    for lane in range(LANES):
        t = c[lane]
        moon[lane] = (297.85036 + t * (445267.111480 + t * (-0.0019142 + t / 189474.0))) * _RAD
        sun[lane] = (357.52772 + t * (35999.050340 + t * (-0.0001603 - t / 300000.0))) * _RAD
        moon_sun[lane] = (134.96298 + t * (477198.867398 + t * (0.0086972 + t / 56250.0))) * _RAD
        latitude[lane] = (93.27191 + t * (483202.017538 + t * (-0.0036825 + t / 327270.0))) * _RAD
        node[lane] = (125.04452 + t * (-1934.136261 + t * (0.0020708 + t / 450000.0))) * _RAD
    for row in range(tables.NUTATION.shape[0]):
        y0, y1, y2, y3, y4, a, b, d, e = tables.NUTATION[row]
        for lane in range(longitude.shape[0]):
            angle = y0 * moon[lane] + y1 * sun[lane] + y2 * moon_sun[lane] + y3 * latitude[lane] + y4 * node[lane]
            sine, cosine = vmath.sincos(angle)
            longitude[lane] += (a + b * c[lane]) * sine
            obliquity[lane] += (d + e * c[lane]) * cosine


@kernel(inline=True)
def _mean_obliquity_deg(u: float) -> float:
    """Mean obliquity of the ecliptic (eq. 24); ``u`` in ten Julian ephemeris millennia."""
    high = -249.67 + u * (-39.05 + u * (7.12 + u * (27.87 + u * (5.79 + u * 2.45))))
    return (84381.448 + u * (-4680.93 + u * (-1.55 + u * (1999.25 + u * (-51.38 + u * high))))) / 3600.0


@kernel(f"void({_IN}, {_MATRIX}, {_MATRIX}, float64[:, ::1])")
def _place_nodes(days: FloatArray, series: FloatArray, nutation: FloatArray, out: FloatArray) -> None:
    """The four quantities of each lane from its sums: eq. 13-14, 25-33 with the ecliptic's own vectors.

    ``series`` float64[3, lanes] is longitude, latitude [1e-8 rad] and distance [1e-8 AU]; ``nutation`` float64[2,
    lanes]. The hour angle leaves the mean day out (360 deg from noon to noon of UT), so that it is small and smooth.
    """
    for lane in range(days.shape[0]):
        century = (days[lane] + DELTA_T_S / 86400.0) / 36525.0
        distance_au = series[2, lane] * 1e-8
        psi = nutation[0, lane] / 36000000.0 * _RAD
        obliquity = (_mean_obliquity_deg(century / 100.0) + nutation[1, lane] / 36000000.0) * _RAD
        ecliptic = series[0, lane] * 1e-8 + math.pi + psi - 20.4898 / 3600.0 * _RAD / distance_au
        sin_obliquity, cos_obliquity = vmath.sincos(obliquity)
        sin_ecliptic, cos_ecliptic = vmath.sincos(ecliptic)
        sin_latitude, cos_latitude = vmath.sincos(-series[1, lane] * 1e-8)
        ascension = vmath.atan2(
            sin_ecliptic * cos_obliquity * cos_latitude - sin_latitude * sin_obliquity, cos_ecliptic * cos_latitude
        )
        sine = sin_latitude * cos_obliquity + cos_latitude * sin_obliquity * sin_ecliptic
        ut = days[lane] / 36525.0
        sidereal_deg = 280.46061837 + 0.98564736629 * days[lane] + ut * ut * (0.000387933 - ut / 38710000.0)
        hour = sidereal_deg * _RAD + psi * cos_obliquity - ascension
        turn = hour / (2.0 * math.pi)
        out[0, lane] = hour - 2.0 * math.pi * ((turn + vmath.ROUND) - vmath.ROUND)
        out[1, lane] = sine
        out[2, lane] = math.sqrt(1.0 - sine * sine)
        xi = 8.794 / 3600.0 * _RAD / distance_au
        out[3, lane] = xi * (1.0 - xi * xi / 6.0)


@kernel("void(float64[::1], float64[:, ::1])")
def earth_at(times_s: FloatArray, out: FloatArray) -> None:
    """Fill ``out`` float64[4, 16]: the quantities at the instants ``times_s`` float64[16], by the full algorithm.

    Hour angle at Greenwich beyond the mean day [rad], sine and cosine of declination, sine of the parallax.
    """
    days = np.empty(LANES)
    century = np.empty(LANES)
    x = np.empty(LANES)
    for lane in range(LANES):
        days[lane] = (times_s[lane] - J2000_S) / 86400.0
        century[lane] = (days[lane] + DELTA_T_S / 86400.0) / 36525.0
        x[lane] = century[lane] / 10.0
    series = np.zeros((3, LANES))
    for terms in (
        tables.LONGITUDE_5,
        tables.LONGITUDE_4,
        tables.LONGITUDE_3,
        tables.LONGITUDE_2,
        tables.LONGITUDE_1,
        tables.LONGITUDE_0,
    ):
        _add_terms(terms, x, series[0])
    for terms in (tables.LATITUDE_1, tables.LATITUDE_0):
        _add_terms(terms, x, series[1])
    for terms in (tables.RADIUS_4, tables.RADIUS_3, tables.RADIUS_2, tables.RADIUS_1, tables.RADIUS_0):
        _add_terms(terms, x, series[2])
    nutation = np.zeros((2, LANES))
    _add_nutation(century, nutation[0], nutation[1])
    _place_nodes(days, series, nutation, out)


@kernel()
def find_nodes(segment: int, known: IntArray, window: FloatArray) -> int:
    """Column of node ``segment - 1`` in the window, whose next three columns are the following nodes.

    ``known`` int64[2] holds the number of the window's first node and how many follow from it; start with zeros.
    ``window`` float64[4, 19] is refilled when it does not reach: three nodes are kept when time moved on.
    """
    column = segment - 1 - known[0]
    if known[1] > 0 and 0 <= column <= known[1] - 4:
        return int(column)
    fresh = np.empty((QUANTITIES, LANES))
    times_s = np.empty(LANES)
    kept = KEPT if known[1] > 0 and column == known[1] - KEPT else 0
    for quantity in range(QUANTITIES):
        for i in range(kept):
            window[quantity, i] = window[quantity, known[1] - KEPT + i]
    for lane in range(LANES):
        times_s[lane] = (segment - 1 + kept + lane) * NODE_S
    earth_at(times_s, fresh)
    for quantity in range(QUANTITIES):
        for lane in range(LANES):
            window[quantity, kept + lane] = fresh[quantity, lane]
    known[0] = segment - 1
    known[1] = kept + LANES
    return 0


@kernel()
def _carry(times_s: FloatArray, segment_s: float, nodes: FloatArray, out: FloatArray) -> None:
    """The cubic through four nodes, at -1, 0, 1, 2 segments, evaluated within the segment (Lagrange, by powers)."""
    before, here, after, beyond = nodes[0], nodes[1], nodes[2], nodes[3]
    cube = (beyond - 3.0 * after + 3.0 * here - before) / 6.0
    square = 0.5 * (after - 2.0 * here + before)
    slope = after - here - square - cube
    for i in range(out.shape[0]):
        s = (times_s[i] - segment_s) / NODE_S
        out[i] = here + s * (slope + s * (square + s * cube))


@kernel(
    "void(Array(float64, 1, 'C', readonly=True), float64, int64[::1], float64[:, ::1], float64[:, ::1])",
)
def fill_celestial(
    times_s: FloatArray, longitude_rad: float, known: IntArray, window: FloatArray, out: FloatArray
) -> None:
    """Fill the first ``len(times_s)`` columns of ``out`` float64[4, >= n]: local hour angle and the other quantities.

    ``known`` and ``window`` as of :func:`find_nodes`. A run of times in one segment is carried by one cubic.
    """
    begin = 0
    nodes = np.empty(4)
    while begin < times_s.shape[0]:
        segment = math.floor(times_s[begin] / NODE_S)
        low_s, high_s = segment * NODE_S, (segment + 1) * NODE_S
        end = begin + 1
        while end < times_s.shape[0] and low_s <= times_s[end] < high_s:
            end += 1
        column = find_nodes(segment, known, window)
        quarter = segment - 4 * math.floor(segment / 4.0)
        # Noon of UT is hour angle 0: the mean day adds 90 deg a segment and starts at -180.
        noon = longitude_rad + (quarter - 2) * (0.5 * math.pi)
        for quantity in range(QUANTITIES):
            for k in range(4):
                mean_day = noon + (k - 1) * (0.5 * math.pi) if quantity == 0 else 0.0
                nodes[k] = window[quantity, column + k] + mean_day
            _carry(times_s[begin:end], low_s, nodes, out[quantity, begin:end])
        begin = end
