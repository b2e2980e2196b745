"""What a feed yields, and the two kinds of source. A source is pure: a request out, an answer's bytes in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from edge import strictjson
from edge.errors import FeedError
from edge.timetext import format_time

PRICE = "price_eur_mwh"
QUARTER_S = 900
# The European day-ahead auction clears days of Central European time, also for zones that live by another clock.
MARKET_ZONE = ZoneInfo("Europe/Brussels")
# The auction's harmonised limits are -500 and +4,000 EUR/MWh, and are raised when they are met.
_MOST_EUR_PER_MWH = 10_000.0
_HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A value that holds from ``start_s`` to ``end_s``."""

    start_s: int
    end_s: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET; nothing of it but the host is ever printed, because a key may be in the query."""

    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


class PriceSource(Protocol):
    """Day-ahead prices of one bidding zone."""

    @property
    def name(self) -> str:
        """The source and its zone, as kept with what it said."""
        ...

    def request(self, day: date) -> Request:
        """What to ask for the prices of a market day."""
        ...

    def parse(self, body: bytes, day: date) -> Sequence[Span]:
        """The prices [EUR/MWh] of an answer, of that day and maybe others; raises :class:`FeedError`."""
        ...


class WeatherSource(Protocol):
    """A weather forecast for one place."""

    @property
    def name(self) -> str:
        """The source and its place, as kept with what it said."""
        ...

    def request(self) -> Request:
        """What to ask for the forecast from now on."""
        ...

    def parse(self, body: bytes) -> Mapping[str, Sequence[Span]]:
        """Columns ``fc_*`` of an answer; raises :class:`FeedError`."""
        ...


def day_span_s(day: date) -> tuple[int, int]:
    """Begin and end of a market day: 23, 24 or 25 hours [s]."""
    first, last = (datetime(d.year, d.month, d.day, tzinfo=MARKET_ZONE) for d in (day, day + timedelta(days=1)))
    return int(first.timestamp()), int(last.timestamp())


def market_day(time_s: float) -> date:
    """The market day of an instant."""
    return datetime.fromtimestamp(time_s, MARKET_ZONE).date()


def whole_day(spans: Sequence[Span], day: date) -> tuple[Span, ...]:
    """The spans that make up a market day, in order; raises :class:`FeedError` where they do not cover it once.

    A market slot has 15, 30 or 60 minutes and begins on a multiple of a quarter hour; they may be mixed.
    """
    start_s, end_s = day_span_s(day)
    inside = sorted((span for span in spans if start_s <= span.start_s < end_s), key=lambda span: span.start_s)
    reached_s = start_s
    for span in inside:
        if span.start_s != reached_s:
            fault = "twice" if span.start_s < reached_s else f"not at {format_time(reached_s)}"
            raise FeedError(f"the answer does not cover {day}: a price {fault}")
        if span.end_s - span.start_s not in (QUARTER_S, 2 * QUARTER_S, 4 * QUARTER_S):
            raise FeedError(f"the answer has a slot of {span.end_s - span.start_s} s at {format_time(span.start_s)}")
        if not abs(span.value) <= _MOST_EUR_PER_MWH:
            raise FeedError(f"the answer has a price of {span.value:g} EUR/MWh at {format_time(span.start_s)}")
        reached_s = span.end_s
    if reached_s != end_s:
        raise FeedError(f"the answer does not cover {day}: its prices end at {format_time(reached_s)}")
    return tuple(inside)


def even_spans(day: date, values: Sequence[float]) -> tuple[Span, ...]:
    """Prices that are only numbered, over a whole market day: 23 to 25 hours, or as many halves or quarters."""
    start_s, end_s = day_span_s(day)
    slot_s = (end_s - start_s) // len(values) if values else 0
    if slot_s * len(values) != end_s - start_s or slot_s not in (QUARTER_S, 2 * QUARTER_S, _HOUR_S):
        raise FeedError(f"the answer has {len(values)} prices for the {(end_s - start_s) // _HOUR_S} hours of {day}")
    return tuple(
        Span(start_s=start_s + i * slot_s, end_s=start_s + (i + 1) * slot_s, value=value)
        for i, value in enumerate(values)
    )


def json_answer(body: bytes) -> dict[str, Any]:
    """A JSON object; raises :class:`FeedError` for anything else, a web page for example."""
    try:
        found = strictjson.loads(body)
    except json.JSONDecodeError as error:
        raise FeedError(f"the answer is not JSON: {body[:40]!r}") from error
    except (ValueError, RecursionError) as error:
        raise FeedError(f"the answer is not to be taken: {error}") from error
    if not isinstance(found, dict):
        raise FeedError(f"the answer is no JSON object: {body[:40]!r}")
    return found


def number(value: object, what: str) -> float:
    """A finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise FeedError(f"the answer has {value!r:.40} for {what}")
    return float(value)


def instant_s(text: object, what: str) -> int:
    """An ISO instant with its zone, to the second."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise FeedError(f"the answer has {text!r:.40} for {what}") from error
    if moment.tzinfo is None:
        raise FeedError(f"the answer has no time zone in {text!r:.40} for {what}")
    return int(moment.timestamp())


def needs_euro(currency: object) -> None:
    """Raise :class:`FeedError` for another currency: what is saved is counted in euros."""
    if currency != "EUR":
        raise FeedError(f"the answer is in {currency!r:.20}, EUR is needed")
