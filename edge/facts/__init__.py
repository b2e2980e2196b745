"""What the box knows beyond this second, as plain JSON data: one place that dashboard, API and command line share.

Everything is read from the store, the site file and the installed bundle, when it is asked for; nothing is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from core_kernels.records import Frame
from core_kernels.timegrid import floor_s
from core_kernels.units import SECONDS_PER_DAY
from edge.clock import Clock
from edge.config import Site
from edge.facts.history import yesterday
from edge.facts.models import calibration, installed
from edge.facts.quality import assessed
from edge.facts.savings import day_costs, regrets
from edge.facts.settings import shown
from edge.facts.shadows import followed
from edge.facts.skill import REFERENCE_DAYS, held
from edge.feeds.service import price_name
from edge.files import STORE_NAME
from edge.ingest.store import SLOT_S, StoreReader
from edge.ingest.tariff import PriceBook
from edge.messages import to_json
from edge.supply import fed_prices, prices_of
from edge.writeledger import midnight_s, wear_table

Answer = TypeVar("Answer")
QUALITY_DAYS = 7
SAVINGS_DAYS = 30
_MONTH_DAYS = 31
COVERAGE_DAYS = 30
MAX_LOG_ROWS = 1000


class Facts:
    """Answers, each in a form that ``json.dumps`` takes; raises :class:`StoreError` and its kin."""

    def __init__(self, site: Site, state: Path, clock: Clock) -> None:
        self._site, self._store, self._clock = site, state / STORE_NAME, clock
        self._state = state

    def yesterday(self) -> dict[str, Any]:
        """The last 24 h: what was planned for each quarter hour before they began, and what happened."""
        until_s = floor_s(self._clock.now_s(), SLOT_S)
        since_s = until_s - SECONDS_PER_DAY
        measured = self._ask(lambda store: store.window(until_s, 1))
        plans = self._ask(lambda store: store.plans(since_s - 2 * SLOT_S))
        return dict(to_json(yesterday(measured, plans)))

    def savings(self) -> dict[str, Any]:
        """What each of the last local days cost: ours, without a battery, by rules, with perfect foresight, and why.

        The last day is the last that was recorded: a box that stopped long ago still knows what it saved.
        """
        until_s = midnight_s(self._clock.now_s(), self._site.zone)
        newest_s = self._ask(lambda store: store.newest_slot_s())
        if not math.isnan(newest_s):
            until_s = min(until_s, _day_end_s(newest_s, self._site.zone))
        since = datetime.fromtimestamp(until_s, self._site.zone).date() - timedelta(days=SAVINGS_DAYS)
        bodies = self._ask(lambda store: store.regrets(since.isoformat()))
        billed = self._site.tariff.peak_eur_per_kw_month > 0.0  # a day's peak is what it adds to its month's
        window = self._window(until_s, SAVINGS_DAYS + _MONTH_DAYS * billed)
        costs = day_costs(self._site, self._prices, window, SAVINGS_DAYS)
        return dict(to_json({**costs, "regret": regrets(bodies)}))

    def models(self) -> dict[str, Any]:
        """The models in force, what they are, and how often their bands held what happened."""
        told = {**installed(self._site), "followed": followed(self._site, self._state)}
        return dict(to_json(told)) | self.coverage() | self.calibration()

    def coverage(self) -> dict[str, Any]:
        """How the forecasts did on the last days: coverage, bias, skill, and whether they drift."""
        until_s = floor_s(self._clock.now_s(), SLOT_S)
        plans = self._ask(lambda store: store.first_plans(until_s - COVERAGE_DAYS * SECONDS_PER_DAY))
        scores = held(plans, self._window(until_s, COVERAGE_DAYS + REFERENCE_DAYS), COVERAGE_DAYS)
        return dict(to_json({"coverage": scores, "coverage_days": COVERAGE_DAYS}))

    def calibration(self) -> dict[str, Any]:
        """What calibration has learned of each signal: coverage and what is moved, by hour and band."""
        return dict(to_json({"calibration": calibration(self._state)}))

    def quality(self) -> dict[str, Any]:
        """The four scores and the flags of every recorded signal."""
        window = self._window(floor_s(self._clock.now_s(), SLOT_S), QUALITY_DAYS)
        return dict(to_json({"days": QUALITY_DAYS, "signals": assessed(window)}))

    def log(self, limit: int = 200, kind: str = "") -> dict[str, Any]:
        """What happened, newest first."""
        limit = min(max(limit, 1), MAX_LOG_ROWS)
        rows = self._ask(lambda store: store.events(self._clock.now_s() - 14 * SECONDS_PER_DAY, kind or None))
        newest = list(reversed(rows[-limit:]))
        return {"events": [{"time_s": time_s, "kind": what, "text": text} for time_s, what, text in newest]}

    def wear(self) -> dict[str, Any]:
        """How worn each written register is, and the writes of today."""
        rows = wear_table(self._store, self._site, self._clock.now_s())
        return dict(to_json({"registers": rows}))

    def links(self) -> dict[str, Any]:
        """Each link of the site with the verdict of its last commissioning."""
        reports = self._ask(lambda store: [store.reports.newest(link) for link in self._site.links])
        rows = []
        for link, report in zip(self._site.links, reports, strict=True):
            verdict = {"verdict": report["verdict"], "time_s": report["time_s"]} if report else None
            rows.append({"profile": link.profile, "unit": link.unit, "url": link.url, "commissioning": verdict})
        return {"links": rows}

    def settings(self) -> dict[str, Any]:
        """The site file without its secrets."""
        return dict(to_json(shown(self._site)))

    def _prices(self) -> PriceBook:
        """The prices that the planner uses; raises :class:`ConfigError` and :class:`StoreError`."""
        name = price_name(self._site)
        return fed_prices(self._site, self._state, name) if name else prices_of(self._site)

    def _window(self, until_s: float, days: int) -> Frame:
        """Quarter hours of whole days, without the days before the first that has any."""
        frame = self._ask(lambda store: store.window(until_s, days))
        return frame if frame.columns else Frame(grid=frame.grid, columns={})

    def _ask(self, question: Callable[[StoreReader], Answer]) -> Answer:
        """One question on a connection of its own: the dashboard's threads share none."""
        store = StoreReader(self._store)
        try:
            return question(store)
        finally:
            store.close()


def _day_end_s(time_s: float, zone: ZoneInfo) -> float:
    """The midnight that ends an instant's local day, of 23 to 25 hours."""
    day = datetime.fromtimestamp(time_s, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()
