"""The feeds' cache: a SQLite file of its own, so that neither a reboot nor a broken feed touches the box's store.

The web process writes, planner and command line read. ``span`` holds what each feed said last, ``feed`` how it fares:
the pause after failures outlives a restart, so that a box in a boot loop does not hammer anybody.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core_kernels.units import SECONDS_PER_DAY
from edge.errors import StoreError
from edge.feeds.model import Span

_KEEP_S = 40 * SECONDS_PER_DAY  # what the days of a month cost is asked long after
_SCHEMA = """
CREATE TABLE IF NOT EXISTS span (
    feed TEXT NOT NULL, name TEXT NOT NULL, start_s INTEGER NOT NULL, end_s INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (feed, name, start_s)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feed (
    feed TEXT PRIMARY KEY, source TEXT NOT NULL, issued_s REAL NOT NULL DEFAULT 0, expires_s REAL NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, not_before_s REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (
    name TEXT PRIMARY KEY, value REAL NOT NULL, time_s REAL NOT NULL) STRICT, WITHOUT ROWID;
"""
_SUCCESS = """
INSERT INTO feed VALUES (:feed, :source, :issued_s, :expires_s, 0, 0, '')
ON CONFLICT (feed) DO UPDATE SET source = :source, issued_s = :issued_s, expires_s = :expires_s,
    failures = 0, not_before_s = 0, error = ''
"""
_FAILURE = """
INSERT INTO feed (feed, source, failures, not_before_s, error) VALUES (:feed, :source, :failures, :not_before_s, :error)
ON CONFLICT (feed) DO UPDATE SET source = :source, failures = :failures, not_before_s = :not_before_s, error = :error
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a feed fares. ``issued_s`` 0: it never answered; ``until_s``: the end of what is known without a gap."""

    feed: str
    source: str
    issued_s: float = 0.0
    expires_s: float = 0.0
    failure_count: int = 0
    not_before_s: float = 0.0
    error: str = ""
    until_s: float = 0.0


class FeedCache:
    """One connection; raises :class:`StoreError`. Without ``writable`` nothing is made and nothing can be written."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self._where, self._lock = str(path), threading.Lock()
        with self._translated():
            if writable:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.executescript(_SCHEMA)
            else:
                self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0, check_same_thread=False)
                self._db.execute("SELECT 1 FROM feed LIMIT 1")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._where}: {error}") from error

    def keep(
        self, feed: str, source: str, columns: Mapping[str, Sequence[Span]], *, issued_s: float, expires_s: float
    ) -> None:
        """Take an answer in place of what was known of its times; all or nothing.

        What another source said is forgotten. An answer that was issued before the one that is known is not taken.
        """
        before = self.standing(feed, source)
        if issued_s < before.issued_s:
            return
        with self._translated(), self._transaction() as database:
            if before.source != source:
                database.execute("DELETE FROM span WHERE feed = ?", (feed,))
            for name, spans in columns.items():
                for span in spans:
                    row = (feed, name, span.start_s, span.end_s)
                    database.execute(
                        "DELETE FROM span WHERE feed = ? AND name = ? AND end_s > ? AND start_s < ?",
                        (feed, name, span.start_s, span.end_s),
                    )
                    database.execute("INSERT INTO span VALUES (?,?,?,?,?)", (*row, span.value))
            database.execute("DELETE FROM span WHERE feed = ? AND end_s < ?", (feed, issued_s - _KEEP_S))
            success = {"feed": feed, "source": source, "issued_s": issued_s, "expires_s": expires_s}
            database.execute(_SUCCESS, success)

    def fail(self, feed: str, source: str, error: str, *, failure_count: int, not_before_s: float) -> None:
        """Note a failure; what was known stays known until it expires."""
        row = {"feed": feed, "source": source, "failures": failure_count, "not_before_s": not_before_s, "error": error}
        changed = self.standing(feed, source).source != source
        with self._translated(), self._transaction() as database:
            if changed:
                database.execute("DELETE FROM span WHERE feed = ?", (feed,))
                database.execute("DELETE FROM feed WHERE feed = ?", (feed,))
            database.execute(_FAILURE, row)

    def standing(self, feed: str, source: str, name: str = "", now_s: float = 0.0) -> Standing:
        """How a feed fares; one of another source than the site's now has never answered."""
        with self._translated():
            row = self._db.execute(
                "SELECT source, issued_s, expires_s, failures, not_before_s, error FROM feed WHERE feed = ?", (feed,)
            ).fetchone()
        if row is None or row[0] != source:
            return Standing(feed=feed, source=row[0] if row else source)
        found, issued_s, expires_s, failures, not_before_s, error = row
        return Standing(
            feed=feed,
            source=found,
            issued_s=issued_s,
            expires_s=expires_s,
            failure_count=failures,
            not_before_s=not_before_s,
            error=error,
            until_s=self._known_until_s(feed, name, now_s) if name else 0.0,
        )

    def spans(self, feed: str, source: str) -> dict[str, list[Span]]:
        """All that is known of a feed, by name and in order; nothing of another source."""
        with self._translated():
            rows = self._db.execute(
                "SELECT name, start_s, end_s, value FROM span NATURAL JOIN feed WHERE feed = ? AND source = ?"
                " ORDER BY name, start_s",
                (feed, source),
            ).fetchall()
        found: dict[str, list[Span]] = {}
        for name, start_s, end_s, value in rows:
            found.setdefault(name, []).append(Span(start_s=start_s, end_s=end_s, value=value))
        return found

    def note(self, name: str, value: float, time_s: float) -> None:
        """Keep what somebody said of the house: a room's setpoint, a car's state; NaN takes it back."""
        with self._translated(), self._transaction() as database:
            if math.isnan(value):
                database.execute("DELETE FROM said WHERE name = ?", (name,))
            else:
                database.execute("INSERT OR REPLACE INTO said VALUES (?,?,?)", (name, value, time_s))

    def correct(self, name: str, value: float) -> None:
        """A state of unknown age, so no news: it replaces what is known under that name, and makes nothing fresh.

        Who keeps states keeps the last, so that it is not older than what was heard; NaN takes it back.
        """
        with self._translated(), self._transaction() as database:
            if math.isnan(value):
                database.execute("DELETE FROM said WHERE name = ?", (name,))
            else:
                database.execute("UPDATE said SET value = ? WHERE name = ?", (value, name))

    def said(self) -> dict[str, tuple[float, float]]:
        """What was said last of the house: value and time by name."""
        with self._translated():
            rows = self._db.execute("SELECT name, value, time_s FROM said ORDER BY name").fetchall()
        return {name: (value, time_s) for name, value, time_s in rows}

    def _known_until_s(self, feed: str, name: str, now_s: float) -> float:
        """The end of what is known from an instant on without a gap."""
        with self._translated():
            rows = self._db.execute(
                "SELECT start_s, end_s FROM span WHERE feed = ? AND name = ? AND end_s > ? ORDER BY start_s",
                (feed, name, now_s),
            ).fetchall()
        until_s = now_s
        for start_s, end_s in rows:
            if start_s > until_s:
                break
            until_s = end_s
        return until_s

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:  # the feeds' thread and the broker's share the connection
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield self._db

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
