"""QCRad: physical and extreme limits of measured irradiance, and whether its three components agree.

Long and Shi (2008), Open Atmospheric Science Journal 2, 23-37 (doi 10.2174/1874282300802010023), sections 2-3; the
limits of the Baseline Surface Radiation Network. True means that a value passed; NaN passes no test.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Component: TypeAlias = Literal["ghi", "dhi", "dni"]
_Plain: TypeAlias = tuple[float, int, float, float]
Strictness: TypeAlias = Literal["physical", "extreme"]

_IN = "Array(float64, 1, 'C', readonly=True)"
_RAD = math.pi / 180.0
_T3, _T5, _T7, _T9, _T11, _T13, _T15, _T17, _T19 = ((-1.0) ** (k // 2) / math.factorial(k) for k in range(3, 20, 2))


class Bound(NamedTuple):
    """Upper limit ``factor * dni_extra * cos(zenith) ** (fifths_count / 5) + least_w_per_m2``; a constant lower one."""

    factor: float
    fifths_count: int
    least_w_per_m2: float
    lower_w_per_m2: float


BOUNDS: dict[tuple[Strictness, Component], Bound] = {
    ("physical", "ghi"): Bound(1.5, 6, 100.0, -4.0),
    ("physical", "dhi"): Bound(0.95, 6, 50.0, -4.0),
    ("physical", "dni"): Bound(1.0, 0, 0.0, -4.0),
    ("extreme", "ghi"): Bound(1.2, 6, 50.0, -2.0),
    ("extreme", "dhi"): Bound(0.75, 6, 30.0, -2.0),
    ("extreme", "dni"): Bound(0.95, 1, 10.0, -2.0),
}


@kernel("float64(float64)", inline=True)
def _cos_deg(zenith_deg: float) -> float:
    """Cosine of 0..180 deg, as the sine of the height, by its Taylor series; error below 4e-16."""
    x = (90.0 - zenith_deg) * _RAD
    z = x * x
    high = _T11 + z * (_T13 + z * (_T15 + z * (_T17 + z * _T19)))
    return x + x * z * (_T3 + z * (_T5 + z * (_T7 + z * (_T9 + z * high))))


@kernel("float64(float64)", inline=True)
def _fifth(x: float) -> float:
    """x**5."""
    square = x * x
    return square * square * x


@kernel(f"void({_IN}, {_IN}, {_IN}, Tuple((float64, int64, float64, float64)), boolean[::1])")
def _limits_kernel(
    values: FloatArray, zenith_deg: FloatArray, extra: FloatArray, bound: _Plain, passed: BoolArray
) -> None:
    """One component against one bound.

    ``value - least < factor * extra * mu ** (p / 5)`` is asked as ``(value - least)**5 < (factor * extra)**5 * mu**p``.
    """
    factor, fifths, least, lower = bound
    for i in range(values.shape[0]):
        cosine = _cos_deg(zenith_deg[i])
        mu = max(cosine, 0.0)
        cube = mu * mu * mu
        shape = 1.0 if fifths == 0 else (mu if fifths == 1 else cube * cube)
        below = _fifth(values[i] - least) < _fifth(factor * extra[i]) * shape
        passed[i] = (values[i] > lower) & below


@kernel(f"void({_IN}, {_IN}, {_IN}, {_IN}, boolean[:, ::1])")
def _consistency_kernel(
    zenith_deg: FloatArray, ghi: FloatArray, dhi: FloatArray, dni: FloatArray, passed: BoolArray
) -> None:
    """Rows of ``passed``: components pass, diffuse share passes, components in domain, diffuse share in domain."""
    components, diffuse, components_known, diffuse_known = passed[0], passed[1], passed[2], passed[3]
    for i in range(ghi.shape[0]):
        zenith = zenith_deg[i]
        total = dni[i] * _cos_deg(zenith) + dhi[i]
        steep, flat = (zenith >= 0.0) & (zenith < 75.0), (zenith >= 75.0) & (zenith < 93.0)
        width = 0.08 if steep else 0.15
        closure, share = ghi[i] / total, dhi[i] / ghi[i]
        bright, seen = (total >= 50.0) & (total < math.inf), (ghi[i] >= 50.0) & (ghi[i] < math.inf)
        components_known[i] = (steep | flat) & bright
        components[i] = (steep | flat) & bright & (closure > 1.0 - width) & (closure < 1.0 + width)
        diffuse_known[i] = (steep | flat) & seen
        diffuse[i] = (steep | flat) & seen & (share > 0.0) & (share < (1.05 if steep else 1.10))


def _limits_example() -> tuple[FloatArray, FloatArray, FloatArray]:
    zenith_deg = np.linspace(0.0, 110.0, 80)
    ghi_w_per_m2 = np.linspace(1900.0, -6.0, 80)
    ghi_w_per_m2[11] = math.nan
    return ghi_w_per_m2, zenith_deg, np.full(80, 1361.0)


@registered(
    name="qcrad_limits",
    unit="1",
    source="Long and Shi 2008 (10.2174/1874282300802010023), table 1; BSRN recommended QC tests V2.0",
    reference="pvanalytics.quality.irradiance.check_irradiance_limits_qcrad",
    tolerance=0.0,
    example=_limits_example,
)
def within_qcrad(
    values_w_per_m2: FloatArray,
    zenith_deg: FloatArray,
    dni_extra_w_per_m2: FloatArray,
    component: Component = "ghi",
    strictness: Strictness = "physical",
) -> BoolArray:
    """Whether irradiance is possible (``physical``) or not extremely rare (``extreme``).

    Parameters
    ----------
    values_w_per_m2 : float64[n]
        One measured component; NaN does not pass. [W/m2]
    zenith_deg : float64[n]
        True solar zenith, 0..180; below the horizon the cosine counts as 0. [deg]
    dni_extra_w_per_m2 : float64[n]
        Extra-terrestrial normal irradiance. [W/m2]
    component : str
        ``ghi``, ``dhi`` or ``dni``.
    strictness : str
        ``physical`` or ``extreme``.

    Returns
    -------
    bool[n]

    References
    ----------
    Long and Shi (2008), table 1: ``ub = least + factor * S * cos(zenith) ** (fifths_count / 5)``.
    """
    check_f64("values_w_per_m2", values_w_per_m2)
    check_f64("zenith_deg", zenith_deg, values_w_per_m2.shape[0])
    check_f64("dni_extra_w_per_m2", dni_extra_w_per_m2, values_w_per_m2.shape[0])
    bound = BOUNDS.get((strictness, component))
    if bound is None:
        raise ValueError(f"no limit for component {component!r} and strictness {strictness!r}")
    passed = np.empty(values_w_per_m2.shape[0], dtype=np.bool_)
    plain = (bound.factor, bound.fifths_count, bound.least_w_per_m2, bound.lower_w_per_m2)
    with np.errstate(all="ignore"):
        _limits_kernel(values_w_per_m2, zenith_deg, dni_extra_w_per_m2, plain, passed)
    return passed


class Consistency(NamedTuple):
    """Of each sample, bool[n]: whether a test passed, and whether it could be made (bright enough, sun high enough)."""

    components: BoolArray
    diffuse: BoolArray
    components_known: BoolArray
    diffuse_known: BoolArray


def _consistency_example() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    zenith_deg = np.linspace(10.0, 95.0, 60)
    dni, dhi = np.full(60, 700.0), np.linspace(40.0, 400.0, 60)
    ghi = dni * np.maximum(np.linspace(1.0, 0.0, 60), 0.0) + dhi
    ghi[5] = math.nan
    return zenith_deg, ghi, dhi, dni


@registered(
    name="qcrad_consistency",
    unit="1",
    source="Long and Shi 2008 (10.2174/1874282300802010023), section 3, comparison tests",
    reference="pvanalytics.quality.irradiance.check_irradiance_consistency_qcrad",
    tolerance=0.0,
    example=_consistency_example,
)
def consistent_qcrad(
    zenith_deg: FloatArray, ghi_w_per_m2: FloatArray, dhi_w_per_m2: FloatArray, dni_w_per_m2: FloatArray
) -> Consistency:
    """Whether ``dni * cos(zenith) + dhi`` closes to GHI, and whether the diffuse share is possible.

    Parameters
    ----------
    zenith_deg : float64[n]
        True solar zenith, 0..180. [deg]
    ghi_w_per_m2, dhi_w_per_m2, dni_w_per_m2 : float64[n]
        The measured components; a NaN passes nothing and is in no domain that needs it. [W/m2]

    Returns
    -------
    Consistency
        Outside its domain (below 50 W/m2, zenith 93 deg and more) a test does not pass.
    """
    check_f64("zenith_deg", zenith_deg)
    for name, values in (("ghi", ghi_w_per_m2), ("dhi", dhi_w_per_m2), ("dni", dni_w_per_m2)):
        check_f64(f"{name}_w_per_m2", values, zenith_deg.shape[0])
    passed = np.empty((4, zenith_deg.shape[0]), dtype=np.bool_)
    with np.errstate(all="ignore"):
        _consistency_kernel(zenith_deg, ghi_w_per_m2, dhi_w_per_m2, dni_w_per_m2, passed)
    return Consistency(*passed)
