"""A command on its way into the battery inverter: narrow, compare, budget, journal, write, echo, read back, look again.

Whatever an earlier life of the box, a failed write or another master left behind is brought to native before a power
goes out again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from edge.clock import Clock
from edge.config import Battery, Grid
from edge.devices.permission import permitted, why_none, why_nothing
from edge.devices.profile import BatteryMode, Control
from edge.devices.readback import Readback
from edge.devices.release import Release
from edge.devices.running import Running, due_groups, has_drifted, tracks_house
from edge.devices.sending import Sender, words_of
from edge.devices.standing import START, Standing
from edge.devices.translate import Group, Wish, groups, lease_of, state_points
from edge.devices.unit import Unit
from edge.devices.wear import DAILY_BUDGET_COUNT, WriteLedger, exhausted
from edge.devices.wishes import Wishes
from edge.errors import DeviceError, DeviceRejected, StoreError
from edge.messages import IN_FORCE, Command, Outcome, WriteResult

MODE_AGE_S = 300.0


class BatteryWriter:
    """Carries commands to one inverter; nobody else writes to hardware."""

    def __init__(
        self,
        unit: Unit,
        battery: Battery,
        clock: Clock,
        ledger: WriteLedger,
        *,
        grid: Grid | None = None,
        allowed: Sequence[str] = (),
        budget_count: int = DAILY_BUDGET_COUNT,
    ) -> None:
        self._unit, self._battery, self._clock, self._ledger = unit, battery, clock, ledger
        self._allowed, self._budget_count = frozenset(allowed), budget_count
        self._readback = Readback(unit, clock)
        self._sender = Sender(unit, self._readback, ledger)
        self._wishes = Wishes(unit, self._readback, battery, grid or Grid(), clock)
        self._release = Release(unit, self._readback, self._sender, self._wishes, ledger, clock)
        self._now = Standing(self._readback, clock)
        self._bus_w = math.nan
        self._sequence: int | None = None

    def write(self, command: Command, *, bus_w: float = math.nan) -> WriteResult:
        """Carry out a command; everything that can go wrong is an outcome.

        ``bus_w`` is what the grid would carry with an idle battery, as far as it is measured.
        """
        self._begin(bus_w)
        try:
            return self._carried_out(command)
        except DeviceRejected as error:
            return self._result("refused", str(error))
        except DeviceError as error:
            return self._result("failed", str(error))
        except StoreError as error:  # only a power waits for the journal, never the way back to native
            return self._result("refused", f"no journal, no power: {error}")

    def native_at_once(self) -> None:
        """Let the next command wait for no pause after a native that failed."""
        self._release.at_once()

    def mode(self) -> BatteryMode | None:
        """What the last read-back says; ``None`` when it is unknown."""
        return self._readback.mode(MODE_AGE_S)

    def ways(self) -> list[Control]:
        """The ways of control that may be used now; a power takes the first. Raises :class:`DeviceError`."""
        return permitted(self._readback.available(), self._allowed, self._unit.profile)

    def preview(self, command: Command, *, bus_w: float = math.nan) -> list[str]:
        """What :meth:`write` would send now, in words; reads, but writes nothing. Raises :class:`DeviceError`."""
        self._begin(bus_w)
        if barred := why_none(self._unit.name, self._readback.available(), self._allowed):
            return [f"nothing: {barred}"]
        lines: list[str] = []
        native = command.mode == "native"
        for control in self.ways()[: None if native else 1]:
            wish = self._wishes.release(control) if native else self._wish(command, control, self._now.fresh_s())
            listed = groups(self._unit.profile, control.actions[wish.mode], wish)
            self._fetch(listed, control)
            for group in listed:
                verdict = "write" if self._differs(group, True) else "already there"
                lines.append(f"{control.name}: {words_of(group)}: {verdict}")
        return lines

    def _begin(self, bus_w: float) -> None:
        self._bus_w = bus_w
        self._sender.start_over()
        self._now.begin()

    def _carried_out(self, command: Command) -> WriteResult:
        if barred := why_nothing(self._unit, command):
            return self._result("refused", barred)
        controls = self._readback.available()
        if barred := why_none(self._unit.name, controls, self._allowed):
            if controls and self._release.is_held:  # the permission was there when the mode was entered
                self._to_native(controls, "no permission any more")
            return self._result("unchanged" if controls and command.mode == "native" else "refused", barred)
        controls = permitted(controls, self._allowed, self._unit.profile)
        if not self._now.left_alone() and (changed := self._now.changed()):
            return self._reverted(controls, changed)
        return self._native(controls) if command.mode == "native" else self._power(controls, command)

    def _reverted(self, controls: Sequence[Control], changed: str) -> WriteResult:
        """Another master: no power of ours may stay beside a register of somebody else's."""
        words = f"{changed}: another writer, or the device itself"
        alone = self._now.trouble(changed)
        try:
            self._to_native(controls, "another writer")
        except DeviceError as error:
            words = f"{words}; native: {error}"
        return self._result("reverted", f"{words}; {alone}" if alone else words)

    def _native(self, controls: Sequence[Control]) -> WriteResult:
        alone = self._now.left_alone()
        if alone and not self._now.doubt and self._now.running is None:
            return self._result("unchanged", alone)
        return self._to_native(controls, "native")

    def _to_native(self, controls: Sequence[Control], reason: str) -> WriteResult:
        """Back to the inverter's own rules, by every way of control that may be used. No budget stands in the way."""
        now = self._now
        ran, now.running = now.running is not None, None
        known = now.doubt in ("", START)
        ages_s = (now.look_s(), now.fresh_s()) if known else (now.fresh_s(),)
        if ran:
            now.checks.forget()
        now.doubt, before = now.doubt or "native was not reached", now.doubt
        left = self._release.all(controls, reason, ages_s=ages_s, safe=bool(before))
        if left.lost:
            return self._result("ignored", f"acknowledged but not taken: {', '.join(left.lost)}")
        now.doubt = ""
        if left.sent or not now.checks.targets:
            now.checks.expect(left.targets, self._clock.now_s())
        return self._result("applied", "") if left.sent else self._result("unchanged", "native already")

    def _native_first(self, controls: Sequence[Control]) -> WriteResult | None:
        """Bring what nobody knows, or what was left behind, to native; the result where that fails."""
        now = self._now
        if now.running is not None and now.running.control != controls[0].name:
            now.doubt = f"{now.running.control} is no longer the way of control"
        elif now.running is not None and self._clock.now_s() >= now.running.end_s:
            now.doubt = "the lease ran out"  # nobody could extend it; a device without a lease would go on for ever
        if now.doubt == START and not self._release.is_owed(controls, now.fresh_s()):
            now.doubt = ""
        if not now.doubt:
            return None
        result = self._to_native(controls, f"first: {now.doubt}")
        if result.outcome in IN_FORCE:
            return None
        return replace(result, detail=f"native comes first: {result.detail}")

    def _power(self, controls: Sequence[Control], command: Command) -> WriteResult:
        """A power for a lease; rewritten only when it moved or when enough of the lease is used up."""
        if alone := self._now.left_alone():
            return self._result("refused", alone)
        if unready := self._native_first(controls):
            return unready
        control = controls[0]
        if (left_s := self._runs_on(control, command)) is not None:
            return self._result("unchanged", f"it runs for {left_s:.0f} s more")
        wish = self._wish(command, control, self._now.fresh_s())
        self._fetch(groups(self._unit.profile, control.actions[wish.mode], wish), control)
        if self._now.running is not None and (changed := self._now.lost()):
            return self._reverted(controls, changed)
        return self._forced(controls, wish, command.reason)

    def _runs_on(self, control: Control, command: Command) -> float | None:
        """What is left of the lease while the command that runs is the wanted one, by facts no older than a look."""
        running, profile = self._now.running, self._unit.profile
        if running is None:
            return None
        wish = self._wish(command, control, self._now.look_s())
        now_s = self._clock.now_s()
        if running.is_moved(wish, control) or running.is_short(wish.lease_s, control, profile, now_s):
            return None
        if tracks_house(control):
            listed = groups(profile, control.actions[wish.mode], replace(wish, signed_frac=running.signed_frac))
            if has_drifted(listed, self._now.checks.targets, control.power_step_frac * self._battery.register_w):
                return None
        return running.end_s - now_s

    def _forced(self, controls: Sequence[Control], wish: Wish, reason: str) -> WriteResult:
        """Send what differs, and what extends the lease where that is due; the registers have just been read."""
        control, profile, running = controls[0], self._unit.profile, self._now.running
        moved = running is None or running.is_moved(wish, control)
        if running is not None and not moved:
            wish = replace(wish, signed_frac=running.signed_frac)
        steps = control.actions[wish.mode]
        listed, now_s = groups(profile, steps, wish), self._clock.now_s()
        if (lease_s := lease_of(steps, wish, listed)) <= 0.0:
            return self._result("refused", "the slot would be empty: midnight by the inverter's clock is too near")
        stays = running if running is not None and running.mode == wish.mode else None
        extends = stays is None or stays.is_short(wish.lease_s, control, profile, now_s)
        due = due_groups(control, listed, refresh=extends, differs=self._differs)
        if running is None:
            due = [*(group for group in groups(profile, control.enter, wish) if self._differs(group, True)), *due]
        if worn := self._worn(due):
            if running is not None and moved:
                self._to_native(controls, worn)  # what runs is not what is wanted: no budget for that, but for native
            return self._result("refused", worn)
        self._send(controls, wish, due, reason)
        self._now.running = Running(
            control=control.name,
            mode=wish.mode,
            signed_frac=wish.signed_frac,
            end_s=now_s + lease_s if stays is None or extends else stays.end_s,
            refreshed_s=now_s if stays is None or extends else stays.refreshed_s,
        )
        return self._read_back(controls, listed, due)

    def _send(self, controls: Sequence[Control], wish: Wish, due: Sequence[Group], reason: str) -> None:
        """Journal and write; anything but an acknowledgement leads back to native before it is reported."""
        if not due:
            return
        control, names = controls[0], [target.write.name for group in due for target in group.targets]
        try:
            self._sender.keep([name for name in names if name in control.restore])
            self._sequence = self._sender.begin(control.name, wish.mode, reason, due)
            self._release.hold()
            self._now.is_unsure()  # also for whoever is interrupted between the write and its acknowledgement
            self._sender.power(due, reason, self._sequence)
        except StoreError:
            if self._sender.sent_count or self._now.running is not None:
                self._now.give_up("the journal failed")
                self._undo(controls)
            raise
        except DeviceError as error:
            self._now.is_unsure()
            self._now.trouble(str(error))
            self._undo(controls)
            raise

    def _undo(self, controls: Sequence[Control]) -> None:
        """Back to native after a sequence that broke off; where that fails too, it comes before the next power."""
        try:
            self._to_native(controls, "undo")
        except DeviceError:  # the first failure is the one to report, and the doubt stays
            return

    def _read_back(self, controls: Sequence[Control], listed: Sequence[Group], due: Sequence[Group]) -> WriteResult:
        """What the registers say of it now; later looks come with the next cycles."""
        targets = [target for group in due for target in group.targets]
        if not targets:
            return self._result("unchanged", "already there")
        self._sender.finish(self._sequence, "held")
        now_s = self._clock.now_s()
        try:
            self._unit.fetch(dict.fromkeys(self._readback.points(target.write for target in targets)))
        except DeviceError as error:
            self._now.is_unsure()
            self._now.checks.extend(listed, targets, now_s)
            return self._result("unverifiable", f"acknowledged, but not read back: {error}")
        if lost := [target.write.name for target in targets if not self._readback.confirms(target)]:
            words = f"acknowledged but not taken: {', '.join(lost)}"
            self._now.trouble(words)
            self._undo(controls)
            return self._result("ignored", words)
        self._now.checks.extend(listed, targets, now_s)
        if all(target.write.write_only for target in targets):
            return self._result("unverifiable", "acknowledged, and nobody can read it back")
        clamped = [target.write.name for target in targets if target.clamped]
        return self._result("applied", f"limited by the profile: {', '.join(clamped)}" if clamped else "")

    def _wish(self, command: Command, control: Control, max_age_s: float) -> Wish:
        return self._wishes.power(command, control, bus_w=self._bus_w, max_age_s=max_age_s)

    def _worn(self, due: Sequence[Group]) -> str:
        writes = [target.write for group in due for target in group.targets]
        return exhausted(self._ledger, self._unit.name, writes, self._budget_count)

    def _fetch(self, listed: Sequence[Group], control: Control) -> None:
        """Every point that shows what the groups write or that tells the present state, fresh."""
        points = self._readback.points(target.write for group in listed for target in group.targets)
        states = [self._unit.profile.by_name[name] for name in state_points(control)]
        self._readback.fetch([*points, *states], self._now.fresh_s())

    def _differs(self, group: Group, with_times: bool) -> bool:
        """The device shows something else; durations and slot times count only ``with_times``."""
        targets = [target for target in group.targets if with_times or not target.times]
        return not all(self._readback.shows(target) for target in targets)

    def _result(self, outcome: Outcome, detail: str) -> WriteResult:
        words = "; ".join(part for part in (detail, self._sender.remark) if part)
        running = self._now.running
        told_w = math.nan if running is None else running.signed_frac * self._battery.register_w
        return WriteResult(outcome=outcome, writes=self._sender.sent_count, detail=words, battery_w=told_w)
