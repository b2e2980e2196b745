"""The HTTP door: one GET with limits on time and size; every foreign error becomes a :class:`FeedError`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from edge.errors import FeedError
from edge.feeds.model import Request

MOST_BYTES = 2 << 20
_QUIET_S = 10.0  # wall time without a byte
_WHOLE_S = 30.0  # wall time for the whole answer
_AGENT = "pems-edge"


class Fetcher:
    """Asks servers; redirects are not followed, proxies of the environment not used."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._client = httpx.Client(
            timeout=_QUIET_S, follow_redirects=False, trust_env=False, headers={"user-agent": _AGENT}
        )

    def get(self, request: Request) -> bytes:
        """The body of a 200; raises :class:`FeedError` with what the server asks for (``Retry-After``)."""
        host = request.url.partition("://")[2].partition("/")[0]
        try:
            with self._client.stream(
                "GET", request.url, params=dict(request.query), headers=dict(request.headers)
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise self._refusal(host, answer)
                return _body(host, answer)
        except httpx.TimeoutException as error:
            raise FeedError(f"{host}: no answer within {_QUIET_S:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FeedError(f"{host}: {type(error).__name__}: {error}") from error

    def _refusal(self, host: str, answer: httpx.Response) -> FeedError:
        retry_s = retry_after_s(answer.headers.get("retry-after", ""), self._now_s())
        return FeedError(f"{host}: HTTP {answer.status_code} {answer.reason_phrase}", retry_s)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _body(host: str, answer: httpx.Response) -> bytes:
    started, parts, size = time.monotonic(), [], 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            raise FeedError(f"{host}: the answer has more than {MOST_BYTES >> 20} MB")
        if time.monotonic() - started > _WHOLE_S:
            raise FeedError(f"{host}: the answer is not whole after {_WHOLE_S:.0f} s")
        parts.append(part)
    return b"".join(parts)


def retry_after_s(header: str, now_s: float) -> float:
    """``Retry-After`` as seconds from now: a number, or an HTTP date; 0 where it says nothing."""
    if header.strip().isdigit():
        return float(header[:9])
    try:
        moment = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return 0.0
    return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s, 0.0)
