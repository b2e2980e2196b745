"""From control's status answer to what a screen says: pure, tolerant of what is missing, strict about what is old."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from edge.messages import Plan, plan_from_json
from edge.wording import (
    MISSING,
    action_words,
    age_words,
    in_force,
    local_words,
    next_words,
    number,
)

_OLD_AFTER_WALL_S = 10.0


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
        clock=local_words(now_s, zone, "%a %-d %b %Y, %H:%M:%S"),
        speed=speed,
        age_s=age_s,
        live=live,
        action=MISSING if old else action_words(command),
        reason="" if old else str(command.get("reason", "")),
        notes=() if old else _notes(status),
        next_action=next_words(plan, now_s, zone),
        plan=plan,
        in_force=in_force(plan, now_s),
        plan_line=_plan_line(plan, now_s, zone),
        now_s=now_s,
        warnings=tuple(warnings),
        signals=_signals(status, now_s),
    )


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
    made = f"Made at {local_words(plan.issued_s, zone, '%H:%M')} by {plan.source}"
    if not in_force(plan, now_s):
        return (
            f"{made}; its lease ended at {local_words(plan.valid_until_s, zone, '%H:%M')}, nobody follows it any more."
        )
    return f"{made}, valid until {local_words(plan.valid_until_s, zone, '%H:%M')}. {plan.reason}"


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
