"""The REST interface under /api/v1: what the pages show, as the JSON that the command line prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.errors import EdgeError
from edge.web.desk import CSRF_HEADER, Desk, Endpoint, json_of
from edge.web.house import House
from edge.web.openapi import DOCUMENT
from edge.web.tables import plan_columns, yesterday_columns
from edge.web.view import view_of

FACTS = ("savings", "models", "quality", "wear", "links", "settings", "yesterday")
_LOG_LIMIT = 1000


class Api:
    """The endpoints for programs."""

    def __init__(self, house: House, desk: Desk, zone: ZoneInfo) -> None:
        self._house, self._desk, self._zone = house, desk, zone

    def reads(self) -> dict[str, Endpoint]:
        """What is read, by its path."""
        facts = {f"/api/v1/{name}": self._fact(name) for name in FACTS}
        return {
            "/api/v1/status": self.status,
            "/api/v1/plan": self.plan,
            "/api/v1/log": self.log,
            "/api/v1/charts/plan": self.plan_chart,
            "/api/v1/charts/yesterday": self.yesterday_chart,
            **facts,
        }

    def writes(self) -> dict[tuple[str, str], Endpoint]:
        """What is written, by method and path."""
        return {
            ("POST", "/api/v1/login"): self._desk.login,
            ("PUT", "/api/v1/override"): self.override,
            ("DELETE", "/api/v1/override"): self.end_override,
        }

    async def status(self, request: Request) -> Response:  # noqa: ARG002 -- Starlette's signature
        """Control's own answer."""
        return JSONResponse(await self._house.status())

    async def plan(self, request: Request) -> Response:  # noqa: ARG002
        """The plan that control holds; 404 with the planner's reason where there is none."""
        status = await self._house.status()
        if status.get("plan") is None:
            return JSONResponse({"error": str(status.get("no_plan") or "there is no plan yet")}, status_code=404)
        return JSONResponse(status["plan"])

    async def log(self, request: Request) -> Response:
        """What happened, newest first; ``limit`` and ``kind`` choose."""
        text = request.query_params.get("limit", "200")
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _LOG_LIMIT and len(text) < 9):
            raise HTTPException(422, f"limit must be a whole number from 1 to {_LOG_LIMIT}")
        return JSONResponse(await self._house.log(int(text), request.query_params.get("kind", "")))

    async def plan_chart(self, request: Request) -> Response:  # noqa: ARG002
        """The plan as columns."""
        view = view_of(await self._house.status(), self._zone)
        if view.plan is None:
            return JSONResponse({"error": "there is no plan yet"}, status_code=404)
        return JSONResponse(plan_columns(view.plan, view.now_s, self._zone))

    async def yesterday_chart(self, request: Request) -> Response:  # noqa: ARG002
        """The last 24 h as columns."""
        return JSONResponse(yesterday_columns(await self._house.fact("yesterday"), self._zone))

    async def override(self, request: Request) -> Response:
        """Take the battery by hand: ``{"mode", "power_w", "duration_s"}``; answers what control made of it."""
        fields = await self._write(request)
        return await self._command("override", fields)

    async def end_override(self, request: Request) -> Response:
        """Let go of the battery."""
        self._desk.check_write(request, request.headers.get(CSRF_HEADER, ""))
        return await self._command("end_override", {})

    async def document(self, request: Request) -> Response:  # noqa: ARG002
        """This interface as OpenAPI."""
        return JSONResponse(DOCUMENT)

    async def health(self, request: Request) -> Response:  # noqa: ARG002
        """200 while control answers, else 503; for monitors, so it says nothing of the house."""
        try:
            await self._house.status()
        except EdgeError:
            return JSONResponse({"web": "ok", "control": "no answer"}, status_code=503)
        return JSONResponse({"web": "ok", "control": "ok"})

    def _fact(self, name: str) -> Endpoint:
        async def answer(request: Request) -> Response:  # noqa: ARG001
            return JSONResponse(await self._house.fact(name))

        return answer

    async def _write(self, request: Request) -> Mapping[str, Any]:
        self._desk.check_write(request, request.headers.get(CSRF_HEADER, ""))
        return await json_of(request)

    async def _command(self, verb: str, fields: Mapping[str, Any]) -> Response:
        """Control's answer; 422 where it refused, 503 where it is away."""
        allowed = {name: fields[name] for name in ("mode", "power_w", "duration_s") if name in fields}
        if unknown := set(fields) - set(allowed):
            raise HTTPException(422, f"{min(unknown)!r:.40} is not a known key")
        await self._house.status()  # raises where control is away: 503
        try:
            return JSONResponse(await self._house.command(verb, **allowed))
        except EdgeError as error:
            return JSONResponse({"error": str(error)}, status_code=422)
