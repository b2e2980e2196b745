"""The store's tables, and how a file of an older release becomes one of this: in one transaction, at the first opening.

``minute``, ``slot``, ``plan``, ``event`` are what was seen and decided. ``device_write`` has a row for every register
write, noted before its first byte; ``register_wear`` counts them for life; ``intent`` holds sequences of writes from
before their first byte until the inverter is back on its own rules; ``kept_setting`` what the owner had set before us.
``commissioning`` holds the reports on each link, ``regret`` what looking back on each local day found.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import StoreError

SCHEMA_VERSION = 2
_SEEN = """
CREATE TABLE IF NOT EXISTS minute (
    time_s INTEGER NOT NULL, signal TEXT NOT NULL, mean REAL NOT NULL, last REAL NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, count INTEGER NOT NULL, flags INTEGER NOT NULL,
    PRIMARY KEY (time_s, signal)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slot (
    time_s INTEGER NOT NULL, signal TEXT NOT NULL, value REAL NOT NULL, minutes INTEGER NOT NULL,
    flags INTEGER NOT NULL, PRIMARY KEY (time_s, signal)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plan (issued_s REAL PRIMARY KEY, source TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS event (time_s REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS regret (day TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_WRITTEN = """
CREATE TABLE IF NOT EXISTS device_write (
    time_s REAL NOT NULL, register TEXT NOT NULL, raw INTEGER NOT NULL, wear TEXT NOT NULL,
    reason TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS device_write_by_register ON device_write (register, time_s);
CREATE TABLE IF NOT EXISTS register_wear (
    register TEXT PRIMARY KEY, wear TEXT NOT NULL, first_s REAL NOT NULL, last_s REAL NOT NULL,
    writes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intent (
    sequence INTEGER PRIMARY KEY, time_s REAL NOT NULL, device TEXT NOT NULL, control TEXT NOT NULL,
    mode TEXT NOT NULL, reason TEXT NOT NULL, steps TEXT NOT NULL, done INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS intent_by_state ON intent (device, state);
CREATE TABLE IF NOT EXISTS kept_setting (
    device TEXT NOT NULL, name TEXT NOT NULL, raw INTEGER NOT NULL, time_s REAL NOT NULL,
    PRIMARY KEY (device, name)) STRICT, WITHOUT ROWID;
"""
_PROVEN = """
CREATE TABLE IF NOT EXISTS commissioning (
    time_s REAL NOT NULL, link TEXT NOT NULL, verdict TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS commissioning_by_link ON commissioning (link, time_s);
"""
_SCHEMA = _SEEN + _WRITTEN + _PROVEN
# What a file of a version needs, besides the new tables, to become one of the next version.
_MIGRATIONS = {
    1: """
    INSERT INTO register_wear
    SELECT register, max(wear), min(time_s), max(time_s), count(*) FROM device_write GROUP BY register;
    """,
}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """What the database says in our words: :class:`StoreError` with the file's name."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{where}: {error}") from error


def prepare(database: sqlite3.Connection, where: str) -> None:
    """Bring a new or older file to this release's schema; raises ``sqlite3.Error``, or ``ValueError`` for a newer one.

    All in one transaction: a power cut leaves the old file as it was.
    """
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version <= SCHEMA_VERSION:
        raise ValueError(f"{where}: schema {version}, this release knows {SCHEMA_VERSION}")
    steps = [_MIGRATIONS[old] for old in range(max(version, 1), SCHEMA_VERSION)] if version else []
    script = "".join((_SCHEMA, *steps, f"PRAGMA user_version={SCHEMA_VERSION};"))
    try:
        database.executescript(f"BEGIN IMMEDIATE;{script}COMMIT;")
    except sqlite3.Error:
        if database.in_transaction:
            database.rollback()
        raise
