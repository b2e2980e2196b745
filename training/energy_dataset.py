"""A site's signals on one UTC grid, kept in parts on disk: a column is in memory only while it is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from core_kernels.flags import Flag
from core_kernels.records import Frame
from core_kernels.signals import FORECAST_PREFIX
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FlagArray, FloatArray
from training.cache import PartCache
from training.errors import SetupError
from training.slots import Part, RowCounts

_UTC = pa.timestamp("us", "UTC")
ISSUED_COLUMN = "fc_issued_utc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A chunk of a signal that could not be read, and why."""

    signal: str
    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A signal: for each chunk the keys of the parts that are added up."""

    name: str
    keys: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnergyDataset:
    """Signals on one grid; what could not be read is named in ``missing`` and NaN in its column."""

    grid: TimeGrid
    chunks: tuple[TimeGrid, ...]
    columns: tuple[Column, ...]
    cache: PartCache
    missing: tuple[Missing, ...] = ()
    unmapped: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(column.name for column in self.columns)

    def parts(self, name: str) -> Iterator[Part]:
        """A signal chunk by chunk."""
        column = next(column for column in self.columns if column.name == name)
        for chunk, keys in zip(self.chunks, column.keys, strict=True):
            yield _sum([self.cache.load(key) for key in keys], chunk.count)

    def column(self, name: str) -> FloatArray:
        """Values, float64[grid.count]."""
        return np.concatenate([part.values for part in self.parts(name)])

    def flags(self, name: str) -> FlagArray:
        """Quality bits, uint16[grid.count]."""
        return np.concatenate([part.flags for part in self.parts(name)])

    def counts(self, name: str) -> RowCounts:
        """What the rows behind a column were like."""
        total = RowCounts()
        for part in self.parts(name):
            total += part.counts
        return total

    def frame(self) -> Frame:
        """All of it in memory."""
        columns = {name: self.column(name) for name in self.signals}
        return Frame(grid=self.grid, columns=columns, flags={name: self.flags(name) for name in self.signals})

    def write(self, path: Path) -> None:
        """A Parquet table, chunk by chunk; raises :class:`SetupError`."""
        if path.suffix not in (".parquet", ".pq"):
            raise SetupError(f"{path}: tables are written as .parquet")
        forecasts = [name for name in self.signals if name.startswith(FORECAST_PREFIX)]
        names = [*self.signals, *([ISSUED_COLUMN] if forecasts else [])]
        schema = pa.schema([("time_utc", _UTC), *((n, _UTC if n == ISSUED_COLUMN else pa.float64()) for n in names)])
        streams = [self.parts(name) for name in self.signals]
        try:
            with pyarrow.parquet.ParquetWriter(path, schema) as writer:
                for chunk, *parts in zip(self.chunks, *streams, strict=True):
                    rows = dict(zip(self.signals, parts, strict=True))
                    arrays = [pa.array(rows[name].values) for name in self.signals]
                    issues = [_issued_s(chunk.count, [rows[name] for name in forecasts])] if forecasts else []
                    arrays = [_utc(chunk.starts_s()), *arrays, *(_utc(item) for item in issues)]
                    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        except OSError as error:
            raise SetupError(f"{path}: cannot be written: {error.strerror}") from error


def _sum(legs: list[Part | None], count: int) -> Part:
    """Legs added up, NaN where one is missing."""
    present = [leg for leg in legs if leg is not None]
    if len(present) < len(legs):
        flags = np.full(count, int(Flag.MISSING), dtype=np.uint16)
        return Part(values=np.full(count, np.nan), flags=flags, issued_s=np.empty(0), counts=RowCounts())
    total = present[0]
    for leg in present[1:]:
        total = Part(
            values=total.values + leg.values,
            flags=total.flags | leg.flags,
            issued_s=total.issued_s,
            counts=total.counts + leg.counts,
        )
    return total


def _issued_s(count: int, forecasts: list[Part]) -> FloatArray:
    """The latest issue of all forecasts of a slot; NaN where none is known."""
    known = [part.issued_s for part in forecasts if part.issued_s.size]
    if not known:
        return np.full(count, np.nan)
    latest = np.max(np.nan_to_num(np.stack(known), nan=-np.inf), axis=0)
    return np.where(np.isinf(latest), np.nan, latest)


def _utc(times_s: FloatArray) -> pa.Array:
    return pa.array(np.round(times_s * 1e6), pa.float64(), from_pandas=True).cast(pa.int64()).cast(_UTC)
