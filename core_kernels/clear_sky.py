"""The cloudless sky: air mass, Ineichen and Perez, Haurwitz, and the light outside the atmosphere.

The ``*_of`` and ``*_at`` functions are the scalar kernels, one instant each and free of branches.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from core_kernels import vmath
from core_kernels.daily import end_of_day, extra_at
from core_kernels.iam import Cosine
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.shortened import decay, kasten_young
from core_kernels.solar import HIGHEST_M, LOWEST_M, check_f64, check_times, room
from core_kernels.units import FloatArray, Ratio

Terms: TypeAlias = tuple[float, float, float, float, float, float]
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(inline=True)
def airmass_of(cos_zenith: Cosine, elevation_deg: float) -> float:
    """Relative optical air mass (Kasten and Young 1989, eq. 3) of an apparent elevation of at least 0."""
    top, bottom = kasten_young(vmath.at_least(elevation_deg, 0.0) + 6.07995)
    return bottom / (vmath.at_least(cos_zenith, 0.0) * bottom + top)


@kernel(inline=True)
def airmass_at(apparent_zenith_deg: float) -> float:
    """Relative optical air mass (Kasten and Young 1989, eq. 3); NaN below the horizon."""
    value = airmass_of(vmath.sin_quarter((90.0 - apparent_zenith_deg) * _RAD), 90.0 - apparent_zenith_deg)
    return value if apparent_zenith_deg <= 90.0 else math.nan


@kernel(inline=True)
def altitude_terms(altitude_m: float) -> Terms:
    """What Ineichen's clear sky takes from the altitude: fh1, fh2, cg1, cg2, b and the diffuse share's divisor."""
    fh1 = vmath.exp(-altitude_m / 8000.0)
    fh2 = vmath.exp(-altitude_m / 1250.0)
    cg1 = 5.09e-05 * altitude_m + 0.868
    return fh1, fh2, cg1, 3.92e-05 * altitude_m + 0.0387, 0.664 + 0.163 / fh1, 0.1 + 0.882 / fh1


@kernel(inline=True)
def ineichen_of(
    cos_zenith: Cosine, airmass_ratio: float, linke_ratio: float, share_frac: float, extra_w_per_m2: float, terms: Terms
) -> tuple[float, float, float]:
    """Clear-sky GHI, DNI, DHI from what is known of the day (``share_frac``) and the site (``terms``)."""
    fh1, fh2, cg1, cg2, b, _ = terms
    up = vmath.at_least(cos_zenith, 0.0)
    haze = linke_ratio - 1.0
    reached = cg1 * extra_w_per_m2 * decay(-cg2 * (fh1 + fh2 * haze) * airmass_ratio)
    dni = extra_w_per_m2 * b * decay(-0.09 * haze * airmass_ratio)
    dni = vmath.at_most(dni, reached * share_frac)
    ghi = reached * up
    return ghi, dni, ghi - dni * up


@kernel(inline=True)
def share_of(linke_ratio: float, divisor: Ratio) -> float:
    """Largest share of the global that Ineichen's direct light can have; ``divisor`` is the last altitude term."""
    return vmath.at_least(1.0 - (0.1 - 0.2 * vmath.exp(-linke_ratio)) / divisor, 0.0)


@kernel()
def ineichen_at(
    apparent_zenith_deg: float, airmass_ratio: float, linke_ratio: float, altitude_m: float, extra_w_per_m2: float
) -> tuple[float, float, float]:
    """Clear-sky GHI, DNI, DHI (Ineichen and Perez 2002); ``airmass_ratio`` is pressure-corrected [W/m2]."""
    terms = altitude_terms(altitude_m)
    cosine = vmath.sin_quarter((90.0 - apparent_zenith_deg) * _RAD)
    night = apparent_zenith_deg >= 90.0
    air = 1.0 if night else airmass_ratio
    ghi, dni, dhi = ineichen_of(cosine, air, linke_ratio, share_of(linke_ratio, terms[5]), extra_w_per_m2, terms)
    return (0.0 if night else ghi), (0.0 if night else dni), (0.0 if night else dhi)


@kernel(inline=True)
def haurwitz_at(apparent_zenith_deg: float) -> float:
    """Clear-sky GHI from the zenith angle alone (Haurwitz 1945) [W/m2]."""
    cosine = vmath.sin_quarter((90.0 - apparent_zenith_deg) * _RAD)
    safe = max(0.0001, cosine)
    value = 1098.0 * cosine * vmath.exp(-0.059 / safe)
    return 0.0 if apparent_zenith_deg >= 90.0 else value


