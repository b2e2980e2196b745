"""Make core_kernels/data/h25.npz, the standard load profile H25 of Germany's energy association, from demandlib's file.

`python scripts/standard_load.py core_kernels/data/h25.npz` in the development environment (demandlib, pandas).
Of each month the quarter hours of a workday, a Saturday and a Sunday, as shares of the year's mean.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import demandlib
import numpy as np
import pandas as pd

KINDS = ("WT", "SA", "FT")  # workday, Saturday, Sunday and holiday
_MEAN_KWH = 1e6 / (365.0 * 96.0)  # a quarter hour's, for the 1,000,000 kWh a year that the file is of


def main(target: Path) -> None:
    """Write the table, float32[12, 3, 96], and what it was made with."""
    data = pd.read_csv(Path(demandlib.__file__).parent / "bdew" / "bdew_data" / "h25.csv", header=[0, 1], index_col=0)
    columns = data.columns.get_level_values(1).tolist()
    months = [
        [data.iloc[:, 3 * month + columns[3 * month : 3 * month + 3].index(kind)] for kind in KINDS]
        for month in range(12)
    ]
    table = np.asarray(months, dtype=np.float64) / _MEAN_KWH
    made_with = np.array(f"demandlib {importlib.metadata.version('demandlib')}")
    np.savez_compressed(target, allow_pickle=False, ratio=table.astype(np.float32), made_with=made_with)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
