"""The fused chain from time and sky to AC power: blocks of samples whose intermediate values never leave the cache.

Sun, light, transposition, glass, cell temperature, module and inverter are loops over one block, free of branches;
each becomes vector instructions. A block without light costs next to nothing.
"""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.clear_sky import airmass_of, altitude_terms, ineichen_of, share_of
from core_kernels.daily import end_of_day, extra_at, linke_at
from core_kernels.decomposition import erbs_of
from core_kernels.horizon import shade_block
from core_kernels.iam import passed_at
from core_kernels.jit import kernel
from core_kernels.solar import BLOCK, WINDOW, horizontal_at, refraction_deg_at
from core_kernels.spa import QUANTITIES, fill_celestial
from core_kernels.transposition import (
    HAY_DAVIES,
    ISOTROPIC,
    PEREZ,
    hay_davies_parts,
    perez_driesse_parts,
    perez_parts,
)
from core_kernels.units import FloatArray, Ratio

FROM_GHI, FROM_THREE, FROM_CLEAR_SKY, FROM_INDEX = range(4)
# Rows of a block's working matrix.
TRUE_UP, UP, NORTH, EAST, ELEVATION, GHI, DNI, DHI, INVERSE, EVEN, AROUND, EDGE, REFLECTED, COOLING, DC, EXTRA = range(
    16
)
# Places in the vector of a site's constants: those of ``place_constants``, then these.
LIGHT_KIND, SKY_MODEL, ALTITUDE_M, PRESSURE_RATIO, FAIMAN_0, FAIMAN_1 = range(6, 12)
ROWS, SITE_SIZE = 16, 12
# Columns of the planes' and the inverters' matrices.
NORMAL_UP, NORMAL_NORTH, NORMAL_EAST, SINE, DC_PER_LIGHT, GAMMA, INVERTER = range(7)
CONSTANT, LINEAR, SQUARE, LIMIT_W, START_W, NIGHT_W = range(6)
REFERENCE_C = 25.0
_COS_87_DEG = 0.05233595624294383
_SURELY_DARK = -0.02  # sine of an elevation that no refraction lifts above the horizon
_DEG, _RAD = 180.0 / math.pi, math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"
_MATRIX = "Array(float64, 2, 'C', readonly=True)"


@kernel()
def _sun_block(celestial: FloatArray, site: FloatArray, count: int, work: FloatArray) -> None:
    """Direction to the true and the refracted sun: up, north, east, and the apparent elevation [deg]."""
    sin_lat, cos_lat, x, y, pressure_ratio = site[0], site[1], site[3], site[4], site[5]
    hour, sin_dec, cos_dec, parallax = celestial[0], celestial[1], celestial[2], celestial[3]
    true_up, up, north = work[TRUE_UP, :count], work[UP, :count], work[NORTH, :count]
    east, elevation = work[EAST, :count], work[ELEVATION, :count]
    for i in range(up.shape[0]):
        sky = (hour[i], sin_dec[i], cos_dec[i], parallax[i])
        south, west, above = horizontal_at(sky, sin_lat, cos_lat, x, y)
        level = math.sqrt(south * south + west * west)
        shorten = 1.0 / math.sqrt(above * above + level * level)
        elevation_deg = _DEG * vmath.atan2(above, level)
        bent_deg = refraction_deg_at(elevation_deg, pressure_ratio)
        bent = bent_deg * _RAD
        square = bent * bent
        sine = bent * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0)))
        cosine = 1.0 - square * (0.5 - square * (1.0 / 24.0))
        high, far = above * shorten, level * shorten
        safe = level if level > 0.0 else 1.0
        reach = (far * cosine - high * sine) / safe
        true_up[i] = high
        up[i] = high * cosine + far * sine
        north[i] = -south * reach
        east[i] = -west * reach
        elevation[i] = elevation_deg + bent_deg


@kernel()
def _clear_run(rows: tuple[FloatArray, ...], extra: Ratio, turbidity: Ratio, site: FloatArray) -> None:
    """Ineichen's clear sky of one day: from up and elevation to GHI, DNI, DHI."""
    terms = altitude_terms(site[ALTITUDE_M])
    share = share_of(turbidity, terms[5])
    up, elevation, ghi, dni, dhi = rows
    for i in range(up.shape[0]):
        air = airmass_of(up[i], elevation[i]) * site[PRESSURE_RATIO]
        night = up[i] <= 0.0
        a, b, c = ineichen_of(up[i], air, turbidity, share, extra, terms)
        ghi[i] = 0.0 if night else a
        dni[i] = 0.0 if night else b
        dhi[i] = 0.0 if night else c


@kernel()
def _clear_block(times_s: FloatArray, linke: FloatArray, site: FloatArray, work: FloatArray) -> None:
    """GHI, DNI, DHI of a cloudless sky, day by day."""
    begin = 0
    while begin < times_s.shape[0]:
        end = end_of_day(times_s, begin)
        sun = (work[UP, begin:end], work[ELEVATION, begin:end])
        rows = (*sun, work[GHI, begin:end], work[DNI, begin:end], work[DHI, begin:end])
        _clear_run(rows, extra_at(times_s[begin]), linke_at(times_s[begin], linke), site)
        begin = end


