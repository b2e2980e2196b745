"""``pems status``: what the box is doing, in ten lines and a fifth of a second."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from edge.cli.options import json_option, site_option, state_option
from edge.cli.talk import ask_status, no_plan_words
from edge.messages import plan_from_json, to_json
from edge.timetext import format_time
from edge.wording import (
    TROUBLED,
    action_words,
    age_words,
    in_force,
    is_old,
    local_words,
    next_words,
    number,
    percent_words,
    power_words,
)

LABEL_WIDTH = 9
_POWERS = (("PV", "pv_w"), ("House", "load_w"), ("Grid", "grid_w"), ("Battery", "battery_w"))
_DIRECTIONS = {"grid_w": ("import", "export"), "battery_w": ("discharging", "charging")}
_IDLE_W = 50.0


@click.command()
@site_option
@state_option
@json_option
def command(site_path: Path, state: Path | None, as_json: bool) -> None:
    """Show powers, charge, the running action with its reason, what comes next, and alarms.

    Exit code 1 when control has not measured for a while, or an alarm stands.

    \b
    Example:
      pems status --site site.toml
      watch -n 5 pems status --site site.toml
    """
    status = ask_status(site_path, state)
    if as_json:
        click.echo(json.dumps(to_json(brief(status))))
    else:
        coloured = {"Alarm": "red", "Old": "yellow", "Unknown": "yellow"}
        for label, text in lines(status):
            click.echo(click.style(label.ljust(LABEL_WIDTH), fg=coloured.get(label), bold=True) + text)
    if status["alarms"] or is_old(status):
        raise SystemExit(1)


def brief(status: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for programs: without readings and the plan's columns."""
    plan = status["plan"]
    heads = ("issued_s", "valid_until_s", "source", "reason", "violations", "water_value_eur_per_kwh")
    kept = ("speed", "period_s", "site", "house", "wish", "command", "result", "mode", "cycle_s", "no_plan", "alarms")
    return {
        "time_utc": format_time(status["time_s"]),
        **{name: status[name] for name in kept},
        "old": is_old(status),
        "plan": {name: plan[name] for name in heads} if plan else None,
    }


def lines(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The answer for people: label and text."""
    zone, now_s = ZoneInfo(status["site"]["timezone"]), status["time_s"]
    fast = "" if status["speed"] == 1.0 else f", {status['speed']:g} times real time"
    yield status["site"]["name"][: LABEL_WIDTH - 1], local_words(now_s, zone, "%a %-d %b %Y, %H:%M:%S") + fast
    house, command = status["house"], status["command"]
    if house is None:
        yield "Old", "the box has not finished its first cycle"
    else:
        if is_old(status):
            yield "Old", f"last cycle {age_words(now_s - house['time_s'])} ago: what follows is not of now"
        for label, name in _POWERS:
            yield label, power_line(name, number(house[name])) + _charge(name, house)
    if command is not None:
        result = status["result"] or {}
        yield "Action", action_words(command, result)
        yield "Because", command["reason"]
        if result.get("outcome") in TROUBLED:
            yield "Inverter", f"{result['outcome']}: {result['detail']}"
        yield from (("Vetoed", veto) for veto in command["vetoes"])
    yield from _plan_lines(status, zone)
    for finding in (house or {}).get("findings", ()):
        yield "Unknown", finding
    for alarm in status["alarms"]:
        yield "Alarm", alarm


def power_line(name: str, power_w: float) -> str:
    """A power with its direction."""
    sign = 0 if not abs(power_w) > _IDLE_W else 1 if power_w > 0.0 else -1
    directions = _DIRECTIONS.get(name)
    word = f"  {directions[0] if sign > 0 else directions[1]}" if directions and sign else ""
    return f"{power_words(power_w):>9}{word}"


def _charge(name: str, house: Mapping[str, Any]) -> str:
    soc_frac = number(house["soc_frac"])
    return f"  {percent_words(soc_frac)} full" if name == "battery_w" and math.isfinite(soc_frac) else ""


def _plan_lines(status: Mapping[str, Any], zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    if status["plan"] is None:
        yield "Plan", no_plan_words(status)
        return
    plan, now_s = plan_from_json(status["plan"]), status["time_s"]
    until = local_words(plan.valid_until_s, zone, "%H:%M")
    ends = f"valid until {until}" if in_force(plan, now_s) else f"its lease ended at {until}"
    yield "Next", next_words(plan, now_s, zone)
    yield "Plan", f"by {plan.source}, issued {local_words(plan.issued_s, zone, '%H:%M')}, {ends}"
    if status["no_plan"]:
        yield "", f"no newer one: {status['no_plan']}"
