"""The registry's SQLite file: entries and history that nothing can change, and the few rows that may."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from training.errors import SetupError

VERSION = 1
_WAIT_S = 60.0  # for another process that writes
_SCHEMA = f"""
CREATE TABLE entry (
    sha256 TEXT PRIMARY KEY, site TEXT NOT NULL, version TEXT NOT NULL, seq INTEGER NOT NULL,
    added_s REAL NOT NULL, size INTEGER NOT NULL, manifest TEXT NOT NULL
) STRICT;
CREATE TABLE collected (sha256 TEXT PRIMARY KEY REFERENCES entry) STRICT;
CREATE TABLE alias (
    site TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES entry, PRIMARY KEY (site, name)
) STRICT;
CREATE TABLE judgement (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL REFERENCES entry, judged_s REAL NOT NULL,
    data_sha256 TEXT NOT NULL, from_s REAL NOT NULL, until_s REAL NOT NULL, days INTEGER NOT NULL, scores TEXT NOT NULL
) STRICT;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time_s REAL NOT NULL, who TEXT NOT NULL, site TEXT NOT NULL,
    action TEXT NOT NULL, sha256 TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
PRAGMA user_version = {VERSION};
"""
_FIXED = ("entry", "judgement", "audit")


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise SetupError(f"{path}: {error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """The file, made where it is absent; raises :class:`SetupError`, also for one of a later program."""
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        with transaction(db):
            found = int(db.execute("PRAGMA user_version").fetchone()[0])
            if found == 0:
                for statement in _statements():
                    db.execute(statement)
    if found > VERSION:
        db.close()
        raise SetupError(f"{path}: is of a later program (schema {found}, this one knows {VERSION})")
    return db


def _statements() -> list[str]:
    """The schema, and triggers that forbid every change of what is history."""
    triggers = [
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} rows never change'); END"
        for table in _FIXED
        for verb in ("UPDATE", "DELETE")
    ]
    return [*(part for part in _SCHEMA.split(";") if part.strip()), *triggers]


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, one writer at a time; a process that dies in between leaves the state before."""
    db.execute("BEGIN IMMEDIATE")
    with db:  # commits, or rolls back
        yield
