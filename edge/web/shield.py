"""Around the whole application: hosts, origins, sizes, headers. What is refused here reaches no endpoint.

A browser on the home network can be led to call this box by any name (DNS rebinding) and from any page (CSRF): only
names that are the box's own are answered, and writes only from its own pages.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 16 * 1024
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]@]+))(?::\d+)?")
_READS = ("GET", "HEAD")


def own_names(extra: Sequence[str]) -> frozenset[str]:
    """The names that this box is called by; addresses are always its own."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local", "pems.local", *(item.lower() for item in extra)})


def host_of(header: str) -> str:
    """A Host header without its port, in lower case; empty where it is none."""
    found = _HOST.fullmatch(header)
    return (found["address"] or found["name"]).lower().rstrip(".") if found else ""


class Shield:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through with safe headers."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    found[name] = value
                found.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            code, words = refusal
            await PlainTextResponse(f"{words}\n", status_code=code)(scope, receive, send_safely)
            return
        await self._app(scope, receive, send_safely)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Status and words where a request is not for us."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own(host_of(hosts[0])):
            return 421, "this box has another name (site.toml: [web] names)"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return 413, f"at most {MAX_BODY_BYTES} bytes"
        if method in _READS:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none") or (origin is not None and origin.partition("://")[2] != hosts[0]):
            return 403, "writes come from this box's own pages only"
        return None

    def _is_own(self, host: str) -> bool:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host in self._names
        return True
