"""A plan as rows for a screen, and as columns for a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core_kernels.units import W_PER_KW
from edge.messages import Plan

_HOUR_S = 3600
_KILO = ("pv_p10_w", "pv_p50_w", "pv_p90_w", "load_p10_w", "load_p50_w", "load_p90_w", "battery_w", "grid_w")


def hours(plan: Plan, zone: ZoneInfo) -> list[dict[str, Any]]:
    """A row an hour: means of the powers, price, and the charge at its end."""
    per_hour = max(_HOUR_S // plan.slot_s, 1)
    rows = []
    for first in range(0, len(plan.battery_w), per_hour):
        span = slice(first, first + per_hour)
        rows.append(
            {
                "when": datetime.fromtimestamp(plan.start_s + first * plan.slot_s, zone).strftime("%a %H:%M"),
                "price": _mean(plan.price_import_eur_per_kwh[span]),
                "pv_w": _mean(plan.pv_p50_w[span]),
                "load_w": _mean(plan.load_p50_w[span]),
                "battery_w": _mean(plan.battery_w[span]),
                "grid_w": _mean(plan.grid_w[span]),
                "soc_frac": plan.soc_frac[min(first + per_hour, len(plan.soc_frac) - 1)],
            }
        )
    return rows


def plan_columns(plan: Plan, now_s: float, zone: ZoneInfo) -> dict[str, Any]:
    """Columns for the charts: kW, ct/kWh and %, a value a quarter hour; ``time_s`` are the starts."""
    count = len(plan.battery_w)
    columns = {name.removesuffix("_w"): _scaled(getattr(plan, name), 1.0 / W_PER_KW) for name in _KILO}
    return {
        "zone": zone.key,
        "now_s": now_s,
        "time_s": [plan.start_s + index * plan.slot_s for index in range(count)],
        **columns,
        "price_import": _scaled(plan.price_import_eur_per_kwh, 100.0),
        "price_export": _scaled(plan.price_export_eur_per_kwh, 100.0),
        "soc": _scaled(plan.soc_frac[1:], 100.0),
        "drawn": {name: _scaled(values, 1.0 / W_PER_KW) for name, values in plan.setpoint_w.items()},
        "warm": {name: _scaled(values[1:], 1.0) for name, values in plan.expected_c.items()},
    }


def yesterday_columns(data: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Yesterday's planned and measured columns in the same units."""
    planned, measured = data["planned"], data["measured"]
    columns = {name.removesuffix("_w"): _scaled(planned[name], 1.0 / W_PER_KW) for name in _KILO}
    seen = {
        f"{name.removesuffix('_w')}_measured": _scaled(measured[name], 1.0 / W_PER_KW)
        for name in ("pv_w", "load_w", "battery_w", "grid_w")
    }
    return {
        "zone": zone.key,
        "time_s": [data["start_s"] + index * data["slot_s"] for index in range(data["count"])],
        **columns,
        **seen,
        "soc": _scaled(planned["soc_frac"], 100.0),
        "soc_measured": _scaled(measured["soc_frac"], 100.0),
    }


def _scaled(values: Sequence[Any], factor: float) -> list[float | None]:
    return [None if value is None or math.isnan(value) else round(value * factor, 4) for value in values]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
