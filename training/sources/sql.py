"""Two databases with one face: SQLite in a thread, read-only; PostgreSQL by psycopg, asynchronous."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg

from training.errors import SetupError
from training.sources.base import SourceUnreachable

_CONNECT_TIMEOUT_S = 10
_CREDENTIALS = ("28P01", "28000", "3D000")  # wrong password, no such user, no such database (PostgreSQL, appendix A)


class Database(Protocol):
    """A database that answers one statement; parameters are written ``%s``."""

    place: str

    async def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows; raises :class:`SourceUnreachable` or ``SetupError``."""
        ...

    async def version(self) -> str:
        """What changes with the content, as far as that is known."""
        ...

    async def aclose(self) -> None:
        """Let go of it."""
        ...


class SqliteDatabase:
    """A file, opened read-only; each statement has its own connection, so that threads need not share one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = str(path)
        if not path.is_file():
            raise SetupError(f"{path}: no such file")

    async def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        return await asyncio.to_thread(self._rows, statement.replace("%s", "?"), parameters)

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
            try:
                return database.execute(statement, tuple(parameters)).fetchall()
            finally:
                database.close()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a damaged page may hold a text that is none
            raise SetupError(f"{self.place}: {error}") from error

    async def version(self) -> str:
        """Size and time of the file and of its write-ahead log."""
        names = (self._path, self._path.with_name(self._path.name + "-wal"))
        stats = [path.stat() for path in names if path.exists()]
        return ";".join(f"{stat.st_size},{stat.st_mtime_ns}" for stat in stats)

    async def aclose(self) -> None:
        """Nothing stays open."""


class PostgresDatabase:
    """A server; a few connections, one statement at a time on each."""

    def __init__(self, conninfo: str, place: str, connections: int = 4) -> None:
        self._conninfo, self.place = conninfo, place
        self._gate = asyncio.Semaphore(connections)
        self._idle: list[psycopg.AsyncConnection[Any]] = []

    async def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows, in a read-only transaction."""
        async with self._gate:
            try:
                connection = self._idle.pop() if self._idle else await self._connect()
                async with connection.cursor() as cursor:
                    await cursor.execute(statement.encode(), parameters)
                    found = await cursor.fetchall()
            except psycopg.Error as error:
                raise self._translated(error) from error
            self._idle.append(connection)
            return found

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
        )
        await connection.set_read_only(True)
        return connection

    def _translated(self, error: psycopg.Error) -> SetupError | SourceUnreachable:
        words = f"{self.place}: {(str(error).splitlines() or [type(error).__name__])[-1].strip()}"
        refused = error.sqlstate in _CREDENTIALS or any(
            sign in str(error) for sign in ("authentication failed", "does not exist", "no password supplied")
        )
        if refused or isinstance(error, psycopg.ProgrammingError):
            return SetupError(words)
        return SourceUnreachable(words)

    async def version(self) -> str:
        """Nobody can know."""
        return ""

    async def aclose(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().close()
