"""Feeds at work: who is asked when, back-off that outlives a restart, and what the planner sees of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from broker import until
from commandline import pems
from energy import make_site

from edge import outside
from edge.clock import Clock
from edge.config import Site, load_site
from edge.config_supply import Band, Tariff, Weather
from edge.errors import ConfigError, FeedError, StoreError
from edge.feeds import fetch, schedule
from edge.feeds.cache import FeedCache
from edge.feeds.fetch import Fetcher, retry_after_s
from edge.feeds.model import PRICE, Request, Span, even_spans
from edge.feeds.service import PRICES, WEATHER, FeedService, price_name, price_source
from edge.files import FEEDS_NAME, private_text
from edge.log import Log
from edge.supply import Supply, standings
from edge.timetext import format_time, parse_time_s

DATA = Path(__file__).resolve().parents[2] / "data" / "feeds"
NOON_S = parse_time_s("2025-10-01T10:00:00Z")  # 12:00 in Brussels
AFTERNOON_S = parse_time_s("2025-10-01T11:30:00Z")
FEES = {"import_fee_eur_per_kwh": 0.08, "export_fee_eur_per_kwh": 0.01}


class Server:
    """A real HTTP server whose answers a test scripts: status, headers, body by query."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.answer: Callable[[dict[str, list[str]]], tuple[int, dict[str, str], bytes]] = lambda _: (404, {}, b"")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                outer.asked.append(query)
                status, headers, data = outer.answer(query)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):  # the client had enough
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(one_server: Server) -> Server:
    one_server.asked.clear()
    return one_server


class Desk:
    """A site's feeds on a clock that a test moves, restarted at will."""

    def __init__(self, site: Site, state: Path, now_s: float) -> None:
        self.site, self.state, self.now_s = site, state, now_s
        self.told: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.cache = FeedCache(self.state / FEEDS_NAME, writable=True)
        self.fetcher = Fetcher(lambda: self.now_s)
        self.service = FeedService(self.site, self.cache, self.fetcher, self.told.append, lambda: self.now_s)

    def at(self, now_s: float) -> None:
        self.now_s = now_s
        self.service.tick()


def nordpool_site(server: Server, **changes: object) -> Site:
    tariff = Tariff(source="nordpool", area="CZ", url=server.url, **{**FEES, **changes})
    return make_site(tariff=tariff, timezone="Europe/Prague")


def day_answer(day: str, price: float = 50.0) -> bytes:
    spans = even_spans(date.fromisoformat(day), [price + hour for hour in range(24)])
    entries = [
        {"deliveryStart": format_time(s.start_s), "deliveryEnd": format_time(s.end_s), "entryPerArea": {"CZ": s.value}}
        for s in spans
    ]
    return json.dumps({"currency": "EUR", "multiAreaEntries": entries}).encode()


