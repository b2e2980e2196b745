"""What the inverter's own registers say about its control: which way it answers to, and what it does now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from edge.clock import Clock
from edge.devices.profile import BatteryMode, Control, Point, Write
from edge.devices.registers import exponent_of, join_words, number_from_pattern
from edge.devices.translate import MEASURED, Facts, Group, Target, scale_points, state_of, state_points
from edge.devices.unit import Unit
from edge.errors import DeviceMismatch, DeviceRejected

CLOCK_AGE_S = 3600.0  # a device clock drifts less than a second in an hour


class Readback:
    """The control registers of one inverter, read when they are older than the question allows."""

    def __init__(self, unit: Unit, clock: Clock) -> None:
        self._unit = unit
        self._clock = clock

    def mode(self, max_age_s: float) -> BatteryMode | None:
        """What the device does by all its ways of control; ``None`` when it is unknown."""
        if self._unit.doubt:
            return None
        found: list[BatteryMode] = []
        for control in self._unit.profile.controls:
            probe = self._unit.profile.by_name.get(control.requires)
            if probe is not None and (
                self._unit.refused(probe) or (probe.name in self._unit.samples and not self.answers(control))
            ):
                continue
            state = self.state(control, max_age_s)
            if state is None or not self.answers(control):
                return None
            found.append(state)
        return next((state for state in found if state != "native"), found[0] if found else None)

    def fetch(self, points: Sequence[Point], max_age_s: float) -> None:
        """Read the points that are older than allowed."""
        now_s = self._clock.now_s()
        old = [point for point in points if self._unit.known([point.name], now_s, max_age_s) is None]
        if old:
            self._unit.fetch(dict.fromkeys(old))

    def available(self) -> list[Control]:
        """The variants whose probe answers, in order of preference; a probe that was never read is read now."""
        profile = self._unit.profile
        probes = {c.requires: profile.by_name[c.requires] for c in profile.controls if c.requires}
        for name, point in probes.items():
            if name not in self._unit.samples and not self._unit.refused(point):
                try:
                    self._unit.fetch([point])
                except DeviceRejected as error:
                    self._unit.note_refusal(point, error)
        return [control for control in profile.controls if self.answers(control)]

    def answers(self, control: Control) -> bool:
        """The variant's probe answered with something else than 0, and with what the profile holds for possible."""
        if not control.requires:
            return True
        sample = self._unit.samples.get(control.requires)
        if sample is None or sample.reason or sample.value == 0.0:
            return False
        low, high = control.probe_range or (-math.inf, math.inf)
        return low <= sample.value <= high

    def shows(self, target: Target) -> bool:
        """The register held the number when it was last read; of one that nobody can read nothing else is known."""
        default = self._unit.profile.link.word_order
        return target.write.write_only or target.shown_by(self.held(target.write), default)

    def confirms(self, target: Target) -> bool:
        """The register took the number, as far as it can be read; a countdown may have run on."""
        default = self._unit.profile.link.word_order
        return target.write.write_only or target.confirmed_by(self.held(target.write), default)

    def merged(self, group: Group) -> tuple[int, ...]:
        """The words to write, in address order; of a masked register the bits of others as they were last read."""
        order = self._unit.profile.link.word_order
        return tuple(word for target in group.targets for word in target.onto(self.held(target.write), order))

    def held(self, write: Write) -> tuple[int, ...]:
        """A register's words when they were last read; zeros of one that nobody can read."""
        return (0,) * write.words if write.write_only else self._unit.samples[write.readback].words

    def raw(self, write: Write) -> int:
        """A register's own bits as they were last read, as a number."""
        pattern = join_words(self.held(write), write.order(self._unit.profile.link.word_order))
        own = (pattern & write.mask) // (write.mask & -write.mask) if write.mask else pattern
        return int(number_from_pattern(own, write.type)) if write.type != "f32" else own

    def points(self, writes: Iterable[Write]) -> list[Point]:
        """The points that show these registers again, as far as any does."""
        return [self._unit.profile.by_name[write.readback] for write in writes if not write.write_only]

    def facts(self, control: Control, max_age_s: float) -> Facts:
        """The device's scale factors, rating, limits and powers, as far as the variant needs them.

        Raises :class:`DeviceMismatch` where the device does not say what is needed.
        """
        profile, limits = self._unit.profile, control.limit_points
        used = {value for step in control.steps for value in step.values if value in MEASURED}
        measured = {row: profile.signals().get(row, ()) for value in used for row in MEASURED[str(value)]}
        scales = scale_points(profile, control.steps)
        names = [*scales, *limits.values(), *([control.rated_point] if control.rated_point else [])]
        points = [profile.by_name[name] for name in names]
        self.fetch(points, max_age_s)
        # Grid and battery of two instants make a setpoint that is wrong by all that happened between them.
        self._unit.fetch(dict.fromkeys(point for row in measured.values() for point in row))
        power_w = {name: self._sum(name, row) for name, row in measured.items()}
        return Facts(
            exponents=self.exponents(scales, max_age_s),
            own_rated_w=self._told(control.rated_point),
            charge_limit_w=self._told(limits.get("charge", "")),
            discharge_limit_w=self._told(limits.get("discharge", "")),
            bus_w=power_w.get("grid_w", math.nan) + power_w.get("battery_w", math.nan),
            pv_w=power_w.get("pv_w", math.nan),
        )

    def exponents(self, names: Sequence[str], max_age_s: float) -> dict[str, int]:
        """Scale factors by their point; raises :class:`DeviceMismatch` where one is no exponent."""
        self.fetch([self._unit.profile.by_name[name] for name in names], max_age_s)
        return {name: self._exponent(name) for name in names}

    def _sum(self, signal: str, points: Sequence[Point]) -> float:
        if not points:
            raise DeviceMismatch(f"{self._unit.name}: it does not measure {signal}")
        return math.fsum(self._told(point.name) for point in points)

    def _told(self, name: str) -> float:
        """What the point says; NaN without a point."""
        if not name:
            return math.nan
        sample = self._unit.samples[name]
        if not math.isfinite(sample.value):
            raise DeviceMismatch(f"{self._unit.name}: {name}: {sample.reason}")
        return sample.value

    def _exponent(self, name: str) -> int:
        words = self._unit.samples[name].words
        exponent, reason = exponent_of(join_words(words, self._unit.profile.link.word_order))
        if reason:
            raise DeviceMismatch(f"{self._unit.name}: {name}: {reason}")
        return exponent

    def device_s(self) -> float:
        """The device's own local second of the day, now."""
        hour, minute, second = (self._unit.samples[name] for name in self._unit.profile.clock[3:])
        then_s = hour.value * SECONDS_PER_HOUR + minute.value * 60.0 + second.value
        return (then_s + self._clock.now_s() - second.measured_s) % SECONDS_PER_DAY

    def state(self, control: Control, max_age_s: float) -> BatteryMode | None:
        """What the device does by this variant; ``None`` when a point is missing or older."""
        names = state_points(control)
        now_s = self._clock.now_s()
        samples = self._unit.known(names, now_s, max_age_s)
        needs_clock = any(rule.slot for rule in control.states)
        if samples is None or (needs_clock and self._unit.known(self._unit.profile.clock, now_s, CLOCK_AGE_S) is None):
            return None
        values = {name: sample.value for name, sample in zip(names, samples, strict=True)}
        return state_of(control, values, self.device_s() if needs_clock else math.nan)
