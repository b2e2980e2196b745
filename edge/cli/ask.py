"""``pems plan``, ``pems forecast`` and ``pems why``: what the running box intends, expects and why."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from edge.cli.options import json_option, site_option, state_option
from edge.cli.talk import ask_status, no_plan_words, published_plan
from edge.errors import PlanError
from edge.messages import Plan, plan_from_json, to_json
from edge.switchwords import reason_words, schedule_words
from edge.timetext import format_time
from edge.wording import MISSING, action_words, cents_words, local_words, power_words

_HOUR_SLOTS = 4
_CLOCK = "%a %H:%M"


def _print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        click.echo("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


@click.command()
@site_option
@state_option
@click.option("--pareto", metavar="cost,OTHER", help="what less of co2, export, discharge or peak would cost")
@json_option
def plan(site_path: Path, state: Path | None, pareto: str | None, as_json: bool) -> None:
    """Show what the box intends for the next 48 h, by the hour.

    \b
    Example:
      pems plan --site site.toml
      pems plan --site site.toml --pareto cost,co2
    """
    status = ask_status(site_path, state)
    current = published_plan(status)
    if pareto is not None:
        _print_front(site_path, current, pareto, as_json)
        return
    if as_json:
        times = [format_time(current.start_s + i * current.slot_s) for i in range(len(current.battery_w))]
        issued, until = format_time(current.issued_s), format_time(current.valid_until_s)
        click.echo(json.dumps({**to_json(current), "time_utc": times, "issued_utc": issued, "valid_until_utc": until}))
        return
    zone = ZoneInfo(status["site"]["timezone"])
    until = local_words(current.valid_until_s, zone, _CLOCK)
    click.echo(f"Plan by {current.source}, issued {local_words(current.issued_s, zone, _CLOCK)}, valid until {until}")
    click.echo(current.reason)
    if math.isfinite(current.peak_w):
        click.echo(f"Highest quarter hour of the month: {power_words(current.peak_w)}")
    if status["no_plan"]:
        click.echo(f"No newer plan: {status['no_plan']}")
    for violation in current.violations:
        click.echo(f"Not kept: {violation}")
    for verdict in current.verdicts:
        click.echo(f"Found: {verdict}")
    for line in schedule_words(current, zone):
        click.echo(line)
    others = [*(f"{name} W" for name in current.setpoint_w), *(f"{name} degC" for name in current.expected_c)]
    _print_rows(
        ("local", "ct/kWh", "PV W", "load W", "battery W", "grid W", "SoC %", *others), _plan_rows(current, zone)
    )


def _plan_rows(current: Plan, zone: ZoneInfo) -> list[tuple[str, ...]]:
    """A plan by the hour: means of powers and prices, charge and temperatures at the hour's end."""
    powers = (current.pv_p50_w, current.load_p50_w, current.battery_w, current.grid_w)
    rows = []
    for i in range(0, len(current.battery_w), _HOUR_SLOTS):
        span, end = slice(i, i + _HOUR_SLOTS), min(i + _HOUR_SLOTS, len(current.soc_frac) - 1)
        rows.append(
            (
                local_words(current.start_s + i * current.slot_s, zone, _CLOCK),
                f"{100 * _mean(current.price_import_eur_per_kwh[span]):.1f}",
                *(f"{_mean(values[span]):.0f}" for values in powers),
                f"{100 * current.soc_frac[end]:.0f}" if math.isfinite(current.soc_frac[end]) else MISSING,
                *(f"{_mean(values[span]):.0f}" for values in current.setpoint_w.values()),
                *(f"{values[end]:.1f}" for values in current.expected_c.values()),
            )
        )
    return rows


def _print_front(site_path: Path, current: Plan, objectives: str, as_json: bool) -> None:
    """The Pareto front of the plan in force."""
    from edge.config import load_site
    from edge.control.pareto import front

    first, _, other = objectives.partition(",")
    if first != "cost":
        raise click.UsageError(f"--pareto begins with cost, got {objectives!r}")
    points = front(load_site(site_path), current, other)
    if as_json:
        click.echo(json.dumps({"objective": other, "points": [to_json(point) for point in points]}))
        return
    click.echo(f"What less {other} in the next {len(current.battery_w) * current.slot_s // 3600} h would cost")
    rows = [(f"{p.cost_eur:.2f}", f"{p.value:.2f}", f"{p.marginal_eur:.3f}") for p in points]
    _print_rows(("EUR", f"{other} {points[0].unit}", f"EUR for each {points[0].unit} less"), rows)


