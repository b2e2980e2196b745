"""Cell temperature (Faiman, Sandia, NOCT) and the DC power of modules (PVWatts)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, room
from core_kernels.units import FloatArray

Conductance: TypeAlias = float  # W/(m2 K), or that per m/s of wind
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, {_IN}, {_IN}, float64, float64, float64[::1])")
def _faiman_kernel(
    poa: FloatArray, air_c: FloatArray, wind: FloatArray, u0: Conductance, u1: Conductance, out: FloatArray
) -> None:
    for i in range(out.shape[0]):
        loss = u0 + u1 * vmath.at_least(wind[i], 0.0)
        out[i] = air_c[i] + poa[i] / loss


@kernel(f"void({_IN}, {_IN}, {_IN}, float64, float64, float64, float64[::1])")
def _sapm_kernel(
    poa: FloatArray, air_c: FloatArray, wind: FloatArray, a: float, b: float, delta_k: float, out: FloatArray
) -> None:
    for i in range(out.shape[0]):
        out[i] = poa[i] * vmath.exp(a + b * wind[i]) + air_c[i] + poa[i] * 1e-3 * delta_k


@kernel(f"void({_IN}, {_IN}, float64, float64[::1])")
def _linear_kernel(poa: FloatArray, air_c: FloatArray, factor: float, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        out[i] = air_c[i] + factor * poa[i]


@kernel(f"void({_IN}, {_IN}, float64, float64, float64[::1])")
def _dc_kernel(light: FloatArray, cell_c: FloatArray, dc_w: float, gamma_per_k: float, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        out[i] = light[i] * 0.001 * dc_w * (1.0 + gamma_per_k * (cell_c[i] - 25.0))


def _weather() -> tuple[FloatArray, FloatArray, FloatArray]:
    return np.linspace(0.0, 1200.0, 200), np.linspace(-20.0, 40.0, 200), np.linspace(0.0, 15.0, 200)


def _check(poa_w_per_m2: FloatArray, temp_air_c: FloatArray, wind_m_per_s: FloatArray) -> int:
    """Check three vectors of one length; their length."""
    check_f64("poa_w_per_m2", poa_w_per_m2)
    check_f64("temp_air_c", temp_air_c, poa_w_per_m2.shape[0])
    check_f64("wind_m_per_s", wind_m_per_s, poa_w_per_m2.shape[0])
    return int(poa_w_per_m2.shape[0])


@registered(
    name="cells.faiman",
    unit="degC",
    source="Faiman 2008, Progress in Photovoltaics 16(4), eq. 8; IEC 61853-2",
    reference="pvlib.temperature.faiman",
    tolerance=1e-10,
    example=_weather,
    missing=(0, 1, 2),
)
def faiman(
    poa_w_per_m2: FloatArray,
    temp_air_c: FloatArray,
    wind_m_per_s: FloatArray,
    u0: Conductance = 25.0,
    u1: Conductance = 6.84,
    out: FloatArray | None = None,
) -> FloatArray:
    """Cell temperature from light, air and wind: the heat loss grows linearly with the wind.

    Parameters
    ----------
    poa_w_per_m2, temp_air_c, wind_m_per_s : float64[n]
        Light in the plane, air temperature, wind at module height (below 0 counts as calm). [W/m2], [degC], [m/s]
    u0, u1 : float
        Heat loss without wind, and that per m/s. [W/m2/K], [W/m2/K per m/s]

    Returns
    -------
    float64[n]
        NaN where an input is. [degC]
    """
    out = room(out, _check(poa_w_per_m2, temp_air_c, wind_m_per_s))
    _faiman_kernel(poa_w_per_m2, temp_air_c, wind_m_per_s, u0, u1, out)
    return out


@registered(
    name="cells.sapm",
    unit="degC",
    source="King, Boyson and Kratochvil 2004, SAND2004-3535, eq. 11-12",
    reference="pvlib.temperature.sapm_cell",
    tolerance=1e-10,
    example=_weather,
    missing=(0, 1, 2),
)
def sapm(
    poa_w_per_m2: FloatArray,
    temp_air_c: FloatArray,
    wind_m_per_s: FloatArray,
    a: float = -3.56,
    b: float = -0.075,
    delta_k: float = 3.0,
    out: FloatArray | None = None,
) -> FloatArray:
    """Cell temperature after Sandia: an exponential of the wind at 10 m; defaults: open rack, polymer back.

    Parameters
    ----------
    poa_w_per_m2, temp_air_c, wind_m_per_s : float64[n]
        [W/m2], [degC], [m/s]
    a, b : float
        Heating without wind, and its fall with the wind. [1], [s/m]
    delta_k : float
        Cell above module back at 1000 W/m2. [K]

    Returns
    -------
    float64[n]
        NaN where an input is. [degC]
    """
    out = room(out, _check(poa_w_per_m2, temp_air_c, wind_m_per_s))
    _sapm_kernel(poa_w_per_m2, temp_air_c, wind_m_per_s, a, b, delta_k, out)
    return out


def _calm() -> tuple[FloatArray, FloatArray, float]:
    return (*_weather()[:2], 45.0)


@registered(
    name="cells.noct",
    unit="degC",
    source="Ross 1980, 14th IEEE PVSC; nominal conditions of IEC 61215 (800 W/m2, 20 degC, 1 m/s)",
    reference="pvlib.temperature.ross",
    tolerance=1e-10,
    example=_calm,
    missing=(0, 1),
)
def noct(poa_w_per_m2: FloatArray, temp_air_c: FloatArray, noct_c: float) -> FloatArray:
    """Cell temperature from the nominal operating cell temperature of the data sheet.

    Parameters
    ----------
    poa_w_per_m2, temp_air_c : float64[n]
        [W/m2], [degC]
    noct_c : float
        Cell temperature at 800 W/m2, 20 degC and 1 m/s. [degC]

    Returns
    -------
    float64[n]
        NaN where an input is. [degC]
    """
    out = np.empty(_check(poa_w_per_m2, temp_air_c, temp_air_c))
    _linear_kernel(poa_w_per_m2, temp_air_c, (noct_c - 20.0) / 800.0, out)
    return out


def _module() -> tuple[FloatArray, FloatArray, float, float]:
    return np.linspace(0.0, 1200.0, 200), np.linspace(-20.0, 80.0, 200), 5000.0, -0.004


@registered(
    name="cells.pvwatts_dc",
    unit="W",
    source="Dobos 2014, NREL/TP-6A20-62641, eq. 6",
    reference="pvlib.pvsystem.pvwatts_dc",
    tolerance=1e-10,
    example=_module,
    missing=(0, 1),
)
def pvwatts_dc(
    light_w_per_m2: FloatArray, cell_c: FloatArray, dc_w: float, gamma_per_k: float, out: FloatArray | None = None
) -> FloatArray:
    """DC power of modules from the light that enters them and their temperature.

    Parameters
    ----------
    light_w_per_m2, cell_c : float64[n]
        Effective irradiance and cell temperature. [W/m2], [degC]
    dc_w : float
        Power at 1000 W/m2 and 25 degC. [W]
    gamma_per_k : float
        Temperature coefficient, negative. [1/K]

    Returns
    -------
    float64[n]
        NaN where an input is. [W]
    """
    check_f64("light_w_per_m2", light_w_per_m2)
    check_f64("cell_c", cell_c, light_w_per_m2.shape[0])
    out = room(out, light_w_per_m2.shape[0])
    _dc_kernel(light_w_per_m2, cell_c, dc_w, gamma_per_k, out)
    return out
