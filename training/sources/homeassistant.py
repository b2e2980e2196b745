"""Home Assistant's recorder, SQLite or PostgreSQL, in the schema of 2023.4 and later (``states_meta``, ``*_ts``).

``homeassistant:///config/home-assistant_v2.db`` or ``homeassistant+postgresql://user@host/base?password_env=NAME``;
``?table=states`` (default), ``statistics`` (hours, kept for ever) or ``statistics_short_term`` (5 minutes). A field is
an entity. A state is written only when it changes, so it holds until the next; ``unavailable`` ends it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from core_kernels.units import SECONDS_PER_DAY
from training.errors import SetupError
from training.sources.base import Readings, SourceField, numbers
from training.sources.http import option
from training.sources.sql import Database, PostgresDatabase, SqliteDatabase

_STATES_FIELDS = """
SELECT m.entity_id, (
    SELECT a.shared_attrs FROM states s JOIN state_attributes a ON a.attributes_id = s.attributes_id
    WHERE s.metadata_id = m.metadata_id ORDER BY s.last_updated_ts DESC LIMIT 1)
FROM states_meta m ORDER BY m.entity_id
"""
_STATES = """
SELECT m.entity_id, s.last_updated_ts, s.state FROM states s JOIN states_meta m ON m.metadata_id = s.metadata_id
WHERE m.entity_id IN ({}) AND s.last_updated_ts >= %s AND s.last_updated_ts < %s
ORDER BY m.entity_id, s.last_updated_ts
"""
_STATISTICS_FIELDS = "SELECT statistic_id, unit_of_measurement FROM statistics_meta ORDER BY statistic_id"
# A sum is the counter at the END of the row's period, a mean is over the period.
_STATISTICS = """
SELECT m.statistic_id, CASE WHEN t.mean IS NULL THEN t.start_ts + {period} ELSE t.start_ts END AS at,
    CASE WHEN t.mean IS NULL THEN t.sum ELSE t.mean END
FROM {table} t JOIN statistics_meta m ON m.id = t.metadata_id
WHERE m.statistic_id IN ({names}) AND t.start_ts >= %s - {period} AND t.start_ts < %s
ORDER BY m.statistic_id, at
"""
_PERIODS_S = {"statistics": 3600, "statistics_short_term": 300}
_WORDS: dict[Any, float | None] = {
    "on": 1.0,
    "off": 0.0,
    "unavailable": None,
    "unknown": None,
    "": None,
}


class HomeAssistantSource:
    """One recorder."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._table = option(parts, "table", "states")
        if self._table not in ("states", *_PERIODS_S):
            raise SetupError(f"homeassistant: no table {self._table!r}; states, statistics or statistics_short_term")
        self._database = _database(url)
        self.place = f"{self._database.place}?table={self._table}"
        self.fields_a_query = 8
        self.is_regular = self._table in _PERIODS_S
        self.hold_s = float(_PERIODS_S.get(self._table, SECONDS_PER_DAY))

    async def fields(self) -> tuple[SourceField, ...]:
        """Entities, with the unit they state."""
        if self._table == "states":
            rows = await self._database.rows(_STATES_FIELDS)
            return tuple(SourceField(name=name, unit=_unit(attributes)) for name, attributes in rows)
        rows = await self._database.rows(_STATISTICS_FIELDS)
        return tuple(SourceField(name=name, unit=unit or "") for name, unit in rows)

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """One statement for all fields of the span."""
        marks = ",".join(["%s"] * len(fields))
        if self._table == "states":
            statement = _STATES.format(marks)
        else:
            statement = _STATISTICS.format(table=self._table, names=marks, period=_PERIODS_S[self._table])
        rows = await self._database.rows(statement, (*(field.name for field in fields), start_s, end_s))
        known = {field.name: field for field in fields}
        for name, group in groupby(rows, key=itemgetter(0)):
            yield _readings(known[name], group, end_s)

    async def version(self) -> str:
        """The file's; nobody can know a server's."""
        return await self._database.version()

    def notes(self) -> tuple[str, ...]:
        """Nothing was left out."""
        return ()

    async def aclose(self) -> None:
        """Close the database."""
        await self._database.aclose()


def _database(url: str) -> Database:
    parts = urlsplit(url)
    if parts.scheme == "homeassistant":
        return SqliteDatabase(Path(unquote(parts.path)))
    place = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    words = {"host": parts.hostname or "", "port": str(parts.port or 5432), "dbname": parts.path.strip("/")}
    words |= {
        "user": unquote(parts.username or ""),
        "password": option(parts, "password", unquote(parts.password or "")),
    }
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in words.items() if value}
    return PostgresDatabase(" ".join(f"{key}='{value}'" for key, value in quoted.items()), place)


def _unit(attributes: str | None) -> str:
    """Unit of the newest state's attributes."""
    try:
        found = json.loads(attributes or "{}")
    except json.JSONDecodeError:
        return ""
    return str(found.get("unit_of_measurement", "")) if isinstance(found, dict) else ""


def _readings(field: SourceField, rows: Iterable[tuple[str, float, Any]], end_s: float) -> Readings:
    kept = [(at_s, _WORDS.get(value, value)) for _, at_s, value in rows if at_s < end_s]
    values, bad = numbers([value for _, value in kept])
    times_s = np.array([at_s for at_s, _ in kept], dtype=np.float64)
    return Readings(field=field, times_s=times_s, values=values, unreadable_count=bad)
