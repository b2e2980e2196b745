"""The box's own store: one SQLite file in WAL mode with full synchronisation.

``minute`` holds what the cycles saw, one row a signal and minute, and is pruned after two days; ``slot`` holds the
quarter hours that models learn from and plans look back on, and is kept. A quarter is closed from its minutes, so a
restart in its middle loses nothing. What is written to hardware is in ``journal``.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.records import Frame
from core_kernels.signals import Kind, signal
from core_kernels.timegrid import TimeGrid, floor_s
from core_kernels.units import SECONDS_PER_DAY
from edge.errors import StoreError
from edge.ingest.journal import WriteJournal, intents_since, register_counts
from edge.ingest.minutes import Minute, Row
from edge.ingest.reports import Reports, json_object
from edge.ingest.schema import prepare, translated
from edge.messages import Intent, Plan, RegisterCount, to_json

MINUTE_S = 60
COMMIT_S = (
    300  # what a power cut may take of the minutes; every commit costs the flash some 30 kB, however little is in it
)
SLOT_S = 900
_MOST_ROWS = 10_000  # that wait for a disk that takes nothing
_KEEP_MINUTES_S = 2 * SECONDS_PER_DAY
_KEEP_PLANS_S = 14 * SECONDS_PER_DAY
_KEEP_FIRST_PLANS_S = 40 * SECONDS_PER_DAY  # of each day the first: how forecasts held is asked of a month
_PRUNE_PLANS = """
DELETE FROM plan WHERE issued_s < :first OR issued_s < :all AND issued_s > (
    SELECT min(earlier.issued_s) FROM plan AS earlier
    WHERE earlier.issued_s >= CAST(plan.issued_s / 86400 AS INTEGER) * 86400)
"""
_CLOSE_SLOT = """
INSERT OR REPLACE INTO slot
SELECT :slot, :signal,
    CASE WHEN :last
    THEN (SELECT last FROM minute WHERE time_s >= :slot AND time_s < :end AND signal = :signal
          ORDER BY time_s DESC LIMIT 1)
    ELSE sum(mean * count) / sum(count) END,
    count(*), max(flags)
