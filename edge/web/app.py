"""The status page's server: reads only, asks control for every answer, keeps nothing that could be shown as live."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.errors import ConfigError, EdgeError
from edge.picture import NARROW_PX, WIDE_PX, plan_svg
from edge.web import page
from edge.web.view import View, view_of
from edge.wording import age_words

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_STOP_POLL_S = 0.2


class Client(Protocol):
    """Asks control; raises :class:`EdgeError` where there is no answer."""

    def ask(self, verb: str, **payload: Any) -> Any:
        """The data of the answer."""
        ...


class _SafeHeaders:
    """Adds the security headers to every response, and forbids keeping what is live."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_safely)


class _Pages:
    """The endpoints. What is kept between requests is only when control answered last."""

    def __init__(self, client: Client, zone: ZoneInfo) -> None:
        self._client, self._zone = client, zone
        self._answered_at = -1.0

    async def _status(self) -> dict[str, Any]:
        status = await run_in_threadpool(self._client.ask, "status")
        self._answered_at = time.monotonic()
        return dict(status)

    async def _view(self) -> View:
        return view_of(await self._status(), self._zone)

    def _last(self) -> str:
        if self._answered_at < 0.0:
            return "It has not answered since this page's server started."
        return f"It answered last {age_words(time.monotonic() - self._answered_at)} ago."

    async def index(self, request: Request) -> Response:  # noqa: ARG002 -- Starlette's signature
        """The whole page."""
        try:
            view = await self._view()
        except EdgeError as error:
            return HTMLResponse(page.page("PEMS Edge", page.gone(str(error), self._last())))
        return HTMLResponse(page.page(view.site_name, page.fragment(view)))

    async def fragment(self, request: Request) -> Response:  # noqa: ARG002
        """The part that changes."""
        try:
            return HTMLResponse(page.fragment(await self._view()))
        except EdgeError as error:
            return HTMLResponse(page.gone(str(error), self._last()))

    async def plan_picture(self, request: Request) -> Response:
        """The plan as SVG, for a wide or a narrow screen."""
        try:
            view = await self._view()
        except EdgeError as error:
            return PlainTextResponse(f"{error}\n", status_code=503)
        if view.plan is None:
            return PlainTextResponse("there is no plan yet\n", status_code=404)
        width_px = NARROW_PX if request.url.path.endswith("narrow.svg") else WIDE_PX
        text = plan_svg(view.plan, now_s=view.now_s, zone=self._zone, width_px=width_px)
        return Response(text, media_type="image/svg+xml", headers={"cache-control": "private, max-age=60"})

    async def status(self, request: Request) -> Response:  # noqa: ARG002
        """Control's own answer, for programs."""
        try:
            return JSONResponse(await self._status())
        except EdgeError as error:
            return JSONResponse({"error": str(error)}, status_code=503)

    async def health(self, request: Request) -> Response:  # noqa: ARG002
        """200 while control answers, else 503."""
        try:
            await self._status()
        except EdgeError as error:
            return JSONResponse({"web": "ok", "control": str(error)}, status_code=503)
        return JSONResponse({"web": "ok", "control": "ok"})


def create_app(client: Client, zone: ZoneInfo) -> Starlette:
    """The application; GET and HEAD only."""
    pages = _Pages(client, zone)
    routes = [
        Route("/", pages.index),
        Route("/fragment", pages.fragment),
        Route("/plan.svg", pages.plan_picture),
        Route("/plan-narrow.svg", pages.plan_picture),
        Route("/api/v1/status", pages.status),
        Route("/healthz", pages.health),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_SafeHeaders)])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises :class:`ConfigError` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError("site.toml", [f"web: cannot listen on {host}:{port}: {reason}"]) from error


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    stop: Callable[[], bool] | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or until ``stop()`` says so; ``announce`` gets the page's address."""
    with listen(host, port) as listener:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=2
        )
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
