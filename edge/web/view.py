"""From control's status answer to what a screen says: pure, tolerant of what is missing, strict about what is old."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from edge.messages import Plan, plan_from_json
from edge.wording import (
    MINUS,
    MISSING,
    TROUBLED,
    action_words,
    age_words,
    cents_words,
    euro_words,
    in_force,
    local_words,
    next_words,
    number,
    power_words,
)

_SHOWN = {  # factor, decimals and unit on a screen
    "frac": (100.0, 1, "%"), "1": (100.0, 1, "%"), "Wh": (0.001, 1, "kWh"), "W": (1.0, 0, "W"), "A": (1.0, 2, "A"),
    "Hz": (1.0, 2, "Hz"), "degC": (1.0, 1, "°C"),
}  # fmt: skip
_MAX_FINDINGS = 3
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
class Signal:
    """A reading in words."""

    device: str
    signal: str
    value: str
    age: str
    state: str
    reason: str


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
    signals: tuple[Signal, ...]
    alarms: tuple[str, ...] = ()
    override: str = ""

    @property
    def water_words(self) -> str:
        """What a stored kWh is worth while the plan is followed."""
        return cents_words(self.plan.water_value_eur_per_kwh if self.in_force and self.plan else math.nan)

    @property
    def cost_words(self) -> str:
        """What the plan expects to cost while it is followed."""
        cost_eur = self.plan.cost_eur if self.in_force and self.plan else math.nan
        return euro_words(cost_eur)

    @property
    def violations(self) -> tuple[str, ...]:
        """What the plan could not keep."""
        return self.plan.violations if self.plan else ()


def _few(findings: list[str]) -> list[str]:
    """The first of many: the page of the devices has them all."""
    if len(findings) <= _MAX_FINDINGS:
        return findings
    shown = findings[: _MAX_FINDINGS - 1]
    return [*shown, f"and {len(findings) - len(shown)} signals more: see Devices"]


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
    warnings += _few([str(text) for text in house.get("findings") or ()])
    override = _part(status, "override")
    return View(
        site_name=str(_part(status, "site").get("name", "PEMS Edge")),
        clock=local_words(now_s, zone, "%a %-d %b %Y, %H:%M:%S"),
        speed=speed,
        age_s=age_s,
        live=live,
        action=MISSING if old else action_words(command, _part(status, "result")),
        reason="" if old else str(command.get("reason", "")),
        notes=() if old else _notes(status),
        next_action=next_words(plan, now_s, zone),
        plan=plan,
        in_force=in_force(plan, now_s),
        plan_line=_plan_line(plan, now_s, zone, str(status.get("no_plan") or "")),
        now_s=now_s,
        warnings=tuple(warnings),
        signals=_signals(status, now_s),
        alarms=tuple(map(str, status.get("alarms") or ())),
        override=override_words(override, zone) if override else "",
    )


def _notes(status: Mapping[str, Any]) -> tuple[str, ...]:
    """What the guard took away, what the inverter did with the command, and the wish where it differs."""
    wish, command, result = (_part(status, name) for name in ("wish", "command", "result"))
    notes = [f"Guard: {veto}" for veto in command.get("vetoes") or ()]
    if notes and action_words(wish) != action_words(command):
        notes.append(f"Wanted: {action_words(wish)}. {wish.get('reason', '')}")
    if result.get("outcome") in TROUBLED:
        notes.append(f"The inverter: {result['outcome']}. {result.get('detail', '')}")
    return tuple(notes)


def _plan_line(plan: Plan | None, now_s: float, zone: ZoneInfo, no_plan: str) -> str:
    if plan is None:
        return f"There is no plan yet: {no_plan or 'the planner has not finished its first one'}."
    made = f"Made at {local_words(plan.issued_s, zone, '%H:%M')} by {plan.source}"
    if not in_force(plan, now_s):
        ended = local_words(plan.valid_until_s, zone, "%H:%M")
        return f"{made}; its lease ended at {ended}, nobody follows it any more. {no_plan}".rstrip()
    return f"{made}, valid until {local_words(plan.valid_until_s, zone, '%H:%M')}. {plan.reason}"


def _signals(status: Mapping[str, Any], now_s: float) -> tuple[Signal, ...]:
    """Every reading in words."""
    return tuple(_signal(reading, now_s) for reading in status.get("readings") or ())


def _signal(reading: Mapping[str, Any], now_s: float) -> Signal:
    device, name, state, reason = (str(reading.get(key) or "") for key in ("device", "signal", "state", "reason"))
    value, age = number(reading.get("value")), age_words(now_s - number(reading.get("measured_s")))
    shown = value_words(value, str(reading.get("unit") or ""))
    return Signal(device=device, signal=name, value=shown, age=age, state=state, reason=reason)


def value_words(value: float, unit: str) -> str:
    """A measured value with its unit, as precise as its kind deserves."""
    if not math.isfinite(value):
        return MISSING
    factor, decimals, shown = _SHOWN.get(unit, (1.0, 1, unit))
    size = f"{abs(value) * factor:,.{decimals}f}"
    sign = MINUS if value < 0.0 and size.strip("0.,") else ""
    return f"{sign}{size} {shown}".rstrip()


def override_words(override: Mapping[str, Any], zone: ZoneInfo) -> str:
    """What somebody holds by hand, until when."""
    mode, power_w = str(override.get("mode")), number(override.get("battery_w"))
    with_power = f" with {power_words(power_w)}" if mode in ("charge", "discharge") else ""
    words = {"native": "the inverter's own rules", "hold": "hold the battery"}.get(mode, f"{mode}{with_power}")
    return f"{words[:1].upper()}{words[1:]} until {local_words(number(override.get('until_s')), zone, '%a %H:%M')}"


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
