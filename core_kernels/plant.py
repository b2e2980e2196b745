"""What a PV plant is: arrays of modules, the inverters they feed, the models of its sky; as the chain takes it."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels import pv_chain
from core_kernels.horizon import check_profile
from core_kernels.irradiance import SEA_LEVEL_PA, Linke
from core_kernels.jit import kernel, plain
from core_kernels.solar import Location, place_constants, pressure_pa
from core_kernels.transposition import ALBEDO_FRAC, MODELS
from core_kernels.units import FloatArray
from core_kernels.vmath import sincos

LINKE_DEFAULT = (2.45, 3.0, 3.8, 3.7, 3.95, 4.25, 4.0, 4.25, 4.2, 3.65, 2.5, 2.0)  # Prague, SoDa grid (Remund 2003)
CALM_WIND_M_PER_S = 1.0  # Faiman's wind at module height under NOCT
FAIMAN_U0 = 25.0  # [W/m2/K] Faiman 2008, IEC 61853-2
FAIMAN_U1 = 6.84  # [W/m2/K per m/s]
REFERENCE_W_PER_M2 = 1000.0
ETA_NOMINAL_FRAC = 0.96  # PVWatts v5 (Dobos 2014, NREL/TP-6A20-62641), eq. 11
ETA_REFERENCE_FRAC = 0.9637
Curve: TypeAlias = tuple[float, float, float, float, float, float]
_RAD = math.pi / 180.0
_LIGHTS = {
    ("ghi_w_per_m2",): pv_chain.FROM_GHI,
    ("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2"): pv_chain.FROM_THREE,
    (): pv_chain.FROM_CLEAR_SKY,
    ("clear_sky_index",): pv_chain.FROM_INDEX,
}


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


@kernel(inline=True)
def pvwatts_curve(dc_w: float, eta_frac: float) -> Curve:
    """The PVWatts v5 inverter (Dobos 2014, eq. 11-13) as the chain's quadratic; ``dc_w`` is its DC rating."""
    share = eta_frac / ETA_REFERENCE_FRAC
    return -0.0059 * dc_w * share, 0.9858 * share, -0.0162 / dc_w * share, eta_frac * dc_w, 0.0, 0.0


class Inverter(NamedTuple):
    """An inverter after PVWatts v5: DC rating and nominal efficiency; AC limit is their product."""

    dc_w: float
    eta_frac: float = ETA_NOMINAL_FRAC

    def curve(self) -> Curve:
        """Constant, linear, square, limit, start and night power, as the chain takes them."""
        if not (0.0 < self.dc_w < math.inf and 0.0 < self.eta_frac <= 1.0):
            raise ValueError(f"inverter needs a positive dc_w and an eta_frac of 0..1, got {self}")
        return plain(pvwatts_curve)(float(self.dc_w), float(self.eta_frac))


class SandiaInverter(NamedTuple):
    """An inverter after King et al. 2007 (SAND2007-5036, eq. 1) at its nominal DC voltage.

    ``ac_w`` limit, ``dc_w`` input that gives it, ``start_w`` own use and start, ``curve_per_w`` C0, ``night_w`` Pnt.
    """

    ac_w: float
    dc_w: float
    start_w: float
    curve_per_w: float
    night_w: float

    def curve(self) -> Curve:
        """Constant, linear, square, limit, start and night power, as the chain takes them."""
        if not all(math.isfinite(value) for value in self) or not 0.0 <= self.start_w < self.dc_w or self.ac_w <= 0.0:
            raise ValueError(f"inverter needs start_w below dc_w and a positive ac_w, got {self}")
        c, s = self.curve_per_w, self.start_w
        slope = self.ac_w / (self.dc_w - s) - c * (self.dc_w - s)
        return s * (c * s - slope), slope - 2.0 * c * s, c, self.ac_w, s, -abs(self.night_w)


class Weather(NamedTuple):
    """What is known of sky and air, float64[n] or (of the air) one number for all; nothing of the sky: cloudless.

    Give ``ghi``; or ``ghi``, ``dni`` and ``dhi``; or ``clear_sky_index``, the global over that of a cloudless sky.
    """

    ghi_w_per_m2: FloatArray | None = None
    dni_w_per_m2: FloatArray | None = None
    dhi_w_per_m2: FloatArray | None = None
    clear_sky_index: FloatArray | None = None
    temp_air_c: FloatArray | float = 15.0
    wind_m_per_s: FloatArray | float = CALM_WIND_M_PER_S
    albedo_frac: FloatArray | float = ALBEDO_FRAC


