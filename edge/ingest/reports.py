"""Commissioning reports in the store: kept for good, because the next one is compared with the last."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from edge.config import Link
from edge.errors import StoreError

_INSERT = "INSERT INTO commissioning VALUES (?,?,?,?)"
_NEWEST = "SELECT body FROM commissioning WHERE link = ? ORDER BY time_s DESC, rowid DESC LIMIT 1"


class Reports:
    """The reports of a store, by link; raises :class:`StoreError`."""

    def __init__(self, database: sqlite3.Connection, where: str) -> None:
        self._db, self._where = database, where

    def add(self, time_s: float, link: Link, verdict: str, body: Mapping[str, Any]) -> None:
        """Keep one report."""
        try:
            self._db.execute(_INSERT, (time_s, link.name, verdict, json.dumps(body)))
        except sqlite3.Error as error:
            raise StoreError(f"{self._where}: {error}") from error

    def newest(self, link: Link) -> dict[str, Any] | None:
        """The last report on a link, if there is one."""
        try:
            row = self._db.execute(_NEWEST, (link.name,)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self._where}: {error}") from error
        return dict(json.loads(row[0])) if row else None

    def refusal(self, links: Iterable[Link]) -> str:
        """Why control must not command anything, by the last reports; empty where nothing speaks against it."""
        for link in links:
            report = self.newest(link)
            if report is not None and report["verdict"] == "refuse":
                check = next(check for check in report["checks"] if check["state"] == "refuse")
                day = datetime.fromtimestamp(report["time_s"], UTC).date()
                return f"{link.name} did not pass its commissioning of {day}: {check['text']}"
        return ""
