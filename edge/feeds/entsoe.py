"""ENTSO-E's transparency platform: day-ahead prices (document A44) as XML.

The document is read without its namespace, whose version changes. Curve type A03 leaves out a position whose price is
that of the one before; A01 names them all. Where the auction has several runs, the first one (SDAC) counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from xml.etree import ElementTree as Xml

from edge.errors import FeedError
from edge.feeds.model import Request, Span, day_span_s, instant_s, needs_euro

URL = "https://web-api.tp.entsoe.eu/api"
_RESOLUTIONS_S = {"PT15M": 900, "PT30M": 1800, "PT60M": 3600, "PT1H": 3600}
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Entsoe:
    """One bidding zone by its EIC code."""

    area: str
    token: str
    url: str = URL

    @property
    def name(self) -> str:
        """The source and its zone."""
        return f"entsoe {self.area}"

    def request(self, day: date) -> Request:
        """Ask for one market day."""
        first, last = (datetime.fromtimestamp(time_s, UTC).strftime("%Y%m%d%H%M") for time_s in day_span_s(day))
        query = {
            "documentType": "A44",
            "in_Domain": self.area,
            "out_Domain": self.area,
            "periodStart": first,
            "periodEnd": last,
            "securityToken": self.token,
        }
        return Request(url=self.url, query=query)

    def parse(self, body: bytes, day: date) -> Sequence[Span]:  # noqa: ARG002 -- the document names its own times
        """The prices of a publication; an acknowledgement says why there are none."""
        root = _document(body)
        if _tag(root) == "Acknowledgement_MarketDocument":
            raise FeedError(f"no prices: {_text(root, 'Reason/text') or 'no reason given'}")
        if _tag(root) != "Publication_MarketDocument":
            raise FeedError(f"the answer is a {_tag(root):.40}, no publication of prices")
        found: list[Span] = []
        for series in _children(root, "TimeSeries"):
            if _text(series, "classificationSequence_AttributeInstanceComponent.position") in ("", "1"):
                found += _prices(series)
        return _finest(found)


def _document(body: bytes) -> Xml.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise FeedError("the answer has a document type, which no publication has")
    try:
        return Xml.fromstring(body)  # noqa: S314 -- see above
    except Xml.ParseError as error:
        raise FeedError(f"the answer is not whole XML: {error}") from error


def _prices(series: Xml.Element) -> Iterator[Span]:
    needs_euro(_text(series, "currency_Unit.name"))
    if (unit := _text(series, "price_Measure_Unit.name")) != "MWH":
        raise FeedError(f"the answer has prices a {unit!r:.20}, MWH is needed")
    for period in _children(series, "Period"):
        yield from _period(period, repeats=_text(series, "curveType") == "A03")


def _period(period: Xml.Element, *, repeats: bool) -> Iterator[Span]:
    """The spans of a period; with ``repeats`` a position that is left out has the price before it."""
    resolution = _text(period, "resolution")
    if resolution not in _RESOLUTIONS_S:
        raise FeedError(f"the answer has a resolution of {resolution!r:.20}")
    slot_s = _RESOLUTIONS_S[resolution]
    start_s, end_s = (instant_s(_text(period, f"timeInterval/{name}"), name) for name in ("start", "end"))
    points = _points(period)
    count = (end_s - start_s) // slot_s
    if not 0 < count <= _MOST_POINTS or 1 not in points:
        raise FeedError(f"the answer has a period of {count} slots that begins with none")
    price = points[1]
    for position in range(1, count + 1):
        if position not in points and not repeats:
            continue
        price = points.get(position, price)
        begin_s = start_s + (position - 1) * slot_s
        yield Span(start_s=begin_s, end_s=begin_s + slot_s, value=price)


def _points(period: Xml.Element) -> Mapping[int, float]:
    try:
        return {
            int(_text(point, "position")): float(_text(point, "price.amount")) for point in _children(period, "Point")
        }
    except ValueError as error:
        raise FeedError(f"the answer has a point that is no number: {error}") from error


def _finest(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Where series of several resolutions overlap, the finest one counts."""
    taken: set[int] = set()
    kept = []
    for span in sorted(spans, key=lambda span: span.end_s - span.start_s):
        quarters = set(range(span.start_s, span.end_s, 900))
        if not quarters & taken:
            kept.append(span)
        taken |= quarters
    return tuple(kept)


def _tag(element: Xml.Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: Xml.Element, name: str) -> list[Xml.Element]:
    return [child for child in element if _tag(child) == name]


def _text(element: Xml.Element, path: str) -> str:
    """The text at a path without namespaces; empty where it is not there."""
    for name in path.split("/"):
        below = _children(element, name)
        if not below:
            return ""
        element = below[0]
    return (element.text or "").strip()
