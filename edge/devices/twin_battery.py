"""A device of any profile on a bench: its golden image, and a battery that follows what the profile's controls write.

What a command means is worked out from the actions, never from the rules by which the box reads the state back: that
both agree is then a proof. PV and load stand still, so the grid balances the battery.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.clock import Clock
from edge.devices.image import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    WRITE_ONE,
    Registers,
    Values,
    check_state,
)
from edge.devices.profile import BatteryMode, Control, Profile, Space, Step, Write
from edge.devices.registers import join_words, number_from_pattern
from edge.errors import DeviceRejected

RATED_W = 5_000.0  # what 100 % means where the device does not say it itself
_FORCED: tuple[BatteryMode, ...] = ("hold", "charge", "discharge")  # hold first: it is a charge or discharge of nothing
_PER_RATED = {"charge_frac": -1.0, "discharge_frac": 1.0, "signed_frac": 1.0}
_PER_WATT = {"charge_w": -1.0, "discharge_w": 1.0, "signed_w": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What stands still around the battery: power of grid and battery together, PV, and what 100 % means."""

    bus_w: float
    pv_w: float
    rated_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A forced power, and the way of control that asks for it."""

    control: Control
    battery_w: float


def order_of(
    profile: Profile, held: Mapping[str, float], minute: int, house: House, kept: Callable[[str, int], float]
) -> Order | None:
    """What the registers ask for in this minute of the device's day; ``None``: its own rules.

    ``held`` has the registers' values, ``kept`` says what becomes of a fixed number that is written to one of them.
    """
    for control in profile.controls:
        modes = () if _asks(control.actions["native"], held, kept) else _FORCED
        for mode in modes:
            steps = control.actions[mode]
            if _asks(steps, held, kept) and _is_open(steps, held, minute):
                return Order(control=control, battery_w=_power_w(steps, held, house))
    return None


def lease_s(control: Control, held: Mapping[str, float]) -> float:
    """How long the device follows without being asked again; infinite where nothing ends."""
    if control.on_silence != "reverts_after_s":
        return math.inf
    counted = [held[name] for name, value in _pairs(control.steps) if value == "lease_s"]
    return min(counted, default=control.silence_s)


def _pairs(steps: Sequence[Step]) -> Iterator[tuple[str, int | str]]:
    for step in steps:
        yield from zip(step.writes, step.values, strict=True)


def _asks(steps: Sequence[Step], held: Mapping[str, float], kept: Callable[[str, int], float]) -> bool:
    """Whether the registers hold the fixed numbers of an action."""
    fixed = [(name, value) for name, value in _pairs(steps) if isinstance(value, int)]
    return all(math.isclose(held[name], kept(name, value), abs_tol=1e-9) for name, value in fixed)


def _is_open(steps: Sequence[Step], held: Mapping[str, float], minute: int) -> bool:
    """Whether the device's clock is inside the slot of an action; true where it has none."""
    times = {value: held[name] for name, value in _pairs(steps) if value in ("slot_start", "slot_end")}
    if not times:
        return True
    start_min, end_min = (times[name] // 256 * 60 + times[name] % 256 for name in ("slot_start", "slot_end"))
    return times["slot_start"] >= 0.0 and start_min <= minute < end_min


def _power_w(steps: Sequence[Step], held: Mapping[str, float], house: House) -> float:
    """The battery's power, positive discharge, that an action's power register asks for; 0 where it has none."""
    for name, value in _pairs(steps):
        if value in _PER_RATED:
            return held[name] * _PER_RATED[str(value)] * house.rated_w
        if value in _PER_WATT:
            return held[name] * _PER_WATT[str(value)]
        if value == "grid_setpoint_w":
            return house.bus_w - held[name]
        if value == "inverter_w":
            return held[name] - house.pv_w
    return 0.0


class BatteryDevice:
    """Any profile that can be written: takes what it declares, shows it again, and moves its battery."""

    def __init__(self, profile: Profile, state: Values, clock: Clock, rated_w: float = RATED_W) -> None:
        self._profile, self._clock, self._rated_w = profile, clock, rated_w
        self._registers = Registers(profile)
        self._registers.show_golden()
        self._held = {write.name: self._shown(write) for write in profile.writes}
        self._touched_s = clock.now_s()
        for control in profile.controls:
            self._revert(control)
        self._rest_words = self._moving_words()
        self.tell(state)

    @property
    def profile(self) -> Profile:
        """The family's facts."""
        return self._profile

    @property
    def battery_w(self) -> float:
        """What the battery does now, positive discharge; 0 at rest where the profile does not measure it."""
        order = self._order()
        return self._rest_w if order is None else self._allowed_w(order)

    def tell(self, state: Values) -> None:
        """Let the house around the battery be another one from now on; a battery that is commanded goes on with that.

        Raises :class:`ConfigError` where the profile knows no such state.
        """
        check_state(self._profile, state)
        self._rest()
        self._registers.show(state)
        self._held |= {write.name: self._shown(write) for write in self._profile.writes if write.readback in state}
        self._rest_words = self._moving_words()
        rest_w = {name: self._signal(name) for name in ("battery_w", "grid_w", "pv_w")}
        self._house = House(bus_w=rest_w["battery_w"] + rest_w["grid_w"], pv_w=rest_w["pv_w"], rated_w=self._rated_w)
        self._rest_w = rest_w["battery_w"]

    def read(self, space: Space, first: int, count: int) -> Sequence[int]:
        """The words of a block, as they are now; raises :class:`DeviceRejected`."""
        self._registers.show(self._clock_values())
        order = self._order()
        if order is None:
            self._rest()
        else:
            battery_w = self._allowed_w(order)
            self._registers.show({"battery_w": battery_w, "grid_w": self._house.bus_w - battery_w})
        return self._registers.read(space, first, count)

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        """Take whole declared registers; all are judged before any of them acts. Raises :class:`DeviceRejected`."""
        self._order()
        link = self._profile.link
        if function == WRITE_ONE and not link.write_single:
            raise DeviceRejected("one register at a time", ILLEGAL_FUNCTION)
        if len(words) > link.max_write_words:
            raise DeviceRejected(f"{len(words)} words", ILLEGAL_VALUE)
        taken = self._judged({first + offset: word for offset, word in enumerate(words)})
        self._registers.store(first, words)
        for name, value in taken.items():
            self._hold(self._profile.write_by_name[name], value)
        counts = {name for control in self._profile.controls for name in _renewing(control)}
        if not counts.isdisjoint(taken):
            self._touched_s = self._clock.now_s()

    def _widest_w(self, signal: str) -> float:
        """The largest power that a signal's registers can carry with the scale factors of now."""
        found = [math.inf]
        for point in self._profile.signals().get(signal, ()):
            if point.type != "f32":
                bits = 16 * point.words - point.type.startswith("s")
                found.append((2**bits - 1) * point.scale * 10.0 ** self._registers.exponent(point))
        return min(found)

    def _moving_words(self) -> dict[str, tuple[int, ...]]:
        """The words of all that moves with the battery, by point."""
        moving = (self._profile.signals().get(name, ()) for name in ("battery_w", "grid_w"))
        return {point.name: self._registers.words(point) for points in moving for point in points}

    def _rest(self) -> None:
        """Show grid and battery as they are without a command."""
        for name, words in self._rest_words.items():
            self._registers.place(self._profile.by_name[name], words)

    def _judged(self, block: Mapping[int, int]) -> dict[str, float]:
        """The values of all registers of a request; an unknown or cut one is exception 02, one out of range 03."""
        taken: dict[str, float] = {}
        known: set[int] = set()
        for write in self._profile.writes:
            addresses = range(write.address, write.address + write.words)
            if all(address in block for address in addresses):
                known.update(addresses)
                pattern = join_words([block[a] for a in addresses], write.order(self._profile.link.word_order))
                taken[write.name] = self._value(write, pattern)
        if unknown := sorted(set(block) - known):
            raise DeviceRejected(f"holding {unknown[0]}", ILLEGAL_ADDRESS)
        return taken

    def _value(self, write: Write, pattern: int) -> float:
        """What a pattern means in the register's own unit; raises exception 03 where it is out of range."""
        raw = (pattern & write.mask) // (write.mask & -write.mask) if write.mask else pattern
        number = number_from_pattern(raw, write.type) * 10.0 ** self._registers.exponent(write)
        if not write.range[0] <= number <= write.range[1]:
            raise DeviceRejected(f"{write.name} = {number:g}", ILLEGAL_VALUE)
        return (number * write.scale + write.offset) * write.sign

    def _hold(self, write: Write, value: float) -> None:
        self._held[write.name] = value
        if write.readback:
            self._registers.show({write.readback: value})

    def _shown(self, write: Write) -> float:
        return self._registers.value(self._profile.by_name[write.readback]) if write.readback else 0.0

    def _signal(self, name: str) -> float:
        points = self._profile.signals().get(name, ())
        return math.fsum(self._registers.value(point) for point in points)

    def _order(self) -> Order | None:
        """What is asked for now, after anything that has run out was taken back."""
        order = order_of(self._profile, self._held, int(self._device_s() // 60.0), self._house, self._kept)
        if order is None or self._clock.now_s() < self._touched_s + lease_s(order.control, self._held):
            return order
        self._revert(order.control)
        return None

    def _revert(self, control: Control) -> None:
        """Put the device back on its own rules, as it does itself when a lease has run out."""
        for name, value in _pairs(control.actions["native"]):
            if isinstance(value, int):
                self._hold(self._profile.write_by_name[name], self._kept(name, value))

    def _kept(self, name: str, value: int) -> float:
        """A fixed number as the register keeps it: rounded, and inside its range like all that the box writes."""
        write = self._profile.write_by_name[name]
        factor = 10.0 ** self._registers.exponent(write)
        raw = round((value / write.sign - write.offset) / (write.scale * factor))
        number = min(max(raw * factor, write.range[0]), write.range[1])
        return (number * write.scale + write.offset) * write.sign

    def _allowed_w(self, order: Order) -> float:
        """The asked power inside the rating, inside what the registers can say and what the battery allows now."""
        grid_w, bus_w = self._widest_w("grid_w"), self._house.bus_w
        widest_w = min(self._rated_w, self._widest_w("battery_w"))
        limits_w = {"charge": min(widest_w, grid_w - bus_w), "discharge": min(widest_w, grid_w + bus_w)}
        for way, name in order.control.limit_points.items():
            limits_w[way] = min(limits_w[way], self._registers.value(self._profile.by_name[name]))
        return min(max(order.battery_w, -limits_w["charge"]), limits_w["discharge"])

    def _device_s(self) -> float:
        """The device's own second of the day: UTC here."""
        return self._clock.now_s() % 86_400.0

    def _clock_values(self) -> dict[str, float | str]:
        now = datetime.fromtimestamp(self._clock.now_s(), tz=UTC)
        fields = (now.year, now.month, now.day, now.hour, now.minute, now.second)
        return dict(zip(self._profile.clock, map(float, fields), strict=False))


def _renewing(control: Control) -> Iterator[str]:
    """The registers whose writing starts the lease anew: those of refresh steps, or else all."""
    refreshing = [step for step in control.steps if step.refresh]
    for step in refreshing or control.steps:
        yield from step.writes
