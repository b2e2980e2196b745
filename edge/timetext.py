"""Instants as text: UTC ISO 8601 in JSON and tables, local time on screens only."""

from __future__ import annotations

from datetime import UTC, datetime

# Unix time begins; Python's calendar ends after 9999, and horizons must still fit in.
FIRST_S, LAST_S = 0.0, datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def parse_time_s(text: str) -> float:
    """Unix seconds of an ISO 8601 time from 1970 to 9998; a time without zone is UTC; raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not FIRST_S <= time_s < LAST_S:
        raise ValueError(f"{text} is not between 1970 and 9998")
    return time_s


def format_time(time_s: float) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
