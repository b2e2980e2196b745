"""Horizon shading: from which directions hills, houses and trees hide the sun, learned from clear days.

On a clear day the power of a plane is known from physics. Where the sun stands behind something, only the light of the
sky is left. For each tenth of azimuth the elevation is looked for below which the power is that of the sky alone; it is
kept only where days that had no part in the choice say the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.features import PvPlant
from core_kernels.folding import SLOTS_PER_DAY, IntArray
from core_kernels.plant import Plant, Weather
from core_kernels.pv import plant_power_w
from core_kernels.solar import sun_position
from core_kernels.units import FloatArray
from training.clear_days import ClearDays

POINTS = 37  # every 10 degrees, both ends the north: the size of a profile
_STEP_DEG = 360.0 / (POINTS - 1)
_ELEVATIONS_DEG = np.arange(0.0, 46.0)
_LEAST_BEAM_FRAC = 0.05  # of capacity: what the direct light must bring for its absence to show
_LEAST_SLOTS, _LEAST_DAYS = 6, 4
_LEAST_GAIN_FRAC = 0.5  # of the squared error, on days of both halves
_WALL = (90.0,) * POINTS


class Lit(NamedTuple):
    """Slots of clear days whose direct light matters: day, sun, and power measured, under a free sky, and in shadow."""

    day: IntArray
    elevation_deg: FloatArray
    sector: IntArray
    power_w: FloatArray
    open_w: FloatArray
    hidden_w: FloatArray

    def part(self, kept: npt.NDArray[np.bool_]) -> Lit:
        """Some of the slots."""
        day, elevation_deg, sector, *powers_w = self
        return Lit(day[kept], elevation_deg[kept], sector[kept], *(power_w[kept] for power_w in powers_w))


def lit_slots(clear: ClearDays, plant: PvPlant) -> Lit:
    """What clear days say of a plant, as if its horizon were free."""
    physics: Plant = plant._replace(horizon_deg=()).physics
    sun = sun_position(clear.times_s, plant.location)
    open_w = plant_power_w(clear.times_s, plant.location, physics, Weather())
    hidden_w = plant_power_w(clear.times_s, plant.location, physics._replace(horizon_deg=_WALL), Weather())
    sector = np.round(sun.azimuth_deg / _STEP_DEG).astype(np.int64) % (POINTS - 1)
    rows = Lit(clear.slots // SLOTS_PER_DAY, 90.0 - sun.zenith_deg, sector, clear.power_w, open_w, hidden_w)
    return rows.part(np.isfinite(clear.power_w) & (open_w - hidden_w > _LEAST_BEAM_FRAC * plant.capacity_w))


def horizon_of(lit: Lit) -> tuple[float, ...]:
    """Elevation of the horizon from north to north, clockwise [deg]; empty where nothing hides the sun."""
    found_deg = [_sector_deg(lit.part(lit.sector == sector)) for sector in range(POINTS - 1)]
    return (*found_deg, found_deg[0]) if any(found_deg) else ()


def _sector_deg(lit: Lit) -> float:
    """The elevation below which the sun is hidden, agreed upon by both halves of the days; 0 where they see none."""
    days = np.unique(lit.day)
    if days.size < _LEAST_DAYS:
        return 0.0
    odd = np.isin(lit.day, days[1::2])
    halves = [_errors(lit.part(part)) for part in (odd, ~odd)]
    best = int(np.argmin(halves[0] + halves[1]))
    below = lit.elevation_deg < _ELEVATIONS_DEG[best]
    agreed = all(errors[best] <= (1.0 - _LEAST_GAIN_FRAC) * errors[0] for errors in halves)
    return float(_ELEVATIONS_DEG[best]) if agreed and below.sum() >= _LEAST_SLOTS else 0.0


def _errors(lit: Lit) -> FloatArray:
    """Sum of squared errors for each elevation of the horizon, float64[46]. [W2]"""
    hidden = lit.elevation_deg[:, None] < _ELEVATIONS_DEG[None, :]
    expected_w = np.where(hidden, lit.hidden_w[:, None], lit.open_w[:, None])
    return np.asarray(((expected_w - lit.power_w[:, None]) ** 2).sum(axis=0))
