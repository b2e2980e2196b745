"""Decomposition: direct and diffuse light out of the measured global."""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.iam import Cosine
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import BLOCK, check_f64, room
from core_kernels.units import FloatArray

MIN_COS_ZENITH = 0.065  # Erbs: clearness is not trusted below 3.7 deg of elevation
MAX_ZENITH_DEG = 87.0
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(inline=True)
def erbs_of(ghi_w_per_m2: float, cos_zenith: Cosine, extra_w_per_m2: float, low: bool) -> tuple[float, float]:
    """DNI and DHI of one instant, with one division; ``low`` says that the sun stands below 3 deg of elevation."""
    up = max(cos_zenith, MIN_COS_ZENITH)
    safe = 1.0 if low else cos_zenith
    flat = extra_w_per_m2 * up
    inverse = 1.0 / (flat * safe)
    kt = ghi_w_per_m2 * (safe * inverse)
    middle = 0.9511 + kt * (-0.1604 + kt * (4.388 + kt * (-16.638 + kt * 12.336)))
    cloudy = 1.0 - 0.09 * kt
    diffuse_frac = 0.165 if kt > 0.8 else middle
    diffuse_frac = diffuse_frac if kt > 0.22 else cloudy
    diffuse = diffuse_frac * ghi_w_per_m2
    dhi = ghi_w_per_m2 if low else diffuse
    dhi = ghi_w_per_m2 if ghi_w_per_m2 < 0.0 else dhi
    return (ghi_w_per_m2 - dhi) * (flat * inverse), dhi


@kernel()
def erbs_at(ghi_w_per_m2: float, zenith_deg: float, extra_w_per_m2: float) -> tuple[float, float]:
    """DNI and DHI from GHI and the TRUE zenith (Erbs, Klein and Duffie 1982) [W/m2]; all diffuse near the horizon."""
    up = vmath.sin_quarter((90.0 - zenith_deg) * _RAD)
    return erbs_of(ghi_w_per_m2, up, extra_w_per_m2, zenith_deg > MAX_ZENITH_DEG)


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[:, ::1])")
def _erbs_kernel(ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, extra_w_per_m2: FloatArray, out: FloatArray) -> None:
    for begin in range(0, out.shape[1], BLOCK):
        ghi, zenith = ghi_w_per_m2[begin : begin + BLOCK], zenith_deg[begin : begin + BLOCK]
        extra = extra_w_per_m2[begin : begin + BLOCK]
        dni, dhi = out[0, begin : begin + BLOCK], out[1, begin : begin + BLOCK]
        low = 0
        for i in range(zenith.shape[0]):
            low += zenith[i] > MAX_ZENITH_DEG
        if low == zenith.shape[0]:  # a block at night is all diffuse
            for i in range(dni.shape[0]):
                dni[i] = (ghi[i] - ghi[i]) * extra[i]  # NaN stays NaN
                dhi[i] = ghi[i]
        else:
            for i in range(dni.shape[0]):
                up = vmath.sin_quarter((90.0 - zenith[i]) * _RAD)
                dni[i], dhi[i] = erbs_of(ghi[i], up, extra[i], zenith[i] > MAX_ZENITH_DEG)


def _example() -> tuple[FloatArray, FloatArray, FloatArray]:
    zenith_deg = np.linspace(0.0, 100.0, 301)
    return 700.0 + 500.0 * np.sin(np.arange(301.0)), zenith_deg, np.linspace(1320.0, 1415.0, 301)


@registered(
    name="decomposition.erbs",
    unit="W/m2",
    source="Erbs, Klein and Duffie 1982, Solar Energy 28(4), eq. 1",
    reference="pvlib.irradiance.erbs",
    tolerance=1e-10,
    example=_example,
    missing=(0, 1),
)
def erbs(
    ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, extra_w_per_m2: FloatArray, out: FloatArray | None = None
) -> FloatArray:
    """Direct normal and diffuse irradiance from the global, by the clearness index.

    Parameters
    ----------
    ghi_w_per_m2 : float64[n]
        A negative one is all diffuse. NaN gives NaN (pvlib: a DNI of 0). [W/m2]
    zenith_deg : float64[n]
        TRUE zenith, without refraction; beyond 87 all light is diffuse. [deg]
    extra_w_per_m2 : float64[n]
        Extra-terrestrial normal irradiance, positive. [W/m2]

    Returns
    -------
    float64[2, n]
        DNI and DHI. [W/m2]
    """
    check_f64("ghi_w_per_m2", ghi_w_per_m2)
    check_f64("zenith_deg", zenith_deg, ghi_w_per_m2.shape[0])
    check_f64("extra_w_per_m2", extra_w_per_m2, ghi_w_per_m2.shape[0])
    out = room(out, 2, ghi_w_per_m2.shape[0])
    _erbs_kernel(ghi_w_per_m2, zenith_deg, extra_w_per_m2, out)
    return out


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[:, ::1])")
def _erbs_driesse_kernel(
    ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, extra_w_per_m2: FloatArray, out: FloatArray
) -> None:
    dni, dhi = out[0], out[1]
    for i in range(dni.shape[0]):
        cosine = vmath.sin_quarter((90.0 - zenith_deg[i]) * _RAD)
        low = zenith_deg[i] > MAX_ZENITH_DEG
        ghi = vmath.at_least(ghi_w_per_m2[i], 0.0)
        up = max(cosine, MIN_COS_ZENITH)
        kt = vmath.at_most(ghi / (extra_w_per_m2[i] * up), 1.0)
        middle = -0.11390583806313881 + kt * (4.246926715218317 + kt * (-16.470508424697300 + kt * 12.269114395712610))
        middle = 0.94629663357100100 + kt * middle
        cloudy = 1.0 - 0.09 * kt
        share = 0.165 if kt > 0.792 else middle
        share = share if kt > 0.216 else cloudy
        diffuse = ghi if low else share * ghi
        dhi[i] = diffuse
        dni[i] = (ghi - diffuse) / (1.0 if low else cosine)


@registered(
    name="decomposition.erbs_driesse",
    unit="W/m2",
    source="Driesse, Jensen and Perez 2024, Solar Energy 267, 112093, appendix",
    reference="pvlib.irradiance.erbs_driesse",
    tolerance=1e-10,
    example=_example,
    missing=(0, 1),
)
def erbs_driesse(ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, extra_w_per_m2: FloatArray) -> FloatArray:
    """As :func:`erbs` without its jumps between the three ranges of clearness.

    Parameters
    ----------
    ghi_w_per_m2 : float64[n]
        A negative one counts as 0. NaN gives NaN. [W/m2]
    zenith_deg : float64[n]
        TRUE zenith, without refraction; beyond 87 all light is diffuse. [deg]
    extra_w_per_m2 : float64[n]
        Extra-terrestrial normal irradiance, positive. [W/m2]

    Returns
    -------
    float64[2, n]
        DNI and DHI. [W/m2]
    """
    check_f64("ghi_w_per_m2", ghi_w_per_m2)
    check_f64("zenith_deg", zenith_deg, ghi_w_per_m2.shape[0])
    check_f64("extra_w_per_m2", extra_w_per_m2, ghi_w_per_m2.shape[0])
    out = np.empty((2, ghi_w_per_m2.shape[0]))
    _erbs_driesse_kernel(ghi_w_per_m2, zenith_deg, extra_w_per_m2, out)
    return out