def by_day(query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, day_answer(query["date"][0])


def test_today_is_asked_at_once_and_tomorrow_once_the_auction_is_out(server: Server, tmp_path: Path) -> None:
    server.answer = by_day
    desk = Desk(nordpool_site(server), tmp_path, NOON_S)
    for minutes in range(0, 120, 5):
        desk.at(NOON_S + 60 * minutes)
    assert [query["date"] for query in server.asked] == [["2025-10-01"], ["2025-10-02"]]
    known = desk.cache.standing(PRICES, "nordpool CZ", PRICE, desk.now_s)
    assert format_time(known.until_s) == "2025-10-02T22:00:00Z"
    assert known.error == ""
    assert desk.told == ["prices: 24 of 2025-10-01 from nordpool CZ", "prices: 24 of 2025-10-02 from nordpool CZ"]


def test_failures_are_tried_again_in_doubling_pauses_also_over_a_restart(server: Server, tmp_path: Path) -> None:
    server.answer = lambda _: (503, {}, b"")
    desk = Desk(nordpool_site(server), tmp_path, NOON_S)
    tries_s: list[float] = []
    for second in range(0, 4 * 3600, 10):
        before = len(server.asked)
        desk.at(NOON_S + second)
        if len(server.asked) > before:
            tries_s.append(second)
            desk.cache.close()
            desk.restart()
    pauses_s = np.diff(tries_s)
    assert pauses_s[:7].tolist() == [60, 120, 240, 480, 960, 1920, 3600]
    assert max(pauses_s) <= 3600
    assert ": HTTP 503" in desk.cache.standing(PRICES, "nordpool CZ").error
    server.answer = by_day
    desk.at(desk.now_s + 3600)
    known = desk.cache.standing(PRICES, "nordpool CZ")
    assert (known.failure_count, known.error, known.not_before_s) == (0, "", 0.0)


@pytest.mark.parametrize("header", ["7200", "Wed, 01 Oct 2025 12:00:00 GMT"])
def test_a_server_that_says_when_is_obeyed(header: str, server: Server, tmp_path: Path) -> None:
    server.answer = lambda _: (429, {"Retry-After": header}, b"slow down")
    desk = Desk(nordpool_site(server), tmp_path, NOON_S)
    desk.at(NOON_S)
    for second in range(0, 7200, 60):
        desk.at(NOON_S + second)
    assert len(server.asked) == 1
    desk.at(NOON_S + 7200)
    assert len(server.asked) == 2
    assert "HTTP 429 Too Many Requests; again in 7200 s" in desk.told[0]


def test_what_retry_after_may_say() -> None:
    assert retry_after_s("", 0.0) == 0.0
    assert retry_after_s("soon", 0.0) == 0.0
    assert retry_after_s("9" * 30, 0.0) == 999_999_999.0
    assert retry_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0
    assert schedule.pause_s(1, 1e9) == 86_400.0, "nobody puts us off for more than a day"


def test_a_pause_of_a_clock_that_ran_ahead_does_not_hold() -> None:
    assert not schedule.may_try(1000.0, 900.0)
    assert schedule.may_try(900.0 + 2 * 86_400.0, 900.0)
    assert schedule.next_wanted_s(AFTERNOON_S + 2 * 86_400, AFTERNOON_S) > AFTERNOON_S


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, b"x" * (10 << 20)), "more than 2 MB"),
        ((200, {"content-type": "application/json"}, b"<html>"), "not JSON"),
        ((302, {"location": "http://elsewhere.invalid/"}, b""), "HTTP 302"),
        ((404, {}, b""), "HTTP 404"),
        ((200, {"content-encoding": "gzip"}, b"no gzip"), "DecodingError"),
    ],
)
def test_a_bad_answer_leaves_what_is_known_and_is_named(
    answer: tuple[int, dict[str, str], bytes], words: str, server: Server, tmp_path: Path
) -> None:
    server.answer = by_day
    desk = Desk(nordpool_site(server), tmp_path, NOON_S)
    desk.at(NOON_S)
    server.answer = lambda _: answer
    desk.at(AFTERNOON_S)
    assert words in desk.told[-1]
    known = desk.cache.standing(PRICES, "nordpool CZ", PRICE, desk.now_s)
    assert format_time(known.until_s) == "2025-10-01T22:00:00Z"


