"""When a feed is asked next: pure decisions over what is known, what failed, and what the clock says."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from core_kernels.units import SECONDS_PER_DAY
from edge.feeds.model import MARKET_ZONE, day_span_s, market_day

# The auction's results are out at about 12:57, on bad days an hour later.
PUBLISHED_HOUR, PUBLISHED_MINUTE = 13, 0
WEATHER_EVERY_S = 3600.0
WEATHER_HOLDS_S = float(SECONDS_PER_DAY)
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 3600.0
_LONGEST_ASKED_S = float(SECONDS_PER_DAY)


def wanted_day(known_until_s: float, now_s: float) -> date | None:
    """The market day whose prices are lacking and can be there by now."""
    today = market_day(now_s)
    local = datetime.fromtimestamp(now_s, MARKET_ZONE)
    is_out = (local.hour, local.minute) >= (PUBLISHED_HOUR, PUBLISHED_MINUTE)
    for day in (today, today + timedelta(days=1)) if is_out else (today,):
        if known_until_s < day_span_s(day)[1]:
            return day
    return None


def next_wanted_s(known_until_s: float, now_s: float) -> float:
    """When prices will be asked for next if nothing fails [s]."""
    if wanted_day(known_until_s, now_s) is not None:
        return now_s
    day = market_day(now_s)
    while day_span_s(day + timedelta(days=1))[1] <= known_until_s:
        day += timedelta(days=1)
    out = datetime(day.year, day.month, day.day, PUBLISHED_HOUR, PUBLISHED_MINUTE, tzinfo=MARKET_ZONE)
    return out.timestamp()


def pause_s(failure_count: int, retry_after_s: float) -> float:
    """How long to leave a source alone after so many failures in a row: doubled each time, at most an hour.

    What the server asks for (``Retry-After``) is respected beyond that, up to a day. [s]
    """
    own_s = min(_FIRST_PAUSE_S * 2.0 ** min(failure_count - 1, 20), _LONGEST_PAUSE_S)
    return max(own_s, min(retry_after_s, _LONGEST_ASKED_S))


def may_try(not_before_s: float, now_s: float) -> bool:
    """Claims that the pause is over; one of more than a day is of a clock that ran ahead."""
    return not now_s < not_before_s <= now_s + _LONGEST_ASKED_S
