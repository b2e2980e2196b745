"""From a command to register values, by one control variant of a profile. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.config import Battery
from edge.devices.profile import BatteryMode, Condition, Control, Profile, Step, WordOrder, Write
from edge.devices.registers import pattern_from_number, split_words
from edge.messages import Command

LAST_SLOT_MINUTE = 23 * 60 + 59  # a slot cannot run past midnight
HALF_PERCENT_FRAC = 0.005  # less than this is 0 on a percent register: hold
_SECONDS_PER_MINUTE = 60
_TIMES = ("lease_s", "slot_start", "slot_end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A command in the terms of the profiles' expressions; ``device_s`` is the device's local second of the day."""

    mode: BatteryMode
    signed_frac: float
    lease_s: float
    soc_min_frac: float
    soc_max_frac: float
    device_s: float = math.nan
    slot_start_raw: int | None = None  # the running slot's own start, kept while it is extended


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A register and the words it shall hold. ``times``: it says how long, not how much."""

    write: Write
    raw: int
    words: tuple[int, ...]
    clamped: bool
    countdown: bool
    times: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Registers that go out together."""

    targets: tuple[Target, ...]
    refresh: bool

    @property
    def words(self) -> tuple[int, ...]:
        """The words in address order."""
        return tuple(word for target in self.targets for word in target.words)


def groups(profile: Profile, steps: Sequence[Step], wish: Wish) -> list[Group]:
    """What the steps write for this wish, clamped into the profile's ranges."""
    return [
        Group(
            targets=tuple(
                _target(profile.write_by_name[name], value, wish, profile.link.word_order)
                for name, value in zip(step.writes, step.values, strict=True)
            ),
            refresh=step.refresh,
        )
        for step in steps
    ]


def _target(write: Write, value: int | str, wish: Wish, order: WordOrder) -> Target:
    wanted = float(value) if isinstance(value, int) else _evaluate(value, wish)
    steps = wanted / (write.scale * write.sign)
    countdown = value == "lease_s"
    whole = max(math.floor(steps), 1) if countdown else round(steps)
    raw = min(max(whole, write.range[0]), write.range[1])
    words = split_words(pattern_from_number(raw, write.type), write.words, order)
    return Target(write=write, raw=raw, words=words, clamped=raw != whole, countdown=countdown, times=value in _TIMES)


def _evaluate(expression: str, wish: Wish) -> float:
    values: Mapping[str, float] = {
        "charge_frac": max(-wish.signed_frac, 0.0),
        "discharge_frac": max(wish.signed_frac, 0.0),
        "signed_frac": wish.signed_frac,
        "lease_s": wish.lease_s,
        "soc_min_frac": wish.soc_min_frac,
        "soc_max_frac": wish.soc_max_frac,
    }
    if expression in values:
        return values[expression]
    if expression == "slot_start":
        return float(_slot_start_raw(wish))
    return float(_slot_raw(slot_end_minute(wish)))


def _slot_raw(minute: int) -> int:
    """Minute of the day as hour * 256 + minute."""
    return minute // 60 * 256 + minute % 60


def _slot_start_raw(wish: Wish) -> int:
    if wish.slot_start_raw is not None:
        return wish.slot_start_raw
    return _slot_raw(int(wish.device_s // _SECONDS_PER_MINUTE))


def slot_end_minute(wish: Wish) -> int:
    """The last whole minute inside the lease, so that a slot never outlives it; cut at 23:59."""
    return min(int((wish.device_s + wish.lease_s) // _SECONDS_PER_MINUTE), LAST_SLOT_MINUTE)


def lease_of(steps: Sequence[Step], wish: Wish, sent: Sequence[Group]) -> float:
    """How long the device will follow the written command [s]; 0 where the slot would be empty."""
    if any("slot_end" in step.values for step in steps):
        end_minute = slot_end_minute(wish)
        if end_minute <= int(wish.device_s // _SECONDS_PER_MINUTE):
            return 0.0
        return end_minute * _SECONDS_PER_MINUTE - wish.device_s
    limits = [target.raw * target.write.scale for group in sent for target in group.targets if target.countdown]
    return min(limits, default=wish.lease_s)


def state_of(control: Control, values: Mapping[str, float], device_s: float) -> BatteryMode | None:
    """What the read-back says the device does; ``None`` where no rule of the variant fits."""
    for rule in control.states:
        if all(_holds(condition, values) for condition in rule.when) and (
            rule.slot is None or _inside(values[rule.slot[0]], values[rule.slot[1]], device_s)
        ):
            return rule.mode
    return None


def state_points(control: Control) -> tuple[str, ...]:
    """The points that :func:`state_of` looks at."""
    names: dict[str, None] = {}
    for rule in control.states:
        names.update(dict.fromkeys([*(condition.point for condition in rule.when), *(rule.slot or ())]))
    return tuple(names)


def _holds(condition: Condition, values: Mapping[str, float]) -> bool:
    value = values[condition.point]
    if condition.test == "equals":
        return math.isclose(value, condition.value, abs_tol=1e-9)
    return value > condition.value if condition.test == "above" else value < condition.value


def _inside(start_raw: float, end_raw: float, device_s: float) -> bool:
    start_s, end_s = ((raw // 256 * 60 + raw % 256) * _SECONDS_PER_MINUTE for raw in (start_raw, end_raw))
    return start_s <= device_s < end_s


def signed_frac_of(command: Command, battery: Battery) -> float:
    """The command's power inside the battery's limits in parts of the inverter's rating, positive discharge."""
    power_w = command.battery_w if command.mode == "power" else 0.0
    return min(max(power_w, -battery.charge_w), battery.discharge_w) / battery.register_w


def mode_of(command: Command, battery: Battery) -> BatteryMode:
    """Which way of the battery a command asks for."""
    if command.mode == "native":
        return "native"
    signed_frac = signed_frac_of(command, battery)
    if abs(signed_frac) < HALF_PERCENT_FRAC:
        return "hold"
    return "discharge" if signed_frac > 0.0 else "charge"
