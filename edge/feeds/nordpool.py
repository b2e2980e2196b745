"""Nord Pool's data portal: day-ahead prices of an area as JSON, with begin and end of every slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from edge.errors import FeedError
from edge.feeds.model import Request, Span, instant_s, json_answer, needs_euro, number

URL = "https://dataportal-api.nordpoolgroup.com/api/DayAheadPrices"


@dataclass(frozen=True, slots=True, kw_only=True)
class NordPool:
    """One delivery area, for example ``SE3``."""

    area: str
    url: str = URL

    @property
    def name(self) -> str:
        """The source and its area."""
        return f"nordpool {self.area}"

    def request(self, day: date) -> Request:
        """Ask for one delivery day."""
        query = {"date": day.isoformat(), "market": "DayAhead", "deliveryArea": self.area, "currency": "EUR"}
        return Request(url=self.url, query=query)

    def parse(self, body: bytes, day: date) -> Sequence[Span]:  # noqa: ARG002 -- every entry names its own times
        """The area's prices."""
        answer = json_answer(body)
        needs_euro(answer.get("currency"))
        entries = answer.get("multiAreaEntries")
        if not isinstance(entries, list):
            raise FeedError("the answer has no multiAreaEntries")
        return [self._span(entry) for entry in entries]

    def _span(self, entry: object) -> Span:
        try:
            start, end, price = entry["deliveryStart"], entry["deliveryEnd"], entry["entryPerArea"][self.area]  # type: ignore[index]
        except (KeyError, TypeError, IndexError) as error:
            raise FeedError(f"the answer has an entry without a price of {self.area}: {entry!r:.60}") from error
        return Span(
            start_s=instant_s(start, "deliveryStart"),
            end_s=instant_s(end, "deliveryEnd"),
            value=number(price, "entryPerArea"),
        )