def test_a_server_that_is_away_or_mute_is_named_without_its_query(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = Fetcher(lambda: 0.0)
    with pytest.raises(FeedError, match="127.0.0.1:9: ConnectError") as caught:
        fetcher.get(Request(url="http://127.0.0.1:9/api", query={"securityToken": "topsecret"}))
    assert "topsecret" not in str(caught.value)
    with pytest.raises(FeedError, match="x: InvalidURL|InvalidURL"):
        fetcher.get(Request(url="http://x\x00y/", query={}))
    fetcher.close()
    gate = threading.Event()

    def mute(_: object) -> tuple[int, dict[str, str], bytes]:
        gate.wait(30)
        return 200, {}, b"{}"

    monkeypatch.setattr(fetch, "_QUIET_S", 0.3)
    server.answer = mute
    slow = Fetcher(lambda: 0.0)
    with pytest.raises(FeedError, match="no answer within"):
        slow.get(Request(url=server.url, query={}))
    gate.set()
    monkeypatch.setattr(fetch, "_WHOLE_S", -1.0)
    server.answer = by_day
    with pytest.raises(FeedError, match="not whole after"):
        slow.get(Request(url=server.url, query={"date": "2025-10-01"}))
    slow.close()


def test_the_planner_sees_fed_prices_with_fees_bands_and_tax_on_a_day_of_25_hours(
    server: Server, tmp_path: Path
) -> None:
    site = make_site(
        tariff=Tariff(source="ote", url=server.url, vat_frac=0.21, sell_eur_per_kwh=0.05, **FEES),
        timezone="Europe/Prague",
        bands=(
            Band(hours=("22:00-06:00",), import_fee_eur_per_kwh=0.02),
            Band(hours=("00:00-24:00",), import_fee_eur_per_kwh=0.06),
        ),
    )
    server.answer = lambda _: (200, {}, (DATA / "ote_2025-10-26.json").read_bytes())
    desk = Desk(site, tmp_path, parse_time_s("2025-10-26T08:00:00Z"))
    desk.at(desk.now_s)
    book = Supply(site, tmp_path).prices()
    assert book.grid.count == 100
    raw = json.loads((DATA / "ote_2025-10-26.json").read_bytes())["data"]["dataLine"][2]["point"]
    night, noon = (
        raw[4]["y"] / 1000,
        raw[52]["y"] / 1000,
    )  # 01:00, and 12:00 of a day with two hours from 2 to 3
    assert book.import_eur_per_kwh[4] == pytest.approx((night + 0.08 + 0.02) * 1.21)
    assert book.import_eur_per_kwh[52] == pytest.approx((noon + 0.08 + 0.06) * 1.21)
    assert set(book.export_eur_per_kwh) == {0.05}
    assert book.published_until_s(desk.now_s) == book.grid.end_s, "a feed holds only what is published"


def test_bands_know_weekends_and_go_over_midnight(tmp_path: Path) -> None:
    from edge.ingest.tariff import band_fees

    bands = (
        Band(hours=("22:00-06:00",), import_fee_eur_per_kwh=1.0, days="weekend"),
        Band(hours=("00:00-24:00",), import_fee_eur_per_kwh=2.0, days="workdays"),
    )
    zone = make_site(timezone="Europe/Prague").zone
    times = [parse_time_s(f"2025-10-0{day}T{hour}:00:00Z") for day in (3, 4) for hour in ("10", "21")]
    assert band_fees(np.array(times), zone, bands).tolist() == [2.0, 2.0, 0.0, 1.0]


def test_an_hourly_table_with_bands_is_billed_by_quarters(tmp_path: Path) -> None:
    rows = "\n".join(f"2025-10-01T{hour:02d}:00:00Z,100" for hour in range(24))
    (tmp_path / "spot.csv").write_text("time_utc,price_eur_mwh\n" + rows + "\n")
    site = make_site(
        tariff=Tariff(prices=str(tmp_path / "spot.csv")), timezone="UTC",
        bands=(Band(hours=("06:15-06:30",), import_fee_eur_per_kwh=0.5),),
    )  # fmt: skip
    book = Supply(site, tmp_path).prices()
    assert np.flatnonzero(book.import_eur_per_kwh > 0.2).tolist() == [25]


def test_weather_is_asked_every_hour_and_forgotten_when_it_expires(server: Server, tmp_path: Path) -> None:
    server.answer = lambda _: (200, {}, (DATA / "open_meteo_2025-10-01.json").read_bytes())
    site = make_site(weather=Weather(source="open-meteo", url=server.url))
    desk = Desk(site, tmp_path, NOON_S)
    for minutes in range(0, 130, 10):
        desk.at(NOON_S + 60 * minutes)
    assert len(server.asked) == 3
    supply = Supply(nordpool_like(site), tmp_path)
    frame = supply.weather(desk.now_s)
    assert frame is not None
    assert frame.grid.slot_s == 3600
    assert {"fc_ghi_w_per_m2", "fc_temp_air_c"} <= set(frame.columns)
    assert supply.weather(desk.now_s + 86_400) is None
    server.answer = lambda _: (500, {}, b"")
    desk.at(NOON_S + 3 * 3600 + 600)
    assert desk.cache.standing(WEATHER, "open-meteo 49.2 16.6").failure_count == 1


def nordpool_like(site: Site) -> Site:
    return make_site(weather=site.weather, tariff=Tariff(source="nordpool", area="CZ"))


def test_a_forecast_of_the_past_is_refused(server: Server, tmp_path: Path) -> None:
    server.answer = lambda _: (200, {}, (DATA / "open_meteo_2025-10-01.json").read_bytes())
    desk = Desk(make_site(weather=Weather(source="open-meteo", url=server.url)), tmp_path, NOON_S + 30 * 86_400)
    desk.at(desk.now_s)
    assert "a forecast of the past" in desk.told[0]


def test_without_any_answer_the_planner_is_told_where_to_look(tmp_path: Path) -> None:
    site = make_site(tariff=Tariff(source="ote"), weather=Weather(source="open-meteo"))
    supply = Supply(site, tmp_path)
    with pytest.raises(StoreError, match="feeds.sqlite"):
        supply.prices()
    assert supply.weather(NOON_S) is None
    FeedCache(tmp_path / FEEDS_NAME, writable=True).close()
    with pytest.raises(StoreError, match=r"no prices yet from ote CZ \(pems feeds says why\)"):
        supply.prices()
    assert supply.weather(NOON_S) is None


def test_another_source_forgets_what_the_one_before_said(tmp_path: Path) -> None:
    cache = FeedCache(tmp_path / FEEDS_NAME, writable=True)
    spans = even_spans(date(2025, 10, 1), [1.0] * 24)
    cache.keep(PRICES, "nordpool AT", {PRICE: spans}, issued_s=NOON_S, expires_s=NOON_S + 9)
    assert cache.spans(PRICES, "nordpool CZ") == {}
    assert cache.standing(PRICES, "nordpool CZ").issued_s == 0.0
    cache.fail(PRICES, "nordpool CZ", "away", failure_count=1, not_before_s=NOON_S)
    assert cache.spans(PRICES, "nordpool AT") == {}
    cache.keep(PRICES, "nordpool CZ", {PRICE: spans[:2]}, issued_s=NOON_S, expires_s=NOON_S + 9)
    assert len(cache.spans(PRICES, "nordpool CZ")[PRICE]) == 2
    cache.close()


def test_an_older_issue_does_not_replace_a_newer_one_and_finer_slots_replace_coarser(tmp_path: Path) -> None:
    cache = FeedCache(tmp_path / FEEDS_NAME, writable=True)
    hour = Span(start_s=3600, end_s=7200, value=1.0)
    quarter = Span(start_s=3600, end_s=4500, value=2.0)
    cache.keep(PRICES, "s", {PRICE: [hour]}, issued_s=10.0, expires_s=9e9)
    cache.keep(PRICES, "s", {PRICE: [quarter]}, issued_s=9.0, expires_s=9e9)
    assert cache.spans(PRICES, "s")[PRICE] == [hour]
    cache.keep(PRICES, "s", {PRICE: [quarter]}, issued_s=11.0, expires_s=9e9)
    assert cache.spans(PRICES, "s")[PRICE] == [quarter]
    cache.close()


def test_prices_that_come_by_themselves_are_kept(tmp_path: Path) -> None:
    site = make_site(tariff=Tariff(source="mqtt", topic="prices"))
    desk = Desk(site, tmp_path, NOON_S)
    rows = [
        {"start": format_time(s.start_s), "end": format_time(s.end_s), "price": s.value}
        for s in even_spans(date(2025, 10, 1), [0.1] * 24)
    ]
    desk.service.take_prices(json.dumps({"currency": "EUR", "unit": "EUR/kWh", "prices": rows}).encode())
    assert Supply(site, tmp_path).prices().import_eur_per_kwh[0] == pytest.approx(0.1)
    with pytest.raises(FeedError, match="not JSON"):
        desk.service.take_prices(b"\x00garbage")


def test_a_table_of_prices_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    head = "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh\n"
    path.write_text(head + "2025-10-01T00:00:00Z,0.3,0.1\n2025-10-01T01:00:00Z,0.3,0.1\n")
    supply = Supply(make_site(tariff=Tariff(prices=str(path))), tmp_path)
    assert supply.prices() is supply.prices()
    path.write_text(head + "2025-10-01T00:00:00Z,0.5,0.1\n2025-10-01T01:00:00Z,0.5,0.1\n2025-10-01T02:00:00Z,0.5,0.1\n")
    os.utime(path, ns=(1, 1))
    assert supply.prices().import_eur_per_kwh.tolist() == [0.5] * 3
    path.unlink()
    with pytest.raises(StoreError, match="no such file"):
        supply.prices()


def test_names_of_prices_are_their_sources_own(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "key").chmod(0o600)
    for tariff in (
        Tariff(source="entsoe", area="10YCZ-CEPS-----N", token=str(tmp_path / "key")),
        Tariff(source="nordpool", area="CZ"),
        Tariff(source="awattar", area="at"),
        Tariff(source="ote"),
    ):
        site = make_site(tariff=tariff)
        source = price_source(site)
        assert source is not None
        assert source.name == price_name(site)
    assert price_source(make_site()) is None


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        private_text(tmp_path / "key")
    with pytest.raises(ConfigError, match="cannot be read"):
        private_text(tmp_path / "none")


SITE = """
[site]
name = "home"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "Europe/Prague"
[tariff]
source = "nordpool"
area = "CZ"
url = "{url}"
[weather]
source = "open-meteo"
url = "{url}"
"""


def test_pems_feeds_shows_age_reach_next_try_and_last_error(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text(SITE.format(url=server.url))
    assert pems("feeds", "--site", str(tmp_path / "site.toml")) == 1
    assert "feeds.sqlite" in capsys.readouterr().err
    server.answer = lambda query: by_day(query) if "date" in query else (503, {}, b"")
    desk = Desk(load_site(tmp_path / "site.toml"), tmp_path / "state", NOON_S)
    desk.at(NOON_S)
    clock = ("--clock", Clock(start_s=NOON_S + 30, origin_s=Clock.real().origin_s).describe())
    assert pems("feeds", "--site", str(tmp_path / "site.toml"), *clock) == 1
    text = capsys.readouterr().out
    assert "nordpool CZ" in text
    assert "Thu 00:00" in text, "known until local midnight"
    assert "Wed 13:00" in text, "asked next when the auction is out"
    assert "HTTP 503" in text
    assert pems("feeds", "--site", str(tmp_path / "site.toml"), "--json", *clock) == 1
    prices, weather = json.loads(capsys.readouterr().out)["feeds"]
    assert (prices["ok"], weather["ok"]) == (True, False)
    assert prices["known_until_utc"] == "2025-10-01T22:00:00Z"
    assert weather["issued_utc"] is None
    assert weather["failures"] == 1
    assert pems("doctor", "--site", str(tmp_path / "site.toml"), "--json") == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert ": HTTP 503" in checks["weather"]["text"]


def test_pems_feeds_of_a_site_without_any_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.toml").write_text(SITE.split("[tariff]", maxsplit=1)[0])
    assert pems("feeds", "--site", str(tmp_path / "site.toml")) == 0
    assert "No feeds" in capsys.readouterr().out
    assert standings(load_site(tmp_path / "site.toml"), tmp_path, 0.0) == []


def test_the_web_process_asks_feeds_beside_its_pages(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = by_day
    site, stopping = nordpool_site(server), threading.Event()
    clock = Clock(start_s=NOON_S, origin_s=Clock.real().origin_s)
    outside.start(site, tmp_path, clock, Log("web"), stopping.is_set)
    until(lambda: (tmp_path / FEEDS_NAME).exists() and server.asked, "a question")
    until(lambda: standings(site, tmp_path, clock.now_s())[0].issued_s > 0, "its answer")
    stopping.set()
    assert Supply(site, tmp_path).prices().grid.count == 96


def test_a_site_without_feeds_and_broker_starts_nothing(tmp_path: Path) -> None:
    outside.start(make_site(), tmp_path, Clock.real(), Log("web"), lambda: False)
    assert list(tmp_path.iterdir()) == []


def test_without_a_disk_there_are_no_feeds_and_an_alarm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    outside.start(make_site(tariff=Tariff(source="ote")), tmp_path / "state", Clock.real(), Log("web"), lambda: False)
    assert "no feeds and no broker" in capsys.readouterr().out


@pytest.mark.parametrize("stopping", [True, False])
def test_work_that_ends_before_its_time_takes_the_process_with_it(
    stopping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    done = threading.Event()
    monkeypatch.setattr("edge.outside.os.kill", lambda *found: (killed.append(found), done.set()))
    outside.run_beside("work", lambda: done.set() if stopping else None, lambda: stopping)
    assert done.wait(30)
    until(lambda: not any(thread.name == "work" for thread in threading.enumerate()), "the end of the thread")
    assert killed == ([] if stopping else [(os.getpid(), signal.SIGTERM)])


def test_the_feeds_thread_survives_a_full_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Full:
        ticks = 0

        def tick(self) -> None:
            self.ticks += 1
            raise StoreError("the disk is full")

    full = Full()
    outside.ask_feeds(full, Log("web"), lambda: full.ticks > 0)  # type: ignore[arg-type]
    assert "feeds: the disk is full" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[tariff]\nsource = "magic"', "tariff.source must be one of"),
        ("[tariff]\nsource = 5", "tariff.source must be text"),
        ('[tariff]\nsource = "ote"\nprices = "p.csv"', "both prices"),
        ('[tariff]\nsource = "nordpool"', "tariff.area is missing"),
        ('[tariff]\nsource = "awattar"\narea = "cz"', '"de" or "at"'),
        ('[tariff]\nsource = "entsoe"\narea = "x"', "tariff.token is missing"),
        ('[tariff]\nsource = "mqtt"\ntopic = "a"', "needs a table [mqtt]"),
        ('[tariff]\nsource = "mqtt"\ntopic = "a/#"\n[mqtt]\nhost = "h"', "tariff.topic is missing or has a wildcard"),
        ('[tariff]\nsource = "ote"\nurl = "ftp://x"', "tariff.url must begin with http"),
        ("[weather]", "weather needs either table or source"),
        ('[weather]\nsource = "oracle"', "weather.source must be one of"),
        ('[[band]]\nhours = ["25:00-06:00"]\nimport_fee_eur_per_kwh = 0.1', "band[0].hours must be like"),
        ('[[band]]\nhours = []\nimport_fee_eur_per_kwh = 0.1\ndays = "mondays"', "band[0].hours is empty"),
        ('[mqtt]\nhost = "h"\nprefix = "a/+"\nrooms = ["Living Room"]', "mqtt.prefix must be a topic"),
        ('[mqtt]\nhost = "h"\nrooms = ["Living Room"]', "mqtt.rooms: 'Living Room' must be"),
        ('[mqtt]\nhost = "h"\nrooms = ["attic"]', "mqtt.rooms: there is no [[zone]] 'attic'"),
        ('[mqtt]\nhost = "h"\nrelays = ["attic"]', "mqtt.relays: there is no [[zone]] 'attic'"),
        (
            '[mqtt]\nhost = "h"\nrelays = ["attic"]\n[[zone]]\nname = "attic"\nby = "heatpump"',
            "mqtt.relays: [[zone]] 'attic' is heated by the heat pump",
        ),
    ],
)
def test_what_does_not_fit_together_is_named_by_its_path(toml: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE.split("[tariff]", maxsplit=1)[0] + toml + "\n")
    with pytest.raises(ConfigError) as caught:
        load_site(tmp_path / "site.toml")
    assert words in str(caught.value)
