"""From a command to register values, by one control variant of a profile. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge.config import Battery
from edge.devices.profile import BatteryMode, Condition, Control, Profile, Step, WordOrder, Write
from edge.devices.registers import join_words, onto, pattern_from_number, split_words
from edge.errors import DeviceMismatch
from edge.messages import Command

LAST_SLOT_MINUTE = 23 * 60 + 59  # a slot cannot run past midnight
HALF_PERCENT_FRAC = 0.005  # less than this is 0 on a percent register: hold
_SECONDS_PER_MINUTE = 60
MEASURED = {"grid_setpoint_w": ("grid_w", "battery_w"), "inverter_w": ("pv_w",)}  # what an expression looks at
_TIMES = ("lease_s", "slot_start", "slot_end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a way of control must know of the device before a power can be translated; NaN where it does not ask.

    ``own_rated_w`` is what the device itself calls 100 %, ``bus_w`` is grid_w + battery_w and ``pv_w`` the PV as
    measured now, ``exponents`` holds the scale factors by their point. The limits are what the battery allows now.
    """

    exponents: Mapping[str, int] = field(default_factory=dict)
    own_rated_w: float = math.nan
    charge_limit_w: float = math.nan
    discharge_limit_w: float = math.nan
    bus_w: float = math.nan
    pv_w: float = math.nan

    def limited(self, signed_frac: float, rated_w: float) -> float:
        """The part of the rating that the battery allows; a limit that nobody gives holds nothing."""
        if self.discharge_limit_w < signed_frac * rated_w:
            return max(self.discharge_limit_w, 0.0) / rated_w
        if -self.charge_limit_w > signed_frac * rated_w:
            return -max(self.charge_limit_w, 0.0) / rated_w
        return signed_frac


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A command in the terms of the profiles' expressions; ``device_s`` is the device's local second of the day.

    ``signed_frac`` is a part of ``rated_w``, the site's rating, positive discharge.
    """

    mode: BatteryMode
    signed_frac: float
    lease_s: float
    soc_min_frac: float
    soc_max_frac: float
    rated_w: float = math.nan
    device_s: float = math.nan
    slot_start_raw: int | None = None  # the running slot's own start, kept while it is extended
    facts: Facts = field(default_factory=Facts)

    @property
    def own_frac(self) -> float:
        """The wish as a part of what the device itself calls 100 %, positive discharge."""
        if math.isnan(self.facts.own_rated_w) or self.signed_frac == 0.0:
            return self.signed_frac
        return min(max(self.signed_frac * self.rated_w / self.facts.own_rated_w, -1.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A register and the number it shall hold. ``times``: it says how long, not how much.

    ``raw`` is the register's number (of a masked one its own bits only).
    """

    write: Write
    raw: int
    words: tuple[int, ...]
    clamped: bool
    countdown: bool
    times: bool

    def shown_by(self, words: Sequence[int], default: WordOrder) -> bool:
        """Whether these words of the register hold the number; bits outside the mask do not count."""
        return self.onto(words, default) == tuple(words)

    def confirmed_by(self, words: Sequence[int], default: WordOrder) -> bool:
        """Whether the register took the number: a countdown may have run on, and must not have run out."""
        if self.countdown:
            return 0 < join_words(words, self.write.order(default)) <= self.raw
        return self.shown_by(words, default)

    def onto(self, words: Sequence[int], default: WordOrder) -> tuple[int, ...]:
        """What to write where the register holds these words now: bits outside the mask stay."""
        order = self.write.order(default)
        mine = join_words(self.words, order)
        mask = self.write.mask
        present = join_words(words, order) if mask else 0
        return split_words(present & ~mask | mine, self.write.words, order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Registers that go out together."""

    targets: tuple[Target, ...]
    refresh: bool

    @property
    def words(self) -> tuple[int, ...]:
        """The words in address order, where no register is masked."""
        return tuple(word for target in self.targets for word in target.words)


def groups(profile: Profile, steps: Sequence[Step], wish: Wish) -> list[Group]:
    """What the steps write for this wish, clamped into the profile's ranges.

    Raises :class:`DeviceMismatch` where a value hangs on something that the device did not tell.
    """
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


def scale_points(profile: Profile, steps: Sequence[Step]) -> tuple[str, ...]:
    """The scale factors that must be known before these steps can be translated."""
    used = [profile.write_by_name[name].scale_point for step in steps for name in step.writes]
    return tuple(dict.fromkeys(name for name in used if name))


def _target(write: Write, value: int | str, wish: Wish, default: WordOrder) -> Target:
    wanted = float(value) if isinstance(value, int) else _evaluate(value, wish)
    if not math.isfinite(wanted):
        raise DeviceMismatch(f"{write.name}: {value} is not known now")
    if write.scale_point and write.scale_point not in wish.facts.exponents:
        raise DeviceMismatch(f"{write.name}: the scale factor {write.scale_point} is not known now")
    factor = 10.0 ** wish.facts.exponents.get(write.scale_point, 0)
    low, high = math.ceil(write.range[0] / factor), math.floor(write.range[1] / factor)
    steps = (wanted / write.sign - write.offset) / (write.scale * factor)
    countdown = value == "lease_s"
    whole = max(math.floor(steps), 1) if countdown else round(steps)
    raw = min(max(whole, low), high)
    try:
        pattern = onto(write, pattern_from_number(raw, write.type), 0)
    except ValueError as error:
        raise DeviceMismatch(f"{write.name}: {error}") from error
    words = split_words(pattern, write.words, write.order(default))
    return Target(write=write, raw=raw, words=words, clamped=raw != whole, countdown=countdown, times=value in _TIMES)


def _evaluate(expression: str, wish: Wish) -> float:
    signed_w, signed_frac = wish.signed_frac * wish.rated_w, wish.own_frac
    charges = wish.signed_frac < 0.0
    values: Mapping[str, float] = {
        "charge_w": -signed_w if charges else 0.0,
        "discharge_w": 0.0 if charges else signed_w,
        "signed_w": signed_w,
        "grid_setpoint_w": wish.facts.bus_w - signed_w,
        "inverter_w": wish.facts.pv_w + signed_w,
        "charge_frac": -signed_frac if charges else 0.0,
        "discharge_frac": 0.0 if charges else signed_frac,
        "signed_frac": signed_frac,
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


def way_of(signed_frac: float) -> BatteryMode:
    """Which way of the battery a forced power is."""
    if abs(signed_frac) < HALF_PERCENT_FRAC:
        return "hold"
    return "discharge" if signed_frac > 0.0 else "charge"
