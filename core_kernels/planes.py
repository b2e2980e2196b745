"""Light on one tilted plane from the light on the ground, by any of the transposition models."""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.clear_sky import airmass_of
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.shortened import cos_deg
from core_kernels.solar import check_f64, room
from core_kernels.transposition import (
    HAY_DAVIES,
    ISOTROPIC,
    MODELS,
    PEREZ,
    Parts,
    Plane,
    Sky,
    Surface,
    hay_davies_parts,
    perez_driesse_parts,
    perez_parts,
)
from core_kernels.units import FloatArray, Ratio

_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(inline=True)
def _parts_at(model: int, light: tuple[float, float, float], zenith_deg: float, up: Ratio) -> Parts:
    """Even, circumsolar and horizon part of the diffuse light; ``light`` is DNI, DHI and extra-terrestrial."""
    dni, dhi, extra = light
    if model == ISOTROPIC:
        return 0.5 * dhi, 0.0, 0.0
    inverse = 1.0 / extra
    brightness = dhi * inverse * airmass_of(up, 90.0 - zenith_deg)
    if model == PEREZ:
        a, b, c = perez_parts(dni, dhi, (up, zenith_deg * _RAD), brightness)
        night = zenith_deg > 90.0
        return (0.0 if night else a), (0.0 if night else b), (0.0 if night else c)
    return perez_driesse_parts(dni, dhi, (up, zenith_deg * _RAD), brightness)


@kernel()
def _hay_davies_loop(
    plane: tuple[Ratio, ...],
    zenith_deg: FloatArray,
    azimuth_deg: FloatArray,
    light: tuple[FloatArray, ...],
    out: FloatArray,
) -> None:
    """The commonest model without the others' branches; ``plane`` is cosine, sine, azimuth [deg], reflected share."""
    cos_tilt, sin_tilt, turn_deg, reflected = plane
    ghi, dni, dhi, extra = light
    direct, sky, ground = out[0], out[1], out[2]
    for i in range(direct.shape[0]):
        up = vmath.sin_quarter((90.0 - zenith_deg[i]) * _RAD)
        sine = vmath.sin_quarter((90.0 - abs(90.0 - zenith_deg[i])) * _RAD)
        aside = cos_deg(azimuth_deg[i] - turn_deg)
        projection = vmath.at_least(vmath.at_most(cos_tilt * up + sin_tilt * sine * aside, 1.0), 0.0)
        even, around, _ = hay_davies_parts(dni[i], dhi[i], up, 1.0 / extra[i])
        direct[i] = vmath.at_least(dni[i] * projection, 0.0)
        sky[i] = even * (1.0 + cos_tilt) + around * projection
        ground[i] = ghi[i] * reflected


@kernel(f"void(int64, {_IN}, {_IN}, {_IN}, UniTuple({_IN}, 4), float64[:, ::1])")
def _plane_kernel(
    model: int,
    surface: FloatArray,
    zenith_deg: FloatArray,
    azimuth_deg: FloatArray,
    light: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    out: FloatArray,
) -> None:
    """Fill ``out`` float64[3, n]: direct, sky, ground; ``light`` is GHI, DNI, DHI, extra-terrestrial."""
    sin_tilt, cos_tilt = vmath.sincos(surface[0] * _RAD)
    turn_deg, reflected = surface[1], 0.5 * surface[2] * (1.0 - cos_tilt)
    ghi, dni, dhi, extra = light
    direct, sky, ground = out[0], out[1], out[2]
    if model == HAY_DAVIES:
        _hay_davies_loop((cos_tilt, sin_tilt, turn_deg, reflected), zenith_deg, azimuth_deg, light, out)
        return
    for i in range(direct.shape[0]):
        sine, up = vmath.sincos(zenith_deg[i] * _RAD)
        aside = cos_deg(azimuth_deg[i] - turn_deg)
        projection = vmath.at_least(vmath.at_most(cos_tilt * up + sin_tilt * sine * aside, 1.0), 0.0)
        even, around, edge = _parts_at(model, (dni[i], dhi[i], extra[i]), zenith_deg[i], up)
        direct[i] = vmath.at_least(dni[i] * projection, 0.0)
        sky[i] = vmath.at_least(even * (1.0 + cos_tilt) + around * projection + edge * sin_tilt, 0.0)
        ground[i] = ghi[i] * reflected


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[::1])")
def _projection_kernel(surface: FloatArray, zenith_deg: FloatArray, azimuth_deg: FloatArray, out: FloatArray) -> None:
    sin_tilt, cos_tilt = vmath.sincos(surface[0] * _RAD)
    for i in range(out.shape[0]):
        sine, up = vmath.sincos(zenith_deg[i] * _RAD)
        value = cos_tilt * up + sin_tilt * sine * vmath.cos((azimuth_deg[i] - surface[1]) * _RAD)
        out[i] = vmath.at_least(vmath.at_most(value, 1.0), -1.0)


