"""Snow: how much of a row of modules it covers, what that costs, and how bright it makes the ground before them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels import vmath
from core_kernels.arguments import check_vectors
from core_kernels.jit import kernel, plain
from core_kernels.registry import registered
from core_kernels.solar import check_times
from core_kernels.transposition import ALBEDO_FRAC
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

# Marion et al. 2013; the depth: Ryberg and Freeman 2017
COVERING_M_PER_H = 0.01  # a snowfall that covers a row at once
LEAST_DEPTH_M = 0.01  # below it on the ground a row is clear, too
_SLIDE_W_PER_M2_K = -80.0  # snow slides where the air is warmer than the light in the plane over this
_SLIDE_PER_H = 0.197  # of the slant height, times the sine of the tilt
# Verseghy 1991 (CLASS): albedos of fresh, old dry and old melting snow, and how fast they are reached
FRESH_FRAC, _DRY_FRAC, _MELTING_FRAC, _DECAY_PER_H = 0.84, 0.70, 0.50, 0.01
_COVERED_M = 0.10  # depth from which on no ground shows
_REFRESH_M = 0.013  # CLASS 2.7: 1.3 mm of water in one step, as fresh snow of 100 kg/m3
_IN = "Array(float64, 1, 'C', readonly=True)"


class SnowWeather(NamedTuple):
    """What decides on snow, float64[n] each; every row speaks for the time since the row before it.

    ``snowfall_m`` is the depth of fresh snow that fell in that time, ``depth_m`` what lies on the ground at its start.
    """

    snowfall_m: FloatArray
    poa_w_per_m2: FloatArray
    temp_air_c: FloatArray
    depth_m: FloatArray


@kernel(f"void({_IN}, UniTuple({_IN}, 4), float64, float64, float64[::1])")
def _coverage_kernel(
    hours: FloatArray, weather: tuple[FloatArray, ...], slide_per_h: float, start_frac: float, out: FloatArray
) -> None:
    snowfall, poa, temp, depth = weather
    covered = start_frac
    for i in range(out.shape[0]):
        if depth[i] < LEAST_DEPTH_M:
            covered = 0.0
        elif snowfall[i] / hours[i] > COVERING_M_PER_H:
            covered = 1.0
        elif math.isnan(snowfall[i] + poa[i] + temp[i] + depth[i]):
            covered = math.nan
        elif i > 0 and temp[i] > poa[i] / _SLIDE_W_PER_M2_K:
            covered = vmath.at_least(covered - slide_per_h * hours[i], 0.0)
        out[i] = covered


@kernel(f"void({_IN}, {_IN}, {_IN}, {_IN}, float64, float64[::1])")
def _albedo_kernel(
    hours: FloatArray,
    snowfall_m: FloatArray,
    temp_c: FloatArray,
    depth_m: FloatArray,
    bare_frac: float,
    out: FloatArray,
) -> None:
    snow = FRESH_FRAC
    for i in range(out.shape[0]):
        old = _MELTING_FRAC if temp_c[i] >= 0.0 else _DRY_FRAC
        aged = (snow - old) * vmath.exp(-_DECAY_PER_H * hours[i]) + old
        aged = math.nan if math.isnan(temp_c[i] + snowfall_m[i]) else aged
        snow = FRESH_FRAC if snowfall_m[i] >= _REFRESH_M or depth_m[i] == 0.0 else aged
        share = vmath.at_most(depth_m[i] / _COVERED_M, 1.0)
        out[i] = bare_frac + share * (snow - bare_frac) if depth_m[i] != 0.0 else bare_frac


def _hours(times_s: FloatArray) -> FloatArray:
    """Time that each row speaks for [h]; the first as long as the second."""
    check_times(times_s)
    steps = np.diff(times_s) / SECONDS_PER_HOUR
    if not (steps > 0.0).all():
        raise ValueError("times_s must rise")
    return np.concatenate((steps[:1], steps)) if steps.size else np.ones(times_s.shape[0])


def _example() -> tuple[FloatArray, SnowWeather, float]:
    hours = np.arange(240.0)
    snowfall_m = np.where(hours % 70.0 == 20.0, 0.03, 0.0)
    poa_w_per_m2 = np.maximum(0.0, 500.0 * np.sin(hours * (math.pi / 12.0)))
    weather = SnowWeather(snowfall_m, poa_w_per_m2, -4.0 + 0.03 * hours, np.minimum(0.002 * hours, 0.3))
    return 1.7e9 + SECONDS_PER_HOUR * hours, weather, 35.0


@registered(
    name="snow.coverage",
    unit="frac",
    source="Marion et al. 2013, Solar Energy 97, 112-121; Ryberg and Freeman 2017, NREL/TP-6A20-68705",
    reference="pvlib.snow.coverage_nrel",
    tolerance=1e-12,
    example=_example,
)
def coverage(times_s: FloatArray, weather: SnowWeather, tilt_deg: float, start_frac: float = 0.0) -> FloatArray:
    """Share of a row's slant height that snow covers, at the end of each row's time.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, rising; the first row counts as long as the second. [s]
    weather : SnowWeather
        [m], [W/m2], [degC], [m]
    tilt_deg : float
        Of the modules, 0..90. [deg]
    start_frac : float
        Covered share before the first row.

    Returns
    -------
    float64[n]
        0..1; NaN from a missing input on, until a snowfall covers all or the ground is bare again.
    """
    fields = check_vectors(times_s=times_s, **weather._asdict())
    hours = _hours(fields[0])
    if not (0.0 <= tilt_deg <= 90.0 and 0.0 <= start_frac <= 1.0):
        raise ValueError(f"tilt_deg must be 0..90 and start_frac 0..1, got {tilt_deg} and {start_frac}")
    slide_per_h = _SLIDE_PER_H * plain(vmath.sincos)(math.radians(tilt_deg))[0]
    out = np.empty(hours.shape[0])
    _coverage_kernel(hours, fields[1:], slide_per_h, float(start_frac), out)
    return out


@registered(
    name="snow.dc_loss",
    unit="frac",
    source="Gilman et al. 2018, NREL/TP-6A20-67399, eq. 11.8",
    reference="pvlib.snow.dc_loss_nrel",
    tolerance=0.0,
    example=lambda: (np.linspace(0.0, 1.0, 40), 3),
    missing=(0,),
)
def dc_loss(coverage_frac: FloatArray, strings_count: int) -> FloatArray:
    """Share of the DC power that snow takes: a string that is touched gives nothing.

    Parameters
    ----------
    coverage_frac : float64[n]
        Covered share of the slant height, 0..1.
    strings_count : int
        Strings one above the other along the slant height: 1 for one upright module, 3 for one that lies.

    Returns
    -------
    float64[n]
        0..1; NaN gives NaN. [1]
    """
    (covered,) = check_vectors(coverage_frac=coverage_frac)
    if strings_count < 1:
        raise ValueError(f"strings_count must be at least 1, got {strings_count}")
    return np.ceil(covered * strings_count) / strings_count


@registered(
    name="snow.albedo",
    unit="frac",
    source="Verseghy 1991, Int. J. Climatology 11, 111-133 (CLASS)",
    reference="the formula in plain Python",
    tolerance=1e-14,
    example=lambda: (_example()[0], _example()[1].snowfall_m, _example()[1].temp_air_c, _example()[1].depth_m),
)
def albedo(
    times_s: FloatArray,
    snowfall_m: FloatArray,
    temp_air_c: FloatArray,
    depth_m: FloatArray,
    bare_frac: float = ALBEDO_FRAC,
) -> FloatArray:
    """Albedo of the ground, for :class:`core_kernels.plant.Weather`: snow ages from 0.84 to 0.70, or 0.50 in thaw.

    Parameters
    ----------
    times_s : float64[n]
        As in :func:`coverage`. [s]
    snowfall_m : float64[n]
        Fresh snow since the row before; 13 mm in a row are as good as new. [m]
    temp_air_c : float64[n]
        From 0 on snow counts as melting. [degC]
    depth_m : float64[n]
        Snow on the ground; below 0.1 m ground shows through, in proportion. [m]
    bare_frac : float
        Albedo without snow.

    Returns
    -------
    float64[n]
        0..1; NaN from a missing input on, until fresh snow or bare ground. [1]
    """
    _, snowfall, temp, depth = check_vectors(
        times_s=times_s, snowfall_m=snowfall_m, temp_air_c=temp_air_c, depth_m=depth_m
    )
    if not 0.0 <= bare_frac <= 1.0:
        raise ValueError(f"bare_frac must be 0..1, got {bare_frac}")
    hours = _hours(times_s)
    out = np.empty(hours.shape[0])
    _albedo_kernel(hours, snowfall, temp, depth, float(bare_frac), out)
    return out
