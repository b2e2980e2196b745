"""The PV plant of a site as the features see it, and the cloudless sky over it."""

from __future__ import annotations

from typing import NamedTuple

from core_kernels.folding import mids_s
from core_kernels.plant import Plant, PvArray, Weather, plant_of
from core_kernels.pv import plant_power_w
from core_kernels.solar import Location, sun_position
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray


class PvPlant(NamedTuple):
    """The PV plant as physics sees it, the haze of its sky, its horizon as in :class:`Plant` (empty: a free one)."""

    location: Location
    arrays: tuple[PvArray, ...]
    linke_ratio: tuple[float, ...]
    horizon_deg: tuple[float, ...] = ()

    @property
    def physics(self) -> Plant:
        """The plant as the chain takes it."""
        return plant_of(self.arrays)._replace(linke=self.linke_ratio, horizon_deg=self.horizon_deg)

    @property
    def capacity_w(self) -> float:
        """The most that the inverters let through [W]."""
        return sum(min(array.dc_w, array.inverter_w) for array in self.arrays)


class Sky(NamedTuple):
    """Sun and cloudless power at the middle of each slot of a grid."""

    clear_w: FloatArray
    elevation_deg: FloatArray
    azimuth_deg: FloatArray


def sky(plant: PvPlant, grid: TimeGrid) -> Sky:
    """The cloudless sky over a plant."""
    times_s = mids_s(grid)
    sun = sun_position(times_s, plant.location)
    clear_w = plant_power_w(times_s, plant.location, plant.physics, Weather())
    return Sky(clear_w, 90.0 - sun.zenith_deg, sun.azimuth_deg)
