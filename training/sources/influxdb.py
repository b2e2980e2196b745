"""InfluxDB by InfluxQL over ``/query``: 1.x itself, 2.x and 3 through their compatibility endpoint.

``influxdb://user@host:8086/database?password_env=NAME`` or ``?token_env=NAME``; ``influxdbs`` is HTTPS. A field is
``measurement.field``, with the tags of its series in brackets: ``temperature.temperature[room=kitchen]``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from core_kernels.units import FloatArray
from training.errors import SetupError
from training.sources.base import Readings, SourceField, numbers
from training.sources.http import Server, answered, client, from_json, option

_CHUNK_ROWS = 10_000
_PORT = 8086
_UNESCAPED = re.compile(r"(?<!\\),")
_NUMERIC = ("float", "integer", "boolean", "unsigned")


class InfluxSource(Server):
    """One database."""

    fields_a_query = 1
    hold_s = 0.0
    is_regular = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._database = parts.path.strip("/")
        if not self._database or not parts.hostname:
            raise SetupError("influxdb: needs a host and a database: influxdb://HOST:8086/DATABASE")
        scheme = "https" if parts.scheme == "influxdbs" else "http"
        base = f"{scheme}://{parts.hostname}:{parts.port or _PORT}"
        self.place = f"{parts.scheme}://{parts.hostname}:{parts.port or _PORT}/{self._database}"
        token = option(parts, "token")
        password = option(parts, "password", unquote(parts.password or ""))
        auth = (unquote(parts.username), password) if parts.username else None
        self._http = client(base, {"Authorization": f"Token {token}"} if token else {}, auth)

    async def _ask(self, query: str) -> AsyncIterator[Mapping[str, Any]]:
        """The series of an answer, piece by piece."""
        params = {"db": self._database, "q": query, "epoch": "ms", "chunked": "true", "chunk_size": str(_CHUNK_ROWS)}
        async with answered(self._http, self.place, "/query", params) as response:
            async for line in response.aiter_lines():
                for series in _series(line, self.place):
                    yield series

    async def fields(self) -> tuple[SourceField, ...]:
        """Every series that exists, with every numeric field of its measurement."""
        kinds = {
            series["name"]: [row[0] for row in series["values"] if row[1] in _NUMERIC]
            async for series in self._ask("SHOW FIELD KEYS")
        }
        keys = [row[0] async for series in self._ask("SHOW SERIES") for row in series["values"]]
        found = []
        for key in keys:
            measurement, *tags = (_plain(part) for part in _UNESCAPED.split(key))
            pairs = tuple(sorted((name, value) for name, _, value in (tag.partition("=") for tag in tags)))
            found += [SourceField(name=f"{measurement}.{name}", tags=pairs) for name in kinds.get(measurement, [])]
        return tuple(found)

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """One query a field, streamed in chunks of rows."""
        for field in fields:
            async for series in self._ask(_select(field, start_s, end_s)):
                times_s, values, bad = _columns(series["values"])
                yield Readings(field=field, times_s=times_s, values=values, unreadable_count=bad)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _select(field: SourceField, start_s: float, end_s: float) -> str:
    measurement, _, name = field.name.partition(".")
    where = [f"time >= {round(start_s * 1000)}ms", f"time < {round(end_s * 1000)}ms"]
    for key, value in field.tags:
        text = value.replace("\\", "\\\\").replace("'", "\\'")
        where.append(f"{_quoted(key)} = '{text}'")
    return f"SELECT {_quoted(name)} FROM {_quoted(measurement)} WHERE {' AND '.join(where)}"  # noqa: S608 -- quoted above


def _series(line: str, place: str) -> list[Mapping[str, Any]]:
    body = from_json(line, place)
    results = [body, *body.get("results", [])]
    for result in results:
        if "error" in result:
            raise SetupError(f"{place}: {result['error']}")
    return [series for result in results for series in result.get("series", [])]


def _columns(rows: Sequence[Sequence[Any]]) -> tuple[FloatArray, FloatArray, int]:
    """Times [s], values, and how many were no number; almost always all are numbers."""
    try:
        table = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        values, bad = numbers([row[1] for row in rows])
        return np.array([row[0] for row in rows], dtype=np.float64) / 1000.0, values, bad
    return table[:, 0] / 1000.0, np.ascontiguousarray(table[:, 1]), 0
