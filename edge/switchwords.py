"""When a plan has relays and programs on, and why, in words; without numpy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from zoneinfo import ZoneInfo

from edge.messages import Plan
from edge.wording import cents_words, local_words, power_words

_DAY_S = 86_400
_IDLE_W = 50.0
_CLOCK = "%a %H:%M"


def switched(plan: Plan) -> dict[str, tuple[bool, ...]]:
    """What draws all of its power or nothing through the plan's first day, and in which slots it is on."""
    day, found = _DAY_S // plan.slot_s, {}
    for name, row in plan.setpoint_w.items():
        most_w = max(row[:day], default=0.0)
        if most_w > _IDLE_W and all(value_w in (0.0, most_w) for value_w in row[:day]):
            found[name] = tuple(value_w > 0.0 for value_w in row[:day])
    return found


def schedule_words(plan: Plan, zone: ZoneInfo) -> list[str]:
    """Each switched device with the times at which it is on."""
    lines = []
    for name, row in switched(plan).items():
        times = (_span_words(plan, first, end, zone) for is_on, first, end in _spells(row) if is_on)
        lines.append(f"{name} on with {power_words(max(plan.setpoint_w[name]))}: {', '.join(times)}")
    return lines


def reason_words(plan: Plan, now_s: float, zone: ZoneInfo) -> list[str]:
    """Why each switched device is now on, or when it will be; nothing for a time that the plan does not know."""
    lines = []
    for name, row in switched(plan).items():
        slot = plan.slot(now_s)
        spells = [] if slot is None else [spell for spell in _spells(row) if spell[2] > slot]
        if slot is None or not spells:
            continue
        is_on, _, end = spells[0]
        until = local_words(plan.start_s + end * plan.slot_s, zone, _CLOCK)
        if is_on:
            next_run = next((first for on, first, _ in spells[1:] if on), len(row))
            lines.append(f"{name} is on until {until}{_warmth(plan, name, slot, end)}: {_price(plan, slot, next_run)}")
        elif end < len(row):
            lines.append(f"{name} is off until {until}, then {source_words(plan, end)}")
    return lines


def source_words(plan: Plan, slot: int) -> str:
    """Where a kWh more comes from in a slot, and what it costs."""
    if plan.grid_w[slot] > _IDLE_W:
        return f"a kWh is imported at {cents_words(plan.price_import_eur_per_kwh[slot])}"
    if plan.grid_w[slot] < -_IDLE_W:
        return f"a kWh is not sold at {cents_words(plan.price_export_eur_per_kwh[slot])}"
    return f"a kWh comes from the battery, where it is worth {cents_words(plan.water_value_eur_per_kwh)}"


def _price(plan: Plan, slot: int, next_run: int) -> str:
    """What energy costs now, and at the dearest time that the heat bridges."""
    dearest = max(range(slot, max(next_run, slot + 1)), key=lambda k: plan.price_import_eur_per_kwh[k])
    now = source_words(plan, slot)
    if plan.price_import_eur_per_kwh[dearest] <= plan.price_import_eur_per_kwh[slot]:
        return now
    return f"{now}, before the next run import costs up to {cents_words(plan.price_import_eur_per_kwh[dearest])}"


def _warmth(plan: Plan, name: str, slot: int, end: int) -> str:
    edges_c = plan.expected_c.get(name)
    return f", from {edges_c[slot]:.1f} to {edges_c[end]:.1f} degC" if edges_c else ""


def _spells(row: Sequence[bool]) -> list[tuple[bool, int, int]]:
    """The runs and rests of a row: on or off, first slot, the slot after its last."""
    runs = [(is_on, [k for k, _ in slots]) for is_on, slots in groupby(enumerate(row), key=lambda item: item[1])]
    return [(is_on, slots[0], slots[-1] + 1) for is_on, slots in runs]


def _span_words(plan: Plan, first: int, end: int, zone: ZoneInfo) -> str:
    begins, ends = plan.start_s + first * plan.slot_s, plan.start_s + end * plan.slot_s
    return f"{local_words(begins, zone, _CLOCK)}-{local_words(ends, zone, '%H:%M')}"
