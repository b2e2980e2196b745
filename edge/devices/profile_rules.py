"""What must hold between the parts of a profile: names, spans, windows, references. Each problem is one line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

from core_kernels.signals import signal
from edge.devices.profile import EXPRESSIONS, WORDS, Control, Point, Profile, Step, Write

MODES = ("native", "charge", "discharge", "hold")


def problems_of(profile: Profile) -> list[str]:
    """Everything in a well-typed profile that contradicts itself."""
    checks: Iterable[Iterator[str]] = (
        _duplicates("point", [point.name for point in profile.points]),
        _duplicates("write", [write.name for write in profile.writes]),
        _duplicates("control", [control.name for control in profile.controls]),
        chain.from_iterable(_point(profile, point) for point in profile.points),
        _overlaps(profile.points),
        _overlaps(profile.writes),
        chain.from_iterable(_write(profile, write) for write in profile.writes),
        chain.from_iterable(_control(profile, control) for control in profile.controls),
        (f"clock names the unknown point {name}" for name in profile.clock if name not in profile.by_name),
        iter(() if len(profile.clock) in (0, 6) else ("clock needs six points, year to second",)),
    )
    return list(chain.from_iterable(checks))


def _duplicates(kind: str, names: Sequence[str]) -> Iterator[str]:
    return (f"{kind} {name} is there twice" for name in sorted({name for name in names if names.count(name) > 1}))


def _overlaps(items: Sequence[Point | Write]) -> Iterator[str]:
    ordered = sorted(items, key=lambda item: (item.space, item.address))
    for one, other in pairwise(ordered):
        if one.space == other.space and other.address < one.address + one.words:
            yield f"{one.name} and {other.name} overlap at {other.space} {other.address}"


def _point(profile: Profile, point: Point) -> Iterator[str]:
    where = f"point {point.name}"
    yield from _number(where, point)
    if point.signal:
        try:
            signal(point.signal)
        except KeyError:
            yield f"{where}: {point.signal} is not a known signal"
    if point.words > profile.link.max_read_words:
        yield f"{where}: {point.words} words are more than one read may hold"
    windows = profile.link.read_windows.get(point.space, ())
    if not any(first <= point.address and point.last <= last for first, last in windows):
        yield f"{where}: {point.space} {point.address}..{point.last} lies in no read window"
    if point.golden_raw in (0, ()) or point.golden_value in (0.0, ""):
        yield f"{where}: golden values must not be zero, because zero times any scale is zero"
    if (point.type == "str") != isinstance(point.golden_value, str):
        yield f"{where}: golden_value does not fit type {point.type}"


def _number(where: str, item: Point | Write) -> Iterator[str]:
    if item.sign not in (1, -1):
        yield f"{where}: sign must be 1 or -1"
    if not item.scale > 0.0:
        yield f"{where}: scale must be > 0 (the sign has its own key)"
    if not 0 <= item.address <= 0xFFFF:
        yield f"{where}: address must be 0..65535"
    if item.words < 1 or item.words != WORDS.get(item.type, item.words):
        yield f"{where}: words does not fit type {item.type}"


def _write(profile: Profile, write: Write) -> Iterator[str]:
    where = f"write {write.name}"
    yield from _number(where, write)
    if write.space != "holding":
        yield f"{where}: only holding registers can be written"
    if write.range[0] > write.range[1]:
        yield f"{where}: range is upside down"
    back = profile.by_name.get(write.readback)
    if back is None:
        yield f"{where}: readback {write.readback} is not a point"
    elif (back.scale, back.sign, back.type) != (write.scale, write.sign, write.type):
        yield f"{where}: readback {write.readback} has another type, scale or sign"


def _control(profile: Profile, control: Control) -> Iterator[str]:
    where = f"control {control.name}"
    if control.requires not in profile.by_name:
        yield f"{where}: requires {control.requires}, which is not a point"
    if control.probe_range is not None and control.probe_range[0] > control.probe_range[1]:
        yield f"{where}: probe_range is upside down"
    if set(control.actions) != set(MODES):
        yield f"{where}: actions must be {', '.join(MODES)}"
    if not 0.0 <= control.power_step_frac <= 1.0 or not control.max_lease_s > 0.0:
        yield f"{where}: power_step_frac must be 0..1 and max_lease_s > 0"
    for mode, steps in control.actions.items():
        for step in steps:
            yield from _step(profile, f"{where}.{mode}", step)
    for rule in control.states:
        names = [condition.point for condition in rule.when] + list(rule.slot or ())
        yield from (f"{where}.{rule.mode}: {name} is not a point" for name in names if name not in profile.by_name)
        if rule.slot and not profile.clock:
            yield f"{where}.{rule.mode}: a slot needs a clock"


def _step(profile: Profile, where: str, step: Step) -> Iterator[str]:
    if len(step.writes) != len(step.values) or not step.writes:
        yield f"{where}: a step needs one value for each write"
    unknown = [name for name in step.writes if name not in profile.write_by_name]
    yield from (f"{where}: {name} is not a write" for name in unknown)
    yield from (f"{where}: {value} is not an expression" for value in step.values if not _is_expression(value))
    if not unknown:
        rows = [profile.write_by_name[name] for name in step.writes]
        if any(other.address != one.address + one.words for one, other in pairwise(rows)):
            yield f"{where}: registers of one step must follow each other"


def _is_expression(value: int | str) -> bool:
    return value in EXPRESSIONS if isinstance(value, str) else math.isfinite(value)
