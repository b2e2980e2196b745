"""The only place that writes to hardware: each step is journalled, then sent, then acknowledged."""

from __future__ import annotations

from collections.abc import Sequence

from edge.devices.readback import Readback
from edge.devices.registers import join_words, split_words
from edge.devices.scheduler import Lane
from edge.devices.translate import Group, Target
from edge.devices.unit import Unit
from edge.devices.wear import WriteLedger, register_name
from edge.errors import DeviceError, StoreError
from edge.messages import Intent, IntentState, RegisterWrite


class Sender:
    """Sends groups of registers to one inverter. A power waits for the journal, the way back to native never does."""

    def __init__(self, unit: Unit, readback: Readback, ledger: WriteLedger) -> None:
        self._unit, self._readback, self._ledger = unit, readback, ledger
        self.sent_count = 0
        self.remark = ""  # what went wrong on the way, and kept nobody from going on

    def start_over(self) -> None:
        """A new command: count from 0."""
        self.sent_count, self.remark = 0, ""

    def begin(self, control: str, mode: str, reason: str, due: Sequence[Group]) -> int:
        """Journal a sequence before its first byte; raises :class:`StoreError`."""
        steps = tuple(words_of(group) for group in due)
        intent = Intent(device=self._unit.name, control=control, mode=mode, reason=reason, steps=steps)
        return self._ledger.begin(intent)

    def try_begin(self, control: str, mode: str, reason: str, due: Sequence[Group]) -> int | None:
        """The same for what must be sent in any case; nothing where the journal fails."""
        try:
            return self.begin(control, mode, reason, due)
        except StoreError as error:
            self._note_failure(error)
            return None

    def finish(self, sequence: int | None, state: IntentState) -> None:
        """Journal what became of it. Where that fails the journal says "open": the next start goes to native first."""
        try:
            if sequence is not None:
                self._ledger.finish(sequence, state)
        except StoreError as error:
            self._note_failure(error)

    def power(self, due: Sequence[Group], reason: str, sequence: int) -> None:
        """Step by step; raises :class:`StoreError` before a step without a journal, and :class:`DeviceError`."""
        for group in due:
            self._ledger.note(self._writes(group, reason), sequence)
            self._send(group, Lane.CONTROL_WRITE)

    def release(self, due: Sequence[Group], reason: str, sequence: int | None) -> list[DeviceError]:
        """All of them, whatever happens: one refused register must not keep the others from being released."""
        failures: list[DeviceError] = []
        for group in due:
            try:
                self._ledger.note(self._writes(group, reason), sequence)
            except StoreError as error:
                self._note_failure(error)
            try:
                self._send(group, Lane.SAFETY_WRITE)
            except DeviceError as error:
                failures.append(error)
        return failures

    def keep(self, names: Sequence[str]) -> None:
        """Journal what these settings hold before we change them; raises :class:`StoreError`."""
        profile = self._unit.profile
        for name in names:
            write = profile.write_by_name[name]
            pattern = join_words(self._readback.held(write), write.order(profile.link.word_order))
            self._ledger.keep(self._unit.name, name, pattern & write.mask if write.mask else pattern)

    def kept(self) -> list[Group]:
        """What puts the settings back that were changed by us; raises :class:`StoreError`.

        A setting that the profile no longer has, or that cannot hold its kept value, is left out with a remark.
        """
        profile, kept = self._unit.profile, []
        for name, raw in self._ledger.kept(self._unit.name).items():
            write = profile.write_by_name.get(name)
            if write is not None and 0 <= raw < 1 << 16 * write.words:
                kept.append((write, raw))
            else:
                self.remark = f"not as it was before: {name} = {raw} is no setting of {profile.name}"
        targets = (
            Target(
                write=write,
                raw=raw,
                words=split_words(raw, write.words, write.order(profile.link.word_order)),
                clamped=False,
                countdown=False,
                times=False,
            )
            for write, raw in kept
        )
        return [Group(targets=(target,), refresh=False) for target in targets]

    def drop_kept(self) -> None:
        """All of them are back; where the journal fails they are put back once more."""
        try:
            self._ledger.drop(self._unit.name)
        except StoreError as error:
            self._note_failure(error)

    def _send(self, group: Group, lane: Lane) -> None:
        self.sent_count += len(group.targets)
        address, words = group.targets[0].write.address, self._readback.merged(group)
        self._unit.link.write(self._unit.number, address, words, lane)

    def _writes(self, group: Group, reason: str) -> list[RegisterWrite]:
        return [
            RegisterWrite(
                register=register_name(self._unit.name, target.write),
                raw=target.raw,
                wear=target.write.wear,
                reason=reason,
            )
            for target in group.targets
        ]

    def _note_failure(self, error: StoreError) -> None:
        self.remark = f"not journalled: {error}"


def words_of(group: Group) -> str:
    """A step in words, for the journal and a preview."""
    return ", ".join(f"{target.write.name}={target.raw}" for target in group.targets)
