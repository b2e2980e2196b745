"""aWATTar's market data of Germany and Austria: prices as JSON, times in Unix milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from edge.errors import FeedError
from edge.feeds.model import Request, Span, day_span_s, json_answer, number

_UNIT = "Eur/MWh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awattar:
    """One country: ``de`` or ``at``."""

    area: str
    url: str = ""

    @property
    def name(self) -> str:
        """The source and its country."""
        return f"awattar {self.area}"

    def request(self, day: date) -> Request:
        """Ask for one market day."""
        start_s, end_s = day_span_s(day)
        url = self.url or f"https://api.awattar.{self.area}/v1/marketdata"
        return Request(url=url, query={"start": f"{1000 * start_s}", "end": f"{1000 * end_s}"})

    def parse(self, body: bytes, day: date) -> Sequence[Span]:  # noqa: ARG002 -- every entry names its own times
        """The prices of the market data."""
        entries = json_answer(body).get("data")
        if not isinstance(entries, list):
            raise FeedError("the answer has no data")
        return [_span(entry) for entry in entries]


def _span(entry: object) -> Span:
    if not isinstance(entry, dict) or entry.get("unit") != _UNIT:
        raise FeedError(f"the answer has an entry that is not in {_UNIT}: {entry!r:.60}")
    start, end, price = (number(entry.get(name), name) for name in ("start_timestamp", "end_timestamp", "marketprice"))
    return Span(start_s=int(start // 1000), end_s=int(end // 1000), value=price)