FROM minute WHERE time_s >= :slot AND time_s < :end AND signal = :signal
"""
_LEFT_OPEN = """
SELECT DISTINCT time_s - time_s % :slot_s AS quarter FROM minute
WHERE quarter < :before AND quarter > (SELECT coalesce(max(time_s), 0) FROM slot WHERE time_s < :before)
"""


class Store:
    """The writing side; one process only (control), one thread at a time. Without a path it keeps all in memory."""

    def __init__(self, path: Path | None) -> None:
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            prepare(self._db, str(path))
        except ValueError as error:
            raise StoreError(str(error)) from error
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error
        self._path = path
        self.journal = WriteJournal(self._db, str(path))
        self.reports = Reports(self._db, str(path))
        self._open = Minute()
        self._full: deque[Row] = deque(maxlen=_MOST_ROWS)

    def add(self, time_s: float, values: Mapping[str, float], flags: Mapping[str, int]) -> None:
        """Take one cycle's values; full minutes are committed five at a time, a full quarter is closed."""
        minute, past = floor_s(time_s, MINUTE_S), self._open
        if minute != past.time_s:
            self._open = Minute(time_s=minute)
            self._full.extend(past.rows())
        for name, value in values.items():
            self._open.add(name, value, flags.get(name, 0))
        if minute != past.time_s:
            self._settle(past.time_s, minute)

    def _settle(self, past_s: int, minute: int) -> None:
        """Commit and close what is full by the beginning of a minute."""
        if floor_s(minute, COMMIT_S) != floor_s(past_s, COMMIT_S):
            self._commit()
        if floor_s(minute, SLOT_S) != floor_s(past_s, SLOT_S):
            self._close_slots(before_s=floor_s(minute, SLOT_S))

    def flush(self) -> None:
        """Commit all minutes, the open one as far as it goes."""
        self._full.extend(self._open.rows())
        self._commit()

    def _commit(self) -> None:
        """Write the minutes in the order of their key: rows that only append fill their pages."""
        self._many("INSERT OR REPLACE INTO minute VALUES (?,?,?,?,?,?,?,?)", sorted(self._full))
        self._full.clear()

    def _close_slots(self, before_s: int) -> None:
        """Close every quarter that has minutes and no slot yet: the last one, and what a restart left open."""
        with translated(str(self._path)):
            for (quarter,) in self._db.execute(_LEFT_OPEN, {"slot_s": SLOT_S, "before": before_s}).fetchall():
                self._close_slot(quarter)

    def _close_slot(self, slot: int) -> None:
        names = self._db.execute(
            "SELECT DISTINCT signal FROM minute WHERE time_s >= ? AND time_s < ? AND count > 0", (slot, slot + SLOT_S)
        ).fetchall()
        with self._transaction():
            for (name,) in names:
                try:
                    last = signal(name).kind in (Kind.STATE, Kind.COUNTER)
                except KeyError:  # of another release: nobody here asks for it
                    continue
                self._db.execute(_CLOSE_SLOT, {"slot": slot, "end": slot + SLOT_S, "signal": name, "last": last})
            self._db.execute("DELETE FROM minute WHERE time_s < ?", (slot - _KEEP_MINUTES_S,))
            self._db.execute(_PRUNE_PLANS, {"all": slot - _KEEP_PLANS_S, "first": slot - _KEEP_FIRST_PLANS_S})
            self.journal.prune(slot)

    def import_frame(self, frame: Frame) -> int:
        """Bring history along (the old system's, or a table): quarter hours that are not yet known."""
        if frame.grid.slot_s != SLOT_S:
            raise StoreError(f"history must come in slots of {SLOT_S} s, got {frame.grid.slot_s}")
        starts = frame.grid.starts_s()
        rows = [
            (int(time_s), name, float(value), SLOT_S // MINUTE_S, 0)
            for name, values in frame.columns.items()
            for time_s, value in zip(starts, values, strict=True)
            if math.isfinite(value)
        ]
        self._many("INSERT OR IGNORE INTO slot VALUES (?,?,?,?,?)", rows)
        return len(rows)

    def add_plan(self, plan: Plan) -> None:
        """Keep a published plan."""
        body = json.dumps(to_json(plan))
        self._many("INSERT OR REPLACE INTO plan VALUES (?,?,?)", [(plan.issued_s, plan.source, body)])

    def add_event(self, time_s: float, kind: str, text: str) -> None:
        """Keep something that a person may ask about later."""
        self._many("INSERT INTO event VALUES (?,?,?)", [(time_s, kind, text)])

    def add_regret(self, day: str, body: Mapping[str, Any]) -> None:
        """Keep what looking back on a local day (ISO date) found."""
        self._many("INSERT OR REPLACE INTO regret VALUES (?,?)", [(day, json.dumps(to_json(body)))])

    def newest_plan(self) -> dict[str, Any] | None:
        """The plan issued last, as JSON; raises :class:`StoreError`."""
        with translated(str(self._path)):
            row = self._db.execute("SELECT body FROM plan ORDER BY issued_s DESC LIMIT 1").fetchone()
        return json_object(row[0], f"{self._path}: the newest plan") if row else None

    def close(self) -> None:
        """Commit what is open and let go of the file."""
        try:
            self.flush()
        finally:
            self._db.close()

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db  # as a context manager: commits, or rolls back on an exception

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with translated(str(self._path)), self._transaction():
            self._db.executemany(statement, rows)


class StoreReader:
    """The reading side: any number of processes, never blocks the writer."""

    def __init__(self, path: Path) -> None:
        self._where = str(path)
        if not path.exists():
            raise StoreError(f"{path}: nothing was recorded yet (pems run makes it)")
        with translated(self._where):
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)
            self._db.execute("SELECT 1 FROM slot LIMIT 1")
        self.reports = Reports(self._db, self._where)

    def _rows(self, statement: str, *values: float | str) -> list[tuple[Any, ...]]:
        """All rows of a question; raises :class:`StoreError`."""
        with translated(self._where):
            return self._db.execute(statement, values).fetchall()

    def window(self, until_s: float, days: int) -> Frame:
        """The last quarter hours that ended by ``until_s``; a quarter covered by less than half is NaN."""
        end = floor_s(until_s, SLOT_S)
        count = days * SECONDS_PER_DAY // SLOT_S
        grid = TimeGrid(start_s=end - count * SLOT_S, slot_s=SLOT_S, count=count)
        columns: dict[str, Any] = {}
        flags: dict[str, Any] = {}
        rows = self._rows(
            "SELECT time_s, signal, value, flags FROM slot WHERE time_s >= ? AND time_s < ? AND minutes * 2 >= ?",
            *(grid.start_s, grid.end_s, SLOT_S // MINUTE_S),
        )
        for time_s, name, value, mask in rows:
            index = (time_s - grid.start_s) // SLOT_S
            columns.setdefault(name, np.full(count, np.nan))[index] = value
            flags.setdefault(name, np.zeros(count, dtype=np.uint16))[index] = mask
        return Frame(grid=grid, columns=columns, flags=flags)

    def writes(self, since_s: float, until_s: float) -> list[dict[str, Any]]:
        """The journal of register writes in a span."""
        rows = self._rows(
            "SELECT time_s, register, raw, wear, reason FROM device_write"
            " WHERE time_s >= ? AND time_s < ? ORDER BY time_s",
            *(since_s, until_s),
        )
        return [dict(zip(("time_s", "register", "raw", "wear", "reason"), row, strict=True)) for row in rows]

    def register_counts(self, *, day_s: float, now_s: float) -> list[RegisterCount]:
        """How often each register was written: since ``day_s``, lately, and for life; raises :class:`StoreError`."""
        with translated("the wear ledger cannot be read"):  # an older release's, until the writing side opens it
            return register_counts(self._db, day_s=day_s, now_s=now_s)

    def intents(self, since_s: float) -> list[Intent]:
        """Sequences of writes journalled since an instant, oldest first."""
        with translated(self._where):
            return intents_since(self._db, since_s)

    def events(self, since_s: float, kind: str | None = None) -> list[tuple[float, str, str]]:
        """Events since an instant, oldest first."""
        rows = self._rows("SELECT time_s, kind, text FROM event WHERE time_s >= ? ORDER BY time_s, rowid", since_s)
        return [row for row in rows if kind is None or row[1] == kind]

    def newest_event_s(self) -> float:
        """When the last event was; 0 without any."""
        return float(self._rows("SELECT coalesce(max(time_s), 0) FROM event")[0][0])

    def newest_slot_s(self) -> float:
        """When the last recorded quarter hour began; NaN without any."""
        newest = self._rows("SELECT max(time_s) FROM slot")[0][0]
        return math.nan if newest is None else float(newest)

    def plans(self, since_s: float) -> list[dict[str, Any]]:
        """Published plans since an instant, oldest first, as JSON."""
        rows = self._rows("SELECT body FROM plan WHERE issued_s >= ? ORDER BY issued_s", since_s)
        return [json_object(body, f"{self._where}: a plan") for (body,) in rows]

    def first_plans(self, since_s: float) -> list[dict[str, Any]]:
        """The first published plan of each UTC day since an instant, oldest first, as JSON."""
        rows = self._rows(
            "SELECT body FROM plan WHERE issued_s IN (SELECT min(issued_s) FROM plan WHERE issued_s >= ?"
            " GROUP BY CAST(issued_s / 86400 AS INTEGER)) ORDER BY issued_s",
            since_s,
        )
        return [json_object(body, f"{self._where}: a plan") for (body,) in rows]

    def regrets(self, since_day: str) -> list[dict[str, Any]]:
        """What looking back found, from a local day (ISO date) on, oldest first, as JSON."""
        rows = self._rows("SELECT body FROM regret WHERE day >= ? ORDER BY day", since_day)
        return [json_object(body, f"{self._where}: a day's regret") for (body,) in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
