"""Parquet and CSV: a file, a folder of them, or any fsspec URL (``s3://``, ``memory://`` ...).

``?time=COLUMN`` names the column of time (``time_utc``), ``?zone=Europe/Prague`` the clock of times without a zone,
``?separator=;`` what stands between the columns of a CSV.
A CSV is brought to Parquet once, in pieces, in a temporary folder, so that a query need not read it all again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from training.errors import SetupError
from training.sources.base import Readings, SourceField, SourceUnreachable
from training.sources.http import option
from training.sources.times import seconds_of

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz")
_BATCH_ROWS = 65_536
_UTC = pa.timestamp("us", "UTC")


class TableSource:
    """One file or one folder; files of a folder are read one after the other by name."""

    fields_a_query = 64
    hold_s = 0.0
    is_regular = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        bare, _, query = url.partition("?")
        options = parts if query else parts._replace(query="")
        self._time = option(options, "time", "time_utc")
        self._separator = option(options, "separator", ",")
        zone = option(options, "zone")
        self.place = bare
        self._zone = _zone(zone, bare) if zone else None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        with _translated(bare):
            self._files, root = fsspec.core.url_to_fs(bare)
            self._paths = self._found(root)
        self._opening, self._one_reader = asyncio.Lock(), asyncio.Lock()
        self._ready: dict[str, Any] = {}
        self._untimed: dict[tuple[str, int], int] = {}

    def _found(self, root: str) -> list[str]:
        if self._files.isdir(root):
            found = [str(path) for path in self._files.find(root)]
            paths = sorted(path for path in found if path.endswith((*_PARQUET, *_CSV)))
        else:
            paths = [root] if self._files.exists(root) else []
        if not paths:
            raise SetupError(f"{self.place}: no such file, or a folder without Parquet and CSV")
        return paths

    async def fields(self) -> tuple[SourceField, ...]:
        """Numeric columns of all files."""
        names: dict[str, None] = {}
        for path in self._paths:
            schema = (await self._open(path)).schema_arrow
            if self._time not in schema.names:
                raise SetupError(f"{path}: has no column {self._time} (?time=COLUMN names it)")
            names |= dict.fromkeys(name for name in schema.names if name != self._time and _is_number(schema, name))
        return tuple(SourceField(name=name) for name in names)

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """Row group by row group, in the order of the file."""
        for path in self._paths:
            table = await self._open(path)
            present = [field for field in fields if field.name in table.schema_arrow.names]
            for group in range(table.num_row_groups if present else 0):
                if not _touches(table, group, self._time, start_s, end_s) and self._zone is None:
                    continue
                async with self._one_reader:  # a Parquet file has one position
                    rows = await asyncio.to_thread(self._group, table, group, [field.name for field in present])
                times_s = seconds_of(rows[self._time], self._zone, f"{path}: {self._time}")
                self._untimed[path, group] = int(np.isnan(times_s).sum())
                inside = (times_s >= start_s) & (times_s < end_s)
                for field in present if inside.any() else ():
                    values = rows[field.name].cast(pa.float64()).to_numpy(zero_copy_only=False)[inside]
                    yield Readings(
                        field=field, times_s=times_s[inside], values=np.ascontiguousarray(values, np.float64)
                    )

    def _group(self, table: pyarrow.parquet.ParquetFile, group: int, names: list[str]) -> pa.Table:
        with _translated(self.place):
            return table.read_row_group(group, columns=[self._time, *names], use_threads=False).combine_chunks()

    async def _open(self, path: str) -> pyarrow.parquet.ParquetFile:
        async with self._opening:
            if path not in self._ready:
                self._ready[path] = await asyncio.to_thread(self._parquet, path)
            return self._ready[path]

    def _parquet(self, path: str) -> pyarrow.parquet.ParquetFile:
        with _translated(path):
            if path.endswith(_PARQUET):
                return pyarrow.parquet.ParquetFile(self._files.open(path, "rb"))
            self._temporary = self._temporary or tempfile.TemporaryDirectory(prefix="pems-tables-")
            target = Path(self._temporary.name) / f"{len(self._ready)}.parquet"
            with self._files.open(path, "rb", compression="infer") as handle:
                self._csv_to_parquet(handle, target)
            return pyarrow.parquet.ParquetFile(target)

    def _csv_to_parquet(self, handle: Any, target: Path) -> None:
        """Numbers as numbers, what is no number as missing, times as UTC; in pieces."""
        head = handle.readline().decode("utf-8-sig").rstrip("\r\n")
        names = [name.strip().strip('"') for name in head.split(self._separator)]
        if self._time not in names:
            raise SetupError(f"{self.place}: has no column {self._time} (?time=COLUMN names it)")
        reader = pyarrow.csv.open_csv(
            handle,
            read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=1 << 20, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self._separator),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
            ),
        )
        schema = pa.schema([(name, _UTC if name == self._time else pa.float64()) for name in names])
        with pyarrow.parquet.ParquetWriter(target, schema) as writer:
            for batch in reader:
                columns = [self._utc(batch[name]) if name == self._time else _floats(batch[name]) for name in names]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=_BATCH_ROWS)

    def _utc(self, texts: pa.Array) -> pa.Array:
        seconds = seconds_of(pa.chunked_array([texts]), self._zone, f"{self.place}: {self._time}")
        return pa.array(np.round(seconds * 1e6), pa.float64(), from_pandas=True).cast(pa.int64()).cast(_UTC)

    async def version(self) -> str:
        """What the file system says of each file: size and time, or a checksum."""
        return ";".join(
            [f"{self._time},{self._zone},{self._separator}", *(str(self._files.ukey(path)) for path in self._paths)]
        )

    def notes(self) -> tuple[str, ...]:
        """Rows whose local time names no instant, as far as they were read."""
        count = sum(self._untimed.values())
        words = f"{self.place}: {count} rows without a time, or with one that the clock shows twice or never: left out"
        return (words,) if count else ()

    async def aclose(self) -> None:
        """Close the files and remove what was brought to Parquet."""
        for table in self._ready.values():
            table.close(force=True)
        if self._temporary is not None:
            self._temporary.cleanup()


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """What files and their libraries say, in our words."""
    try:
        yield
    except FileNotFoundError as error:
        raise SetupError(f"{place}: no such file") from error
    except (pa.ArrowException, UnicodeDecodeError, ImportError) as error:
        raise SetupError(f"{place}: cannot be read: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise SourceUnreachable(f"{place}: {str(error).splitlines()[0]}") from error
    except ValueError as error:  # fsspec's word for a protocol that it does not know
        raise SetupError(f"{place}: {error}") from error


def _zone(name: str, place: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SetupError(f"{place}: no time zone {name!r}") from error


def _is_number(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _touches(table: pyarrow.parquet.ParquetFile, group: int, time: str, start_s: float, end_s: float) -> bool:
    """Whether a row group may hold times of a span, by its statistics; yes where it has none."""
    row_group = table.metadata.row_group(group)
    for i in range(row_group.num_columns):
        column = row_group.column(i)
        if column.path_in_schema == time and column.is_stats_set and column.statistics.has_min_max:
            ends = (column.statistics.min, column.statistics.max)
            if all(hasattr(end, "timestamp") and end.tzinfo is not None for end in ends):
                return bool(ends[0].timestamp() < end_s and ends[1].timestamp() >= start_s)
    return True


def _floats(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return pa.array([_float(text) for text in texts.to_pylist()], pa.float64())


def _float(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
