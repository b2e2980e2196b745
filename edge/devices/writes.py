"""A command on its way into the battery inverter: translate, compare, budget, write, echo, read back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.clock import Clock
from edge.config import Battery
from edge.devices.profile import BatteryMode, Control, Point
from edge.devices.readback import CLOCK_AGE_S, Readback
from edge.devices.translate import (
    Facts,
    Group,
    Wish,
    groups,
    lease_of,
    mode_of,
    signed_frac_of,
    state_points,
    way_of,
)
from edge.devices.unit import Unit
from edge.devices.wear import DAILY_BUDGET_COUNT, WriteLedger, exhausted, register_name
from edge.errors import DeviceError, DeviceRejected, StoreError
from edge.messages import Command, Outcome, RegisterWrite, WriteResult

# A command that runs is looked after this often: every look costs the bus a request or two, and a foreign writer is
# noticed no later. Before a byte is written, the registers are read afresh.
WATCH_S = 30.0
FRESH_S = 5.0  # what was read so shortly before a command counts as read for it; each read costs 850 ms on an SPH
MODE_AGE_S = 300.0
REFRESH_PART = 1.0 / 3.0
_RELEASE = Wish(mode="native", signed_frac=0.0, lease_s=0.0, soc_min_frac=0.0, soc_max_frac=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """The power command that was written and read back last."""

    control: str
    mode: BatteryMode
    signed_frac: float
    end_s: float


class BatteryWriter:
    """Carries commands to one inverter; the only place that writes to hardware."""

    def __init__(
        self,
        unit: Unit,
        battery: Battery,
        clock: Clock,
        ledger: WriteLedger,
        budget_count: int = DAILY_BUDGET_COUNT,
    ) -> None:
        self._unit, self._battery, self._clock = unit, battery, clock
        self._ledger, self._budget_count = ledger, budget_count
        self._readback = Readback(unit, clock)
        self._running: _Running | None = None
        self._sent_count = 0
        self._unnoted = ""
        self._begun_s = clock.now_s()

    def write(self, command: Command) -> WriteResult:
        """Carry out a command; everything that can go wrong is an outcome."""
        self._sent_count, self._unnoted, self._begun_s = 0, "", self._clock.now_s()
        if barred := self._barred(command):
            return self._result("refused", barred)
        try:
            controls = self._readback.available()
            if not controls:
                return self._result("refused", f"{self._unit.name} answers to no way of control")
            return self._native(controls) if command.mode == "native" else self._power(controls[0], command)
        except DeviceRejected as error:
            self._running = None
            return self._result("refused", str(error))
        except DeviceError as error:
            self._running = None
            return self._result("failed", str(error))
        except StoreError as error:  # only a power waits for the journal, never the way back to native
            return self._result("refused", f"no journal, no power: {error}")

    def _barred(self, command: Command) -> str:
        """Why nothing may be sent at all; empty when it may."""
        if not self._unit.confirmed:
            return self._unit.why_unconfirmed
        if command.mode == "power" and not (math.isfinite(command.battery_w) and 0.0 < command.lease_s < math.inf):
            return "a power command needs a power and a lease"
        return ""

    def mode(self) -> BatteryMode | None:
        """What the last read-back says; ``None`` when it is unknown."""
        return self._readback.mode(MODE_AGE_S)

    def preview(self, command: Command) -> list[str]:
        """What :meth:`write` would send now, in words; reads, but writes nothing. Raises :class:`DeviceError`."""
        self._begun_s = self._clock.now_s()
        controls = self._readback.available()
        if command.mode == "native":
            chosen = [(control, control.actions["native"]) for control in controls]
        else:
            mode = self._wish(command, controls[:1]).mode
            chosen = [(control, control.actions[mode]) for control in controls[:1]]
        lines: list[str] = []
        for control, steps in chosen:
            wish = self._wish(command, [control])
            listed = groups(self._unit.profile, steps, wish)
            self._readback.fetch(self._points(listed, control), self._fresh_s())
            for group in listed:
                what = ", ".join(f"{target.write.name}={target.raw}" for target in group.targets)
                lines.append(f"{control.name}: {what}: {'write' if self._differs(group) else 'already there'}")
        return lines

    def _native(self, controls: Sequence[Control]) -> WriteResult:
        """Back to the inverter's own rules, by every way of control that it answers to. No budget stands in the way."""
        profile = self._unit.profile
        listed = [group for control in controls for group in groups(profile, control.actions["native"], _RELEASE)]
        points = [point for control in controls for point in self._points(listed, control)]
        self._running = None
        for max_age_s in (WATCH_S, self._fresh_s()):
            self._readback.fetch(points, max_age_s)
            due = [group for group in listed if self._differs(group)]
            if not due:
                return self._result("unchanged", "native already")
        refusals: list[DeviceRejected] = []
        for group in due:  # one refused register must not keep the others from being released
            try:
                self._release([group], "native")
            except DeviceRejected as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]
        return self._verified(due)

    def _power(self, control: Control, command: Command) -> WriteResult:
        """A power for a lease; rewritten only when it moved, the device left it, or a third of the lease is left.

        While more than a third is left, a moved power is written without the registers that extend the lease.
        """
        if (left_s := self._runs_on(control, command)) is not None:
            return self._result("unchanged", f"it runs for {left_s:.0f} s more")
        now_s = self._clock.now_s()
        wish = self._wish(command, [control])
        steps = control.actions[wish.mode]
        self._readback.fetch(self._points(groups(self._unit.profile, steps, wish), control), self._fresh_s())
        running = self._running if self._in_force(control, wish) else None
        left_s = 0.0 if running is None else running.end_s - now_s
        if running is not None and abs(wish.signed_frac - running.signed_frac) <= control.power_step_frac:
            wish = replace(wish, signed_frac=running.signed_frac)
        listed = groups(self._unit.profile, steps, wish)
        lease_s = lease_of(steps, wish, listed)
        if lease_s <= 0.0:
            return self._result("refused", "the slot would be empty: midnight by the inverter's clock is too near")
        if left_s >= REFRESH_PART * wish.lease_s:
            due, lease_s = [group for group in listed if self._differs(group, but_times=True)], left_s
        else:
            due = [group for group in listed if group.refresh or self._differs(group)]
        worn = exhausted(self._ledger, self._unit.name, [t.write for g in due for t in g.targets], self._budget_count)
        if worn:
            return self._result("refused", worn)
        self._send_or_undo(control, due, command.reason)
        result = self._verified(due)
        if result.outcome in ("applied", "unchanged"):
            frac, end_s = wish.signed_frac, now_s + lease_s
            self._running = _Running(control=control.name, mode=wish.mode, signed_frac=frac, end_s=end_s)
        return result

    def _runs_on(self, control: Control, command: Command) -> float | None:
        """What is left of the lease while the command that runs is the wanted one, by a look no older than WATCH_S."""
        running = self._running
        if running is None or running.control != control.name or mode_of(command, self._battery) != running.mode:
            return None
        moved_frac = (
            abs(signed_frac_of(command, self._battery) - running.signed_frac) if running.mode != "hold" else 0.0
        )
        left_s = running.end_s - self._clock.now_s()
        if moved_frac > control.power_step_frac or left_s < REFRESH_PART * min(command.lease_s, control.max_lease_s):
            return None
        self._readback.fetch([self._unit.profile.by_name[name] for name in state_points(control)], WATCH_S)
        return left_s if self._readback.state(control, WATCH_S) == running.mode else None

    def _wish(self, command: Command, controls: Sequence[Control]) -> Wish:
        """The command in parts of rated power, with the device's clock where a slot needs it."""
        signed_frac, mode, facts = signed_frac_of(command, self._battery), mode_of(command, self._battery), Facts()
        if mode != "native":
            facts = self._readback.facts(controls[0], self._fresh_s())
            signed_frac = facts.limited(signed_frac, self._battery.register_w)
            mode = way_of(signed_frac)
        rule = next((rule for control in controls for rule in control.states if rule.mode == mode and rule.slot), None)
        start_raw, device_s = None, math.nan
        if rule is not None and rule.slot is not None:
            self._readback.fetch([self._unit.profile.by_name[name] for name in self._unit.profile.clock], CLOCK_AGE_S)
            self._readback.fetch(
                [self._unit.profile.by_name[name] for name in state_points(controls[0])], self._fresh_s()
            )
            device_s = self._readback.device_s()
            if self._readback.state(controls[0], self._fresh_s()) == mode:
                start_raw = int(self._unit.samples[rule.slot[0]].value)
        return Wish(
            mode=mode,
            signed_frac=0.0 if mode == "hold" else signed_frac,
            lease_s=min(command.lease_s, *(control.max_lease_s for control in controls), math.inf),
            soc_min_frac=self._battery.soc_min_frac,
            soc_max_frac=self._battery.soc_max_frac,
            rated_w=self._battery.register_w,
            facts=facts,
            device_s=device_s,
            slot_start_raw=start_raw,
        )

    def _points(self, listed: Sequence[Group], control: Control) -> list[Point]:
        """Every point that shows what the groups write or that tells the present state."""
        names = [target.write.readback for group in listed for target in group.targets]
        return [self._unit.profile.by_name[name] for name in dict.fromkeys([*names, *state_points(control)])]

    def _fresh_s(self) -> float:
        """Oldest age of a sample that belongs to the running call; simulated time runs on while registers are read."""
        return self._clock.now_s() - self._begun_s + FRESH_S

    def _in_force(self, control: Control, wish: Wish) -> bool:
        """The device still does what was written last, and that is what is wanted again."""
        running = self._running
        return (
            running is not None
            and running.control == control.name
            and running.mode == wish.mode
            and self._readback.state(control, math.inf) == wish.mode
        )

    def _differs(self, group: Group, *, but_times: bool = False) -> bool:
        """The device shows something else; ``but_times``: durations and slot times do not count."""
        targets = [target for target in group.targets if not (but_times and target.times)]
        return not all(self._readback.shows(target) for target in targets)

    def _note(self, group: Group, reason: str) -> None:
        writes = [
            RegisterWrite(
                register=register_name(self._unit.name, target.write),
                raw=target.raw,
                wear=target.write.wear,
                reason=reason,
            )
            for target in group.targets
        ]
        self._ledger.note(writes, None)

    def _send(self, group: Group) -> None:
        self._sent_count += len(group.targets)
        self._unit.link.write(self._unit.number, group.targets[0].write.address, self._readback.merged(group))

    def _release(self, due: Sequence[Group], reason: str) -> None:
        """Note, then write; a journal that fails does not keep the inverter from its own rules."""
        for group in due:
            try:
                self._note(group, reason)
            except StoreError as error:
                self._unnoted = f"not journalled: {error}"
            self._send(group)

    def _send_or_undo(self, control: Control, due: Sequence[Group], reason: str) -> None:
        """Note, then write, group by group; a refusal half way through leads back to native before it is reported."""
        try:
            for group in due:
                self._note(group, reason)
                self._send(group)
        except StoreError:
            if self._sent_count:
                self._undo(control)
            raise
        except DeviceRejected:
            self._undo(control)
            raise

    def _undo(self, control: Control) -> None:
        self._running = None
        undo = groups(self._unit.profile, control.actions["native"], _RELEASE)
        self._unit.fetch(self._points(undo, control))
        self._release([group for group in undo if self._differs(group)], "undo")
        self._unit.fetch(self._points(undo, control))

    def _verified(self, sent: Sequence[Group]) -> WriteResult:
        """Read back what was written."""
        if not sent:
            return self._result("unchanged", "already there")
        targets = [target for group in sent for target in group.targets]
        self._unit.fetch(dict.fromkeys(self._unit.profile.by_name[target.write.readback] for target in targets))
        lost = [target.write.name for target in targets if not self._readback.confirms(target)]
        if lost:
            self._running = None
            return self._result("ignored", f"acknowledged but not taken: {', '.join(lost)}")
        clamped = [target.write.name for target in targets if target.clamped]
        return self._result("applied", f"limited by the profile: {', '.join(clamped)}" if clamped else "")

    def _result(self, outcome: Outcome, detail: str) -> WriteResult:
        words = "; ".join(part for part in (detail, self._unnoted) if part)
        return WriteResult(outcome=outcome, writes=self._sent_count, detail=words)
