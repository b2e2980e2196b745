"""Transposition: the light on a tilted plane, and the sky's diffuse light split for every plane at once.

Each model says how much of the diffuse light is even over the sky, comes from around the sun, or from the horizon;
what a plane sees of the three is geometry. So a roof more costs a few multiplications only.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

from core_kernels import vmath
from core_kernels.iam import Cosine
from core_kernels.jit import kernel
from core_kernels.transposition_tables import PEREZ_BINS, PEREZ_DRIESSE, PEREZ_DRIESSE_KNOTS, PEREZ_F
from core_kernels.units import FloatArray

ALBEDO_FRAC = 0.25  # grass and soil, pvlib's default
MIN_PROJECTION = 0.01745  # Hay-Davies: cosine of 89 deg
MODELS = ("isotropic", "hay_davies", "perez", "perez_driesse")
ISOTROPIC, HAY_DAVIES, PEREZ, PEREZ_DRIESSE_MODEL = range(4)
Parts: TypeAlias = tuple[float, float, float]
_COS_85_DEG = 0.08715574274765817
_KAPPA = 1.041  # Perez 1990, for the zenith in radians
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


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


class Surface(NamedTuple):
    """A tilted plane: azimuth from north, clockwise; what the ground before it reflects."""

    tilt_deg: float
    azimuth_deg: float
    albedo_frac: float = ALBEDO_FRAC


@kernel(inline=True)
def positive_at(value: float) -> float:
    """The value, 0 where it is negative; NaN stays NaN, which ``max`` does not promise."""
    return vmath.at_least(value, 0.0)


@kernel(inline=True)
def hay_davies_parts(dni_w_per_m2: float, dhi_w_per_m2: float, cos_zenith: Cosine, inverse_extra: Cosine) -> Parts:
    """Even, circumsolar and horizon part of the diffuse light (Hay and Davies 1980), halved, per cosine, per sine."""
    anisotropy = dni_w_per_m2 * inverse_extra
    around = dhi_w_per_m2 * anisotropy / vmath.at_least(cos_zenith, MIN_PROJECTION)
    return vmath.at_least(0.5 * dhi_w_per_m2 * (1.0 - anisotropy), 0.0), vmath.at_least(around, 0.0), 0.0


@kernel(inline=True)
def _parts_of(dhi_w_per_m2: float, f1: Cosine, f2: Cosine, cos_zenith: Cosine) -> Parts:
    around = dhi_w_per_m2 * f1 / vmath.at_least(cos_zenith, _COS_85_DEG)
    return 0.5 * dhi_w_per_m2 * (1.0 - f1), around, dhi_w_per_m2 * f2


@kernel(inline=True)
def perez_parts(dni_w_per_m2: float, dhi_w_per_m2: float, sun: tuple[float, float], brightness: Cosine) -> Parts:
    """As :func:`hay_davies_parts`, by the eight bins of Perez et al. 1990 (all sites).

    ``sun`` is the cosine of the apparent zenith and the zenith [rad]; ``brightness`` is ``dhi * airmass / extra``.
    """
    cos_zenith, z = sun
    safe = dhi_w_per_m2 if dhi_w_per_m2 > 0.0 else 1.0
    cubic = _KAPPA * z * z * z
    clearness = ((safe + dni_w_per_m2) / safe + cubic) / (1.0 + cubic)
    row = 0
    for step in range(7):
        row += 1 if clearness >= PEREZ_BINS[step] else 0
    f1 = PEREZ_F[0, row] + PEREZ_F[1, row] * brightness + PEREZ_F[2, row] * z
    f2 = PEREZ_F[3, row] + PEREZ_F[4, row] * brightness + PEREZ_F[5, row] * z
    return _parts_of(dhi_w_per_m2, vmath.at_least(f1, 0.0), f2, cos_zenith)


@kernel(inline=True)
def perez_driesse_parts(
    dni_w_per_m2: float, dhi_w_per_m2: float, sun: tuple[float, float], brightness: Cosine
) -> Parts:
    """As :func:`perez_parts` with quadratic splines instead of bins (Driesse, Jensen and Perez 2024)."""
    cos_zenith, z = sun
    both = dni_w_per_m2 + dhi_w_per_m2
    share = dni_w_per_m2 / both if both > 0.0 else 0.0
    zeta = share / (1.0 - _KAPPA * z * z * z * (share - 1.0))
    row = 0
    for step in range(7):
        row += 1 if zeta >= PEREZ_DRIESSE_KNOTS[step] else 0
    p = PEREZ_DRIESSE
    f1 = p[0, row] + zeta * (p[1, row] + zeta * p[2, row])
    f1 += brightness * (p[3, row] + zeta * (p[4, row] + zeta * p[5, row]))
    f1 += z * (p[6, row] + zeta * (p[7, row] + zeta * p[8, row]))
    f2 = p[9, row] + zeta * (p[10, row] + zeta * p[11, row])
    f2 += brightness * (p[12, row] + zeta * (p[13, row] + zeta * p[14, row]))
    f2 += z * (p[15, row] + zeta * (p[16, row] + zeta * p[17, row]))
    return _parts_of(dhi_w_per_m2, vmath.at_most(vmath.at_least(f1, 0.0), 0.9), f2, cos_zenith)


@kernel()
def hay_davies_at(
    sky_w_per_m2: tuple[float, float, float, float], cos_zenith: Cosine, cos_aoi: Cosine, cos_tilt: Cosine
) -> tuple[float, float, float]:
    """Direct, sky-diffuse and ground-reflected irradiance on a plane (Hay and Davies 1980) [W/m2].

    ``sky_w_per_m2`` is GHI, DNI, DHI and the extra-terrestrial normal irradiance; ``cos_zenith`` the apparent one.
    """
    ghi, dni, dhi, extra = sky_w_per_m2
    projection = vmath.at_least(cos_aoi, 0.0)
    even, around, _ = hay_davies_parts(dni, dhi, cos_zenith, 1.0 / extra)
    sky = even * (1.0 + cos_tilt) + around * projection
    return vmath.at_least(dni * projection, 0.0), sky, ghi * ALBEDO_FRAC * (1.0 - cos_tilt) * 0.5
