"""What the planner is supplied with from outside: prices and weather, from tables or from the feeds' cache.

The planner has no network: the web process asks the servers (``edge.feeds``), and their last word lies in a file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core_kernels.records import Frame
from core_kernels.units import FloatArray
from edge.config import Site
from edge.errors import ConfigError, StoreError
from edge.feeds.cache import FeedCache, Standing
from edge.feeds.model import PRICE, QUARTER_S, Span
from edge.feeds.service import PRICES, WEATHER, price_name, weather_source
from edge.files import FEEDS_NAME
from edge.ingest.table import Table, read_table
from edge.ingest.tariff import PriceBook

_HOUR_S = 3600


class Supply:
    """Prices and weather as they are known now; a table is read again when its file changes."""

    def __init__(self, site: Site, state: Path) -> None:
        self._site, self._state = site, state
        self._book: PriceBook | None = None
        self._read_at = 0
        self._weather = weather_of(site)
        if not price_name(site):
            self.prices()

    def prices(self) -> PriceBook:
        """The prices; raises :class:`ConfigError` or :class:`StoreError` where there are none."""
        if name := price_name(self._site):
            return fed_prices(self._site, self._state, name)
        changed_at = _changed_at(self._site)
        if self._book is None or changed_at != self._read_at:
            self._book, self._read_at = prices_of(self._site), changed_at
        return self._book

    def weather(self, now_s: float) -> Frame | None:
        """The forecast weather, if there is one that still holds."""
        source = weather_source(self._site)
        return fed_weather(self._state, source.name, now_s) if source is not None else self._weather


def standings(site: Site, state: Path, now_s: float) -> list[Standing]:
    """How the site's feeds fare; raises :class:`StoreError` where none was ever asked."""
    source = weather_source(site)
    wanted = [(PRICES, price_name(site), PRICE), (WEATHER, source.name if source else "", "fc_temp_air_c")]
    if not any(name for _, name, _ in wanted):
        return []
    cache = FeedCache(state / FEEDS_NAME)
    try:
        return [cache.standing(feed, name, column, now_s) for feed, name, column in wanted if name]
    finally:
        cache.close()


def said_of_house(site: Site, state: Path) -> dict[str, tuple[float, float]]:
    """What the broker's users said of rooms and cars: value and time by name; raises :class:`StoreError`."""
    if site.mqtt is None:
        return {}
    cache = FeedCache(state / FEEDS_NAME)
    try:
        return cache.said()
    finally:
        cache.close()


def prices_of(site: Site) -> PriceBook:
    """The prices of the site's table; raises :class:`ConfigError` where it names none."""
    if not site.tariff.prices:
        raise ConfigError("site.toml", ["tariff.prices is missing: without prices there is nothing to plan"])
    return PriceBook.load(site.path(site.tariff.prices), site)


def weather_of(site: Site) -> Frame | None:
    """The site's table of forecast weather, if it names one."""
    return read_table(site.path(site.weather.table)).frame() if site.weather and site.weather.table else None


def fed_prices(site: Site, state: Path, name: str) -> PriceBook:
    """The prices that the feed knows; raises :class:`StoreError`."""
    spans = _spans(state, PRICES, name).get(PRICE)
    if not spans:
        raise StoreError(f"no prices yet from {name} (pems feeds says why)")
    times_s, columns = on_slots({PRICE: spans}, QUARTER_S)
    return PriceBook.of(Table(source=name, times_s=times_s, columns=columns), site, revealed=True)


def fed_weather(state: Path, name: str, now_s: float) -> Frame | None:
    """The feed's weather while it has not expired."""
    try:
        cache = FeedCache(state / FEEDS_NAME)
    except StoreError:  # the web process has not made it yet: a forecast without weather is better than none
        return None
    try:
        if not now_s < cache.standing(WEATHER, name).expires_s:
            return None
        times_s, columns = on_slots(cache.spans(WEATHER, name), _HOUR_S)
    finally:
        cache.close()
    return Table(source=name, times_s=times_s, columns=columns).frame(_HOUR_S)


def on_slots(spans: dict[str, list[Span]], slot_s: int) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Spans of mixed lengths on one row of slots; what nobody said is NaN."""
    start_s = min(column[0].start_s for column in spans.values())
    count = (max(column[-1].end_s for column in spans.values()) - start_s) // slot_s
    columns = {}
    for name, column in spans.items():
        values = np.full(count, np.nan)
        for span in column:
            values[(span.start_s - start_s) // slot_s : (span.end_s - start_s) // slot_s] = span.value
        columns[name] = values
    return start_s + slot_s * np.arange(count, dtype=np.float64), columns


def _spans(state: Path, feed: str, name: str) -> dict[str, list[Span]]:
    cache = FeedCache(state / FEEDS_NAME)
    try:
        return cache.spans(feed, name)
    finally:
        cache.close()


def _changed_at(site: Site) -> int:
    """When the table of prices was written last; 0 where it is not there."""
    try:
        return site.path(site.tariff.prices).stat().st_mtime_ns
    except OSError:
        return 0
