"""The front desk: login, first setup, logout, and the question whether a request may read or write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge import strictjson
from edge.errors import ConfigError
from edge.log import Log
from edge.web.door import SESSION_S, Session, Sessions, Tries, may_write
from edge.web.keys import MAX_PASSWORD_LENGTH, Keys, same
from edge.web.looks import Looks
from edge.web.shield import MAX_BODY_BYTES

Endpoint = Callable[[Request], Awaitable[Response]]
COOKIE = "pems_session"
CSRF_HEADER = "x-csrf-token"
_BODY_WITHIN_S = 10.0


class Desk:
    """Knows who comes; pages and API hang their endpoints behind it."""

    def __init__(self, keys: Keys, looks: Looks, log: Log, *, open_reads: bool) -> None:
        self._keys, self._looks, self._log, self.open_reads = keys, looks, log, open_reads
        self._sessions, self._tries = Sessions(keys), Tries()
        self._hashing = asyncio.Lock()  # one argon2 at a time: its memory is this process'

    def session(self, request: Request) -> Session | None:
        """The session that a request's cookie opens."""
        token = request.cookies.get(COOKIE)
        return self._sessions.find(token, time.monotonic()) if token else None

    def may_read(self, request: Request) -> bool:
        """By configuration, by session, or by the reading token."""
        if self.open_reads or self.session(request) is not None:
            return True
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and same(token.strip(), self._keys.read_token())

    def page(self, endpoint: Endpoint) -> Endpoint:
        """A page to be read: without permission, to the login."""

        async def guarded(request: Request) -> Response:
            if self.may_read(request):
                return await endpoint(request)
            where = "/login" if self._keys.has_password else "/setup"
            return RedirectResponse(f"{where}?next={quote(request.url.path)}", status_code=303)

        return guarded

    def data(self, endpoint: Endpoint) -> Endpoint:
        """Data to be read by programs: without permission, 401."""

        async def guarded(request: Request) -> Response:
            if self.may_read(request):
                return await endpoint(request)
            words = "log in, or send the reading token: Authorization: Bearer (see pems password --token)"
            return JSONResponse({"error": words}, status_code=401, headers={"www-authenticate": "Bearer"})

        return guarded

    def check_write(self, request: Request, csrf: str) -> None:
        """Raise 401 or 403 where a request may not write; what may be read by all may still not be written."""
        session = self.session(request)
        if session is None:
            raise HTTPException(401, "log in first")
        if not may_write(session, csrf):
            self._log.event("refused", "a write without its token", peer=peer_of(request))
            raise HTTPException(403, "the page is out of date: load it again")

    async def login_page(self, request: Request) -> Response:
        """The form, or what became of it."""
        if not self._keys.has_password:
            return RedirectResponse("/setup", status_code=303)
        if request.method != "POST":
            return self._form(request, "login.html", "")
        fields = await form_of(request)
        problem = await self._try(request, self._opens(fields.get("password", "")))
        if problem:
            return self._form(request, "login.html", *problem)
        return self._let_in(fields.get("next", "/"))

    async def login(self, request: Request) -> Response:
        """The same for programs: the password as JSON in, the cookie and the CSRF token out."""
        fields = await json_of(request)
        password = fields.get("password")
        if not isinstance(password, str):
            raise HTTPException(422, "password must be text")
        if not self._keys.has_password:
            raise HTTPException(409, "no password is set yet: open /setup, or use pems password")
        problem = await self._try(request, self._opens(password))
        if problem:
            words, code, wait_s = problem
            return JSONResponse({"error": words}, status_code=code, headers=_retry(wait_s))
        token, session = self._sessions.open(time.monotonic())
        return _with_cookie(JSONResponse({"csrf": session.csrf}), token)

    async def setup_page(self, request: Request) -> Response:
        """The first password, for who has the setup code from the box's own log or console."""
        if self._keys.has_password:
            return RedirectResponse("/login", status_code=303)
        if request.method != "POST":
            return self._form(request, "setup.html", "")
        fields = await form_of(request)
        if fields.get("password") != fields.get("again"):
            return self._form(request, "setup.html", "The two passwords differ.", 422)
        code = fields.get("code", "").strip().upper()
        problem = await self._try(request, lambda: same(code, self._keys.setup_code()))
        if problem:
            return self._form(request, "setup.html", *problem)
        try:
            async with self._hashing:
                await run_in_threadpool(self._keys.set_password, fields.get("password", ""))
        except ConfigError as error:
            return self._form(request, "setup.html", f"The password {error.problems[0]}.", 422)
        self._log.event("password", "the first password is set", peer=peer_of(request))
        return self._let_in("/")

    async def logout(self, request: Request) -> Response:
        """End the session."""
        fields = await form_of(request)
        self.check_write(request, fields.get("csrf", ""))
        self._sessions.close(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    def _opens(self, password: str) -> Callable[[], bool]:
        return lambda: len(password) <= MAX_PASSWORD_LENGTH and self._keys.opens(password)

    async def _try(self, request: Request, opens: Callable[[], bool]) -> tuple[str, int, float] | None:
        """Nothing where the secret is right, else words, status and wait; the secret is not looked at while waiting."""
        peer, now_s = peer_of(request), time.monotonic()
        wait_s = self._tries.pause_s(peer, now_s)
        if wait_s > 0.0:
            self._log.event("refused", "too many wrong passwords", peer=peer)
            return f"Too many tries. Wait {wait_s:.0f} s and try again.", 429, wait_s
        self._tries.begin(peer, now_s)
        async with self._hashing:
            right = await run_in_threadpool(opens)
        if right:
            self._tries.forgive(peer)
            return None
        self._log.event("refused", "wrong password", peer=peer)
        return "That is not right.", 401, 0.0

    def _let_in(self, where: str) -> Response:
        token, _ = self._sessions.open(time.monotonic())
        return _with_cookie(RedirectResponse(_own_path(where), status_code=303), token)

    def _form(self, request: Request, name: str, problem: str, code: int = 200, wait_s: float = 0.0) -> Response:
        following = _own_path(request.query_params.get("next", "/"))
        return self._looks.page(name, {"problem": problem, "next": following}, code=code, headers=_retry(wait_s))


def peer_of(request: Request) -> str:
    """Whose tries are counted; an IPv6 network counts as one."""
    host = request.client.host if request.client else "nobody"
    return ":".join(host.split(":")[:4]) if ":" in host else host


async def body_of(request: Request) -> bytes:
    """The body, bounded in size and time; raises 408 and 413."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(413, f"at most {MAX_BODY_BYTES} bytes")
    except TimeoutError as error:
        raise HTTPException(408, "the body did not come in time") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the body broke off") from error
    return bytes(body)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a page's form; raises 400 and 415."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(415, "a form is expected")
    try:
        return dict(parse_qsl((await body_of(request)).decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise HTTPException(400, "not a form") from error


async def json_of(request: Request) -> Mapping[str, Any]:
    """A JSON object; raises 400 and 415."""

    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "application/json is expected")
    try:
        found = strictjson.loads(await body_of(request))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "a JSON object is expected")
    return found


def _with_cookie(response: Response, token: str) -> Response:
    response.set_cookie(COOKIE, token, max_age=int(SESSION_S), path="/", httponly=True, samesite="strict")
    return response


def _own_path(text: str) -> str:
    """A path on this box, or its first page: a login leads nowhere else."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() else "/"


def _retry(wait_s: float) -> dict[str, str]:
    return {"retry-after": f"{wait_s:.0f}"} if wait_s > 0.0 else {}


async def refusal(request: Request, error: Exception) -> Response:
    """An HTTP error in the form that the asker reads: JSON below /api, else a line of text."""
    assert isinstance(error, HTTPException)
    words = str(error.detail)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": words}, status_code=error.status_code, headers=error.headers)
    return Response(f"{words}\n", error.status_code, headers=error.headers, media_type="text/plain")


async def no_answer(request: Request, error: Exception) -> Response:
    """What the store or control could not answer: 503 with the reason."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": str(error)}, status_code=503)
    return Response(f"{error}\n", 503, media_type="text/plain")