def _sun() -> tuple[FloatArray, FloatArray]:
    return np.linspace(10.0, 95.0, 300), np.linspace(60.0, 300.0, 300)


def _projection_example() -> tuple[Surface, FloatArray, FloatArray]:
    return (Surface(35.0, 150.0), *_sun())


@registered(
    name="planes.aoi_projection",
    unit="1",
    source="spherical geometry; Duffie and Beckman 2013, eq. 1.6.2",
    reference="pvlib.irradiance.aoi_projection",
    tolerance=1e-12,
    example=_projection_example,
    missing=(1, 2),
)
def aoi_projection(surface: Surface, apparent_zenith_deg: FloatArray, azimuth_deg: FloatArray) -> FloatArray:
    """Cosine of the angle between the sun and a plane's normal.

    Parameters
    ----------
    surface : Surface
    apparent_zenith_deg, azimuth_deg : float64[n]
        NaN gives NaN. [deg]

    Returns
    -------
    float64[n]
        -1..1. [1]
    """
    check_f64("apparent_zenith_deg", apparent_zenith_deg)
    check_f64("azimuth_deg", azimuth_deg, apparent_zenith_deg.shape[0])
    out = np.empty(apparent_zenith_deg.shape[0])
    _projection_kernel(np.array(surface, dtype=np.float64), apparent_zenith_deg, azimuth_deg, out)
    return out


def _plane_example() -> tuple[Surface, FloatArray, FloatArray, Sky, FloatArray]:
    ghi = 400.0 + 300.0 * np.sin(np.arange(300.0))
    return Surface(35.0, 150.0), *_sun(), Sky(ghi, 0.6 * ghi, 0.5 * ghi), np.full(300, 1361.0)


@registered(
    name="planes.transpose",
    unit="W/m2",
    source="Hay and Davies 1980; Perez et al. 1990, Solar Energy 44(5); Driesse, Jensen and Perez 2024",
    reference="pvlib.irradiance.get_total_irradiance",
    tolerance=1e-10,
    example=_plane_example,
    missing=(1, 2, 4),
)
def transpose(
    surface: Surface,
    apparent_zenith_deg: FloatArray,
    azimuth_deg: FloatArray,
    sky: Sky,
    extra_w_per_m2: FloatArray,
    model: str = "hay_davies",
    out: FloatArray | None = None,
) -> Plane:
    """Direct, sky-diffuse and ground-reflected light on a plane.

    Parameters
    ----------
    surface : Surface
    apparent_zenith_deg, azimuth_deg : float64[n]
        NaN gives NaN. [deg]
    sky : Sky
        Without diffuse light the sky part is 0 (pvlib's Perez: NaN). [W/m2]
    extra_w_per_m2 : float64[n]
        Extra-terrestrial normal irradiance, positive. [W/m2]
    model : str
        One of ``transposition.MODELS``.

    Returns
    -------
    Plane
        float64[n] each. [W/m2]
    """
    if model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {model}")
    check_f64("apparent_zenith_deg", apparent_zenith_deg)
    count = apparent_zenith_deg.shape[0]
    check_f64("azimuth_deg", azimuth_deg, count)
    for name, values in zip(sky._fields, sky, strict=True):
        check_f64(name, values, count)
    check_f64("extra_w_per_m2", extra_w_per_m2, count)
    out = room(out, 3, count)
    numbers = np.array(surface, dtype=np.float64)
    _plane_kernel(MODELS.index(model), numbers, apparent_zenith_deg, azimuth_deg, (*sky, extra_w_per_m2), out)
    return Plane(out[0], out[1], out[2])
