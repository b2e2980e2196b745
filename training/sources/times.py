"""Times of tables as Unix seconds; a time without a zone is never taken for UTC unless its column says so."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from core_kernels.units import FloatArray
from training.errors import SetupError

UTC_SUFFIX = "_utc"


def seconds_of(column: pa.ChunkedArray, zone: ZoneInfo | None, place: str) -> FloatArray:
    """Unix UTC seconds of a column of timestamps, ISO texts or Unix seconds; NaN where a local time is ambiguous.

    Raises
    ------
    SetupError
        Times without a zone in a column whose name does not end in ``_utc``, and no zone given; no times at all.
    """
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    if pa.types.is_timestamp(column.type):
        times = pd.DatetimeIndex(column.cast(pa.timestamp("us", column.type.tz), safe=False).to_pandas())
    else:
        times = _parsed(column.to_pylist(), place)
    if times.tz is None:
        if zone is None and not place.endswith(UTC_SUFFIX):
            words = "times without a zone: say ?zone=Europe/Prague, or UTC"
            raise SetupError(f"{place}: {words}")
        # The hour that the clock shows twice, or never, names no instant.
        times = times.tz_localize(zone or "UTC", ambiguous="NaT", nonexistent="NaT")
    micro = times.tz_convert("UTC").as_unit("us").asi8.astype(np.float64)
    return np.where(times.isna(), np.nan, micro / 1e6)


def _parsed(texts: list[str], place: str) -> pd.DatetimeIndex:
    first = next((text for text in texts if text), None)
    try:
        has_zone = first is None or datetime.fromisoformat(first).tzinfo is not None
        return pd.DatetimeIndex(pd.to_datetime(texts, utc=has_zone, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise SetupError(f"{place}: {str(error).splitlines()[0]}") from error
