"""Yesterday, looked back upon: what perfect foresight would have made of it, and why it was not reached.

The planner does this once a night between two plans, within a time that ends well before the next one is due: it lives
the day through four times. A day that cannot be looked back upon is kept with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from core_kernels.records import Frame
from edge.config import Site
from edge.control.causes import day_without
from edge.control.localday import LocalDay, local_days
from edge.control.regret import Regret, kept
from edge.errors import EdgeError, PlanError, StoreError, sums_of
from edge.hindsight import regret
from edge.ingest.tariff import PriceBook
from edge.planning import HISTORY_DAYS, SLOT_S, Forecasts
from edge.replay import Days
from edge.writeledger import midnight_s

# A day takes some seconds on a workstation; a small board may need a minute or two.
MOST_WALL_S = 300.0
LEAST_WALL_S = 20.0
SPARE_WALL_S = 15.0  # left before the next plan is due


class LookbackPorts(Protocol):
    """What looking back needs from the world."""

    def window(self, until_s: float, days: int) -> Frame:
        """Measured quarter hours that ended by ``until_s``."""
        ...

    def known_weather(self, now_s: float) -> Frame | None:
        """The forecast weather."""
        ...

    def price_book(self) -> PriceBook:
        """All prices that are known."""
        ...

    def has_regret(self, day: str) -> bool:
        """Claims that a day was looked back upon."""
        ...

    def keep_regret(self, body: Mapping[str, Any]) -> None:
        """Hand over what was found."""
        ...


class OutOfTime(EdgeError):
    """The next plan is due, or the box stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookback:
    """Looks back for one site; ``asked_to_stop`` ends it at once, without a word about the day."""

    site: Site
    ports: LookbackPorts
    forecaster: Forecasts
    asked_to_stop: Callable[[], bool]

    def look(self, now_s: float, free_wall_s: float) -> Mapping[str, Any] | None:
        """Look back on yesterday unless that was done; what was handed over. Raises :class:`EdgeError`.

        ``free_wall_s`` is the wall time until the next plan is due.
        """
        if self.site.battery is None:  # nothing was decided that hindsight could judge
            return None
        until_s = midnight_s(now_s, self.site.zone)
        if now_s - until_s < SLOT_S:  # control may not have closed the day's last quarter yet
            return None
        yesterday = datetime.fromtimestamp(until_s - 1.0, self.site.zone).date().isoformat()
        if self.ports.has_regret(yesterday):  # asked every quarter hour: before five weeks are read
            return None
        window = self.ports.window(until_s, HISTORY_DAYS + 1)
        if not window.columns:
            return None
        day = local_days(window.grid, self.site.zone)[-1]
        started_s, limit_s = time.monotonic(), min(free_wall_s - SPARE_WALL_S, MOST_WALL_S)
        try:
            with sums_of("the day"):
                found = self._regret(window, day, now_s, limit_s)
            body = kept(day.name, found, time.monotonic() - started_s)
        except OutOfTime:
            if self.asked_to_stop():
                return None
            body = day_without(day.name, f"it was not done within {limit_s:.0f} s")
        except (PlanError, StoreError) as error:
            body = day_without(day.name, str(error))
        self.ports.keep_regret(body)
        return body

    def _regret(self, window: Frame, day: LocalDay, now_s: float, limit_s: float) -> Regret:
        deadline_s = time.monotonic() + limit_s

        def each() -> None:
            if self.asked_to_stop() or time.monotonic() > deadline_s:
                raise OutOfTime("no time is left")

        if limit_s < LEAST_WALL_S:
            raise PlanError("the box's clock runs so fast that there is no time for it between two plans")
        if why := day.problem(window):
            raise StoreError(why)
        days = Days(
            measured=window,
            span=day.grid,
            prices=self.ports.price_book(),
            weather=self.ports.known_weather(now_s),
            reached_peak_w=day.reached_peak_w(window, self.site.zone),
        )
        return regret(self.site, days, self.forecaster, each=each)
