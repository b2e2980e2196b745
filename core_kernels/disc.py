"""Direct light out of the measured global by quasi-physical models: DISC, and DIRINT that corrects it."""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.daily import SOLAR_CONSTANT_W_PER_M2, end_of_day, extra_at
from core_kernels.decomposition import MAX_ZENITH_DEG, MIN_COS_ZENITH
from core_kernels.dirint_table import FACTORS
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.shortened import decay, kasten
from core_kernels.solar import check_f64, check_times
from core_kernels.units import FloatArray, Ratio

SEA_LEVEL_PA = 101325.0
DISC_CONSTANT_W_PER_M2 = 1370.0  # the constant that DISC was fitted with
MAX_AIRMASS = 12.0
_FLAT = FACTORS.reshape(-1)
_RAD = math.pi / 180.0
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(inline=True)
def disc_of(ghi_w_per_m2: float, zenith_deg: float, extra_w_per_m2: float, pressure_ratio: float) -> tuple[float, ...]:
    """DNI [W/m2], clearness index and air mass (Kasten 1966) of one instant."""
    cosine = vmath.sin_quarter((90.0 - zenith_deg) * _RAD)
    up = max(cosine, MIN_COS_ZENITH)
    kt = vmath.at_most(vmath.at_least(ghi_w_per_m2 / (extra_w_per_m2 * up), 0.0), 1.0)
    safe_deg = vmath.at_most(zenith_deg, 90.0)
    top, bottom = kasten(93.885 - safe_deg)
    air = vmath.at_most(pressure_ratio * bottom / (vmath.at_least(cosine, 0.0) * bottom + top), MAX_AIRMASS)
    cloudy = kt <= 0.6
    a1 = 0.512 + kt * (-1.56 + kt * (2.286 - 2.222 * kt))
    a2 = -5.743 + kt * (21.77 + kt * (-27.49 + 11.56 * kt))
    b1 = 0.37 + 0.962 * kt
    b2 = 41.4 + kt * (-118.5 + kt * (66.05 + 31.9 * kt))
    c1 = -0.28 + kt * (0.932 - 2.048 * kt)
    c2 = -47.01 + kt * (184.2 + kt * (-222.0 + 73.81 * kt))
    lost = (a1 if cloudy else a2) + (b1 if cloudy else b2) * decay((c1 if cloudy else c2) * air)
    clear = 0.866 + air * (-0.122 + air * (0.0121 + air * (-0.000653 + 1.4e-05 * air)))
    dni = (clear - lost) * extra_w_per_m2
    bad = (zenith_deg > MAX_ZENITH_DEG) | (ghi_w_per_m2 < 0.0) | (dni < 0.0)
    air = air if zenith_deg <= 90.0 else math.nan
    return (0.0 if bad else dni), kt, air


@kernel(f"void({_IN}, {_IN}, {_IN}, float64, float64[:, ::1])")
def _disc_kernel(
    times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, pressure_ratio: float, out: FloatArray
) -> None:
    """Fill ``out`` float64[3, n]: DNI, clearness index, air mass."""
    begin = 0
    while begin < times_s.shape[0]:
        end = end_of_day(times_s, begin)
        extra = extra_at(times_s[begin]) * (DISC_CONSTANT_W_PER_M2 / SOLAR_CONSTANT_W_PER_M2)
        ghi, zenith = ghi_w_per_m2[begin:end], zenith_deg[begin:end]
        dni, kt, air = out[0, begin:end], out[1, begin:end], out[2, begin:end]
        for i in range(ghi.shape[0]):
            a, b, c = disc_of(ghi[i], zenith[i], extra, pressure_ratio)
            dni[i] = a
            kt[i] = b
            air[i] = c
        begin = end


@kernel("void(Array(float64, 2, 'C', readonly=True), float64[::1])")
def _clearness_kernel(disc: FloatArray, out: FloatArray) -> None:
    """Clearness freed of the zenith (Perez 1990, eq. 1) from the rows of DISC."""
    kt, air = disc[1], disc[2]
    for i in range(out.shape[0]):
        factor = 1.031 * decay(-1.4 * air[i] / (0.9 * air[i] + 9.4)) + 0.1
        out[i] = vmath.at_most(vmath.at_least(kt[i] / factor, 0.0), 1.0)


@kernel(inline=True)
def _change_at(before: Ratio, here: Ratio, after: Ratio) -> float:
    """Mean absolute change of clearness to the neighbours that are known; NaN when none is (eq. 2-3)."""
    left, right = abs(here - before), abs(here - after)
    both = 0.5 * (left + right)
    one = right if left != left else left  # noqa: PLR0124  # true for NaN only
    return one if both != both else both  # noqa: PLR0124