class Plant(NamedTuple):
    """Arrays, inverters, and for each array the number of its inverter; and the models of the sky.

    The ``inverter_w`` of an array is not looked at here. ``horizon_deg`` holds the elevation of the horizon at equal
    steps of azimuth from 0 to 360 (empty: a free one); ``sky_model`` is one of ``transposition.MODELS``.
    """

    arrays: tuple[PvArray, ...]
    inverters: tuple[Inverter | SandiaInverter, ...]
    inverter_of: tuple[int, ...]
    linke: Linke = LINKE_DEFAULT
    horizon_deg: tuple[float, ...] = ()
    sky_model: str = "hay_davies"
    faiman: tuple[float, float] = (FAIMAN_U0, FAIMAN_U1)


def _plane(index: int, array: PvArray, inverter: int) -> tuple[float, ...]:
    """The plane's normal (up, north, east), sine of the tilt, DC power per light, gamma, number of the inverter."""
    if not all(math.isfinite(value) for value in array):
        raise ValueError(f"arrays[{index}] must be finite, got {array}")
    if array.dc_w <= 0.0 or not 0.0 <= array.loss_frac < 1.0:
        raise ValueError(f"arrays[{index}] needs positive powers and a loss_frac of 0..1, got {array}")
    sin_tilt, cos_tilt = plain(sincos)(float(array.tilt_deg) * _RAD)
    sin_azimuth, cos_azimuth = plain(sincos)(float(array.azimuth_deg) * _RAD)
    dc_per_light = array.dc_w * (1.0 - array.loss_frac) / REFERENCE_W_PER_M2
    normal = (cos_tilt, sin_tilt * cos_azimuth, sin_tilt * sin_azimuth)
    return *normal, sin_tilt, dc_per_light, array.gamma_per_k, float(inverter)


def _frozen(rows: object) -> FloatArray:
    table = np.array(rows, dtype=np.float64)
    table.setflags(write=False)
    return table


@functools.lru_cache(maxsize=64)
def matrices_of(plant: Plant) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Planes, inverters, turbidity and horizon for the chain, checked; an impossible one raises ``ValueError``."""
    numbers = set(range(len(plant.inverters)))
    if not plant.arrays or len(plant.inverter_of) != len(plant.arrays) or not set(plant.inverter_of) <= numbers:
        raise ValueError(f"inverter_of must number an inverter for each array, got {plant.inverter_of}")
    horizon = _frozen(plant.horizon_deg)
    check_profile(horizon)
    linke = _frozen(plant.linke)
    if linke.shape != (12,) or not (linke >= 1.0).all():
        raise ValueError(f"linke must be twelve turbidities of at least 1, got {plant.linke}")
    planes = [_plane(k, array, plant.inverter_of[k]) for k, array in enumerate(plant.arrays)]
    return _frozen(planes), _frozen([inverter.curve() for inverter in plant.inverters]), linke, horizon


@functools.lru_cache(maxsize=64)
def plant_of(arrays: tuple[PvArray, ...]) -> Plant:
    """A plant in which every array has a PVWatts inverter of its own, of the array's ``inverter_w``."""
    if not arrays:
        raise ValueError("arrays must hold at least one PvArray")
    for index, array in enumerate(arrays):
        if not 0.0 < array.inverter_w < math.inf:
            raise ValueError(f"arrays[{index}] needs positive powers and a loss_frac of 0..1, got {array}")
    inverters = tuple(Inverter(array.inverter_w / ETA_NOMINAL_FRAC) for array in arrays)
    return Plant(arrays, inverters, tuple(range(len(arrays))))


@functools.lru_cache(maxsize=64)
def site_of(location: Location, plant: Plant, light: tuple[str, ...]) -> FloatArray:
    """The vector of a site's constants for the chain; ``light`` names what is known of the sky."""
    if light not in _LIGHTS:
        raise ValueError(f"weather must give ghi; ghi, dni and dhi; clear_sky_index; or none of them: got {light}")
    if plant.sky_model not in MODELS:
        raise ValueError(f"sky_model must be one of {', '.join(MODELS)}, got {plant.sky_model}")
    out = np.empty(pv_chain.SITE_SIZE)
    out[:6] = place_constants(location)
    out[pv_chain.LIGHT_KIND] = _LIGHTS[light]
    out[pv_chain.SKY_MODEL] = MODELS.index(plant.sky_model)
    out[pv_chain.ALTITUDE_M] = location.altitude_m
    out[pv_chain.PRESSURE_RATIO] = pressure_pa(float(location.altitude_m)) / SEA_LEVEL_PA
    out[pv_chain.FAIMAN_0], out[pv_chain.FAIMAN_1] = plant.faiman
    out.setflags(write=False)
    return out
