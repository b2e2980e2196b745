"""The horizon of a place: hills, houses and trees as an elevation for each azimuth, which hide the sun."""

from __future__ import annotations

import math

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64
from core_kernels.units import FloatArray

_DEG = 180.0 / math.pi
_UP, _NORTH, _EAST, _ELEVATION, _DNI = 1, 2, 3, 4, 6  # rows of a chain's block
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(inline=True)
def horizon_at(azimuth_deg: float, profile_deg: FloatArray) -> float:
    """Elevation of the horizon in a direction, linear between the equally spaced points of the profile [deg]."""
    steps = profile_deg.shape[0] - 1
    place = vmath.at_most(vmath.at_least(azimuth_deg * (steps / 360.0), 0.0), float(steps))
    left = int(place) if place == place else 0  # noqa: PLR0124  # false for NaN only
    left = left if left < steps else steps - 1
    share = place - left
    low: float = profile_deg[left]
    high: float = profile_deg[left + 1]
    return low + share * (high - low)


@kernel()
def shade_block(profile_deg: FloatArray, count: int, work: FloatArray) -> None:
    """Take the direct light away where the apparent sun stands below the profile (an empty one hides nothing)."""
    if profile_deg.shape[0] > 0:
        north, east = work[_NORTH, :count], work[_EAST, :count]
        elevation, dni = work[_ELEVATION, :count], work[_DNI, :count]
        for i in range(dni.shape[0]):
            azimuth_deg = _DEG * vmath.atan2(-east[i], -north[i]) + 180.0
            dni[i] = 0.0 * dni[i] if elevation[i] < horizon_at(azimuth_deg, profile_deg) else dni[i]


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[::1])")
def _hidden_kernel(zenith_deg: FloatArray, azimuth_deg: FloatArray, profile_deg: FloatArray, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        hidden = 90.0 - zenith_deg[i] < horizon_at(azimuth_deg[i], profile_deg)
        visible = 0.0 if hidden else 1.0
        known = zenith_deg[i] == zenith_deg[i] and azimuth_deg[i] == azimuth_deg[i]  # not NaN
        out[i] = visible if known else math.nan


def check_profile(profile_deg: FloatArray) -> None:
    """Refuse a profile that is not elevations of -90..90 at equal steps from azimuth 0 to 360, both ends equal."""
    check_f64("profile_deg", profile_deg)
    if profile_deg.shape[0] == 0:
        return
    if profile_deg.shape[0] < 2 or not (np.abs(profile_deg) <= 90.0).all() or profile_deg[0] != profile_deg[-1]:
        raise ValueError("profile_deg must be elevations of -90..90 from azimuth 0 to 360, both ends equal")


def _example() -> tuple[FloatArray, FloatArray, FloatArray]:
    azimuth_deg = np.linspace(0.0, 360.0, 200)
    return np.linspace(60.0, 95.0, 200), azimuth_deg, 12.0 * np.abs(np.linspace(-1.0, 1.0, 73))


@registered(
    name="horizon.visible",
    unit="1",
    source="geometry; linear between points as PVGIS 5 horizon profiles",
    reference="numpy.interp",
    tolerance=0.0,
    example=_example,
    missing=(0, 1),
)
def visible(apparent_zenith_deg: FloatArray, azimuth_deg: FloatArray, profile_deg: FloatArray) -> FloatArray:
    """Whether the centre of the sun stands above the horizon profile.

    Parameters
    ----------
    apparent_zenith_deg, azimuth_deg : float64[n]
        Azimuth from north, clockwise, 0..360. NaN gives NaN. [deg]
    profile_deg : float64[k + 1]
        Elevation of the horizon at ``k`` equal steps of azimuth from north and, again, at 360. [deg]

    Returns
    -------
    float64[n]
        1 visible, 0 hidden. [1]
    """
    check_f64("apparent_zenith_deg", apparent_zenith_deg)
    check_f64("azimuth_deg", azimuth_deg, apparent_zenith_deg.shape[0])
    check_profile(profile_deg)
    if profile_deg.shape[0] == 0:
        raise ValueError("profile_deg must have points")
    out = np.empty(apparent_zenith_deg.shape[0])
    _hidden_kernel(apparent_zenith_deg, azimuth_deg, profile_deg, out)
    return out
