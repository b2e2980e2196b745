"""Feeds attacked through a real HTTP server: the planner goes on with what it knew, and the fault is named."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from energy import make_site

from edge.config import Site
from edge.config_supply import Tariff, Weather
from edge.feeds import fetch
from edge.feeds.cache import FeedCache
from edge.feeds.fetch import Fetcher
from edge.feeds.model import even_spans
from edge.feeds.service import FeedService
from edge.files import FEEDS_NAME
from edge.supply import Supply, standings
from edge.timetext import format_time, parse_time_s

MORNING_S = parse_time_s("2025-10-01T08:00:00Z")
AFTERNOON_S = parse_time_s("2025-10-01T11:30:00Z")  # tomorrow's prices are out
DATA = Path(__file__).resolve().parents[2] / "data" / "feeds"

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def prices_of(day: str, price: float = 50.0) -> bytes:
    spans = even_spans(date.fromisoformat(day), [price] * 24)
    entries = [
        {"deliveryStart": format_time(s.start_s), "deliveryEnd": format_time(s.end_s), "entryPerArea": {"CZ": s.value}}
        for s in spans
    ]
    return json.dumps({"currency": "EUR", "multiAreaEntries": entries}).encode()


def says(body: bytes, status: int = 200, **headers: str) -> Answer:
    """An answer with a body and its true length."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def drips(handler: http.server.BaseHTTPRequestHandler) -> None:
    """A byte at a time, each soon enough to keep the connection, for as long as anybody listens."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        if handler.server.stopped.wait(0.02):  # type: ignore[attr-defined]
            return


def breaks_off(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Half of what its length promises."""
    body = prices_of("2025-10-02")
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


class Attacker:
    """A real HTTP server that answers as it is told to."""

    def __init__(self) -> None:
        self.asked_count = 0
        self.answer: Answer = says(b"", 404)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked_count += 1
                with suppress(OSError):  # the client had enough
                    outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.stopped = threading.Event()  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.stopped.set()  # type: ignore[attr-defined]
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    server = Attacker()
    yield server
    server.close()


class Desk:
    """The feeds of a site with a clock of the test's own, and what the planner sees of them."""

    def __init__(self, site: Site, state: Path) -> None:
        self.site, self.state, self.now_s = site, state, MORNING_S
        self.told: list[str] = []
        self._cache = FeedCache(state / FEEDS_NAME, writable=True)
        self._fetcher = Fetcher(lambda: self.now_s)
        self.service = FeedService(site, self._cache, self._fetcher, self.told.append, lambda: self.now_s)

    def at(self, now_s: float) -> None:
        self.now_s = now_s
        self.service.tick()

    def prices(self) -> tuple[float, ...]:
        return tuple(Supply(self.site, self.state).prices().import_eur_per_kwh.tolist())

    def close(self) -> None:
        self._fetcher.close()
        self._cache.close()


def known(attacker: Attacker, state: Path) -> Desk:
    """A box that has today's prices, before tomorrow's are asked for."""
    desk = Desk(make_site(tariff=Tariff(source="nordpool", area="CZ", url=attacker.url)), state)
    attacker.answer = says(prices_of("2025-10-01"))
    desk.at(MORNING_S)
    assert desk.told == ["prices: 24 of 2025-10-01 from nordpool CZ"]
    return desk


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(b"<!DOCTYPE html><html><body>Please log in</body></html>", Content_Type="text/html"), "not JSON"),
        (says(b" " * (10 << 20)), "more than 2 MB"),
        (says(b"", 429, Retry_After="7200"), "HTTP 429 Too Many Requests; again in 7200 s"),
        (says(prices_of("2025-10-02").replace(b"50.0", b"NaN", 1)), "NaN is no JSON number"),
        (says(prices_of("2025-10-02").replace(b"50.0", b"1e400", 1)), "inf"),
        (says(prices_of("2025-10-02", 40_000.0)), "a price of 40000 EUR/MWh"),
        (says(prices_of("2025-10-01")), "does not cover 2025-10-02"),
        (says(prices_of("2025-10-02").replace(b'"currency"', b'"currency": "CZK", "currency"')), "stands twice"),
        (breaks_off, "RemoteProtocolError"),
    ],
)
def test_a_poisoned_answer_changes_nothing_for_the_planner_and_is_named(
    answer: Answer, words: str, attacker: Attacker, tmp_path: Path
) -> None:
    desk = known(attacker, tmp_path)
    before = desk.prices()
    attacker.answer = answer
    desk.at(AFTERNOON_S)
    assert words in desk.told[-1]
    assert desk.prices() == before
    (standing,) = standings(desk.site, tmp_path, desk.now_s)
    assert standing.failure_count == 1
    attacker.answer = says(prices_of("2025-10-02"))
    desk.at(standing.not_before_s - 1.0)
    assert attacker.asked_count == 2, "nobody is asked within the pause"
    desk.at(standing.not_before_s)
    assert len(desk.prices()) == 2 * len(before), "the next good answer is taken"
    desk.close()


@pytest.mark.parametrize("price", [4000.0, -4000.0])
def test_extreme_prices_of_a_real_auction_are_taken(price: float, attacker: Attacker, tmp_path: Path) -> None:
    desk = known(attacker, tmp_path)
    attacker.answer = says(prices_of("2025-10-02", price))
    desk.at(AFTERNOON_S)
    assert desk.told[-1] == "prices: 24 of 2025-10-02 from nordpool CZ"
    assert desk.prices()[-1] == pytest.approx(price / 1000.0)
    desk.close()


def test_an_answer_that_drips_ends_by_the_clock_and_leaves_what_was_known(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_WHOLE_S", 0.3)
    desk = known(attacker, tmp_path)
    before = desk.prices()
    attacker.answer = drips
    desk.at(AFTERNOON_S)
    assert "the answer is not whole after" in desk.told[-1]
    assert desk.prices() == before
    desk.close()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_xml_that_is_cut_off_is_named_and_no_prices_are_there(keep: float, attacker: Attacker, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    tariff = Tariff(source="entsoe", area="10YCZ-CEPS-----N", token=str(tmp_path / "token"), url=attacker.url)
    desk = Desk(make_site(tariff=tariff), tmp_path)
    whole = (DATA / "entsoe_2025-10-02.xml").read_bytes()
    attacker.answer = says(whole[: int(keep * len(whole))])
    desk.at(MORNING_S)
    assert "the answer is not whole XML" in desk.told[-1]
    assert "secret" not in desk.told[-1]
    (standing,) = standings(desk.site, tmp_path, desk.now_s)
    assert standing.issued_s == 0.0
    desk.close()


def test_attacked_prices_leave_the_weather_alone_and_the_other_way_round(attacker: Attacker, tmp_path: Path) -> None:
    site = make_site(
        tariff=Tariff(source="nordpool", area="CZ", url=attacker.url),
        weather=Weather(source="open-meteo", url=attacker.url),
    )
    desk = Desk(site, tmp_path)
    attacker.answer = says(prices_of("2025-10-01"))  # good prices, and no forecast at all
    desk.at(MORNING_S)
    prices, weather = standings(site, tmp_path, desk.now_s)
    assert (prices.failure_count, weather.failure_count) == (0, 1)
    assert weather.error != ""
    assert Supply(site, tmp_path).weather(desk.now_s) is None
    assert len(desk.prices()) == 96
    desk.close()
