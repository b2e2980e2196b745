"""The ladder from what was paid down to perfect foresight, as bars on one scale: one step a way or a cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SCALE_COUNT = 1000


class Step(NamedTuple):
    """A row: a bar from ``from_count``, ``wide_count`` long, of :data:`SCALE_COUNT`; 0 EUR lies at ``zero_count``."""

    kind: str
    label: str
    amount_eur: float
    tone: str
    from_count: int
    wide_count: int
    zero_count: int


def ladder(regret: Mapping[str, Any]) -> list[Step]:
    """The rows for the sums of all days that were looked back upon."""
    total = regret["total"]
    bars = [
        ("way", "No battery", total["no_battery_eur"], "bare", 0.0, total["no_battery_eur"]),
        ("way", "Own rules", total["rules_eur"], "bare", 0.0, total["rules_eur"]),
        ("way", "This box", total["actual_eur"], "ours", 0.0, total["actual_eur"]),
    ]
    at_eur = total["actual_eur"]
    for cause, amount_eur in total["gap_eur"].items():
        label = cause[:1].upper() + cause[1:]
        tone = "lost" if amount_eur >= 0.0 else "earned"
        bars.append(("cause", label, amount_eur, tone, at_eur - amount_eur, at_eur))
        at_eur -= amount_eur
    best_eur = total["perfect_foresight_eur"]
    bars.append(("way", "Perfect foresight", best_eur, "best", 0.0, best_eur))
    ends_eur = [0.0, *(end for bar in bars for end in bar[4:])]
    low_eur, wide_eur = min(ends_eur), max(max(ends_eur) - min(ends_eur), 0.01)

    def place(amount_eur: float) -> int:
        return round(SCALE_COUNT * (amount_eur - low_eur) / wide_eur)

    steps = []
    for kind, label, amount_eur, tone, begin_eur, end_eur in bars:
        left, right = sorted((place(begin_eur), place(end_eur)))
        steps.append(Step(kind, label, amount_eur, tone, left, max(right - left, 2), place(0.0)))
    return steps
