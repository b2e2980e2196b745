"""InfluxDB by InfluxQL over ``/query``: 1.x itself, 2.x and 3 through their compatibility endpoint.

``influxdb://user@host:8086/database?password_env=NAME`` or ``?token_env=NAME``; ``influxdbs`` is HTTPS. A field is
``measurement.field``, with the tags of its series in brackets: ``temperature.temperature[room=kitchen]``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
from pyarrow import csv

from core_kernels.units import FloatArray
from training.errors import SetupError
from training.sources.base import Readings, SourceField, numbers
from training.sources.http import Server, answered, client, from_json, lines, option

_CHUNK_ROWS = 10_000
_TWO_COLUMNS = csv.ReadOptions(column_names=["time", "value"], use_threads=False)
_NUMBERS = csv.ConvertOptions(column_types={"time": pa.float64(), "value": pa.float64()}, null_values=["null"])
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

    async def _ask(self, query: str) -> AsyncIterator[bytes]:
        """The pieces of an answer, a line of JSON each."""
        params = {"db": self._database, "q": query, "epoch": "ms", "chunked": "true", "chunk_size": str(_CHUNK_ROWS)}
        async with answered(self._http, self.place, "/query", params) as response:
            async for line in lines(response):
                yield line

    async def fields(self) -> tuple[SourceField, ...]:
        """Every series that exists, with every numeric field of its measurement."""
        kinds = {
            series["name"]: [row[0] for row in series["values"] if row[1] in _NUMERIC]
            async for line in self._ask("SHOW FIELD KEYS")
            for series in _series(line, self.place)
        }
        keys = [
            row[0]
            async for line in self._ask("SHOW SERIES")
            for series in _series(line, self.place)
            for row in series["values"]
        ]
        found = []
        for key in keys:
            measurement, *tags = (_plain(part) for part in _UNESCAPED.split(key))
            pairs = tuple(sorted((name, value) for name, _, value in (tag.partition("=") for tag in tags)))
            found += [SourceField(name=f"{measurement}.{name}", tags=pairs) for name in kinds.get(measurement, [])]
        return tuple(found)

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """One query a field, streamed in chunks of rows."""
        for field in fields:
            async for line in self._ask(_select(field, start_s, end_s)):
                for times_s, values, bad in _columns(line, self.place):
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


def _series(line: bytes, place: str) -> list[Mapping[str, Any]]:
    body = from_json(line, place)
    results = [body, *body.get("results", [])]
    for result in results:
        if "error" in result:
            raise SetupError(f"{place}: {result['error']}")
    return [series for result in results for series in result.get("series", [])]


def _columns(line: bytes, place: str) -> Iterator[tuple[FloatArray, FloatArray, int]]:
    """Times [s], values, and how many were no number.

    Rows are almost always plain numbers: then only what stands around them is read as JSON, and they as a table, for
    reading them as JSON took most of an extraction's time (``pems-train bench sources``).
    """
    head, begin, rest = line.partition(b'"values":[[')
    rows, end, tail = rest.rpartition(b"]]")
    table = _table(rows) if begin and end and b'"' not in rows else None
    if table is not None and len(_series(head + b'"values":[]' + tail, place)) == 1:
        yield table[0] / 1000.0, table[1], 0
        return
    for series in _series(line, place):
        values, bad = numbers([row[1] for row in series["values"]])
        yield np.array([row[0] for row in series["values"]], dtype=np.float64) / 1000.0, values, bad


def _table(rows: bytes) -> tuple[FloatArray, FloatArray] | None:
    """Both columns of ``time,value],[time,value``; None where something else stands there."""
    try:
        found = csv.read_csv(
            pa.BufferReader(rows.replace(b"],[", b"\n")), read_options=_TWO_COLUMNS, convert_options=_NUMBERS
        )
    except pa.ArrowInvalid:
        return None
    times, values = (np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64) for column in found.columns)
    return times, values
