"""Tables read from files, onto slots of 15 minutes."""

from __future__ import annotations

import math
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from core_kernels.folding import SLOT_S
from core_kernels.records import Frame
from core_kernels.signals import is_extra, is_signal
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training.dataset import Series
from training.errors import SetupError


def read_series(path: Path, zone: ZoneInfo, extra: tuple[str, ...] = ()) -> Series:
    """Read a CSV or Parquet table; other slot lengths are brought to 15 minutes (means, or held for longer slots).

    Columns that are no signals are dropped, and so are further forecast columns that ``extra`` does not name.

    Raises
    ------
    SetupError
        No such file, not a table, no ``time_utc``, times that repeat or go backwards, an extra column that is absent.
    """
    if not path.is_file():
        raise SetupError(f"{path}: no such file")
    try:
        data = pd.read_parquet(path) if path.suffix in (".parquet", ".pq") else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if "time_utc" not in data.columns:
        raise SetupError(f"{path}: has no column time_utc")
    try:
        times = pd.DatetimeIndex(pd.to_datetime(data["time_utc"], utc=True, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise SetupError(f"{path}: time_utc: {str(error).splitlines()[0]}") from error
    if len(times) < 2:
        raise SetupError(f"{path}: needs at least two rows, has {len(times)}")
    if not times.is_monotonic_increasing or times.has_duplicates:
        raise SetupError(f"{path}: time_utc repeats or goes backwards")
    absent = sorted(set(extra) - set(map(str, data.columns)))
    if absent:
        raise SetupError(f"{path}: has no column {absent[0]}, which the site wants as a feature")
    known = [name for name in data.columns if is_signal(str(name)) and (str(name) in extra or not is_extra(str(name)))]
    table = data[known].apply(pd.to_numeric, errors="coerce").astype("float64").set_axis(times, axis=0)
    slot_s = int(pd.Series(times).diff().dt.total_seconds().median())
    frame = _regular(table, slot_s)
    return Series(
        frame=frame, table_slot_s=slot_s, zone=zone, fc_issued_s=_issued(path, data, times, slot_s), extra=extra
    )


def _issued(path: Path, data: pd.DataFrame, times: pd.DatetimeIndex, slot_s: int) -> FloatArray:
    """When each slot's forecast was issued [s]; empty where the table does not say."""
    if "fc_issued_utc" not in data.columns:
        return np.empty(0)
    try:
        issued = pd.DatetimeIndex(pd.to_datetime(data["fc_issued_utc"], utc=True, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise SetupError(f"{path}: fc_issued_utc: {str(error).splitlines()[0]}") from error
    seconds = np.asarray((issued - pd.Timestamp(0, tz="UTC")).total_seconds(), dtype=np.float64)
    slots = _slots_of(pd.DataFrame({"issued": seconds}).set_axis(times, axis=0), slot_s)
    return slots["issued"].fillna(math.inf).to_numpy()


def _slots_of(table: pd.DataFrame, slot_s: int) -> pd.DataFrame:
    slots = table.resample(f"{SLOT_S}s").mean()
    if slot_s <= SLOT_S:
        return slots
    held = slots.ffill(limit=slot_s // SLOT_S - 1)
    tail = pd.date_range(slots.index[-1], periods=slot_s // SLOT_S, freq=f"{SLOT_S}s")[1:]
    return pd.concat([held, pd.DataFrame([held.iloc[-1]] * len(tail), index=tail)])


def _regular(table: pd.DataFrame, slot_s: int) -> Frame:
    slots = _slots_of(table, slot_s)
    start_s = int(slots.index[0].timestamp())
    grid = TimeGrid(start_s=start_s, slot_s=SLOT_S, count=len(slots))
    return Frame(grid=grid, columns={str(name): slots[name].to_numpy() for name in slots.columns})
