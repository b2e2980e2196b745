"""Linke turbidity of the twelve months where a site names none: a small grid of Europe, a coarse one of the world.

The grids are block means of the one that pvlib ships (``scripts/linke_grid.py`` makes them; data/README.md says whose
they are). Between the middles of cells a value is bilinear. Against pvlib's cells of 5 minutes the error in Europe is
0.04 in the mean and 0.14 at the 95th percentile (0.1 of turbidity moves the noon's global light by 4 W/m2); elsewhere
0.10 and 0.37. Steep mountains are wrong by up to 2.5 and 3.6: name twelve values in the site file, or fit them.
"""

from __future__ import annotations

import functools
import math
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.irradiance import Linke
from core_kernels.registry import registered
from core_kernels.solar import Location, check_location
from core_kernels.units import FloatArray

LEAST_RATIO = 1.0  # of a clean and dry sky; the grid has less over high ice
_PER_RATIO = 20.0  # the grid's numbers for one of turbidity


class _Grid(NamedTuple):
    """Values of cells, uint8[rows, columns, 12], from the corner in the north-west on."""

    cells: npt.NDArray[np.uint8]
    north_deg: float
    west_deg: float
    step_deg: float

    def place(self, location: Location) -> tuple[float, float]:
        """Row and column of a location, counted in middles of cells."""
        row = (self.north_deg - location.latitude_deg) / self.step_deg - 0.5
        east_deg = (location.longitude_deg + 180.0) % 360.0 - 180.0 - self.west_deg
        return row, east_deg / self.step_deg - 0.5

    def covers(self, location: Location) -> bool:
        """Whether a location lies between four middles of cells."""
        row, column = self.place(location)
        rows, columns, _ = self.cells.shape
        return bool(0.0 <= row <= rows - 1.0 and 0.0 <= column <= columns - 1.0)


@functools.cache
def _grids() -> tuple[_Grid, _Grid]:
    """Europe and the world, from the package's data."""
    with (
        resources.as_file(resources.files("core_kernels") / "data" / "linke.npz") as path,
        np.load(path, allow_pickle=False) as stored,
    ):
        corners = {name: stored[f"{name}_corner_deg"].tolist() for name in ("europe", "world")}
        return _Grid(stored["europe"], *corners["europe"]), _Grid(stored["world"], *corners["world"])


def _between(grid: _Grid, location: Location) -> FloatArray:
    """Bilinear between four cells, float64[12]; around the world, and level beyond the last middles at the poles."""
    rows, columns, _ = grid.cells.shape
    row, column = grid.place(location)
    row = min(max(row, 0.0), rows - 1.0)
    top, left = min(int(row), rows - 2), math.floor(column)
    down, right = row - top, column - left
    four: FloatArray = grid.cells[top : top + 2][:, [left % columns, (left + 1) % columns]].astype(np.float64)
    pair: FloatArray = (1.0 - right) * four[:, 0] + right * four[:, 1]
    return np.asarray((1.0 - down) * pair[0] + down * pair[1])


@registered(
    name="turbidity.linke_of",
    unit="1",
    source="Remund et al. 2003, Worldwide Linke turbidity information, ISES; the SoDa grid as pvlib 0.16 ships it",
    reference="pvlib.clearsky.lookup_linke_turbidity",
    tolerance=3.6,
    example=lambda: (Location(49.2, 16.6, 230.0),),
)
def linke_of(location: Location) -> Linke:
    """The turbidity of each month at a place, January first.

    Parameters
    ----------
    location : Location
        Anywhere on Earth; anything else raises ``ValueError``. The altitude does not count. [deg]

    Returns
    -------
    tuple of 12 float
        At least 1. [1]
    """
    check_location(location)
    europe, world = _grids()
    months = _between(europe if europe.covers(location) else world, location) / _PER_RATIO
    return tuple(np.maximum(months, LEAST_RATIO).tolist())
