"""PV power from the sky: transposition, glass, cell temperature, module and inverter, summed over arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels.irradiance import Linke, clear_sky_matrix, erbs_matrix, hay_davies_at, iam_physical_at
from core_kernels.jit import kernel
from core_kernels.solar import Location, check_f64, sun_position
from core_kernels.units import FloatArray

LINKE_DEFAULT = (2.45, 3.0, 3.8, 3.7, 3.95, 4.25, 4.0, 4.25, 4.2, 3.65, 2.5, 2.0)  # Prague, SoDa grid (Remund 2003)
CALM_WIND_M_PER_S = 1.0  # Faiman's wind at module height under NOCT
FAIMAN_U0 = 25.0  # [W/m2/K] Faiman 2008, IEC 61853-2
FAIMAN_U1 = 6.84  # [W/m2/K per m/s]
REFERENCE_W_PER_M2 = 1000.0
REFERENCE_C = 25.0
ETA_NOMINAL_FRAC = 0.96  # PVWatts v5 (Dobos 2014, NREL/TP-6A20-62641), eq. 11
ETA_REFERENCE_FRAC = 0.9637
_RAD = math.pi / 180.0


class PvArray(NamedTuple):
    """One plane of modules on one inverter.

    ``azimuth_deg`` counts from north, clockwise; ``inverter_w`` is the AC limit; ``gamma_per_k`` the temperature
    coefficient; ``loss_frac`` all DC losses (soiling, wiring, mismatch).
    """

    tilt_deg: float
    azimuth_deg: float
    dc_w: float
    inverter_w: float
    gamma_per_k: float = -0.004
    loss_frac: float = 0.14


@kernel("float64(float64, float64)")
def inverter_at(dc_w: float, inverter_w: float) -> float:
    """AC power of the PVWatts v5 inverter, clipped at its rating [W]; never negative."""
    rated_dc_w = inverter_w / ETA_NOMINAL_FRAC
    load_frac = dc_w / rated_dc_w
    curve = -0.0162 * load_frac * load_frac - 0.0059 + 0.9858 * load_frac
    power_w = ETA_NOMINAL_FRAC / ETA_REFERENCE_FRAC * curve * rated_dc_w
    if power_w < 0.0 or dc_w <= 0.0:
        return 0.0
    if power_w > inverter_w:
        return inverter_w
    return power_w


_IN = "Array(float64, 1, 'C', readonly=True)"
_MATRIX = "Array(float64, 2, 'C', readonly=True)"


@kernel(f"void({_IN}, {_IN}, {_MATRIX}, {_MATRIX}, {_MATRIX}, float64[::1])")
def _power_kernel(
    zenith_deg: FloatArray,
    azimuth_deg: FloatArray,
    sky: FloatArray,
    weather: FloatArray,
    arrays: FloatArray,
    out: FloatArray,
) -> None:
    """Sum the AC power of all arrays into ``out`` float64[n].

    ``zenith_deg`` is apparent; ``sky`` float64[4, n] as of ``clear_sky_matrix``; ``weather`` float64[2, n] is air
    temperature and wind; ``arrays`` as made by :func:`_array_matrix`.
    """
    for i in range(out.shape[0]):
        if sky[0, i] == 0.0 and sky[1, i] == 0.0 and sky[2, i] == 0.0:
            out[i] = 0.0 * (weather[0, i] + weather[1, i])
            continue
        cos_zenith = math.cos(zenith_deg[i] * _RAD)
        north = math.sin(zenith_deg[i] * _RAD) * math.cos(azimuth_deg[i] * _RAD)
        east = math.sin(zenith_deg[i] * _RAD) * math.sin(azimuth_deg[i] * _RAD)
        light = (sky[0, i], sky[1, i], sky[2, i], sky[3, i])
        cooling = FAIMAN_U0 + FAIMAN_U1 * weather[1, i]
        total_w = 0.0
        for k in range(arrays.shape[0]):
            cos_aoi = min(arrays[k, 0] * cos_zenith + arrays[k, 1] * north + arrays[k, 2] * east, 1.0)
            direct, diffuse, ground = hay_davies_at(light, cos_zenith, cos_aoi, arrays[k, 0])
            cell_c = weather[0, i] + (direct + diffuse + ground) / cooling
            effective = direct * iam_physical_at(cos_aoi) + diffuse + ground
            dc_w = effective / REFERENCE_W_PER_M2 * arrays[k, 3] * (1.0 + arrays[k, 5] * (cell_c - REFERENCE_C))
            total_w += inverter_at(dc_w, arrays[k, 4])
        out[i] = total_w


def _array_matrix(arrays: tuple[PvArray, ...]) -> FloatArray:
    """Arrays as the kernel takes them; an impossible one raises ``ValueError``.

    float64[k, 6]: the plane's normal (up, north, east), DC power after losses [W], inverter [W], gamma [1/K].
    """
    if not arrays:
        raise ValueError("arrays must hold at least one PvArray")
    rows = []
    for index, array in enumerate(arrays):
        if not all(math.isfinite(value) for value in array):
            raise ValueError(f"arrays[{index}] must be finite, got {array}")
        if array.dc_w <= 0.0 or array.inverter_w <= 0.0 or not 0.0 <= array.loss_frac < 1.0:
            raise ValueError(f"arrays[{index}] needs positive powers and a loss_frac of 0..1, got {array}")
        tilt, azimuth = array.tilt_deg * _RAD, array.azimuth_deg * _RAD
        normal = (math.cos(tilt), math.sin(tilt) * math.cos(azimuth), math.sin(tilt) * math.sin(azimuth))
        rows.append((*normal, array.dc_w * (1.0 - array.loss_frac), array.inverter_w, array.gamma_per_k))
    return np.array(rows, dtype=np.float64)


def clear_sky_power_w(
    times_s: FloatArray,
    location: Location,
    arrays: tuple[PvArray, ...],
    linke: Linke = LINKE_DEFAULT,
    temp_air_c: FloatArray | float = 15.0,
) -> FloatArray:
    """AC power of all arrays under a cloudless sky, at each instant.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds; pass slot middles for slot means. [s]
    location : Location
    arrays : tuple of PvArray
    linke : 12 floats
        Linke turbidity of the months, January first.
    temp_air_c : float64[n] or float
        NaN gives NaN. [degC]

    Returns
    -------
    float64[n]
        0 at night. [W]

    Notes
    -----
    Ineichen and Perez (2002), Hay and Davies (1980), De Soto (2006), Faiman (2008) at 1 m/s, PVWatts v5 (Dobos 2014).
    """
    parameters = _array_matrix(arrays)
    position = sun_position(times_s, location)
    sky = clear_sky_matrix(times_s, position.apparent_zenith_deg, location, linke)
    weather = np.empty((2, times_s.shape[0]))
    if isinstance(temp_air_c, np.ndarray):
        check_f64("temp_air_c", temp_air_c, times_s.shape[0])
    weather[0] = temp_air_c
    weather[1] = CALM_WIND_M_PER_S
    out = np.empty(times_s.shape[0])
    _power_kernel(position.apparent_zenith_deg, position.azimuth_deg, sky, weather, parameters, out)
    return out


def power_from_ghi_w(
    times_s: FloatArray,
    location: Location,
    arrays: tuple[PvArray, ...],
    ghi_w_per_m2: FloatArray,
    temp_air_c: FloatArray,
    wind_m_per_s: FloatArray,
) -> FloatArray:
    """AC power of all arrays from global horizontal irradiance, air temperature and wind at each instant.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds; pass slot middles for slot means. [s]
    location : Location
    arrays : tuple of PvArray
    ghi_w_per_m2, temp_air_c, wind_m_per_s : float64[n]
        [W/m2], [degC], [m/s]

    Returns
    -------
    float64[n]
        NaN where any input is NaN. [W]

    Notes
    -----
    Erbs (1982), Hay and Davies (1980), De Soto (2006), Faiman (2008), PVWatts v5 (Dobos 2014).
    """
    parameters = _array_matrix(arrays)
    position = sun_position(times_s, location)
    sky = erbs_matrix(times_s, ghi_w_per_m2, position.zenith_deg)
    check_f64("temp_air_c", temp_air_c, times_s.shape[0])
    check_f64("wind_m_per_s", wind_m_per_s, times_s.shape[0])
    weather = np.stack((temp_air_c, wind_m_per_s))
    out = np.empty(times_s.shape[0])
    _power_kernel(position.apparent_zenith_deg, position.azimuth_deg, sky, weather, parameters, out)
    return out
