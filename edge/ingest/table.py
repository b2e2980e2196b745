"""Tables: CSV, or Parquet where pyarrow is installed. ``time_utc`` and any of the signal names; missing is NaN."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.errors import StoreError
from edge.timetext import FIRST_S, LAST_S, format_time, parse_time_s

TIME_COLUMN = "time_utc"

# Nineteen years of minutes; more is a mistyped year.
MOST_SLOTS = 10_000_000
_LONG_RUN = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A table as read: times as they stand in it (not sorted, not checked), columns of the same length."""

    source: str
    times_s: FloatArray
    columns: Mapping[str, FloatArray]

    def frame(self, slot_s: int | None = None) -> Frame:
        """The table on its own uniform grid; rows that are missing become NaN.

        Raises
        ------
        StoreError
            Times that go backwards, repeat, or do not lie on slots.
        """
        steps = np.diff(self.times_s)
        if steps.size and not (steps > 0).all():
            row = int(np.argmax(steps <= 0)) + 1
            raise StoreError(f"{self.source}: row {row + 1} is not later than the row before")
        slot = slot_s or self._one_slot_s(steps)
        start = int(self.times_s[0])
        offsets = (self.times_s - start) / slot
        if start % slot or not np.array_equal(offsets, np.round(offsets)):
            raise StoreError(f"{self.source}: times do not lie on slots of {slot} s")
        index = offsets.astype(np.int64)
        if index[-1] >= MOST_SLOTS:
            row = int(np.argmax(index >= MOST_SLOTS))
            at = format_time(self.times_s[row])
            raise StoreError(f"{self.source}: row {row + 1}, {at}, is more than {MOST_SLOTS:,} slots after the first")
        grid = TimeGrid(start_s=start, slot_s=slot, count=int(index[-1]) + 1)
        columns = {}
        for name, values in self.columns.items():
            full = np.full(grid.count, np.nan)
            full[index] = values
            columns[name] = full
        return Frame(grid=grid, columns=columns)

    def _one_slot_s(self, steps: FloatArray) -> int:
        """The table's own slot; rows of another distance for long are no gaps but another table's."""
        slot = self.slot_s()
        other = np.flatnonzero((steps[1:] == steps[:-1]) & (steps[1:] != slot))
        runs = np.split(other, np.flatnonzero(np.diff(other) != 1) + 1)
        longest = max(runs, key=len)
        if longest.size >= _LONG_RUN:
            row, apart = int(longest[0]) + 1, int(steps[longest[0]])
            words = f"from row {row} on rows are {apart} s apart, most are {slot} s"
            raise StoreError(f"{self.source}: {words}; bring them to one distance")
        return slot

    def slot_s(self) -> int:
        """The most frequent distance of two rows, the smallest among equals [s]; raises :class:`StoreError`."""
        if self.times_s.size < 2:
            raise StoreError(f"{self.source}: needs at least two rows, has {self.times_s.size}")
        steps, counts = np.unique(np.diff(self.times_s), return_counts=True)
        return int(steps[np.argmax(counts)])


def _parse_number(text: str, place: str) -> float:
    if text.strip() == "":
        return math.nan
    try:
        return float(text)
    except ValueError as error:
        raise StoreError(f"{place}: {text!r} is not a number") from error


def _read_csv(path: Path, time_column: str) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.reader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if rows and len(rows[0]) == 1 and (";" in rows[0][0] or "\t" in rows[0][0]):
        found = "semicolons" if ";" in rows[0][0] else "tabs"
        raise StoreError(f"{path}: has its columns separated by {found}; commas are needed")
    if not rows or time_column not in rows[0]:
        raise StoreError(f"{path}: has no column {time_column}")
    header, body = rows[0], [row for row in rows[1:] if row]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise StoreError(f"{path}: line {number} has {len(row)} fields, the header has {len(header)}")
    clock = header.index(time_column)
    times = np.empty(len(body))
    for i, row in enumerate(body):
        try:
            times[i] = parse_time_s(row[clock])
        except ValueError as error:
            raise StoreError(f"{path}: line {i + 2}: {row[clock]!r} is not an ISO time from 1970 to 9998") from error
    columns = {
        name: np.array([_parse_number(row[j], f"{path}: line {i + 2}, {name}") for i, row in enumerate(body)])
        for j, name in enumerate(header)
        if j != clock
    }
    return Table(source=str(path), times_s=times, columns=columns)


def _read_parquet(path: Path, time_column: str) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError(f"{path}: Parquet needs pyarrow (pip install 'pems-edge[training]'); or use CSV") from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if time_column not in table.column_names:
        raise StoreError(f"{path}: has no column {time_column}")
    clock = table[time_column]
    if pyarrow.types.is_timestamp(clock.type):
        times = clock.cast(pyarrow.timestamp("us", clock.type.tz)).cast(pyarrow.int64()).to_numpy() / 1e6
    else:
        try:
            times = np.array([parse_time_s(str(item)) for item in clock.to_pylist()])
        except ValueError as error:
            raise StoreError(f"{path}: {time_column}: {error}") from error
    columns = {
        name: np.asarray(table[name].cast(pyarrow.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        for name in table.column_names
        if name != time_column
        and (pyarrow.types.is_floating(table[name].type) or pyarrow.types.is_integer(table[name].type))
    }
    return Table(source=str(path), times_s=np.asarray(times, dtype=np.float64), columns=columns)


def read_table(path: Path, time_column: str = TIME_COLUMN) -> Table:
    """Read a CSV or Parquet table; raises :class:`StoreError` with the file and line."""
    if not path.is_file():
        raise StoreError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}")
    read = _read_parquet if path.suffix in (".parquet", ".pq") else _read_csv
    table = read(path, time_column)
    if table.times_s.size == 0:
        raise StoreError(f"{path}: is empty")
    on_calendar = (table.times_s >= FIRST_S) & (table.times_s < LAST_S)
    if not on_calendar.all():
        raise StoreError(f"{path}: row {int(np.argmin(on_calendar)) + 1} has no time from 1970 to 9998")
    return table


def write_csv(path: Path, times_s: Iterable[float], columns: Mapping[str, Sequence[float] | FloatArray]) -> None:
    """Write a table; NaN becomes an empty field."""
    names = list(columns)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([TIME_COLUMN, *names])
        for time_s, *values in zip(times_s, *(columns[name] for name in names), strict=True):
            writer.writerow([format_time(time_s), *("" if math.isnan(v) else repr(float(v)) for v in values)])
