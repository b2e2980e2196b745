"""Yesterday: each quarter hour as it was planned beforehand, beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core_kernels.records import Frame
from edge.messages import Plan, plan_from_json

MEASURED = ("pv_w", "load_w", "grid_w", "battery_w", "soc_frac")
_FORECAST = ("pv_p10_w", "pv_p50_w", "pv_p90_w", "load_p10_w", "load_p50_w", "load_p90_w", "battery_w", "grid_w")


def readable(bodies: Sequence[Mapping[str, Any]]) -> list[Plan]:
    """Plans of the store; one of another release is left out."""
    plans = []
    for body in bodies:
        try:
            plans.append(plan_from_json(body))
        except ValueError:
            continue
    return plans


def yesterday(measured: Frame, bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns by the quarter hour: ``measured`` and ``planned``, the latter by the first plan that reached it all."""
    grid = measured.grid
    plan = _first(readable(bodies), float(grid.start_s))
    planned: dict[str, list[float]] = {name: [math.nan] * grid.count for name in (*_FORECAST, "soc_frac")}
    if plan is not None:
        for index in range(grid.count):
            if (slot := plan.slot(grid.start_s + index * grid.slot_s)) is None:
                continue
            for name in _FORECAST:
                planned[name][index] = getattr(plan, name)[slot]
            planned["soc_frac"][index] = plan.soc_frac[slot + 1]
    return {
        "start_s": grid.start_s,
        "slot_s": grid.slot_s,
        "count": grid.count,
        "issued_s": plan.issued_s if plan else math.nan,
        "source": plan.source if plan else "",
        "measured": {name: measured.column(name).tolist() for name in MEASURED},
        "planned": planned,
    }


def _first(plans: Sequence[Plan], start_s: float) -> Plan | None:
    """The last plan issued before the day began, else the first one within it."""
    before = [plan for plan in plans if plan.issued_s <= start_s]
    return before[-1] if before else (plans[0] if plans else None)