@kernel()
def _split_block(true_up: FloatArray, work: FloatArray) -> None:
    """DNI and DHI from the GHI of each column (Erbs)."""
    ghi, dni, dhi, extra = work[GHI], work[DNI], work[DHI], work[EXTRA]
    for i in range(true_up.shape[0]):
        a, b = erbs_of(ghi[i], true_up[i], extra[i], true_up[i] < _COS_87_DEG)
        dni[i] = a
        dhi[i] = b


@kernel()
def _light_block(
    times_s: FloatArray, light: tuple[FloatArray, ...], linke: FloatArray, site: FloatArray, work: FloatArray
) -> None:
    """Fill GHI, DNI, DHI, the extra-terrestrial irradiance and its inverse."""
    count, extras, inverses = times_s.shape[0], work[EXTRA], work[INVERSE]
    begin = 0
    while begin < count:
        end = end_of_day(times_s, begin)
        extra = extra_at(times_s[begin])
        inverse = 1.0 / extra
        for i in range(begin, end):
            extras[i], inverses[i] = extra, inverse
        begin = end
    kind, ghi, dni, dhi = site[LIGHT_KIND], work[GHI, :count], work[DNI, :count], work[DHI, :count]
    if kind in (FROM_CLEAR_SKY, FROM_INDEX):
        _clear_block(times_s, linke, site, work)
    for i in range(0 if kind == FROM_CLEAR_SKY else count):
        ghi[i] = ghi[i] * light[0][i] if kind == FROM_INDEX else light[0][i]
    if kind == FROM_THREE:
        for i in range(count):
            dni[i], dhi[i] = light[1][i], light[2][i]
    elif kind != FROM_CLEAR_SKY:
        _split_block(work[TRUE_UP, :count], work)


@kernel()
def _diffuse_block(model: Ratio, count: int, work: FloatArray) -> None:
    """Even, circumsolar and horizon part of the diffuse light, common to all planes."""
    dni, dhi, up, inverse = work[DNI, :count], work[DHI, :count], work[UP, :count], work[INVERSE, :count]
    elevation, even, around, edge = (
        work[ELEVATION, :count],
        work[EVEN, :count],
        work[AROUND, :count],
        work[EDGE, :count],
    )
    if model == HAY_DAVIES:
        for i in range(dhi.shape[0]):
            even[i], around[i], edge[i] = hay_davies_parts(dni[i], dhi[i], up[i], inverse[i])
    elif model == ISOTROPIC:
        for i in range(dhi.shape[0]):
            even[i], around[i], edge[i] = 0.5 * dhi[i], 0.0, 0.0
    else:
        for i in range(dhi.shape[0]):
            bright = dhi[i] * inverse[i] * airmass_of(up[i], elevation[i])
            sun = (up[i], (90.0 - elevation[i]) * _RAD)
            if model == PEREZ:
                a, b, c = perez_parts(dni[i], dhi[i], sun, bright)
                night = elevation[i] < 0.0
                even[i], around[i], edge[i] = (0.0 if night else a), (0.0 if night else b), (0.0 if night else c)
            else:
                even[i], around[i], edge[i] = perez_driesse_parts(dni[i], dhi[i], sun, bright)


@kernel()
def _plane_block(plane: FloatArray, air_c: FloatArray, work: FloatArray) -> None:
    """Add a plane's DC power to the row DC; shapes of all rows follow ``air_c``."""
    a, b, c, sine, dc_per_light, gamma = plane[0], plane[1], plane[2], plane[3], plane[4], plane[5]
    up, north, east, dni = work[UP], work[NORTH], work[EAST], work[DNI]
    even, around, edge = work[EVEN], work[AROUND], work[EDGE]
    reflected, cooling, dc = work[REFLECTED], work[COOLING], work[DC]
    for i in range(air_c.shape[0]):
        projection = vmath.at_most(vmath.at_least(a * up[i] + b * north[i] + c * east[i], 0.0), 1.0)
        direct = vmath.at_least(dni[i] * projection, 0.0)
        sky = vmath.at_least(even[i] * (1.0 + a) + around[i] * projection + edge[i] * sine, 0.0)
        rest = sky + reflected[i] * (1.0 - a)
        cell_c = air_c[i] + (direct + rest) * cooling[i]
        useful = direct * passed_at(projection) + rest
        dc[i] += useful * dc_per_light * (1.0 + gamma * (cell_c - REFERENCE_C))


@kernel(inline=True)
def inverted_at(dc_w: float, curve: tuple[float, float, float, float, float, float]) -> float:
    """AC power of an inverter given as a quadratic of its DC power, with limit, start and night consumption [W]."""
    constant, linear, square, limit_w, start_w, night_w = curve
    ac_w = vmath.at_most(constant + dc_w * (linear + dc_w * square), limit_w)
    ac_w = night_w if dc_w < start_w else ac_w
    return vmath.at_least(ac_w, night_w)


