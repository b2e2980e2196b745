"""Instants as text: UTC ISO 8601 in JSON and tables, local time on screens only."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time_s(text: str) -> float:
    """Unix seconds of an ISO 8601 time; a time without zone is UTC; raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def format_time(time_s: float) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
