"""Why perfect foresight is not reached, by name, and a day's regret as it is kept: plain data in whole cents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

CENTS_PER_EUR = 100

# In the order in which they are taken away; what a cause costs depends on those before it.
MODEL_MISMATCH = "model mismatch"
ACTUATION = "actuation"
PV_ERROR = "PV error"
LOAD_ERROR = "load error"
PRICE = "price"
SOLVER = "solver"
CAUSES = (MODEL_MISMATCH, ACTUATION, PV_ERROR, LOAD_ERROR, PRICE, SOLVER)
AMOUNTS = ("actual_eur", "no_battery_eur", "rules_eur", "perfect_foresight_eur", "total_gap_eur")
_TEXTS = ("day", "problem")
_MAX_FAILURES = 5
_MAX_CHARS = 500


def cents(amount_eur: float) -> int:
    """An amount in whole cents; raises ``ValueError`` where it is not known."""
    return round(CENTS_PER_EUR * amount_eur)


def day_without(day: str, problem: str) -> dict[str, Any]:
    """A day that could not be looked back upon, with the reason."""
    nothing = dict.fromkeys(AMOUNTS, math.nan)
    return {"day": day, "problem": problem, **nothing, "gap_eur": {}, "failed_count": 0, "failures": [], "wall_s": 0.0}


def checked_day(body: Mapping[str, Any]) -> dict[str, Any]:
    """What may be kept of a day; raises ``ValueError`` where it is not one, or its parts do not add up."""
    known = set(day_without("", ""))
    if set(body) != known:
        raise ValueError(f"not a day's regret: {', '.join(sorted(set(body) ^ known)):.200}")
    texts = [body[name] for name in _TEXTS] + list(body["failures"])
    if not all(isinstance(text, str) and len(text) <= _MAX_CHARS for text in texts):
        raise ValueError("not a day's regret: a text is none, or too long")
    if len(body["failures"]) > _MAX_FAILURES:
        raise ValueError(f"not a day's regret: more than {_MAX_FAILURES} failures")
    date.fromisoformat(body["day"])
    if not body["problem"]:
        _check_sum(body)
    return dict(body)


def failures_kept(failures: tuple[str, ...]) -> list[str]:
    """The first failures, each as far as it is kept."""
    return [text[:_MAX_CHARS] for text in failures[:_MAX_FAILURES]]


def _check_sum(body: Mapping[str, Any]) -> None:
    if set(body["gap_eur"]) != set(CAUSES):
        raise ValueError("not a day's regret: other causes than are known")
    parts = sum(cents(body["gap_eur"][cause]) for cause in CAUSES)
    gap = cents(body["actual_eur"]) - cents(body["perfect_foresight_eur"])
    if not parts == gap == cents(body["total_gap_eur"]):
        raise ValueError(f"not a day's regret: parts of {parts} ct make {gap} ct")