@kernel(inline=True)
def _factor_at(clearness: Ratio, zenith_deg: float, change: Ratio, water: Ratio) -> float:
    """The factor of a bin; ``water`` [cm] is -1 where unknown; NaN where an index is outside its bins."""
    k = 0 + (clearness >= 0.24) + (clearness >= 0.4) + (clearness >= 0.56) + (clearness >= 0.7) + (clearness >= 0.8)
    z = 0 + (zenith_deg >= 25.0) + (zenith_deg >= 40.0) + (zenith_deg >= 55.0) + (zenith_deg >= 70.0)
    z += 0 + (zenith_deg >= 80.0)
    d = 0 + (change >= 0.015) + (change >= 0.035) + (change >= 0.07) + (change >= 0.15) + (change >= 0.3)
    w = 0 + (water >= 1.0) + (water >= 2.0) + (water >= 3.0)
    w = 4 if water == -1.0 else w
    known = (clearness >= 0.0) & (zenith_deg >= 0.0) & (change >= 0.0) & ((water >= 0.0) | (water == -1.0))
    factor: float = _FLAT[((k * 6 + z) * 7 + d) * 5 + w]
    return factor if known else math.nan


@kernel(f"void({_IN}, {_IN}, {_IN}, {_IN}, float64[::1])")
def _dirint_kernel(
    dni: FloatArray, clearness: FloatArray, zenith_deg: FloatArray, dew_c: FloatArray, out: FloatArray
) -> None:
    """Correct DISC's DNI. ``clearness`` float64[n + 2] has a NaN at each end; an empty ``dew_c`` is unknown."""
    count = out.shape[0]
    before, here, after = clearness[:count], clearness[1 : count + 1], clearness[2:]
    if dew_c.shape[0] > 0:
        for i in range(out.shape[0]):
            water = vmath.exp(0.07 * dew_c[i] - 0.075)
            change = _change_at(before[i], here[i], after[i])
            out[i] = dni[i] * _factor_at(here[i], zenith_deg[i], change, water)
    else:
        for i in range(out.shape[0]):
            change = _change_at(before[i], here[i], after[i])
            out[i] = dni[i] * _factor_at(here[i], zenith_deg[i], change, -1.0)


def _example() -> tuple[FloatArray, FloatArray, FloatArray]:
    times_s = 1.7e9 + 600.0 * np.arange(300.0)
    return times_s, 500.0 + 400.0 * np.sin(np.arange(300.0)), np.linspace(5.0, 95.0, 300)


def _disc(times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, pressure_pa: float) -> FloatArray:
    check_times(times_s)
    check_f64("ghi_w_per_m2", ghi_w_per_m2, times_s.shape[0])
    check_f64("zenith_deg", zenith_deg, times_s.shape[0])
    if not pressure_pa > 0.0:
        raise ValueError(f"pressure_pa must be positive, got {pressure_pa}")
    out = np.empty((3, times_s.shape[0]))
    _disc_kernel(times_s, ghi_w_per_m2, zenith_deg, pressure_pa / SEA_LEVEL_PA, out)
    return out


@registered(
    name="disc.disc",
    unit="W/m2",
    source="Maxwell 1987, SERI/TR-215-3087",
    reference="pvlib.irradiance.disc",
    tolerance=1e-10,
    example=_example,
    missing=(1, 2),
)
def disc(
    times_s: FloatArray, ghi_w_per_m2: FloatArray, zenith_deg: FloatArray, pressure_pa: float = SEA_LEVEL_PA
) -> FloatArray:
    """Direct normal irradiance from the global after DISC, with what it is made of.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, finite; only the day counts. [s]
    ghi_w_per_m2, zenith_deg : float64[n]
        Global and TRUE zenith. NaN gives NaN. [W/m2], [deg]
    pressure_pa : float
        [Pa]

    Returns
    -------
    float64[3, n]
        DNI (0 beyond 87 deg), clearness index, pressure-corrected air mass (NaN below the horizon). [W/m2], [1], [1]
    """
    return _disc(times_s, ghi_w_per_m2, zenith_deg, pressure_pa)


@registered(
    name="disc.dirint",
    unit="W/m2",
    source="Perez, Ineichen, Maxwell, Seals and Zelenka 1992, ASHRAE Transactions 98(1)",
    reference="pvlib.irradiance.dirint",
    tolerance=1e-10,
    example=_example,
    missing=(1, 2),
)
def dirint(
    times_s: FloatArray,
    ghi_w_per_m2: FloatArray,
    zenith_deg: FloatArray,
    pressure_pa: float = SEA_LEVEL_PA,
    dew_c: FloatArray | None = None,
) -> FloatArray:
    """Direct normal irradiance: DISC corrected by the change of clearness and the water in the air.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, finite, ascending and evenly spaced. [s]
    ghi_w_per_m2, zenith_deg : float64[n]
        Global and TRUE zenith. NaN gives NaN. [W/m2], [deg]
    pressure_pa : float
        [Pa]
    dew_c : float64[n], optional
        Dew point. [degC]

    Returns
    -------
    float64[n]
        NaN below the horizon and where no neighbour is known. [W/m2]
    """
    rows = _disc(times_s, ghi_w_per_m2, zenith_deg, pressure_pa)
    if dew_c is not None:
        check_f64("dew_c", dew_c, times_s.shape[0])
    clearness = np.full(times_s.shape[0] + 2, np.nan)
    _clearness_kernel(rows, clearness[1:-1])
    out = np.empty(times_s.shape[0])
    _dirint_kernel(rows[0], clearness, zenith_deg, np.empty(0) if dew_c is None else dew_c, out)
    return out
