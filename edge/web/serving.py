"""The listening socket and the server on it: bounded connections, and no patience with who sends slowly."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.errors import ConfigError

REQUEST_WITHIN_S = 10.0
READ_WITHIN_S = 10.0
MAX_CONNECTIONS = 128
MAX_IDLE = 48
_STOP_POLL_S = 0.2
_BEAT_EVERY_S = 2


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises :class:`ConfigError` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError("site.toml", [f"web: cannot listen on {host}:{port}: {reason}"]) from error
    # asyncio sets it only on sockets that were made with the protocol's number; connections inherit it. Without it
    # every answer's body waits 40 ms for the delayed acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def who_goes(idle: Sequence[tuple[str, bool, float]]) -> int:
    """Which of the idle connections (peer, has been answered before, since when) goes first where they are too many.

    Of the peer that has most of them: one that never asked a whole question before one that did, and the oldest.
    """
    counts = Counter(peer for peer, _, _ in idle)
    most = max(counts.values())
    ranks = [(known, since_s, index) for index, (peer, known, since_s) in enumerate(idle) if counts[peer] == most]
    return min(ranks)[2]


class Impatient(H11Protocol):
    """Closes what keeps a place for nothing; uvicorn itself waits for ever.

    A request must come whole in time and its answer must be taken. Where many connections do neither yet, the oldest of
    the peer that has most of them makes room at once: who opens hundreds pushes out his own.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _idle_since_s = 0.0
    _is_known = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new client: the clock runs."""
        super().connection_made(transport)
        self._idle_since_s = self.loop.time()
        self._wait()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """More bytes; between requests the clock starts with the first of them."""
        super().data_received(data)
        if self._is_served:
            self._stop_waiting()
        elif self._deadline is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Between two requests a connection is idle again."""
        self._idle_since_s, self._is_known = self.loop.time(), True
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        self._unread = self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It takes it."""
        super().resume_writing()
        self._stop_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    @property
    def peer(self) -> str:
        """The other side's address."""
        return self.client[0] if self.client else ""

    @property
    def is_idle(self) -> bool:
        """Whether it only keeps a place: its request is not whole, or its answer is not taken."""
        return self._unread is not None or not self._is_served

    @property
    def _is_served(self) -> bool:
        """Whether a request stands whole before the application, or is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _make_room(self) -> None:
        """Let the longest idle connection go where there are too many."""
        idle = [other for other in self.connections if isinstance(other, Impatient) and other.is_idle]
        if len(idle) > MAX_IDLE:
            gone = idle[who_goes([(other.peer, other._is_known, other._idle_since_s) for other in idle])]
            self.connections.discard(gone)  # the transport tells it later than the next client comes
            gone.transport.abort()

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

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
