"""The pages. Each one asks, fills its template, and says in words what could not be answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from edge.errors import EdgeError
from edge.picture import NARROW_PX, WIDE_PX, plan_svg
from edge.web.desk import Desk, Endpoint, form_of
from edge.web.flow import flow_svg
from edge.web.house import House
from edge.web.looks import Looks
from edge.web.tables import hours
from edge.web.view import view_of
from edge.wording import age_words

_LIVE = {"now": "_now.html", "devices": "_signals.html"}
_EVERY_S = 1.0
_MAX_VIEWERS = 24
_MINUTE_S = 60.0
_LOG_ROWS = 100


class Pages:
    """The endpoints of the pages."""

    def __init__(self, house: House, looks: Looks, desk: Desk, zone: ZoneInfo) -> None:
        self._house, self._looks, self._desk, self._zone = house, looks, desk, zone
        self._viewers = 0
        self._shown: dict[str, tuple[dict[str, Any], str]] = {}

    def table(self) -> dict[str, Endpoint]:
        """What is read, by its path."""
        return {
            "/": self.now,
            "/plan": self.plan,
            "/savings": self.savings,
            "/devices": self.devices,
            "/models": self.models,
            "/quality": self.quality,
            "/log": self.log,
            "/settings": self.settings,
            "/live/{topic}": self.live,
            "/plan.svg": self.plan_picture,
            "/plan-narrow.svg": self.plan_picture,
        }

    async def now(self, request: Request) -> Response:
        """What the house does this second."""
        return self._page(request, "now.html", live=await self._fragment("now"))

    async def plan(self, request: Request) -> Response:
        """What the box intends for the next 48 h, and what became of yesterday's intentions."""
        try:
            status = await self._house.status()
        except EdgeError as error:
            return self._page(request, "plan.html", problem=str(error), plan=None, hours=[], words="")
        view = view_of(status, self._zone)
        rows = hours(view.plan, self._zone) if view.plan else []
        return self._page(request, "plan.html", problem="", plan=view.plan, hours=rows, words=view.plan_line)

    async def savings(self, request: Request) -> Response:
        """What the days cost."""
        return await self._fact_page(request, "savings")

    async def devices(self, request: Request) -> Response:
        """Links, signals and wear."""
        links, problem = await self._fact("links")
        wear, problem_of_wear = await self._fact("wear")
        live = await self._fragment("devices")
        problems = [text for text in (problem, problem_of_wear) if text]
        return self._page(request, "devices.html", links=links, wear=wear, live=live, problems=problems)

    async def models(self, request: Request) -> Response:
        """The models in force."""
        return await self._fact_page(request, "models")

    async def quality(self, request: Request) -> Response:
        """How good the data is."""
        return await self._fact_page(request, "quality")

    async def log(self, request: Request) -> Response:
        """What happened."""
        kind = request.query_params.get("kind", "")
        try:
            events, problem = (await self._house.log(_LOG_ROWS, kind))["events"], ""
        except EdgeError as error:
            events, problem = [], str(error)
        return self._page(request, "log.html", events=events, kind=kind, problem=problem)

    async def settings(self, request: Request) -> Response:
        """The site file, and the battery by hand."""
        return await self._settings(request)

    async def _settings(self, request: Request, refused: str = "", code: int = 200) -> Response:
        settings, problem = await self._fact("settings")
        try:
            status = await self._house.status()
        except EdgeError as error:
            status, problem = {}, str(error)
        override = status.get("override")
        return self._page(
            request, "settings.html", code=code, settings=settings, problem=problem, override=override, refused=refused
        )

    async def override(self, request: Request) -> Response:
        """Take the battery by hand, or let go of it."""
        fields = await form_of(request)
        self._desk.check_write(request, fields.get("csrf", ""))
        try:
            if fields.get("mode") == "end":
                await self._house.command("end_override")
            else:
                await self._house.command("override", **wanted(fields))
        except (EdgeError, ValueError) as error:
            return await self._settings(request, str(error), 422)
        return RedirectResponse("/settings", status_code=303)

    async def live(self, request: Request) -> Response:
        """A part of a page whenever it changes, as server-sent events."""
        topic = request.path_params["topic"]
        if topic not in _LIVE:
            raise HTTPException(404, "there is no such part")
        if self._viewers >= _MAX_VIEWERS:
            raise HTTPException(503, "too many look at once", headers={"retry-after": "10"})
        return StreamingResponse(self._events(topic), media_type="text/event-stream")

    async def _events(self, topic: str) -> AsyncIterator[str]:
        self._viewers += 1
        try:
            while True:
                yield f"data: {json.dumps(await self._fragment(topic))}\n\n"
                await asyncio.sleep(_EVERY_S)
        finally:
            self._viewers -= 1

    async def plan_picture(self, request: Request) -> Response:
        """The plan as SVG, for who has no script."""
        view = view_of(await self._house.status(), self._zone)
        if view.plan is None:
            return PlainTextResponse("there is no plan yet\n", status_code=404)
        width_px = NARROW_PX if request.url.path.endswith("narrow.svg") else WIDE_PX
        plan, now_s = view.plan, view.now_s
        text = await run_in_threadpool(lambda: plan_svg(plan, now_s=now_s, zone=self._zone, width_px=width_px))
        return Response(text, media_type="image/svg+xml", headers={"cache-control": "private, max-age=60"})

    async def _fragment(self, topic: str) -> str:
        """The live part of a page; without control no number at all."""
        try:
            status = await self._house.status()
        except EdgeError as error:
            return self._looks.text("_gone.html", {"reason": str(error), "last": self._last()})
        shown, text = self._shown.get(topic, (None, ""))
        if shown is not status:  # one answer of control is written once, however many look
            view = view_of(status, self._zone)
            text = self._looks.text(_LIVE[topic], {"view": view, "flow": flow_svg(view.live)})
            self._shown[topic] = (status, text)
        return text

    def _last(self) -> str:
        if self._house.answered_s < 0.0:
            return "It has not answered since this page's server started."
        return f"It answered last {age_words(time.monotonic() - self._house.answered_s)} ago."

    async def _fact(self, name: str) -> tuple[dict[str, Any] | None, str]:
        try:
            return await self._house.fact(name), ""
        except EdgeError as error:
            return None, str(error)

    async def _fact_page(self, request: Request, name: str) -> Response:
        data, problem = await self._fact(name)
        return self._page(request, f"{name}.html", data=data, problem=problem)

    def _page(self, request: Request, name: str, *, code: int = 200, **values: Any) -> Response:
        session = self._desk.session(request)
        frame = {"path": request.url.path, "csrf": session.csrf if session else ""}
        return self._looks.page(name, {**frame, **values}, code=code)


def wanted(fields: Mapping[str, str]) -> dict[str, Any]:
    """A form's override as control takes it; raises ``ValueError``. What the numbers may be is control's to say."""
    mode = fields.get("mode", "")
    power_w = float(fields.get("power_w") or "nan") if mode in ("charge", "discharge") else None
    return {"mode": mode, "power_w": power_w, "duration_s": _MINUTE_S * float(fields.get("minutes") or "nan")}
