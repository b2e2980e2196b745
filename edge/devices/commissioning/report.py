"""What commissioning found: one check a question, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from edge.config_links import Link
from edge.messages import to_json

State = Literal["ok", "unknown", "finding", "refuse"]
Verdict = Literal["ok", "finding", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer to one question. ``unknown``: it could not be told now; ``refuse``: control must not use this link."""

    name: str
    state: State
    text: str
    advice: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks of one device on its link."""

    time_s: float
    link: Link
    serial_number: str
    firmware: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks; what could not be told is no finding."""
        states = {check.state for check in self.checks}
        if "refuse" in states:
            return "refuse"
        return "finding" if "finding" in states else "ok"

    def body(self) -> dict[str, Any]:
        """The report as plain JSON types, with its verdict and its time as text."""
        row = dict(to_json(self))
        return {**row, "time_utc": datetime.fromtimestamp(self.time_s, UTC).isoformat(), "verdict": self.verdict}
