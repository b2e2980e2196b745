"""Make core_kernels/data/linke.npz, the Linke turbidity of Europe and, coarser, of the world, from pvlib's own file.

`python scripts/linke_grid.py core_kernels/data/linke.npz` in the development environment (pvlib, h5py).
pvlib's grid has cells of 5 minutes, 20 times the turbidity, for each month; here a cell is the mean of those inside.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pvlib

CELLS_PER_DEG = 12
GRIDS = {"europe": (72, 34, -12, 45, 0.5), "world": (90, -90, -180, 180, 5.0)}  # north, south, west, east, step


def coarse(fine: Any, north: int, south: int, west: int, east: int, step_deg: float) -> Any:
    """The means of square blocks of cells, uint8[rows, columns, 12], rows from the north."""
    cells = round(step_deg * CELLS_PER_DEG)
    part = fine[
        (90 - north) * CELLS_PER_DEG : (90 - south) * CELLS_PER_DEG,
        (west + 180) * CELLS_PER_DEG : (east + 180) * CELLS_PER_DEG,
    ]
    rows, columns = part.shape[0] // cells, part.shape[1] // cells
    return np.rint(part.reshape(rows, cells, columns, cells, 12).mean(axis=(1, 3))).astype(np.uint8)


def main(target: Path) -> None:
    """Write the grids, their corners and steps, and what they were made with."""
    with h5py.File(Path(pvlib.__file__).parent / "data" / "LinkeTurbidities.h5") as source:
        fine = source["LinkeTurbidity"][:]
    grids = {name: coarse(fine, *where) for name, where in GRIDS.items()}
    corners = {f"{name}_corner_deg": np.array([north, west, step]) for name, (north, _, west, _, step) in GRIDS.items()}
    versions = {"made_with": np.array(f"pvlib {importlib.metadata.version('pvlib')}")}
    np.savez_compressed(target, allow_pickle=False, **grids, **corners, **versions)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
