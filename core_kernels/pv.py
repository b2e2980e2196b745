"""PV power from the sky: transposition, glass, cell temperature, module and inverter, summed over arrays.

:func:`plant_power_w` is the whole chain; the two functions after it are its common cases, an inverter for each array.
"""

from __future__ import annotations

import numpy as np

from core_kernels.irradiance import Linke
from core_kernels.jit import kernel
from core_kernels.plant import (
    CALM_WIND_M_PER_S,
    ETA_NOMINAL_FRAC,
    FAIMAN_U0,
    FAIMAN_U1,
    LINKE_DEFAULT,
    REFERENCE_W_PER_M2,
    Inverter,
    Plant,
    PvArray,
    SandiaInverter,
    Weather,
    matrices_of,
    plant_of,
    pvwatts_curve,
    site_of,
)
from core_kernels.pv_chain import REFERENCE_C, chain_kernel, inverted_at
from core_kernels.registry import registered
from core_kernels.solar import Location, check_f64, check_times
from core_kernels.units import FloatArray

__all__ = [
    "CALM_WIND_M_PER_S",
    "ETA_NOMINAL_FRAC",
    "FAIMAN_U0",
    "FAIMAN_U1",
    "LINKE_DEFAULT",
    "REFERENCE_C",
    "REFERENCE_W_PER_M2",
    "Inverter",
    "Plant",
    "PvArray",
    "SandiaInverter",
    "Weather",
    "clear_sky_power_w",
    "inverter_at",
    "plant_power_w",
    "power_from_ghi_w",
]


@kernel()
def inverter_at(dc_w: float, inverter_w: float) -> float:
    """AC power of the PVWatts v5 inverter, clipped at its rating [W]; never negative."""
    ac_w = inverted_at(dc_w, pvwatts_curve(inverter_w / ETA_NOMINAL_FRAC, ETA_NOMINAL_FRAC))
    return min(ac_w, inverter_w) if ac_w == ac_w else ac_w  # noqa: PLR0124  # false for NaN only


def _filled(values: FloatArray | float, count: int, name: str) -> FloatArray:
    """A float64[n] of values given as such or as one number for all."""
    if isinstance(values, np.ndarray):
        check_f64(name, values, count)
        return values
    if not isinstance(values, float | int):
        raise TypeError(f"{name} must be a float64 vector or a number, got {type(values).__name__}")
    return np.full(count, float(values))


_DAYS = 1704067200.0 + 3600.0 * np.arange(300.0)
_ROOFS = (PvArray(35.0, 180.0, 10000.0, 8000.0), PvArray(20.0, 90.0, 4000.0, 3000.0))
_BRNO = Location(49.2, 16.6, 230.0)
_GHI = 300.0 + 300.0 * np.sin(np.arange(300.0))


def _plant_example() -> tuple[FloatArray, Location, Plant, Weather]:
    plant = plant_of(_ROOFS)._replace(horizon_deg=(5.0,) * 37, sky_model="perez")
    return _DAYS, _BRNO, plant, Weather(_GHI, temp_air_c=np.linspace(-5.0, 30.0, 300), wind_m_per_s=2.0)


@registered(
    name="pv.plant_power_w",
    unit="W",
    source="PVWatts v5 (Dobos 2014, NREL/TP-6A20-62641) with the models named by the plant",
    reference="pvlib.modelchain.ModelChain",
    tolerance=1e-4,
    example=_plant_example,
)
def plant_power_w(times_s: FloatArray, location: Location, plant: Plant, weather: Weather) -> FloatArray:
    """AC power of a plant at each instant, from whatever is known of its sky.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, finite; pass slot middles for slot means. [s]
    location : Location
    plant : Plant
        Arrays, the inverters they feed, and the models of the sky.
    weather : Weather
        Global irradiance; or global, direct and diffuse; or a clear-sky index; or nothing: a cloudless sky.

    Returns
    -------
    float64[n]
        NaN where an input is NaN; at night 0, or the inverters' own consumption. [W]

    Notes
    -----
    Reda and Andreas (2004), Ineichen and Perez (2002), Erbs (1982), Hay and Davies (1980) or Perez (1990), De Soto
    (2006), Faiman (2008), PVWatts v5 (Dobos 2014) or Sandia (King 2007).
    """
    check_times(times_s)
    count = times_s.shape[0]
    known = [
        (name, values)
        for name, values in (
            ("ghi_w_per_m2", weather.ghi_w_per_m2),
            ("dni_w_per_m2", weather.dni_w_per_m2),
            ("dhi_w_per_m2", weather.dhi_w_per_m2),
            ("clear_sky_index", weather.clear_sky_index),
        )
        if values is not None
    ]
    for name, values in known:
        check_f64(name, values, count)
    site = site_of(location, plant, tuple(name for name, _ in known))
    light = [values for _, values in known] or [times_s]
    air = (
        _filled(weather.temp_air_c, count, "temp_air_c"),
        _filled(weather.wind_m_per_s, count, "wind_m_per_s"),
        _filled(weather.albedo_frac, count, "albedo_frac"),
    )
    planes, inverters, linke, horizon = matrices_of(plant)
    out = np.empty(count)
    triple = (light[0], light[min(1, len(light) - 1)], light[-1])
    chain_kernel(times_s, triple, air, (site, linke, horizon), planes, inverters, out)
    return out


def _clear_example() -> tuple[FloatArray, Location, tuple[PvArray, ...]]:
    return _DAYS, _BRNO, _ROOFS


@registered(
    name="pv.clear_sky_power_w",
    unit="W",
    source="Ineichen and Perez 2002; Hay and Davies 1980; PVWatts v5 (Dobos 2014)",
    reference="pvlib functions",
    tolerance=1e-4,
    example=_clear_example,
)
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
    plant = plant_of(tuple(arrays))._replace(linke=tuple(linke))
    return plant_power_w(times_s, location, plant, Weather(temp_air_c=temp_air_c))


def _ghi_example() -> tuple[FloatArray, Location, tuple[PvArray, ...], FloatArray, FloatArray, FloatArray]:
    return _DAYS, _BRNO, _ROOFS, _GHI, np.full(300, 20.0), np.full(300, 3.0)


@registered(
    name="pv.power_from_ghi_w",
    unit="W",
    source="Erbs 1982; Hay and Davies 1980; PVWatts v5 (Dobos 2014)",
    reference="pvlib functions",
    tolerance=1e-4,
    example=_ghi_example,
    missing=(3, 4, 5),
)
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
    check_f64("ghi_w_per_m2", ghi_w_per_m2)
    weather = Weather(ghi_w_per_m2, temp_air_c=temp_air_c, wind_m_per_s=wind_m_per_s)
    return plant_power_w(times_s, location, plant_of(tuple(arrays)), weather)
