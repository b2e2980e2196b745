"""What the web process does beside its pages: asks the feeds, and talks to the broker; each in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.clock import Clock
from edge.config import Site
from edge.errors import StoreError
from edge.feeds.cache import FeedCache
from edge.feeds.service import FeedService, price_name, weather_source
from edge.files import FEEDS_NAME, SOCKET_NAME
from edge.ipc import Client
from edge.log import Log

_FEEDS_EVERY_S = 2.0  # wall time
_POLL_S = 0.2


def start(site: Site, state: Path, clock: Clock, log: Log, stop: Callable[[], bool]) -> None:
    """Start what the site asks for; raises :class:`ConfigError`. Without a disk for the cache there is none of it."""
    if not price_name(site) and weather_source(site) is None and site.mqtt is None:
        return
    from edge.feeds.fetch import Fetcher  # who asks nobody does not pay for its memory

    try:
        cache = FeedCache(state / FEEDS_NAME, writable=True)
    except StoreError as error:
        log.event("alarm", f"no feeds and no broker: {error}")
        return
    feeds = FeedService(site, cache, Fetcher(clock.now_s), lambda text: log.event("feed", text), clock.now_s)
    run_beside("feeds", lambda: ask_feeds(feeds, log, stop), stop)
    if site.mqtt is not None:
        from edge.web.mqtt import Bridge, Ears

        ears = Ears(
            said=lambda name, value: cache.note(name, value, clock.now_s()), kept=cache.correct,
            prices=feeds.take_prices, log=log.event,
        )  # fmt: skip
        bridge = Bridge(site, site.mqtt, Client(state / SOCKET_NAME), ears)
        run_beside("mqtt", lambda: asyncio.run(bridge.run(stop)), stop)


def run_beside(name: str, work: Callable[[], None], stop: Callable[[], bool]) -> None:
    """Run in a thread; if the work ends before its time, the process goes too, and its parent starts it anew."""

    def whole() -> None:
        try:
            work()
        finally:
            if not stop():
                os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=whole, name=name, daemon=True).start()


def ask_feeds(feeds: FeedService, log: Log, stop: Callable[[], bool]) -> None:
    """Look every few seconds who is due, until it is time to go; a full disk is said and survived."""
    next_at = time.monotonic()
    while not stop():
        if time.monotonic() >= next_at:
            try:
                feeds.tick()
            except StoreError as error:
                log.event("alarm", f"feeds: {error}")
            next_at = time.monotonic() + _FEEDS_EVERY_S
        time.sleep(_POLL_S)
