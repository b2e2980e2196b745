"""One device: its planned reads, what they last brought, and when to ask again. Raises nothing while polling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.clock import Clock
from edge.devices.bus import Link
from edge.devices.lockstep import Place
from edge.devices.planner import Block, halves, plan_blocks
from edge.devices.profile import Point, Profile
from edge.devices.registers import decode_all, identity_from_words
from edge.devices.transport import LinkDown
from edge.errors import DeviceError, DeviceMismatch, DeviceRejected, DeviceUnreachable

SLOW_PERIOD_S = 120.0
REFUSED_PERIOD_S = 3600.0  # a register refused today may exist after a firmware update
BACKOFF_S = (2.0, 300.0)  # first and longest pause of a silent unit
LINK_BACKOFF_S = (1.0, 1.0)  # an absent port says so at once and is looked for every second
ILLEGAL_ADDRESS = (1, 2, 3)  # devices use all three for a register that they do not have
CONFIRMATIONS = 2
SERIAL_NUMBER = "serial_number"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a point last brought: its words, its value (NaN: the device says "no value", or text) and when."""

    words: tuple[int, ...]
    value: float
    measured_s: float
    reason: str = ""


@dataclass(slots=True)
class Turn:
    """A planned read and its place in the queue."""

    block: Block
    asked_s: float = -math.inf
    brought_s: float = -math.inf
    cost_s: float = 0.0
    reason: str = "not read yet"
    refused: bool = False

    def overdue(self, now_s: float) -> float:
        """Waiting time in periods of this read: fast ones count seconds; below 1 a slow one is not due."""
        waited_s = now_s - self.asked_s
        if self.refused:
            return waited_s / REFUSED_PERIOD_S if waited_s >= REFUSED_PERIOD_S else 0.0
        if self.block.poll == "slow":
            return waited_s / SLOW_PERIOD_S if waited_s >= SLOW_PERIOD_S else 0.0
        return max(waited_s, 1e-9)


