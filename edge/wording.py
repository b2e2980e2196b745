"""Numbers as people read them, and a plan's next step in words; for screens and terminals alike, without numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from edge.messages import Plan

MISSING = "—"
MINUS = "\N{MINUS SIGN}"
W_PER_KW = 1000.0
_IDLE_W = 50.0
_OLD_AFTER_WALL_S = 10.0
_NOT_TAKEN = ("failed", "ignored", "reverted")
TROUBLED = (*_NOT_TAKEN, "refused", "unverifiable")


def number(value: object) -> float:
    """A JSON number; NaN for anything else."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def power_words(power_w: float) -> str:
    """A power as people read it, without its sign."""
    if not math.isfinite(power_w):
        return MISSING
    size_w = abs(power_w)
    return f"{size_w:.0f} W" if size_w < 999.5 else f"{size_w / W_PER_KW:.2f} kW"


def percent_words(share_frac: float) -> str:
    """A fraction as a whole percentage."""
    return f"{100.0 * share_frac:.0f} %" if math.isfinite(share_frac) else MISSING


def euro_words(amount_eur: float) -> str:
    """Euros and cents with a true minus."""
    if not math.isfinite(amount_eur):
        return MISSING
    sign = MINUS if round(amount_eur, 2) < 0.0 else ""
    return f"{sign}{abs(amount_eur):.2f}\N{NO-BREAK SPACE}€"


def signed_words(power_w: float) -> str:
    """A power with its direction."""
    if not math.isfinite(power_w):
        return MISSING
    sign = "" if abs(power_w) < 0.5 else "+" if power_w > 0.0 else MINUS
    return f"{sign}{power_words(power_w)}"


def age_words(age_s: float) -> str:
    """A duration in the largest unit that keeps it readable."""
    if not math.isfinite(age_s):
        return "never"
    for size_s, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if age_s >= 2.0 * size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{max(age_s, 0.0):.0f} s"


def count_words(count: int, noun: str) -> str:
    """A number of things, one or more."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def action_words(command: Mapping[str, Any], result: Mapping[str, Any] | None = None) -> str:
    """What the battery is told to do; a way back to native that the inverter has not taken is not called done."""
    if command.get("mode") == "native":
        if result and result.get("outcome") in _NOT_TAKEN:
            return "The inverter shall follow its own rules, but has not gone back to them yet"
        return "The inverter follows its own rules"
    battery_w = number(command.get("battery_w"))
    if command.get("mode") != "power" or not math.isfinite(battery_w):
        return MISSING
    if abs(battery_w) < _IDLE_W:
        return "The battery is held"
    return f"{'Discharging' if battery_w > 0.0 else 'Charging'} the battery with {power_words(battery_w)}"


def next_words(plan: Plan | None, now_s: float, zone: ZoneInfo) -> str:
    """The next change of the plan's mind, with its time and price."""
    slot = plan.slot(now_s) if plan is not None and in_force(plan, now_s) else None
    if plan is None or slot is None:
        return "no plan in force"
    rest = range(slot, len(plan.battery_w))
    runs = [(kind, tuple(indices)) for kind, indices in groupby(rest, lambda index: _kind(plan.battery_w[index]))]
    if len(runs) == 1:
        return f"{runs[0][0]} to the end of the plan"
    kind, indices = runs[1]
    mean_w = sum(plan.battery_w[index] for index in indices) / len(indices)
    start = local_words(plan.start_s + indices[0] * plan.slot_s, zone, "%a %H:%M")
    power = "" if kind == "hold" else f" with about {power_words(mean_w)}"
    return f"{start}: {kind}{power} (import {cents_words(plan.price_import_eur_per_kwh[indices[0]])})"


def in_force(plan: Plan | None, now_s: float) -> bool:
    """Claims that the plan is there and its lease runs."""
    return plan is not None and now_s < plan.valid_until_s


def _kind(battery_w: float) -> str:
    return "discharge" if battery_w > _IDLE_W else "charge" if battery_w < -_IDLE_W else "hold"


def cents_words(price_eur_per_kwh: float) -> str:
    """A price as people read it."""
    return f"{100.0 * price_eur_per_kwh:.1f} ct/kWh" if math.isfinite(price_eur_per_kwh) else f"{MISSING} ct/kWh"


def local_words(time_s: float, zone: ZoneInfo, form: str) -> str:
    """An instant in the site's local time; a dash where it is missing."""
    return datetime.fromtimestamp(time_s, zone).strftime(form) if math.isfinite(time_s) else MISSING


def is_old(status: Mapping[str, Any]) -> bool:
    """Claims that control, by its own answer, has not finished a cycle for a while."""
    limit_s = max(_OLD_AFTER_WALL_S * status["speed"], 3.0 * status["period_s"])
    return status["house"] is None or not status["time_s"] - status["house"]["time_s"] <= limit_s
