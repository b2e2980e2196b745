"""Back to the inverter's own rules: by every way of control, from any state, without asking journal or budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.clock import Clock
from edge.devices.profile import Control, Step
from edge.devices.readback import Readback
from edge.devices.sending import Sender
from edge.devices.translate import Group, Target, groups, state_points
from edge.devices.unit import Unit
from edge.devices.wear import WriteLedger
from edge.devices.wishes import Wishes
from edge.errors import DeviceError, DeviceUnreachable, StoreError

# A way back that fails is tried again at once, then less and less often: acknowledged writes that do not stay wear too.
_HASTE_COUNT = 3
_PAUSE_S = (5.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The inverter was left alone: whether anything had to be sent, what must be seen now, and what did not stay."""

    sent: bool
    targets: tuple[Target, ...]
    lost: tuple[str, ...] = ()


class Release:
    """The way back to native of one inverter, and what is still owed to it."""

    def __init__(
        self,
        unit: Unit,
        readback: Readback,
        sender: Sender,
        wishes: Wishes,
        ledger: WriteLedger,
        clock: Clock,
    ) -> None:
        self._unit, self._readback, self._sender, self._wishes = unit, readback, sender, wishes
        self._ledger, self._clock = ledger, clock
        self._held: bool | None = None  # nobody has asked the journal yet
        self._failed_count = self._unrestored_count = 0
        self._not_before_s = -math.inf

    def hold(self) -> None:
        """From now on the inverter may be in a mode of ours."""
        self._held = True

    def at_once(self) -> None:
        """The next way back is tried without a pause: for a box that stops."""
        self._not_before_s = -math.inf

    @property
    def is_held(self) -> bool:
        """The inverter may be in a mode of ours, or of an earlier life of the box, by the journal."""
        if self._held is None:
            try:
                self._held = bool(self._ledger.unreleased(self._unit.name) or self._ledger.kept(self._unit.name))
            except StoreError:  # who cannot ask goes to native first
                return True
        return self._held

    def is_owed(self, controls: Sequence[Control], max_age_s: float) -> bool:
        """Whether anything was left behind: by the journal, or by what the inverter does."""
        if self.is_held:
            return True
        by_name = self._unit.profile.by_name
        self._readback.fetch([by_name[name] for c in controls for name in state_points(c)], max_age_s)
        return any(self._readback.state(control, math.inf) != "native" for control in controls)

    def all(self, controls: Sequence[Control], reason: str, *, ages_s: Sequence[float], safe: bool) -> Left:
        """Send what differs from native by registers read no longer ago than each of ``ages_s``, and put settings back.

        ``safe``: nobody knows where a sequence broke off, so its compensation comes first. Raises :class:`DeviceError`
        after everything that could be released was.
        """
        if (wait_s := self._not_before_s - self._clock.now_s()) > 0.0:
            raise DeviceUnreachable(f"{self._unit.name} did not go back to native; tried again in {wait_s:.0f} s")
        failures: list[DeviceError] = []
        if safe:
            self._stage([(c, c.compensation) for c in controls if c.compensation], reason, ages_s[-1:], failures)
        stage = [(control, control.actions["native"]) for control in controls]
        sent, targets = self._stage(stage, reason, ages_s, failures)
        lost = self._lost(targets) if sent and not failures else ()
        if failures or lost:
            self._fail()
            if failures:
                raise failures[0]
            return Left(sent=sent, targets=(), lost=lost)
        self._failed_count, self._not_before_s = 0, -math.inf
        restored = self._restore() if self.is_held else True
        if self.is_held and restored:
            self._sender.finish(self._sender.try_begin("all", "native", reason, ()), "released")
            self._held = False
        return Left(sent=sent, targets=targets)

    def _stage(
        self,
        stage: Sequence[tuple[Control, Sequence[Step]]],
        reason: str,
        ages_s: Sequence[float],
        failures: list[DeviceError],
    ) -> tuple[bool, tuple[Target, ...]]:
        """Whether anything was sent, and all that must be seen afterwards."""
        listed = [(control, self._translated(control, steps, failures)) for control, steps in stage]
        due: list[Group] = []
        for max_age_s in ages_s:
            due = [group for control, found in listed for group in self._due(control, found, max_age_s, failures)]
            if not due:
                break
        if due:
            sequence = self._sender.try_begin("all", "native", reason, due)
            self._held = True
            failures += self._sender.release(due, reason, sequence)
        return bool(due), tuple(target for _, found in listed for group in found for target in group.targets)

    def _translated(self, control: Control, steps: Sequence[Step], failures: list[DeviceError]) -> list[Group]:
        found: list[Group] = []
        wish = self._wishes.release(control)
        for step in steps:
            try:
                found += groups(self._unit.profile, (step,), wish)
            except DeviceError as error:
                failures.append(error)
        return found

    def _due(
        self, control: Control, listed: Sequence[Group], max_age_s: float, failures: list[DeviceError]
    ) -> list[Group]:
        """The groups that do not show native; none where they cannot be read, and that is a failure."""
        names = state_points(control)
        writes = [target.write for group in listed for target in group.targets]
        points = [*self._readback.points(writes), *(self._unit.profile.by_name[name] for name in names)]
        try:
            self._readback.fetch(points, max_age_s)
        except DeviceError as error:
            failures.append(error)
            return []
        return [group for group in listed if not self._is_shown(control, group)]

    def _is_shown(self, control: Control, group: Group) -> bool:
        """Whether the registers show it; of a group that nobody can read the control's state must tell."""
        if all(target.write.write_only for target in group.targets):
            return self._readback.state(control, math.inf) == "native"
        return all(self._readback.shows(target) for target in group.targets)

    def _lost(self, targets: Sequence[Target]) -> tuple[str, ...]:
        self._unit.fetch(dict.fromkeys(self._readback.points(target.write for target in targets)))
        return tuple(target.write.name for target in targets if not self._readback.shows(target))

    def _restore(self) -> bool:
        """Put back the settings that were changed by us; whether nothing is owed any more.

        A setting that the device takes no more is given up after some tries, with a remark: native was reached anyway.
        """
        try:
            kept = self._sender.kept()
        except StoreError:
            return False
        if not kept:
            return True
        targets = [target for group in kept for target in group.targets]
        try:
            self._unit.fetch(dict.fromkeys(self._readback.points(target.write for target in targets)))
            due = [group for group in kept if not all(self._readback.shows(target) for target in group.targets)]
            failures = self._sender.release(due, "as it was before", None)
            lost = self._lost(targets) if due else ()
        except DeviceError as error:
            failures, lost = [error], ()
        if failures or lost:
            self._unrestored_count += 1
            self._sender.remark = f"not as it was before: {failures[0] if failures else ', '.join(lost)}"
            if self._unrestored_count < _HASTE_COUNT:
                return False
        self._unrestored_count = 0
        self._sender.drop_kept()
        return True

    def _fail(self) -> None:
        self._failed_count += 1
        late_count = self._failed_count - _HASTE_COUNT
        if late_count >= 0:
            pause_s = min(_PAUSE_S[0] * 2.0 ** min(late_count, 10), _PAUSE_S[1])
            self._not_before_s = self._clock.now_s() + pause_s
