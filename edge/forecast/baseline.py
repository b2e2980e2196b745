"""The forecast without a model: what the last days say at the same clock time. Also the fall-back of the models."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo

import numpy as np

from core_kernels.features import LOAD_DAYS, PvPlant, sky
from core_kernels.folding import (
    SLOT_S,
    SLOTS_PER_DAY,
    IntArray,
    day_table,
    known_mean,
    mids_s,
    neighbours,
    ratio,
    weekday,
)
from core_kernels.issue import Calendar
from core_kernels.pv import PvArray
from core_kernels.quantiles import empirical
from core_kernels.records import Forecast, Frame
from core_kernels.solar import Location, sun_position
from core_kernels.standard_load import level_w, standard_ratio, standard_spread
from core_kernels.timegrid import TimeGrid
from core_kernels.turbidity import linke_of
from core_kernels.units import FloatArray
from edge.config import Site

_PV_DAYS = 7
# A day counts e times less so many days later: the sky changes with the weather, habits more slowly.
_PV_FADE_DAYS, _LOAD_FADE_DAYS = 4.0, 6.0
# The sky of the last six hours against what was to be expected says most about the next four, and no more than this.
_SKY_SLOTS, _SKY_FADE_SLOTS, _MAX_SKY_RATIO = 24, 16.0, 2.5
# The less of a day's sun those hours should have had, the less they say.
_LEAST_SUN_FRAC = 0.05
# What the load is above its mean now, it will no longer be an hour on: kettles and hobs end.
_LOAD_FADE_SLOTS = 4.0
# Of what it was above its mean over the last six hours (guests, an empty house), a part stays for half a day. This and
# the fading of days were chosen on eleven measured homes, before the days that `pems bench control` judges.
_LEVEL_SLOTS, _LEVEL_FRAC, _LEVEL_FADE_SLOTS = 24, 0.3, 48.0
# So many days of a home say as much of its load as the standard profile at its level: of 1, 2, 4 and 8 the one with the
# least pinball loss and RMSE after 1, 2, 3, 5, 7 and 14 days on thirteen measured homes, by a trial with the profile
# still without its dynamic factor and its fading out; no command repeats it.
_STANDARD_DAYS = 2.0
_NIGHT_DEG = -1.0
# P10, mean and P90 of a quarter hour's PV over its clear-sky power, for a plant of which nothing was measured yet:
# a mixed climate's year, rounded, wide on purpose; the first days replace it.
_UNSEEN_SKY_FRAC = (0.1, 0.55, 1.0)


def offsets_s(zone: ZoneInfo, grid: TimeGrid) -> FloatArray:
    """Local time minus UTC at each slot start [s]; clocks change on a quarter of an hour at the earliest."""
    quarters, where = np.unique(grid.starts_s() // SLOT_S, return_inverse=True)
    return np.array([_offset_s(zone, int(quarter)) for quarter in quarters.tolist()])[where]


@lru_cache(maxsize=16_384)
def _offset_s(zone: ZoneInfo, quarter: int) -> float:
    offset = datetime.fromtimestamp(quarter * SLOT_S, UTC).astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def calendar(zone: ZoneInfo, grid: TimeGrid, history: Frame) -> Calendar:
    """Local time of the slots asked for and of the history."""
    return Calendar(offsets_s(zone, grid), offsets_s(zone, history.grid))


def plant_of(site: Site) -> PvPlant | None:
    """The PV plant of a site file; None where it names no arrays or leaves an orientation open."""
    if not site.arrays or any(math.isnan(a.tilt_deg) or math.isnan(a.azimuth_deg) for a in site.arrays):
        return None
    arrays = tuple(
        PvArray(a.tilt_deg, a.azimuth_deg, a.dc_w, a.dc_w if math.isnan(a.inverter_w) else a.inverter_w)
        for a in site.arrays
    )
    location = Location(site.latitude_deg, site.longitude_deg, site.altitude_m)
    return PvPlant(location, arrays, site.linke_ratio or linke_of(location))


class Baseline:
    """PV: the last week at that slot, newer days counting more, by clearness where the plant is known, and as much
    above or below it as the last hours were. Load: the last four weeks, newer days counting more, and what it is and
    was in the last hours above that, fading.

    P10 and P90 are empirical: 7 days of PV, 28 of load, neighbouring slots included. Load begins as the standard
    profile at the home's own level and in four weeks becomes what its days say. A slot of which history says nothing
    takes that profile, of PV the mean of all that is known, and ``source`` says so. Without any history load is NaN;
    so is PV, unless the plant is known: then it is a wide share of the clear sky. Of rooms it knows nothing.
    """

    rooms: ClassVar[None] = None

    def __init__(self, site: Site, plant: PvPlant | None = None) -> None:
        self._zone = site.zone
        self._plant = plant_of(site) if plant is None else plant
        self._location = Location(site.latitude_deg, site.longitude_deg, site.altitude_m)

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:  # noqa: ARG002 -- the seam's signature
        """Both signals on a grid of 900 s slots; ``history`` of 900 s slots ends at or before ``issued_s``."""
        if grid.slot_s != SLOT_S or history.grid.slot_s != SLOT_S:
            raise ValueError(f"the baseline needs slots of {SLOT_S} s, got {grid.slot_s} and {history.grid.slot_s}")
        return {"pv_w": self.pv(issued_s, grid, history), "load_w": self.load(issued_s, grid, history)}

    def pv(self, issued_s: float, grid: TimeGrid, history: Frame, reason: str = "") -> Forecast:
        """PV; ``reason`` says why no model was asked. Without a known plant, slots without history stay NaN."""
        power_w = history.column("pv_w")
        shade = ratio(power_w, sky(self._plant, history.grid).clear_w) if self._plant else power_w
        slots = (history.grid.starts_s() // SLOT_S).astype(np.int64)
        now = int(issued_s // SLOT_S)
        table = day_table(shade, slots, now, _PV_DAYS)
        column = (grid.starts_s() // SLOT_S).astype(np.int64)
        spread = _spread(table, 2, _faded_mean(table, _PV_FADE_DAYS))[column % SLOTS_PER_DAY]
        ratio_now = _sky_ratio(day_table(power_w, slots, now, _PV_DAYS + 1), now)
        spread *= 1.0 + (ratio_now - 1.0) * np.exp(-np.maximum(column - now, 0) / _SKY_FADE_SLOTS)[:, None]
        light = 90.0 - sun_position(mids_s(grid), self._location).zenith_deg > _NIGHT_DEG
        if self._plant:
            clear_w = sky(self._plant, grid).clear_w
            light &= clear_w > 0.0
            filled = bool(np.isnan(spread[light]).any())
            spread = _fill(spread, shade)
            spread = np.where(np.isnan(spread), _UNSEEN_SKY_FRAC, spread) * clear_w[:, None]
        else:
            filled = bool(np.isnan(spread[light]).any())
        spread = np.where(light[:, None], spread, 0.0)
        return _forecast("pv_w", issued_s, grid, spread, _source(reason, filled))

    def load(self, issued_s: float, grid: TimeGrid, history: Frame, reason: str = "") -> Forecast:
        """Load; ``reason`` says why no model was asked."""
        local = calendar(self._zone, grid, history)
        past = ((history.grid.starts_s() + local.history_offset_s) // SLOT_S).astype(np.int64)
        wanted = ((grid.starts_s() + local.grid_offset_s) // SLOT_S).astype(np.int64)
        load_w = history.column("load_w")
        end_slot = int(past[-1]) + 1 if past.size else 0
        table = day_table(load_w, past, end_slot, LOAD_DAYS)
        by_clock = _spread(table, 1, _faded_mean(table, _LOAD_FADE_DAYS))
        spread = by_clock[wanted % SLOTS_PER_DAY]
        filled = bool(np.isnan(spread).any())
        spread = self._with_standard(spread, wanted, load_w, past)
        spread = spread + self._above_now_w(issued_s, grid, history, by_clock, past)[:, None]
        return _forecast("load_w", issued_s, grid, spread, _source(reason, filled))

    def _with_standard(self, spread: FloatArray, wanted: IntArray, load_w: FloatArray, past: IntArray) -> FloatArray:
        """What history says, and the standard profile the more the fewer days are known; that alone where it says
        nothing."""
        then, ahead = (standard_ratio(slots, weekday(slots), self._location.latitude_deg) for slots in (past, wanted))
        standard = standard_spread(level_w(load_w, then), ahead)
        days = float(np.isfinite(load_w).sum()) / SLOTS_PER_DAY
        share_frac = _STANDARD_DAYS / (_STANDARD_DAYS + days) * max(1.0 - days / LOAD_DAYS, 0.0)
        return np.where(np.isnan(spread), standard, (1.0 - share_frac) * spread + share_frac * standard)

    @staticmethod
    def _above_now_w(
        issued_s: float, grid: TimeGrid, history: Frame, by_clock: FloatArray, past: IntArray
    ) -> FloatArray:
        """What the load was above its mean in the slot that ended at the issue, and in the hours before, fading each in
        its own time; nothing where it is unknown."""
        if not past.size or history.grid.end_s != int(issued_s):
            return np.zeros(grid.count)
        above_w = (history.column("load_w") - by_clock[past % SLOTS_PER_DAY, 1])[-_LEVEL_SLOTS:]
        now_w, level_w = (float(np.nan_to_num(value)) for value in (above_w[-1], known_mean(above_w, 0)))
        ahead = np.maximum((grid.starts_s() - issued_s) / SLOT_S + 1.0, 0.0)
        fading: FloatArray = now_w * np.exp(-ahead / _LOAD_FADE_SLOTS)
        fading += _LEVEL_FRAC * level_w * np.exp(-ahead / _LEVEL_FADE_SLOTS)
        return fading


def _spread(table: FloatArray, reach: int, mean: FloatArray) -> FloatArray:
    """P10, middle and P90 of each clock time, float64[96, 3]; the middle is the mean where it is known, else P50."""
    spread = empirical(neighbours(table, reach))
    spread[:, 1] = np.where(np.isfinite(mean), mean, spread[:, 1])
    return spread


def _faded_mean(table: FloatArray, fade_days: float) -> FloatArray:
    """Mean of each clock time over a day table, newer days counting more, float64[96]; NaN where nothing is known."""
    weight = np.where(np.isfinite(table), np.exp(-np.arange(table.shape[0]) / fade_days)[:, None], 0.0)
    total = weight.sum(axis=0)
    summed = (weight * np.nan_to_num(table)).sum(axis=0)
    return np.asarray(np.where(total > 0.0, summed, np.nan) / np.where(total > 0.0, total, 1.0))


def _sky_ratio(table_w: FloatArray, now: int) -> float:
    """PV of the last hours over that of the days before at the same hours; 1 where there was too little sun to say."""
    hours = np.arange(now - _SKY_SLOTS, now) % SLOTS_PER_DAY
    usual_w = _faded_mean(table_w[1:], _PV_FADE_DAYS)
    both = np.isfinite(table_w[0, hours]) & np.isfinite(usual_w[hours])
    expected, day = float(usual_w[hours][both].sum()), float(np.nansum(usual_w))
    if expected <= _LEAST_SUN_FRAC * day:
        return 1.0
    return min(float(table_w[0, hours][both].sum()) / expected, _MAX_SKY_RATIO)


def _fill(spread: FloatArray, known: FloatArray) -> FloatArray:
    """What history does not know of a slot is taken from all that it knows: its quantiles, and its mean for P50."""
    everything = empirical(known[None, :])[0]
    everything[1] = known_mean(known, 0)
    return np.where(np.isnan(spread), everything[None, :], spread)


def _source(reason: str, filled: bool) -> str:
    said = [text for text in (reason, "short history" if filled else "") if text]
    return f"baseline ({', '.join(said)})" if said else "baseline"


def _forecast(signal: str, issued_s: float, grid: TimeGrid, spread_w: FloatArray, source: str) -> Forecast:
    p50 = np.maximum(spread_w[:, 1], 0.0)
    return Forecast(
        signal=signal,
        issued_s=issued_s,
        grid=grid,
        p10=np.clip(spread_w[:, 0], 0.0, p50),
        p50=p50,
        p90=np.maximum(spread_w[:, 2], p50),
        source=source,
        mean=p50,
    )