@kernel(f"void({_IN}, float64[::1])")
def _airmass_kernel(apparent_zenith_deg: FloatArray, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        out[i] = airmass_at(apparent_zenith_deg[i])


@kernel(f"void({_IN}, float64[::1])")
def _haurwitz_kernel(apparent_zenith_deg: FloatArray, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        out[i] = haurwitz_at(apparent_zenith_deg[i])


@kernel(f"void({_IN}, {_IN}, float64, float64, {_IN}, float64[:, ::1])")
def _ineichen_kernel(
    apparent_zenith_deg: FloatArray,
    airmass_ratio: FloatArray,
    linke_ratio: float,
    altitude_m: float,
    extra_w_per_m2: FloatArray,
    out: FloatArray,
) -> None:
    terms = altitude_terms(altitude_m)
    share = share_of(linke_ratio, terms[5])
    ghi, dni, dhi = out[0], out[1], out[2]
    for i in range(ghi.shape[0]):
        night = apparent_zenith_deg[i] >= 90.0
        air = 1.0 if night else airmass_ratio[i]
        cosine = vmath.sin_quarter((90.0 - apparent_zenith_deg[i]) * _RAD)
        a, b, c = ineichen_of(cosine, air, linke_ratio, share, extra_w_per_m2[i], terms)
        ghi[i] = 0.0 if night else a
        dni[i] = 0.0 if night else b
        dhi[i] = 0.0 if night else c


@kernel(f"void({_IN}, float64[::1])")
def _extra_kernel(times_s: FloatArray, out: FloatArray) -> None:
    begin = 0
    while begin < times_s.shape[0]:
        end = end_of_day(times_s, begin)
        out[begin:end] = extra_at(times_s[begin])
        begin = end


def _zenith() -> tuple[FloatArray]:
    return (np.linspace(0.0, 110.0, 331),)


@registered(
    name="airmass",
    unit="1",
    source="Kasten and Young 1989, Applied Optics 28(22), eq. 3",
    reference="pvlib.atmosphere.get_relative_airmass(model='kastenyoung1989')",
    tolerance=1e-10,
    example=_zenith,
    missing=(0,),
)
def airmass(apparent_zenith_deg: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Relative optical air mass.

    Parameters
    ----------
    apparent_zenith_deg : float64[n]
        With refraction, 0..180. NaN gives NaN. [deg]

    out : float64[n], optional
        Where to put the result.

    Returns
    -------
    float64[n]
        1 at the zenith, 38 at the horizon, NaN below it. [1]
    """
    check_f64("apparent_zenith_deg", apparent_zenith_deg)
    out = room(out, apparent_zenith_deg.shape[0])
    _airmass_kernel(apparent_zenith_deg, out)
    return out


@registered(
    name="clear_sky.haurwitz",
    unit="W/m2",
    source="Haurwitz 1945, Journal of Meteorology 2",
    reference="pvlib.clearsky.haurwitz",
    tolerance=1e-10,
    example=_zenith,
    missing=(0,),
)
def haurwitz(apparent_zenith_deg: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Global irradiance of a cloudless sky from the zenith angle alone.

    Parameters
    ----------
    apparent_zenith_deg : float64[n]
        With refraction, 0..180. NaN gives NaN. [deg]

    Returns
    -------
    float64[n]
        0 below the horizon. [W/m2]
    """
    check_f64("apparent_zenith_deg", apparent_zenith_deg)
    out = room(out, apparent_zenith_deg.shape[0])
    _haurwitz_kernel(apparent_zenith_deg, out)
    return out


def _ineichen_example() -> tuple[FloatArray, FloatArray, float, float, FloatArray]:
    zenith_deg = np.linspace(0.0, 110.0, 331)
    return zenith_deg, airmass(zenith_deg), 3.2, 450.0, np.linspace(1320.0, 1415.0, 331)


@registered(
    name="clear_sky.ineichen",
    unit="W/m2",
    source="Ineichen and Perez 2002, Solar Energy 73(3), eq. 8-9",
    reference="pvlib.clearsky.ineichen",
    tolerance=1e-10,
    example=_ineichen_example,
    missing=(0, 4),
)
def ineichen(
    apparent_zenith_deg: FloatArray,
    airmass_ratio: FloatArray,
    linke_ratio: float,
    altitude_m: float,
    extra_w_per_m2: FloatArray,
    out: FloatArray | None = None,
) -> FloatArray:
    """Global, direct normal and diffuse irradiance of a cloudless sky.

    Parameters
    ----------
    apparent_zenith_deg : float64[n]
        With refraction, 0..180. NaN gives NaN. [deg]
    airmass_ratio : float64[n]
        Air mass times pressure over that of sea level; not looked at below the horizon. [1]
    linke_ratio : float
        Linke turbidity, at least 1. [1]
    altitude_m : float
        -1000..20000. [m]
    extra_w_per_m2 : float64[n]
        Extra-terrestrial normal irradiance. [W/m2]

    Returns
    -------
    float64[3, n]
        0 below the horizon. [W/m2]
    """
    check_f64("apparent_zenith_deg", apparent_zenith_deg)
    check_f64("airmass_ratio", airmass_ratio, apparent_zenith_deg.shape[0])
    check_f64("extra_w_per_m2", extra_w_per_m2, apparent_zenith_deg.shape[0])
    if not LOWEST_M <= altitude_m <= HIGHEST_M:
        raise ValueError(f"altitude_m must be {LOWEST_M:g}..{HIGHEST_M:g}, got {altitude_m}")
    out = room(out, 3, apparent_zenith_deg.shape[0])
    _ineichen_kernel(apparent_zenith_deg, airmass_ratio, float(linke_ratio), float(altitude_m), extra_w_per_m2, out)
    return out


def _times() -> tuple[FloatArray]:
    return (1.7e9 + 5.0e5 * np.arange(200.0),)


@registered(
    name="extraterrestrial",
    unit="W/m2",
    source="Spencer 1971, Search 2(5)",
    reference="pvlib.irradiance.get_extra_radiation(method='spencer')",
    tolerance=1e-10,
    example=_times,
)
def extraterrestrial(times_s: FloatArray) -> FloatArray:
    """Normal irradiance outside the atmosphere, one value for each UTC day.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, finite. [s]

    Returns
    -------
    float64[n]
        [W/m2]
    """
    check_times(times_s)
    out = np.empty(times_s.shape[0])
    _extra_kernel(times_s, out)
    return out
