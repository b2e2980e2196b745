"""Glass: the share of direct light that passes the cover of a module at an angle of incidence."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, room
from core_kernels.units import FloatArray

GLASS_INDEX = 1.526
GLASS_EXTINCTION = 4.0 * 0.002  # K [1/m] times thickness [m]
ASHRAE_B = 0.05
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"
Cosine: TypeAlias = float  # of an angle, -1..1


@kernel(inline=True)
def passed_at(cosine: Cosine) -> float:
    """Share that passes the standard glass, for a cosine of 0..1: Fresnel and absorption with one division.

    The absorption's exponent is within 0.003 of 0, so six terms of the series are exact.
    """
    n = GLASS_INDEX
    inside = math.sqrt(1.0 - (1.0 - cosine * cosine) / (n * n))
    b = cosine + n * inside
    d = inside + n * cosine
    inverse = 1.0 / (b * d * inside)
    reflected_s = (cosine - n * inside) * (d * inside * inverse)
    reflected_p = (inside - n * cosine) * (b * inside * inverse)
    x = GLASS_EXTINCTION - GLASS_EXTINCTION * (b * d * inverse)
    absorbed = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0)))))
    normal = (1.0 - n) / (1.0 + n)
    passed = 1.0 - 0.5 * (reflected_s * reflected_s + reflected_p * reflected_p)
    return passed * (1.0 / (1.0 - normal * normal)) * absorbed


@kernel()
def iam_physical_at(cos_aoi: Cosine) -> float:
    """Share of the direct light that passes the glass, 1 at normal incidence (De Soto et al. 2006, eq. 2-4)."""
    return passed_at(vmath.at_most(vmath.at_least(cos_aoi, 0.0), 1.0))


@kernel(f"void({_IN}, float64[::1])")
def _physical_kernel(aoi_deg: FloatArray, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        cosine = vmath.at_least(vmath.sin_quarter((90.0 - abs(aoi_deg[i])) * _RAD), 0.0)
        passed = passed_at(cosine)
        out[i] = 0.0 if abs(aoi_deg[i]) >= 90.0 else passed


@kernel(f"void({_IN}, float64, float64[::1])")
def _ashrae_kernel(aoi_deg: FloatArray, b: float, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        cosine = vmath.sin_quarter((90.0 - abs(aoi_deg[i])) * _RAD)
        safe = max(1e-09, cosine)
        passed = vmath.at_least(1.0 - b * (1.0 / safe - 1.0), 0.0)
        passed = 0.0 if abs(aoi_deg[i]) >= 90.0 else passed
        out[i] = passed if aoi_deg[i] == aoi_deg[i] else math.nan  # false for NaN only


def _example() -> tuple[FloatArray]:
    return (np.linspace(-100.0, 100.0, 301),)


@registered(
    name="iam.physical",
    unit="1",
    source="De Soto, Klein and Beckman 2006, Solar Energy 80(1), eq. 2-4",
    reference="pvlib.iam.physical",
    tolerance=1e-10,
    example=_example,
    missing=(0,),
)
def physical(aoi_deg: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Share of the direct light that passes standard glass (index 1.526, 2 mm, 4/m), 1 at normal incidence.

    Parameters
    ----------
    aoi_deg : float64[n]
        Angle of incidence; 0 passes beyond 90. NaN gives NaN. [deg]

    Returns
    -------
    float64[n]
        0..1. [1]
    """
    check_f64("aoi_deg", aoi_deg)
    out = room(out, aoi_deg.shape[0])
    _physical_kernel(aoi_deg, out)
    return out


@registered(
    name="iam.ashrae",
    unit="1",
    source="Souka and Safwat 1966; ASHRAE standard 93-77",
    reference="pvlib.iam.ashrae",
    tolerance=1e-10,
    example=_example,
    missing=(0,),
)
def ashrae(aoi_deg: FloatArray, b: float = ASHRAE_B, out: FloatArray | None = None) -> FloatArray:
    """Share of the direct light that passes, ``1 - b (1 / cos(aoi) - 1)``, never negative.

    Parameters
    ----------
    aoi_deg : float64[n]
        Angle of incidence; 0 passes beyond 90. NaN gives NaN. [deg]
    b : float
        The glass's parameter. [1]

    Returns
    -------
    float64[n]
        0..1. [1]
    """
    check_f64("aoi_deg", aoi_deg)
    out = room(out, aoi_deg.shape[0])
    _ashrae_kernel(aoi_deg, b, out)
    return out
