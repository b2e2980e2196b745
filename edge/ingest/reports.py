"""Commissioning reports in the store: kept for good, because the next one is compared with the last."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from edge.config_links import Link
from edge.errors import StoreError
from edge.ingest.schema import translated

_INSERT = "INSERT INTO commissioning VALUES (?,?,?,?)"
_NAMES = "SELECT DISTINCT link FROM commissioning"
# By the row, not by the time: clocks jump.
_NEWEST = "SELECT body FROM commissioning WHERE link IN (SELECT value FROM json_each(?)) ORDER BY rowid DESC LIMIT 1"


class Reports:
    """The reports of a store, by link; raises :class:`StoreError`."""

    def __init__(self, database: sqlite3.Connection, where: str) -> None:
        self._db, self._where = database, where

    def add(self, time_s: float, link: Link, verdict: str, body: Mapping[str, Any]) -> None:
        """Keep one report."""
        with translated(self._where):
            self._db.execute(_INSERT, (time_s, link.name, verdict, json.dumps(body)))

    def newest(self, link: Link) -> dict[str, Any] | None:
        """The last report on a link, if there is one."""
        with translated(self._where):
            names = [name for (name,) in self._db.execute(_NAMES) if link.is_named(str(name))]
            row = self._db.execute(_NEWEST, (json.dumps(names),)).fetchone()
        return json_object(row[0], f"{self._where}: the last report on {link.name}") if row else None

    def refusal(self, link: Link) -> str:
        """Why control must not command anything, by a link's last report; empty where nothing speaks against it."""
        report = self.newest(link)
        if report is None:
            return ""
        try:
            if report["verdict"] != "refuse":
                return ""
            texts = [check["text"] for check in report["checks"] if check["state"] == "refuse"]
            day = datetime.fromtimestamp(report["time_s"], UTC).date()
            return f"{link.name} did not pass its commissioning of {day}: {texts[0]}"
        except (LookupError, TypeError, ValueError, OverflowError, OSError) as error:
            raise StoreError(f"{self._where}: the last report on {link.name} is not one: {error!r}") from error


def json_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object out of the store; raises :class:`StoreError` where a row holds anything else."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{what} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise StoreError(f"{what} cannot be read: it is no JSON object")
    return found
