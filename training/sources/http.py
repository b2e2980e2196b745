"""One door for HTTP: foreign errors become ours, credentials stay out of every message."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import SplitResult, parse_qs

import httpx

from training.errors import SetupError
from training.sources.base import SourceUnreachable

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32)
_REFUSED = (401, 403)
_OURS = range(400, 500)


def option(url: SplitResult, name: str, default: str = "") -> str:
    """One query option of a source's URL; ``<name>_env`` names an environment variable that holds it."""
    found = parse_qs(url.query)
    if f"{name}_env" in found:
        variable = found[f"{name}_env"][0]
        if variable not in os.environ:
            raise SetupError(f"{url.scheme}://{url.hostname}: the environment has no {variable}")
        return os.environ[variable]
    return found.get(name, [default])[0]


def client(base: str, headers: Mapping[str, str], auth: tuple[str, str] | None = None) -> httpx.AsyncClient:
    """A client for one store."""
    return httpx.AsyncClient(
        base_url=base, headers={"Accept-Encoding": "identity", **headers}, auth=auth, timeout=TIMEOUT, limits=LIMITS
    )


class Server:
    """What every store behind HTTP has in common."""

    _http: httpx.AsyncClient

    async def version(self) -> str:
        """Nobody can know."""
        return ""

    def notes(self) -> tuple[str, ...]:
        """Nothing was left out."""
        return ()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def from_json(text: str | bytes, place: str, words: str = "broken answer") -> Any:
    """What a store said; raises :class:`SourceUnreachable` where it is no JSON, cut off for example."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceUnreachable(f"{place}: {words}: {error}") from error


@asynccontextmanager
async def answered(
    http: httpx.AsyncClient, place: str, path: str, params: Mapping[str, str]
) -> AsyncIterator[httpx.Response]:
    """A streamed answer with a good status.

    Raises
    ------
    SetupError
        Refused: wrong credentials, or a query that the store does not understand.
    SourceUnreachable
        No answer, a broken answer, or an error of the server.
    """
    try:
        async with http.stream("GET", path, params=dict(params)) as response:
            if response.status_code != httpx.codes.OK:
                await _refuse(response, place)
            yield response
    except httpx.InvalidURL as error:
        raise SetupError(f"{place}: {error}") from error
    except httpx.HTTPError as error:
        raise SourceUnreachable(f"{place}: {type(error).__name__}: {error or 'no answer'}") from error


async def lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """The lines of a streamed answer as they come, without empty ones."""
    begun: list[bytes] = []
    async for chunk in response.aiter_bytes():
        head, *others = chunk.split(b"\n")
        begun.append(head)
        for other in others:
            if whole := b"".join(begun):
                yield whole
            begun = [other]
    if rest := b"".join(begun):
        yield rest


async def _refuse(response: httpx.Response, place: str) -> None:
    said = (await response.aread()).decode(errors="replace").strip().splitlines()
    words = f"{place}: {response.status_code} {response.reason_phrase}: {said[0][:200] if said else 'no words'}"
    if response.status_code in _REFUSED:
        raise SetupError(f"{words} (wrong credentials?)")
    if response.status_code in _OURS:
        raise SetupError(words)
    raise SourceUnreachable(words)
