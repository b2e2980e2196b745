"""OTE, the Czech market operator: the chart of a day's prices as JSON.

Slots are only numbered, in local time from midnight: a day of 23 or 25 hours has as many points. Since October 2025 the
chart has a line of quarter hours beside that of whole hours; the finer one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from edge.errors import FeedError
from edge.feeds.model import Request, Span, even_spans, json_answer, needs_euro, number

URL = "https://www.ote-cr.cz/en/short-term-markets/electricity/day-ahead-market/@@chart-data"
_PRICE_LINE = re.compile(r"(?:cena|price)\s*\((\w+)/MWh\)", re.IGNORECASE)
_TITLE_DAY = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ote:
    """The Czech bidding zone."""

    url: str = URL

    @property
    def name(self) -> str:
        """The source."""
        return "ote CZ"

    def request(self, day: date) -> Request:
        """Ask for one delivery day, in quarter hours where they exist."""
        return Request(url=self.url, query={"report_date": day.isoformat(), "time_resolution": "PT15M"})

    def parse(self, body: bytes, day: date) -> Sequence[Span]:
        """The day's prices by the finest line of the chart."""
        answer = json_answer(body)
        _check_day(answer, day)
        lines = [line for line in _lines(answer) if _PRICE_LINE.search(str(line.get("title")))]
        if not lines:
            raise FeedError(f"no prices of {day} yet: the answer has no line of prices")
        for line in lines:
            needs_euro(_PRICE_LINE.search(str(line["title"]))[1])  # type: ignore[index]
        return even_spans(day, max((_points(line) for line in lines), key=len))


def _check_day(answer: Mapping[str, Any], day: date) -> None:
    """The title names the day; raise :class:`FeedError` where it is another one."""
    graph = answer.get("graph")
    found = _TITLE_DAY.search(str(graph.get("title"))) if isinstance(graph, Mapping) else None
    if found and datetime.strptime(found[0], "%d.%m.%Y").date() != day:  # noqa: DTZ007 -- a date has no zone
        raise FeedError(f"the answer is of {found[0]}, asked was for {day}")


def _lines(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    data = answer.get("data")
    lines = data.get("dataLine") if isinstance(data, Mapping) else None
    if not isinstance(lines, list):
        raise FeedError("the answer has no chart")
    return [line for line in lines if isinstance(line, Mapping)]


def _points(line: Mapping[str, Any]) -> list[float]:
    """The line's prices in the order of their numbers, which must be 1, 2, 3 ..."""
    points = line.get("point")
    if not isinstance(points, list) or not all(isinstance(point, Mapping) for point in points):
        raise FeedError("the answer has a line without points")
    if [str(point.get("x")) for point in points] != [str(i + 1) for i in range(len(points))]:
        raise FeedError("the answer has points out of order")
    return [number(point.get("y"), "a price") for point in points]