@kernel(inline=True)
def _curve(row: FloatArray) -> tuple[float, float, float, float, float, float]:
    return row[0], row[1], row[2], row[3], row[4], row[5]


@kernel()
def _inverter_block(row: FloatArray, work: FloatArray, out: FloatArray) -> None:
    curve = _curve(row)
    dc = work[DC]
    for i in range(out.shape[0]):
        out[i] += inverted_at(dc[i], curve)


@kernel()
def _weather_block(weather: tuple[FloatArray, ...], site: FloatArray, work: FloatArray) -> None:
    """What the ground reflects (halved, before the tilt) and the inverse of Faiman's heat loss."""
    wind, albedo, ghi = weather[1], weather[2], work[GHI]
    reflected, cooling = work[REFLECTED], work[COOLING]
    for i in range(wind.shape[0]):
        reflected[i] = 0.5 * ghi[i] * albedo[i]
        cooling[i] = 1.0 / (site[FAIMAN_0] + site[FAIMAN_1] * vmath.at_least(wind[i], 0.0))


@kernel()
def _is_dark(kind: Ratio, light: tuple[FloatArray, ...], true_up: FloatArray) -> bool:
    """Whether every sample of the block is known to have no light at all; a missing value is not dark."""
    lit = 0
    if kind in (FROM_GHI, FROM_THREE):
        a, b, c = light
        for i in range(a.shape[0]):
            lit += 0 if a[i] == 0.0 and b[i] == 0.0 and c[i] == 0.0 else 1
    else:
        for i in range(true_up.shape[0]):
            lit += 0 if true_up[i] < _SURELY_DARK else 1
    return lit == 0


@kernel()
def _night_block(light: FloatArray, weather: tuple[FloatArray, ...], inverters: FloatArray, power: FloatArray) -> None:
    """Power without light: the night consumption, missing where an input is missing."""
    night_w = 0.0
    for k in range(inverters.shape[0]):
        night_w += inverted_at(0.0, _curve(inverters[k]))
    air_c, wind, albedo = weather
    for i in range(power.shape[0]):
        power[i] = night_w + 0.0 * abs(light[i] + air_c[i] + wind[i] + albedo[i])


@kernel()
def _day_block(
    air_c: FloatArray, planes: FloatArray, inverters: FloatArray, work: FloatArray, power: FloatArray
) -> None:
    """Sum of all inverters, each fed by its planes."""
    dc = work[DC]
    for k in range(inverters.shape[0]):
        for i in range(power.shape[0]):
            dc[i] = 0.0
        for j in range(planes.shape[0]):
            if planes[j, INVERTER] == k:
                _plane_block(planes[j], air_c, work)
        _inverter_block(inverters[k], work, power)


@kernel(f"void({_IN}, UniTuple({_IN}, 3), UniTuple({_IN}, 3), UniTuple({_IN}, 3), {_MATRIX}, {_MATRIX}, float64[::1])")
def chain_kernel(
    times_s: FloatArray,
    light: tuple[FloatArray, FloatArray, FloatArray],
    weather: tuple[FloatArray, FloatArray, FloatArray],
    settings: tuple[FloatArray, FloatArray, FloatArray],
    planes: FloatArray,
    inverters: FloatArray,
    out: FloatArray,
) -> None:
    """Fill ``out`` float64[n] with the AC power of all inverters [W].

    ``light`` is what the site's LIGHT_KIND says, float64[n] each; ``weather`` air temperature, wind and albedo,
    float64[n] each; ``settings`` the site's constants, the turbidity of twelve months and the horizon (may be empty).
    """
    site, linke, horizon = settings
    known = np.zeros(2, dtype=np.int64)
    window = np.empty((QUANTITIES, WINDOW))
    celestial = np.empty((QUANTITIES, BLOCK))
    work = np.zeros((ROWS, BLOCK))
    for begin in range(0, times_s.shape[0], BLOCK):
        end = min(begin + BLOCK, times_s.shape[0])
        part = times_s[begin:end]
        lights = (light[0][begin:end], light[1][begin:end], light[2][begin:end])
        air = (weather[0][begin:end], weather[1][begin:end], weather[2][begin:end])
        power = out[begin:end]
        for i in range(power.shape[0]):
            power[i] = 0.0
        measured = site[LIGHT_KIND] in (FROM_GHI, FROM_THREE)
        dark = measured and _is_dark(site[LIGHT_KIND], lights, power)
        if not dark:
            fill_celestial(part, site[2], known, window, celestial)
            _sun_block(celestial, site, end - begin, work)
            dark = not measured and _is_dark(site[LIGHT_KIND], lights, work[TRUE_UP, : end - begin])
        if dark:
            _night_block(lights[0], air, inverters, power)
        else:
            _light_block(part, lights, linke, site, work)
            shade_block(horizon, end - begin, work)
            _diffuse_block(site[SKY_MODEL], end - begin, work)
            _weather_block(air, site, work)
            _day_block(air[0], planes, inverters, work, power)
