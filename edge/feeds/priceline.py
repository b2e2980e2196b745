"""Prices that somebody publishes on the broker: one JSON document with unit and times.

::

    {"currency": "EUR", "unit": "EUR/MWh",
     "prices": [{"start": "2025-10-01T00:00:00+02:00", "end": "2025-10-01T00:15:00+02:00", "price": 97.2}, ...]}

``unit`` may be ``EUR/kWh``. A retained message is welcome: the prices carry their own times.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import FeedError
from edge.feeds.model import Span, instant_s, json_answer, market_day, needs_euro, number, whole_day

_FACTORS = {"EUR/MWh": 1.0, "EUR/kWh": 1000.0}
_MOST_PRICES = 1000


def parse(body: bytes) -> Sequence[Span]:
    """The prices [EUR/MWh] of a message, of whole market days; raises :class:`FeedError`."""
    answer = json_answer(body)
    needs_euro(answer.get("currency"))
    unit, rows = answer.get("unit"), answer.get("prices")
    if not isinstance(unit, str) or unit not in _FACTORS:
        raise FeedError(f"the message is in {unit!r:.20}, EUR/MWh or EUR/kWh is needed")
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_PRICES:
        raise FeedError("the message has no prices")
    spans = [_span(row, _FACTORS[unit]) for row in rows]
    days = sorted({market_day(span.start_s) for span in spans})
    return [span for day in days for span in whole_day(spans, day)]


def _span(row: object, factor: float) -> Span:
    if not isinstance(row, dict):
        raise FeedError(f"the message has a price that is none: {row!r:.60}")
    start_s, end_s = (instant_s(row.get(name), name) for name in ("start", "end"))
    return Span(start_s=start_s, end_s=end_s, value=factor * number(row.get("price"), "price"))
