"""VictoriaMetrics by its export API: ``victoriametrics://host:8428``; ``victoriametricss`` is HTTPS.

A field is a metric's name with its labels in brackets: ``solar_InputPower[db=home]``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from urllib.parse import unquote, urlsplit

import numpy as np

from training.errors import SetupError
from training.sources.base import Readings, SourceField, numbers
from training.sources.http import Server, answered, client, from_json, option

_PORT = 8428
_ALL = '{__name__!=""}'
_EARLIEST_S, _LATEST_S = "1", "4000000000"  # a start of 0 means the last five minutes to the server


class VictoriaSource(Server):
    """One server."""

    fields_a_query = 1
    hold_s = 0.0
    is_regular = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise SetupError("victoriametrics: needs a host: victoriametrics://HOST:8428")
        scheme = "https" if parts.scheme == "victoriametricss" else "http"
        prefix = parts.path.rstrip("/")
        self.place = f"{parts.scheme}://{parts.hostname}:{parts.port or _PORT}{prefix}"
        token = option(parts, "token")
        password = option(parts, "password", unquote(parts.password or ""))
        auth = (unquote(parts.username), password) if parts.username else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = client(f"{scheme}://{parts.hostname}:{parts.port or _PORT}{prefix}", headers, auth)

    async def fields(self) -> tuple[SourceField, ...]:
        """Every series that the server knows."""
        params = {"match[]": _ALL, "start": _EARLIEST_S, "end": _LATEST_S}
        async with answered(self._http, self.place, "/api/v1/series", params) as response:
            body = from_json((await response.aread()).decode(), self.place)
        found = [
            SourceField(name=row["__name__"], tags=tuple(sorted((k, v) for k, v in row.items() if k != "__name__")))
            for row in body["data"]
        ]
        return tuple(sorted(found, key=lambda field: field.label))

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """One export a field; blocks come in the order of the server, so they are put in the order of time."""
        for field in fields:
            params = {"match[]": _selector(field), "start": f"{start_s:.3f}", "end": f"{end_s - 0.001:.3f}"}
            async with answered(self._http, self.place, "/api/v1/export", params) as response:
                async for line in response.aiter_lines():
                    body = from_json(line, self.place)
                    if set(body["metric"].items()) == {("__name__", field.name), *field.tags}:
                        times_s = np.array(body["timestamps"], dtype=np.float64) / 1000.0
                        values, bad = numbers(body["values"])
                        yield Readings(field=field, times_s=times_s, values=values, unreadable_count=bad)


def _selector(field: SourceField) -> str:
    pairs = ",".join(f"{key}={json.dumps(value)}" for key, value in (("__name__", field.name), *field.tags))
    return "{" + pairs + "}"
