"""From control's status answer to what a screen says: pure, tolerant of what is missing, strict about what is old."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from core_kernels.units import W_PER_KW
from edge.messages import Plan, plan_from_json

MISSING = "—"
_OLD_AFTER_WALL_S = 10.0
_IDLE_W = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Measured powers and charge; NaN where unknown or too old to be shown as live."""

    pv_w: float = math.nan
    load_w: float = math.nan
    grid_w: float = math.nan
    battery_w: float = math.nan
    soc_frac: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that the page shows, in words and numbers."""

    site_name: str
    clock: str
    speed: float
    age_s: float
    live: Live
    action: str
    reason: str
    notes: tuple[str, ...]
    next_action: str
    plan: Plan | None
    in_force: bool
    plan_line: str
    now_s: float
    warnings: tuple[str, ...]
    signals: tuple[tuple[str, ...], ...]


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


def age_words(age_s: float) -> str:
    """A duration in the largest unit that keeps it readable."""
    if not math.isfinite(age_s):
        return "never"
    for size_s, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if age_s >= 2.0 * size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{max(age_s, 0.0):.0f} s"


def view_of(status: Mapping[str, Any], zone: ZoneInfo) -> View:
    """What to show for a status answer."""
    now_s, speed = number(status.get("time_s")), _speed(status)
    house = _part(status, "house")
    age_s = now_s - number(house.get("time_s"))
    old = not age_s <= max(_OLD_AFTER_WALL_S * speed, 3.0 * _or_zero(status.get("period_s")))
    names = Live.__dataclass_fields__
    live = Live() if old else Live(**{name: number(house.get(name)) for name in names})
    plan = _plan(status)
    command = _part(status, "command")
    warnings = [f"Control has measured nothing for {age_words(age_s)}: no live numbers are shown."] if old else []
    warnings += [str(text) for text in house.get("findings") or ()]
    return View(
        site_name=str(_part(status, "site").get("name", "PEMS Edge")),
        clock=_local(now_s, zone, "%a %-d %b %Y, %H:%M:%S"),
        speed=speed,
        age_s=age_s,
        live=live,
        action=MISSING if old else action_words(command),
        reason="" if old else str(command.get("reason", "")),
        notes=() if old else _notes(status),
        next_action=next_words(plan, now_s, zone),
        plan=plan,
        in_force=_in_force(plan, now_s),
        plan_line=_plan_line(plan, now_s, zone),
        now_s=now_s,
        warnings=tuple(warnings),
        signals=_signals(status, now_s),
    )


def action_words(command: Mapping[str, Any]) -> str:
    """What the battery is told to do."""
    if command.get("mode") == "native":
        return "The inverter follows its own rules"
    battery_w = number(command.get("battery_w"))
    if command.get("mode") != "power" or not math.isfinite(battery_w):
        return MISSING
    if abs(battery_w) < _IDLE_W:
        return "The battery is held"
    return f"{'Discharging' if battery_w > 0.0 else 'Charging'} the battery with {power_words(battery_w)}"


def next_words(plan: Plan | None, now_s: float, zone: ZoneInfo) -> str:
    """The next change of the plan's mind, with its time and price."""
    slot = plan.slot(now_s) if plan is not None and _in_force(plan, now_s) else None
    if plan is None or slot is None:
        return "no plan in force"
    rest = range(slot, len(plan.battery_w))
    runs = [(kind, tuple(indices)) for kind, indices in groupby(rest, lambda index: _kind(plan.battery_w[index]))]
    if len(runs) == 1:
        return f"{runs[0][0]} to the end of the plan"
    kind, indices = runs[1]
    mean_w = sum(plan.battery_w[index] for index in indices) / len(indices)
    start = _local(plan.start_s + indices[0] * plan.slot_s, zone, "%a %H:%M")
    power = "" if kind == "hold" else f" with about {power_words(mean_w)}"
    return f"{start}: {kind}{power} (import {cents_words(plan.price_import_eur_per_kwh[indices[0]])})"


def _in_force(plan: Plan | None, now_s: float) -> bool:
    return plan is not None and now_s < plan.valid_until_s


def _kind(battery_w: float) -> str:
    return "discharge" if battery_w > _IDLE_W else "charge" if battery_w < -_IDLE_W else "hold"


def cents_words(price_eur_per_kwh: float) -> str:
    """A price as people read it."""
    return f"{100.0 * price_eur_per_kwh:.1f} ct/kWh" if math.isfinite(price_eur_per_kwh) else f"{MISSING} ct/kWh"


def _notes(status: Mapping[str, Any]) -> tuple[str, ...]:
    """What the guard took away, what the inverter did with the command, and the wish where it differs."""
    wish, command, result = (_part(status, name) for name in ("wish", "command", "result"))
    notes = [f"Guard: {veto}" for veto in command.get("vetoes") or ()]
    if notes and action_words(wish) != action_words(command):
        notes.append(f"Wanted: {action_words(wish)}. {wish.get('reason', '')}")
    if result.get("outcome") in ("refused", "ignored", "failed", "reverted", "unverifiable"):
        notes.append(f"The inverter: {result['outcome']}. {result.get('detail', '')}")
    return tuple(notes)


def _plan_line(plan: Plan | None, now_s: float, zone: ZoneInfo) -> str:
    if plan is None:
        return "There is no plan yet."
    made = f"Made at {_local(plan.issued_s, zone, '%H:%M')} by {plan.source}"
    if not _in_force(plan, now_s):
        return f"{made}; its lease ended at {_local(plan.valid_until_s, zone, '%H:%M')}, nobody follows it any more."
    return f"{made}, valid until {_local(plan.valid_until_s, zone, '%H:%M')}. {plan.reason}"


def _signals(status: Mapping[str, Any], now_s: float) -> tuple[tuple[str, ...], ...]:
    """Every reading as device, signal, value, unit, age, state."""
    rows = []
    for reading in status.get("readings") or ():
        value, measured_s = number(reading.get("value")), number(reading.get("measured_s"))
        shown = f"{value:.6g}" if math.isfinite(value) else MISSING
        state = " ".join(str(reading.get(name) or "") for name in ("state", "reason")).strip()
        names = tuple(str(reading.get(name) or "") for name in ("device", "signal"))
        rows.append((*names, shown, str(reading.get("unit") or ""), age_words(now_s - measured_s), state))
    return tuple(rows)


def _plan(status: Mapping[str, Any]) -> Plan | None:
    """The published plan; one that does not fit this version's record is not shown."""
    data = status.get("plan")
    try:
        return plan_from_json(data) if isinstance(data, Mapping) else None
    except (ValueError, TypeError):
        return None


def _part(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = status.get(name)
    return part if isinstance(part, Mapping) else {}


def _speed(status: Mapping[str, Any]) -> float:
    speed = number(status.get("speed"))
    return speed if speed > 0.0 else 1.0


def _or_zero(value: object) -> float:
    found = number(value)
    return found if math.isfinite(found) else 0.0


def _local(time_s: float, zone: ZoneInfo, form: str) -> str:
    return datetime.fromtimestamp(time_s, zone).strftime(form) if math.isfinite(time_s) else MISSING
