"""Open-Meteo's JSON, of its archive or its forecast: recorded files, or the API itself.

``openmeteo:///folder/*.json`` reads recordings; ``openmeteo+https://archive-api.open-meteo.com/v1/archive?latitude=...``
asks for each span. Fields are ``hourly.temperature_2m``, ``minutely_15.shortwave_radiation``. Sums and radiation are
means of the time BEFORE their label (open-meteo.com/en/docs), so they are moved by one step; what ends in ``_instant``,
and all else, is of the instant.
A forecast counts from when it was issued: ``?issued=2026-05-01T06:00Z`` for one file, or recordings whose names are
the issue time (``20260501T0600Z.json``). Of several, a slot takes the newest issued ``?lead_h=0`` hours before it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import numpy as np

from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FloatArray
from training.errors import SetupError
from training.sources.base import Readings, SourceField, numbers
from training.sources.http import answered, client, from_json, option

_BLOCKS_S = {"hourly": 3600.0, "minutely_15": 900.0}
_BEFORE = re.compile(r"(radiation|irradiance|precipitation|rain|showers|snowfall|sunshine_duration)(?!.*_instant)")
_NAMED = re.compile(r"(\d{8})T?(\d{4})Z?\.json\Z")
_OURS = ("issued", "issued_env", "lead_h")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """One answer of the API and when it was issued; NaN for measured or unknown."""

    place: str
    issued_s: float
    body: Mapping[str, Any]


class OpenMeteoSource:
    """Recordings, or the API."""

    fields_a_query = 64
    hold_s = 3600.0
    is_regular = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._issued_s = _instant_s(option(parts, "issued"), url) if option(parts, "issued") else float("nan")
        self._lead_s = float(option(parts, "lead_h", "0")) * SECONDS_PER_HOUR
        self._api = parts.scheme.partition("+")[2]
        if self._api:
            self._path = parts.path
            self._params = {key: value for key, value in parse_qsl(parts.query) if key not in _OURS}
            self.place = f"{self._api}://{parts.netloc}{parts.path}?{urlencode(self._params)}"
            self._http = client(f"{self._api}://{parts.netloc}", {})
        else:
            self._pattern = unquote(parts.path)
            self.place = self._pattern

    async def fields(self) -> tuple[SourceField, ...]:
        """The variables of all documents, with the unit that they state."""
        found: dict[str, SourceField] = {}
        now_s = datetime.now(UTC).timestamp()
        for document in await self._documents(now_s - 10 * SECONDS_PER_DAY, now_s - 9 * SECONDS_PER_DAY):
            for block in _BLOCKS_S:
                units = document.body.get(f"{block}_units", {})
                for name in document.body.get(block, {}):
                    if name != "time":
                        found[f"{block}.{name}"] = SourceField(name=f"{block}.{name}", unit=units.get(name, ""))
        return tuple(found.values())

    async def read(self, fields: Sequence[SourceField], start_s: float, end_s: float) -> AsyncIterator[Readings]:
        """Documents in the order of their issue; the newest that was known in time wins."""
        documents = sorted(await self._documents(start_s, end_s), key=lambda item: np.nan_to_num(item.issued_s))
        for field in fields:
            parts = [part for part in (self._part(document, field) for document in documents) if part is not None]
            if parts:
                yield _newest(field, parts, start_s, end_s)

    def _part(self, document: Document, field: SourceField) -> Readings | None:
        block, _, name = field.name.partition(".")
        if name not in document.body.get(block, {}):
            return None
        times_s = _times_s(document, block)
        values, bad = numbers(document.body[block][name])
        if _BEFORE.search(name):
            times_s = times_s - _BLOCKS_S[block]
        known = np.isnan(document.issued_s) | (times_s >= document.issued_s + self._lead_s)
        issued_s = np.full(int(known.sum()), document.issued_s)
        return Readings(
            field=field, times_s=times_s[known], values=values[known], issued_s=issued_s, unreadable_count=bad
        )

    async def _documents(self, start_s: float, end_s: float) -> list[Document]:
        if self._api:
            days = {"start_date": f"{_day(start_s)}", "end_date": f"{_day(end_s)}", "timeformat": "unixtime"}
            async with answered(self._http, self.place, self._path, self._params | days) as response:
                text = (await response.aread()).decode()
            return [Document(place=self.place, issued_s=self._issued_s, body=_body(text, self.place))]
        paths = sorted(Path(path) for path in glob.glob(self._pattern)) or [Path(self._pattern)]  # noqa: PTH207 -- absolute
        return [_recorded(path, self._issued_s) for path in paths]

    async def version(self) -> str:
        """Size and time of each recording; nobody can know the API's."""
        if self._api:
            return ""
        stats = [Path(path).stat() for path in sorted(glob.glob(self._pattern))]  # noqa: PTH207 -- absolute
        return f"{self._issued_s},{self._lead_s};" + ";".join(f"{stat.st_size},{stat.st_mtime_ns}" for stat in stats)

    def notes(self) -> tuple[str, ...]:
        """Nothing was left out."""
        return ()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._api:
            await self._http.aclose()


def _recorded(path: Path, issued_s: float) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: cannot be read: {error}") from error
    named = _NAMED.search(path.name)
    if np.isnan(issued_s) and named:
        issued_s = datetime.strptime("".join(named.groups()), "%Y%m%d%H%M").replace(tzinfo=UTC).timestamp()
    return Document(place=str(path), issued_s=issued_s, body=_body(text, str(path)))


def _body(text: str, place: str) -> Mapping[str, Any]:
    body = from_json(text, place, "is not whole JSON")
    if not isinstance(body, dict) or not any(block in body for block in _BLOCKS_S):
        raise SetupError(f"{place}: has neither hourly nor minutely_15 values")
    return body


def _times_s(document: Document, block: str) -> FloatArray:
    times = document.body[block]["time"]
    if document.body.get(f"{block}_units", {}).get("time") == "unixtime":
        return np.array(times, dtype=np.float64)
    if document.body.get("timezone") not in ("GMT", "UTC"):
        raise SetupError(f"{document.place}: local times; record it with timezone=GMT or timeformat=unixtime")
    return np.array([datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in times])


def _newest(field: SourceField, parts: Sequence[Readings], start_s: float, end_s: float) -> Readings:
    """Later documents over earlier ones."""
    merged: dict[float, tuple[float, float]] = {}
    for part in parts:
        rows = zip(part.times_s.tolist(), part.values.tolist(), part.issued_s.tolist(), strict=True)
        merged |= {time_s: (value, issued_s) for time_s, value, issued_s in rows if start_s <= time_s < end_s}
    table = np.array([(time_s, *merged[time_s]) for time_s in sorted(merged)]).reshape(-1, 3)
    bad = sum(part.unreadable_count for part in parts)
    times_s, values, issued_s = (np.ascontiguousarray(table[:, i]) for i in range(3))
    return Readings(field=field, times_s=times_s, values=values, issued_s=issued_s, unreadable_count=bad)


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")


def _instant_s(text: str, place: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SetupError(f"{place}: issued: {error}") from error
    if moment.tzinfo is None:
        raise SetupError(f"{place}: issued needs a zone, like 2026-05-01T06:00Z")
    return moment.timestamp()
