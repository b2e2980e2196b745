"""What must hold for a way of control: its steps, its leases, its references. Each problem is one line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from edge.devices.profile import EXPRESSIONS, Control, Profile, Step

MODES = ("native", "charge", "discharge", "hold")


def control_problems(profile: Profile, control: Control) -> Iterator[str]:
    """Everything in a way of control that contradicts itself or its profile."""
    where = f"control {control.name}"
    if control.requires and control.requires not in profile.by_name:
        yield f"{where}: requires {control.requires}, which is not a point"
    if control.probe_range is not None and control.probe_range[0] > control.probe_range[1]:
        yield f"{where}: probe_range is upside down"
    if set(control.actions) != set(MODES):
        yield f"{where}: actions must be {', '.join(MODES)}"
    elif not all(control.actions.values()):
        yield f"{where}: every action needs a step"
    if not 0.0 <= control.power_step_frac <= 1.0 or not control.max_lease_s > 0.0:
        yield f"{where}: power_step_frac must be 0..1 and max_lease_s > 0"
    yield from _silence(where, control)
    yield from _references(where, profile, control)
    listed = [*control.actions.items(), ("enter", control.enter), ("compensation", control.compensation)]
    for name, steps in listed:
        for step in steps:
            yield from _step(profile, f"{where}.{name}", step)
    for rule in control.states:
        if rule.slot and not profile.clock:
            yield f"{where}.{rule.mode}: a slot needs a clock"


def _silence(where: str, control: Control) -> Iterator[str]:
    """What the device does by itself when nobody writes any more."""
    counted = any("lease_s" in step.values for step in control.steps)
    if control.on_silence == "reverts_after_s" and not counted and math.isnan(control.silence_s):
        yield f"{where}: reverts_after_s needs silence_s where no register counts the lease"
    if control.silence_s <= 0.0 or control.keep_s < 0.0:
        yield f"{where}: silence_s must be > 0 and keep_s >= 0"
    if control.on_silence != "reverts_after_s" and not math.isnan(control.silence_s):
        yield f"{where}: silence_s belongs to reverts_after_s"


def _references(where: str, profile: Profile, control: Control) -> Iterator[str]:
    for rule in control.states:
        names = [condition.point for condition in rule.when] + list(rule.slot or ())
        yield from (f"{where}.{rule.mode}: {name} is not a point" for name in names if name not in profile.by_name)
    measured = [*control.limit_points.values(), *([control.rated_point] if control.rated_point else [])]
    yield from (f"{where}: {name} is not a point" for name in measured if name not in profile.by_name)
    if not set(control.limit_points) <= {"charge", "discharge"}:
        yield f"{where}: limit_points has charge and discharge"
    known = {name for name, write in profile.write_by_name.items() if not write.write_only}
    yield from (
        f"{where}: restore {name} is not a write that can be read" for name in control.restore if name not in known
    )
    used = {name for step in control.steps for name in step.writes} & set(profile.write_by_name)
    worst = max((profile.write_by_name[name].confidence for name in used), default="A")
    if control.confidence < worst:
        yield f"{where}: confidence {control.confidence}, but what it writes is only {worst}"


def _step(profile: Profile, where: str, step: Step) -> Iterator[str]:
    if len(step.writes) != len(step.values) or not step.writes:
        yield f"{where}: a step needs one value for each write"
    unknown = [name for name in step.writes if name not in profile.write_by_name]
    yield from (f"{where}: {name} is not a write" for name in unknown)
    yield from (f"{where}: {value} is not an expression" for value in step.values if not _is_expression(value))
    if unknown:
        return
    rows = [profile.write_by_name[name] for name in step.writes]
    if any(other.address != one.address + one.words or other.models != one.models for one, other in pairwise(rows)):
        yield f"{where}: registers of one step must follow each other"
    if sum(row.words for row in rows) > profile.link.max_write_words:
        yield f"{where}: more words than one write may hold"


def _is_expression(value: int | str) -> bool:
    return value in EXPRESSIONS if isinstance(value, str) else math.isfinite(value)
