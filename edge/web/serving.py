"""The listening socket and the server on it: bounded connections, and no patience with who sends slowly."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.errors import ConfigError

REQUEST_WITHIN_S = 10.0
MAX_CONNECTIONS = 128
_STOP_POLL_S = 0.2
_BEAT_EVERY_S = 2


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises :class:`ConfigError` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError("site.toml", [f"web: cannot listen on {host}:{port}: {reason}"]) from error


class Impatient(H11Protocol):
    """A connection whose request has not come whole in time is closed; uvicorn itself waits for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new client: the clock runs."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """More bytes; between requests the clock starts with the first of them."""
        super().data_received(data)
        if self._is_served:
            self._stop_waiting()
        elif self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _is_served(self) -> bool:
        """Whether a request stands whole before the application, or is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self._is_served and not self.transport.is_closing():
            self.transport.close()


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    stop: Callable[[], bool] | None = None,
    announce: Callable[[str], None] | None = None,
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM, SIGINT or until ``stop()`` says so; ``announce`` gets the page's address.

    ``beat`` is called by the loop that answers requests, from the first round on, every few seconds.
    """

    async def beaten() -> None:
        beat()

    with listen(host, port) as listener:
        config = uvicorn.Config(
            app, http=Impatient, ws="none", log_level="critical", access_log=False, server_header=False, lifespan="off",
            timeout_graceful_shutdown=1, limit_concurrency=MAX_CONNECTIONS, h11_max_incomplete_event_size=16_384,
            callback_notify=beaten, timeout_notify=_BEAT_EVERY_S,
        )  # fmt: skip
        server = uvicorn.Server(config)
        if announce is not None:
            shown = f"[{host}]" if ":" in host else host
            announce(f"http://{shown}:{listener.getsockname()[1]}/")
        if stop is not None:
            threading.Thread(target=_watch, args=(server, stop), daemon=True).start()
        server.run(sockets=[listener])


def _watch(server: uvicorn.Server, stop: Callable[[], bool]) -> None:
    """Let the server go when it is time."""
    while not server.should_exit and not stop():
        time.sleep(_STOP_POLL_S)
    server.should_exit = True