@click.command()
@site_option
@state_option
@json_option
def forecast(site_path: Path, state: Path | None, as_json: bool) -> None:
    """Show PV and load of the next 48 h with their P10-P90 spread, by the hour, and the rooms that the bundle knows.

    \b
    Example:
      pems forecast --site site.toml --json
    """
    status = ask_status(site_path, state)
    current = published_plan(status)
    columns = {name: getattr(current, name) for name in _FORECAST_COLUMNS}
    rooms = {name: getattr(current, name) for name in _ROOM_COLUMNS}
    times_s = [current.start_s + i * current.slot_s for i in range(len(current.battery_w))]
    if as_json:
        times = {"issued_utc": format_time(current.issued_s), "time_utc": [format_time(t) for t in times_s]}
        data = {**times, **columns, **rooms}
        click.echo(json.dumps(to_json(data)))
        return
    zone = ZoneInfo(status["site"]["timezone"])
    heads = [(room, name) for room in current.room_p50_c for name in _ROOM_COLUMNS]
    rows = [
        (
            local_words(times_s[i], zone, _CLOCK),
            *(f"{_mean(values[i : i + _HOUR_SLOTS]):.0f}" for values in columns.values()),
            *(f"{_mean(rooms[name][room][i : i + _HOUR_SLOTS]):.1f}" for room, name in heads),
        )
        for i in range(0, len(times_s), _HOUR_SLOTS)
    ]
    powers = (name.removesuffix("_w").replace("_", " ") + " W" for name in columns)
    warmths = (f"{room} {name.removeprefix('room_').removesuffix('_c')} degC" for room, name in heads)
    _print_rows(("local", *powers, *warmths), rows)


_ROOM_COLUMNS = ("room_p10_c", "room_p50_c", "room_p90_c")
_FORECAST_COLUMNS = ("pv_p10_w", "pv_p50_w", "pv_p90_w", "load_p10_w", "load_p50_w", "load_p90_w")


@click.command()
@site_option
@state_option
@json_option
def why(site_path: Path, state: Path | None, as_json: bool) -> None:
    """Say what the battery is doing and why, with the prices behind it.

    \b
    Example:
      pems why --site site.toml
    """
    status = ask_status(site_path, state)
    command = status["command"]
    if command is None:
        raise PlanError("the box has not finished its first cycle")
    current = plan_from_json(status["plan"]) if status["plan"] else None
    zone = ZoneInfo(status["site"]["timezone"])
    answer = {
        "time_utc": format_time(status["time_s"]),
        "mode": status["mode"],
        "command": command,
        "wish": status["wish"],
        "result": status["result"],
        "water_value_eur_per_kwh": current.water_value_eur_per_kwh if current else None,
        "plan_reason": current.reason if current else None,
        "no_plan_reason": status["no_plan"],
        "plan_violations": list(current.violations) if current else [],
        "plan_verdicts": list(current.verdicts) if current else [],
        "switches": reason_words(current, status["time_s"], zone) if current else [],
        "findings": status["house"]["findings"],
    }
    if as_json:
        click.echo(json.dumps(to_json(answer)))
        return
    click.echo(f"Battery: {action_words(command, status['result'])}; the inverter says {status['mode']}")
    click.echo(f"Because: {command['reason']}")
    for veto in command["vetoes"]:
        click.echo(f"Vetoed: {veto}")
    if current is not None:
        if math.isfinite(current.soc_frac[0]):
            click.echo(f"Energy in the battery is worth {cents_words(current.water_value_eur_per_kwh)} to the plan")
        click.echo(f"The plan: {current.reason}")
        for verdict in current.verdicts:
            click.echo(f"The plan found: {verdict}")
        for line in answer["switches"]:
            click.echo(f"Switched: {line}")
        if status["no_plan"]:
            click.echo(f"No newer plan: {status['no_plan']}")
    else:
        click.echo(f"The plan: {no_plan_words(status)}")
    for finding in answer["findings"]:
        click.echo(f"Not known: {finding}")
