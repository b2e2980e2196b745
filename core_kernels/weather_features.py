"""What forecast weather says of a PV plant, slot by slot: power by physics, clearness, clouds, and the hours around.

A forecast is wrong in time as often as in strength, so that each quantity is given with its neighbours one and two
hours before and after. A forecast's slot is a mean: inside it the light follows the cloudless sky.
"""

from __future__ import annotations

import numpy as np

from core_kernels.featurespec import AROUND, Feature
from core_kernels.folding import at_mids, mids_s, ratio
from core_kernels.irradiance import clear_sky
from core_kernels.plant import Weather
from core_kernels.pv import plant_power_w
from core_kernels.pv_plant import PvPlant
from core_kernels.records import Frame
from core_kernels.signals import is_extra
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray

_REACH_H = 2
_MAX_CLEARNESS = 1.5
_DIM_W_PER_M2 = 20.0  # below it a ratio of two small numbers says nothing of clouds
_EXTRA_STEP = 1e-6  # extra columns have four digits already
_DIGITS = 4


def weather_power_w(grid: TimeGrid, plant: PvPlant, weather: Frame | None) -> FloatArray:
    """AC power by physics from forecast irradiance [W]; NaN where none is known.

    Where the forecast has no temperature or wind, 15 degC and 1 m/s stand in: they move the power by a few percent.
    """
    ghi = ghi_w_per_m2(grid, plant, weather)
    if not np.isfinite(ghi).any():
        return ghi
    temp_c, wind = at_mids(weather, "fc_temp_air_c", grid), at_mids(weather, "fc_wind_m_per_s", grid)
    temp_c, wind = np.where(np.isfinite(temp_c), temp_c, 15.0), np.where(np.isfinite(wind), wind, 1.0)
    return plant_power_w(
        mids_s(grid), plant.location, plant.physics, Weather(ghi, temp_air_c=temp_c, wind_m_per_s=wind)
    )


def _clear_ghi(grid: TimeGrid, plant: PvPlant, parts: int = 1) -> FloatArray:
    """Mean cloudless irradiance of each slot, from ``parts`` instants of it [W/m2]."""
    inside_s = (np.arange(parts) + 0.5) * grid.slot_s / parts
    times_s = (grid.starts_s()[:, None] + inside_s[None, :]).ravel()
    return np.asarray(
        clear_sky(times_s, plant.location, plant.linke_ratio).ghi_w_per_m2.reshape(-1, parts).mean(axis=1)
    )


def ghi_w_per_m2(grid: TimeGrid, plant: PvPlant, weather: Frame | None) -> FloatArray:
    """Forecast irradiance at the middle of each slot: the forecast's clearness, linear in time, times the clear sky."""
    ghi = at_mids(weather, "fc_ghi_w_per_m2", grid)
    if weather is None or weather.grid.slot_s <= grid.slot_s or not np.isfinite(ghi).any():
        return ghi
    parts = -(-weather.grid.slot_s // grid.slot_s)
    clear = _clear_ghi(weather.grid, plant, parts)
    clearness = ratio(weather.column("fc_ghi_w_per_m2"), clear, _MAX_CLEARNESS)
    bright = np.isfinite(clearness) & (clear > _DIM_W_PER_M2)
    if not bright.any():
        return ghi
    shaped = np.interp(mids_s(grid), mids_s(weather.grid)[bright], clearness[bright]) * _clear_ghi(grid, plant)
    return np.where(np.isfinite(ghi), shaped, np.nan)


def _four_digits(values: FloatArray) -> FloatArray:
    """Values rounded to four digits, so that a last bit decides nothing."""
    known = np.isfinite(values) & (values != 0.0)
    size = np.floor(np.log10(np.abs(np.where(known, values, 1.0))))
    step = 10.0 ** (size - (_DIGITS - 1))
    return np.where(known, np.rint(values / step) * step, values)


def _day_clearness(grid: TimeGrid, plant: PvPlant, ghi: FloatArray, clear: FloatArray) -> FloatArray:
    """Clearness of each slot's whole solar day, as far as the grid knows it; NaN without any."""
    day = ((grid.starts_s() + plant.location.longitude_deg * 240.0) // SECONDS_PER_DAY).astype(np.int64)
    day -= day.min()
    known = np.isfinite(ghi)
    sums = [np.bincount(day, np.where(known, part, 0.0)) for part in (ghi, clear)]
    return ratio(np.asarray(sums[0]), np.asarray(sums[1]), _MAX_CLEARNESS)[day]


def weather_columns(
    grid: TimeGrid, plant: PvPlant, weather: Frame | None, extra: tuple[str, ...] = ()
) -> dict[str, FloatArray]:
    """Columns of the PV model from forecast weather; ``extra`` names further columns of it. NaN where not known.

    Each of the quantities comes with the suffixes of ``AROUND``; ``fc_day_clearness`` is one for a whole day.
    """
    reach = _REACH_H * int(SECONDS_PER_HOUR) // grid.slot_s
    wide = TimeGrid(start_s=grid.start_s - reach * grid.slot_s, slot_s=grid.slot_s, count=grid.count + 2 * reach)
    ghi, clear = ghi_w_per_m2(wide, plant, weather), _clear_ghi(wide, plant)
    quantities = {
        "fc_plant_frac": weather_power_w(wide, plant, weather) / plant.capacity_w,
        "fc_clearness": np.where(clear > _DIM_W_PER_M2, ratio(ghi, clear, _MAX_CLEARNESS), np.nan),
        "fc_cloud_frac": at_mids(weather, "fc_cloud_frac", wide),
        **{name: _four_digits(at_mids(weather, name, wide)) for name in extra},
    }
    columns = {}
    for name, values in quantities.items():
        for suffix, hours in AROUND.items():
            first = reach + hours * reach // _REACH_H
            columns[name + suffix] = values[first : first + grid.count]
    columns["fc_day_clearness"] = _day_clearness(wide, plant, ghi, clear)[reach : reach + grid.count]
    for name in ("fc_wind_m_per_s", "fc_dni_w_per_m2", "fc_dhi_w_per_m2"):
        columns[name] = at_mids(weather, name, grid)
    return columns


def extra_of(names: tuple[str, ...], known: set[str]) -> tuple[str, ...]:
    """The extra weather columns that a model's inputs need: no ``known`` features, without the suffix of their hour."""
    suffixes = tuple(suffix for suffix in AROUND if suffix)
    bases = (name[:-4] if name.endswith(suffixes) else name for name in names if name not in known)
    return tuple(dict.fromkeys(base for base in bases if is_extra(base)))


def extra_features(extra: tuple[str, ...]) -> tuple[Feature, ...]:
    """The features of extra weather columns."""
    return tuple(Feature(name + suffix, "", _EXTRA_STEP) for name in extra for suffix in AROUND)
