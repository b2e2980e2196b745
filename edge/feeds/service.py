"""The feeds at work: every few seconds, whoever is due is asked, and what it says is kept or its failure noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.config import Site
from edge.errors import FeedError
from edge.feeds import priceline, schedule
from edge.feeds.awattar import Awattar
from edge.feeds.cache import FeedCache, Standing
from edge.feeds.entsoe import URL as ENTSOE_URL
from edge.feeds.entsoe import Entsoe
from edge.feeds.model import PRICE, PriceSource, Request, WeatherSource, whole_day
from edge.feeds.nordpool import URL as NORDPOOL_URL
from edge.feeds.nordpool import NordPool
from edge.feeds.open_meteo import URL as OPEN_METEO_URL
from edge.feeds.open_meteo import OpenMeteo
from edge.feeds.ote import URL as OTE_URL
from edge.feeds.ote import Ote
from edge.files import private_text

PRICES, WEATHER = "prices", "weather"
_TEMPERATURE = "fc_temp_air_c"


class Getter(Protocol):
    """Asks a server."""

    def get(self, request: Request) -> bytes:
        """The body of the answer; raises :class:`FeedError`."""
        ...


def price_source(site: Site) -> PriceSource | None:
    """The site's source of prices that is asked over HTTP, if it names one; raises :class:`ConfigError`."""
    tariff = site.tariff
    if tariff.source == "entsoe":
        return Entsoe(
            area=tariff.area, token=private_text(site.path(tariff.token)).strip(), url=tariff.url or ENTSOE_URL
        )
    if tariff.source == "nordpool":
        return NordPool(area=tariff.area, url=tariff.url or NORDPOOL_URL)
    if tariff.source == "awattar":
        return Awattar(area=tariff.area, url=tariff.url)
    return Ote(url=tariff.url or OTE_URL) if tariff.source == "ote" else None


def price_name(site: Site) -> str:
    """The name under which the site's prices are kept; empty where they come from a table."""
    tariff = site.tariff
    names = {
        "entsoe": f"entsoe {tariff.area}",
        "nordpool": f"nordpool {tariff.area}",
        "awattar": f"awattar {tariff.area}",
        "ote": "ote CZ",
        "mqtt": f"mqtt {tariff.topic}",
    }
    return names.get(tariff.source, "")


def weather_source(site: Site) -> WeatherSource | None:
    """The site's source of weather, if it names one."""
    if site.weather is None or site.weather.source != "open-meteo":
        return None
    return OpenMeteo(
        latitude_deg=site.latitude_deg, longitude_deg=site.longitude_deg, url=site.weather.url or OPEN_METEO_URL
    )


class FeedService:
    """Prices and weather of one site, in the web process."""

    def __init__(
        self, site: Site, cache: FeedCache, getter: Getter, tell: Callable[[str], None], now_s: Callable[[], float]
    ) -> None:
        self._prices, self._weather = price_source(site), weather_source(site)
        self._price_name = price_name(site)
        self._cache, self._getter, self._tell, self._now_s = cache, getter, tell, now_s

    def tick(self) -> None:
        """Ask whoever is due, at most one request a feed; raises :class:`StoreError`."""
        now_s = self._now_s()
        if self._prices is not None:
            known = self._cache.standing(PRICES, self._prices.name, PRICE, now_s)
            self._try(known, lambda: self._ask_prices(known, now_s))
        if self._weather is not None:
            known_weather = self._cache.standing(WEATHER, self._weather.name, _TEMPERATURE, now_s)
            self._try(known_weather, lambda: self._ask_weather(known_weather, now_s))

    def take_prices(self, body: bytes) -> None:
        """Prices that came by themselves, on the broker; raises :class:`FeedError` and :class:`StoreError`."""
        spans = priceline.parse(body)
        expires_s = float(max(span.end_s for span in spans))
        self._cache.keep(PRICES, self._price_name, {PRICE: spans}, issued_s=self._now_s(), expires_s=expires_s)
        self._tell(f"prices: {len(spans)} from {self._price_name}")

    def _try(self, known: Standing, ask: Callable[[], None]) -> None:
        now_s = self._now_s()
        if not schedule.may_try(known.not_before_s, now_s):
            return
        try:
            ask()
        except FeedError as error:
            failure_count = known.failure_count + 1
            wait_s = schedule.pause_s(failure_count, error.retry_after_s)
            self._tell(f"{known.feed}: {error}; again in {wait_s:.0f} s")
            self._cache.fail(
                known.feed, known.source, str(error), failure_count=failure_count, not_before_s=now_s + wait_s
            )

    def _ask_prices(self, known: Standing, now_s: float) -> None:
        day = schedule.wanted_day(known.until_s, now_s)
        if day is None or self._prices is None:
            return
        spans = whole_day(self._prices.parse(self._getter.get(self._prices.request(day)), day), day)
        self._cache.keep(PRICES, self._prices.name, {PRICE: spans}, issued_s=now_s, expires_s=float(spans[-1].end_s))
        self._tell(f"prices: {len(spans)} of {day} from {self._prices.name}")

    def _ask_weather(self, known: Standing, now_s: float) -> None:
        if self._weather is None or 0.0 <= now_s - known.issued_s < schedule.WEATHER_EVERY_S:
            return
        columns = self._weather.parse(self._getter.get(self._weather.request()))
        last_s = max((span.end_s for spans in columns.values() for span in spans), default=0)
        if last_s <= now_s:
            raise FeedError("the answer is a forecast of the past")
        expires_s = now_s + schedule.WEATHER_HOLDS_S
        self._cache.keep(WEATHER, self._weather.name, columns, issued_s=now_s, expires_s=expires_s)
        self._tell(f"weather: {self._weather.name}")
