"""The tape: a SQLite file a day, of which the last ones are kept; small blocks, compressed, whole or not there.

Control and planner write to the same file. It is bounded twice: by days and by bytes.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from edge import __version__
from edge.errors import StoreError

Kind = Literal["site", "plan", "control", "planning"]
KEEP_DAYS = 8
MOST_BYTES = 256 << 20
_MOST_BLOCK_BYTES = 64 << 20
_SCHEMA = "CREATE TABLE IF NOT EXISTS block (time_s REAL NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL) STRICT"
_WAIT_S = 1.0  # for the other process; control waits for nobody longer
_SUFFIX = ".sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block as it was written."""

    time_s: float
    kind: str
    data: Any


class Tape:
    """The writing side of one process; raises :class:`StoreError`."""

    def __init__(self, folder: Path, site_text: str) -> None:
        self._folder, self._site_text = folder, site_text
        self._day = ""
        self._db: sqlite3.Connection | None = None

    def is_of(self, time_s: float) -> bool:
        """Claims that the open file is that of an instant's day."""
        return self._db is not None and _day(time_s) == self._day

    def turn(self, time_s: float) -> None:
        """Go on to the file of an instant's day."""
        if self.is_of(time_s):
            return
        self.close()
        day = _day(time_s)
        with _translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self._folder / f"{day}{_SUFFIX}", isolation_level=None, timeout=_WAIT_S, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
        self._day = day
        prune(self._folder)
        self.write(time_s, "site", {"version": __version__, "site": self._site_text})

    def write(self, time_s: float, kind: Kind, data: Any) -> None:
        """Keep one block."""
        assert self._db is not None, "turned to a day first"
        body = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 6)
        with _translated(self._folder):
            self._db.execute("INSERT INTO block VALUES (?,?,?)", (time_s, kind, body))

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
        self._db, self._day = None, ""


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()


def days(folder: Path) -> list[Path]:
    """The files of a folder, oldest first."""
    return sorted(folder.glob(f"????-??-??{_SUFFIX}"))


def prune(folder: Path) -> None:
    """Forget the oldest days beyond the bounds; the newest stays whatever it weighs."""
    files = days(folder)
    while len(files) > 1 and (len(files) > KEEP_DAYS or sum(file.stat().st_size for file in files) > MOST_BYTES):
        oldest = files.pop(0)
        for path in (oldest, *folder.glob(f"{oldest.name}-*")):
            path.unlink(missing_ok=True)


def read(path: Path) -> list[Block]:
    """All blocks of a file in the order they were written; raises :class:`StoreError`."""
    if not path.is_file():
        raise StoreError(f"{path}: no such recording")
    with _translated(path), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_WAIT_S)) as database:
        rows = database.execute("SELECT time_s, kind, body FROM block ORDER BY rowid").fetchall()
    try:
        return [Block(time_s=t, kind=kind, data=_unpacked(body)) for t, kind, body in rows]
    except (zlib.error, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: a block cannot be read: {error}") from error


def _unpacked(body: bytes) -> Any:
    """A block's data; what swells beyond any plan is refused before it fills the memory."""
    packed = zlib.decompressobj()
    text = packed.decompress(body, _MOST_BLOCK_BYTES)
    if not packed.eof:
        raise ValueError(f"it is cut off, or has more than {_MOST_BLOCK_BYTES >> 20} MB")
    return json.loads(text)


def copy(path: Path, target: Path) -> None:
    """A consistent copy of a file that others may be writing to; raises :class:`StoreError`."""
    with (
        _translated(path),
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_WAIT_S)) as source,
        closing(sqlite3.connect(target)) as database,
    ):
        source.backup(database)


@contextmanager
def _translated(where: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # a damaged page may hold a text that is none
        raise StoreError(f"{where}: {error}") from error
