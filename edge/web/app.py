"""The application: which path leads to what, and through which door.

Pages and data are for whoever may read (``desk.page``, ``desk.data``); a write needs a session and its CSRF token,
which the endpoint checks itself. Nothing here touches hardware: a write is a wish that control's guard judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ExceptionHandler

from edge.errors import EdgeError
from edge.log import Log
from edge.web.api import Api
from edge.web.desk import Desk, no_answer, refusal
from edge.web.house import FACTS_S, LIVE_S, Client, Facts, House
from edge.web.keys import Keys
from edge.web.looks import Looks
from edge.web.metrics import Metrics
from edge.web.pages import Pages
from edge.web.shield import Shield, own_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """How this box is shown: its name and time zone, who may read, and by which names it is called."""

    site_name: str
    zone: ZoneInfo
    open_reads: bool = False
    names: tuple[str, ...] = ()
    live_s: float = LIVE_S
    facts_s: float = FACTS_S


def create_app(control: Client, facts: Facts, keys: Keys, front: Front, log: Log) -> Starlette:
    """The whole application."""
    house = House(control, facts, live_s=front.live_s, facts_s=front.facts_s)
    looks = Looks(front.site_name, front.zone)
    desk = Desk(keys, looks, log, open_reads=front.open_reads)
    pages, api, metrics = Pages(house, looks, desk, front.zone), Api(house, desk, front.zone), Metrics(house)
    both = ["GET", "POST"]
    routes = [
        *(Route(path, desk.page(endpoint)) for path, endpoint in pages.table().items()),
        *(Route(path, desk.data(endpoint)) for path, endpoint in api.reads().items()),
        *(Route(path, endpoint, methods=[method]) for (method, path), endpoint in api.writes().items()),
        Route("/settings/override", pages.override, methods=["POST"]),
        Route("/login", desk.login_page, methods=both),
        Route("/setup", desk.setup_page, methods=both),
        Route("/logout", desk.logout, methods=["POST"]),
        Route("/api/v1/openapi.json", api.document),
        Route("/metrics", desk.data(metrics.answer)),
        Route("/healthz", api.health),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]
    handlers = {HTTPException: refusal, EdgeError: no_answer}
    return Starlette(
        routes=routes,
        middleware=[Middleware(Shield, names=own_names(front.names))],
        exception_handlers=cast("dict[int | type[Exception], ExceptionHandler]", handlers),
    )
