"""Templates to HTML. Autoescape is on: every word from outside is text, never markup."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from edge.web.ladder import ladder
from edge.web.view import override_words
from edge.wording import (
    MINUS,
    MISSING,
    age_words,
    cents_words,
    euro_words,
    number,
    percent_words,
    power_words,
    signed_words,
)

PAGES = (
    ("/", "Now"),
    ("/plan", "Plan"),
    ("/savings", "Savings"),
    ("/devices", "Devices"),
    ("/models", "Models"),
    ("/quality", "Quality"),
    ("/log", "Log"),
    ("/settings", "Settings"),
)


class Looks:
    """The templates of this site."""

    def __init__(self, site_name: str, zone: ZoneInfo) -> None:
        folder = Path(__file__).parent / "templates"
        self._zone = zone
        self._environment = Environment(
            loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self._environment.globals.update(site_name=site_name, pages=PAGES, missing=MISSING)
        self._environment.filters.update(
            power=lambda value: power_words(number(value)),
            percent=lambda value: percent_words(number(value)),
            cents=lambda value: cents_words(number(value)),
            age=lambda value: age_words(number(value)),
            signed=lambda value: signed_words(number(value)),
            override=lambda value: override_words(value, zone),
            setting=setting_words,
            ratio=lambda value: f"{number(value):+.3f}".replace("-", MINUS),
            euro=lambda value: euro_words(number(value)),
            ladder=ladder,
            moment=self._moment,
            clock=self._clock,
        )

    def text(self, name: str, values: Mapping[str, Any]) -> str:
        """A template filled in."""
        return self._environment.get_template(name).render(values)

    def page(
        self, name: str, values: Mapping[str, Any], *, code: int = 200, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A template as an answer."""
        return HTMLResponse(self.text(name, values), status_code=code, headers=dict(headers or {}))

    def _moment(self, time_s: object) -> str:
        return self._local(time_s, "%a %-d %b, %H:%M")

    def _clock(self, time_s: object) -> str:
        return self._local(time_s, "%H:%M:%S")

    def _local(self, time_s: object, form: str) -> str:
        found_s = number(time_s)
        return datetime.fromtimestamp(found_s, self._zone).strftime(form) if not math.isnan(found_s) else MISSING


def setting_words(value: object) -> str:
    """A value of the site file as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}" if abs(value) < 1e5 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(map(setting_words, value))
    return str(value)