class Unit:
    """One device on a link."""

    def __init__(self, profile: Profile, link: Link, number: int, clock: Clock) -> None:
        self.profile = profile
        self.link = link
        self.number = number
        self.name = f"{profile.name}#{number}"
        self.samples: dict[str, Sample] = {}
        self.confirmations = 0
        self._clock = clock
        self._confirmed_s = -math.inf
        self._serial_number = ""
        self._turns = [Turn(block=block) for block in plan_blocks(profile.points, profile.link)]
        self._failures = 0
        self._silent_until_s = -math.inf
        self._trouble = ""
        self._turn_of: dict[str, Turn] = {}
        for turn in self._turns:
            turn.cost_s = link.cost_s(turn.block.count)
        self._index()

    @property
    def confirmed(self) -> bool:
        """The device was read often enough, with one identity, to be written to."""
        return not self.why_unconfirmed

    @property
    def why_unconfirmed(self) -> str:
        """Why the device must not be written to yet, in words; empty when it may."""
        if self.doubt:
            return self.doubt
        if SERIAL_NUMBER in self.samples and not self._serial_number:
            return "the serial number is blank or no text"
        if self.confirmations < CONFIRMATIONS:
            return f"start-up: {self.confirmations} of {CONFIRMATIONS} consistent reads"
        if SERIAL_NUMBER in self.profile.by_name and not self._serial_number:
            return f"start-up: no serial number: {self.why_missing(self.profile.by_name[SERIAL_NUMBER])}"
        return ""

    @property
    def doubt(self) -> str:
        """Why nothing that the device says is believed; empty when there is no such reason."""
        words = {word for sample in self.samples.values() for word in sample.words}
        return f"every register reads {words.pop()}: this is no device" if words in ({0}, {0xFFFF}) else ""

    @property
    def complete(self) -> bool:
        """Every planned read was tried at least once."""
        return all(math.isfinite(turn.asked_s) for turn in self._turns)

    def due(self, now_s: float) -> list[Turn]:
        """Reads that wait, most overdue first; none while a silent unit is left alone."""
        if self.is_silent(now_s):
            return []
        waiting = [turn for turn in self._turns if turn.overdue(now_s) > 0.0]
        return sorted(waiting, key=lambda turn: turn.overdue(now_s), reverse=True)

    def poll(self, turn: Turn) -> None:
        """Do one planned read; what goes wrong becomes the reason of its points."""
        turn.asked_s = self._clock.now_s()
        try:
            self._take(turn.block)
        except DeviceRejected as error:
            self._refuse(turn, error)
        except DeviceError as error:
            turn.reason = self._trouble = str(error)
            if isinstance(error, DeviceUnreachable):
                self._back_off(BACKOFF_S if not isinstance(error, LinkDown) else LINK_BACKOFF_S)
        else:
            turn.reason, turn.refused = "", False
            turn.brought_s = self._clock.now_s()
            turn.cost_s = 0.5 * (turn.cost_s + turn.brought_s - turn.asked_s)
            self._failures, self._trouble = 0, ""
            self._confirm()

    def fetch(self, points: Iterable[Point]) -> None:
        """Read these points now, whatever the queue says; raises :class:`DeviceError`."""
        for block in plan_blocks(self.profile.with_partners(points), self.profile.link):
            self._take(block)

    def why_missing(self, point: Point) -> str:
        """The reason why a point has no sample, or an old one."""
        turn = self._turn_of[point.name]
        return turn.reason if math.isfinite(turn.asked_s) else self._trouble or turn.reason

    def period_s(self, point: Point) -> float:
        """How often the point is read at least."""
        return SLOW_PERIOD_S if self._turn_of[point.name].block.poll == "slow" else 0.0

    def is_silent(self, now_s: float) -> bool:
        """The unit did not answer lately and is left alone for a while."""
        return now_s < self._silent_until_s

    def refused(self, point: Point) -> bool:
        """The device said that it does not have this register."""
        return self._turn_of[point.name].refused

    def note_refusal(self, point: Point, error: DeviceRejected) -> None:
        """A register that was asked for outside the queue was refused."""
        self._refuse(self._turn_of[point.name], error)

    def known(self, names: Sequence[str], now_s: float, max_age_s: float) -> list[Sample] | None:
        """The samples of these points, or ``None`` if one is missing or too old."""
        found = [self.samples[name] for name in names if name in self.samples]
        fresh = [sample for sample in found if not sample.reason and now_s - sample.measured_s <= max_age_s]
        return fresh if len(fresh) == len(names) else None

    def _take(self, block: Block) -> None:
        """Read a block and keep its points."""
        words_at: dict[int, int] = {}
        for address, count in block.requests:
            words = self.link.read(self.number, block.space, address, count)
            again = {address + offset: word for offset, word in enumerate(words)}
            if any(words_at.get(known, word) != word for known, word in again.items()):
                raise DeviceMismatch(f"{self.name}: {block.points[0].name} changed while it was read")
            words_at |= again
        now_s = self._clock.now_s()
        for name, found in decode_all(block.points, words_at, self.profile.link.word_order).items():
            self.samples[name] = Sample(found.words, found.value, now_s, found.reason)

    def _refuse(self, turn: Turn, error: DeviceRejected) -> None:
        """A refused address: its points are invalid; a read of several points is parted to find the one."""
        turn.reason = str(error)
        self._failures = 0
        if error.exception_code not in ILLEGAL_ADDRESS:
            return
        for point in turn.block.points:
            self.samples.pop(point.name, None)
        turn.refused = True
        parts = halves(turn.block, self.profile.link)
        if len(turn.block.points) > 1 and len(parts) > 1:
            self._turns.remove(turn)
            self._turns += [Turn(block=part, cost_s=turn.cost_s, reason=turn.reason) for part in parts]
            self._index()

    def _index(self) -> None:
        self._turn_of = {point.name: turn for turn in self._turns for point in turn.block.points}

    def _back_off(self, bounds_s: tuple[float, float]) -> None:
        first_s, longest_s = bounds_s
        pause_s = min(first_s * 2.0 ** min(self._failures, 10), longest_s)
        self._failures += 1
        self._silent_until_s = self._clock.now_s() + pause_s
        if self._failures > CONFIRMATIONS:
            self.confirmations = 0

    def _confirm(self) -> None:
        """Count rounds in which every fast read answered, with the same serial number."""
        serial = self.samples.get(SERIAL_NUMBER)
        number = identity_from_words(serial.words) if serial else self._serial_number
        if self._serial_number and number != self._serial_number:
            self.confirmations = 0
        self._serial_number = number
        constant = self.profile.by_name.get(self.profile.link.probe or SERIAL_NUMBER)
        if constant is not None and constant.name in self.samples and (number or constant.name != SERIAL_NUMBER):
            place = Place(space=constant.space, address=constant.address, count=constant.words)
            self.link.know(self.number, place, self.samples[constant.name].words)
        fast = [turn.brought_s for turn in self._turns if turn.block.poll == "fast" and not turn.refused]
        if fast and min(fast) > self._confirmed_s:
            self._confirmed_s = max(fast)
            self.confirmations += 1
