"""What the champion and its shadows said, and what their days came to: a SQLite file of the planner's own.

``issue`` has what a bundle forecast and planned at a quarter hour, for the days that have yet to be valued; ``day``
what a local day would have cost with each bundle's forecasts; ``aside`` why a bundle is not followed any more. The
planner writes, pages and command line read.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core_kernels.units import SECONDS_PER_DAY, FloatArray
from edge.errors import StoreError
from edge.ingest.reports import json_object
from edge.ingest.schema import translated

_KEEP_ISSUES_S = 3 * SECONDS_PER_DAY
_SCHEMA = """
CREATE TABLE IF NOT EXISTS issue (
    bundle TEXT NOT NULL, start_s INTEGER NOT NULL, sources TEXT NOT NULL, rows INTEGER NOT NULL, said BLOB NOT NULL,
    PRIMARY KEY (bundle, start_s)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS day (
    day TEXT NOT NULL, bundle TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (day, bundle)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aside (bundle TEXT PRIMARY KEY, time_s REAL NOT NULL, why TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Issue:
    """What a bundle said at the quarter hour ``start_s``: a row of powers of the coming slots each, to the watt.

    The rows are as their writer has them (:mod:`edge.following`).
    """

    bundle: str
    start_s: int
    sources: tuple[str, ...]
    said_w: FloatArray


class ShadowStore:
    """One connection; raises :class:`StoreError`. Without ``writable`` nothing is made and nothing can be written."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self._where = str(path)
        with translated(self._where):
            if writable:
                self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.executescript(_SCHEMA)
            else:
                self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)
                self._db.execute("SELECT 1 FROM day LIMIT 1")

    def keep(self, issues: Iterable[Issue]) -> None:
        """Keep what was said, all in one transaction; what is older than the last days is dropped."""
        rows = [
            (issue.bundle, issue.start_s, json.dumps(issue.sources), issue.said_w.shape[0], _packed(issue.said_w))
            for issue in issues
        ]
        if not rows:
            return
        newest_s = max(row[1] for row in rows)
        with translated(self._where), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO issue VALUES (?,?,?,?,?)", rows)
            self._db.execute("DELETE FROM issue WHERE start_s < ?", (newest_s - _KEEP_ISSUES_S,))

    def issues(self, since_s: int, until_s: int) -> dict[str, dict[int, Issue]]:
        """What each bundle said in a span, by the quarter hour."""
        found: dict[str, dict[int, Issue]] = {}
        statement = "SELECT bundle, start_s, sources, rows, said FROM issue WHERE start_s >= ? AND start_s < ?"
        for bundle, start_s, sources, rows, said in self._rows(statement, since_s, until_s):
            said_w = _unpacked(said, rows, f"{self._where}: what {bundle} said")
            issue = Issue(bundle=bundle, start_s=start_s, sources=tuple(json.loads(sources)), said_w=said_w)
            found.setdefault(bundle, {})[start_s] = issue
        return found

    def keep_day(self, day: str, bundle: str, body: Mapping[str, Any]) -> None:
        """Keep what a local day (ISO date) came to with a bundle."""
        self._write("INSERT OR REPLACE INTO day VALUES (?,?,?)", day, bundle, json.dumps(body))

    def days(self, since_day: str = "") -> dict[str, dict[str, dict[str, Any]]]:
        """What the days came to, oldest first, by bundle."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for day, bundle, body in self._rows("SELECT day, bundle, body FROM day WHERE day >= ? ORDER BY day", since_day):
            found.setdefault(day, {})[bundle] = json_object(body, f"{self._where}: {day}")
        return found

    def set_aside(self, bundle: str, time_s: float, why: str) -> None:
        """Follow a bundle no longer."""
        self._write("INSERT OR REPLACE INTO aside VALUES (?,?,?)", bundle, time_s, why)

    def take_back(self, bundle: str) -> None:
        """Follow a bundle again."""
        self._write("DELETE FROM aside WHERE bundle = ?", bundle)

    def aside(self) -> dict[str, str]:
        """Why bundles are not followed any more."""
        return {str(bundle): str(why) for bundle, why in self._rows("SELECT bundle, why FROM aside")}

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _rows(self, statement: str, *values: float | str) -> list[tuple[Any, ...]]:
        with translated(self._where):
            return self._db.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: float | str) -> None:
        with translated(self._where):
            self._db.execute(statement, values)


def _packed(said_w: FloatArray) -> bytes:
    """Whole watts: a forecast is not known better, and they pack to some 2 kB."""
    return zlib.compress(np.rint(said_w).astype("<i4").tobytes())


def _unpacked(said: bytes, rows: int, what: str) -> FloatArray:
    try:
        return np.frombuffer(zlib.decompress(said), dtype="<i4").reshape(rows, -1).astype(np.float64)
    except (zlib.error, ValueError) as error:
        raise StoreError(f"{what} cannot be read: {error}") from error
