"""One owner a link: paces the commands, waits for the answer, recovers after silence. Blocking.

Durations are simulated seconds of the :class:`Clock`, except where a name says ``wall``: a timeout never gets shorter
than ``MIN_TIMEOUT_WALL_S``, so that an accelerated clock does not make a living device look dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from edge.clock import Clock
from edge.devices.conversation import Conversation, RtuConversation, TcpConversation, Words
from edge.devices.lockstep import Lockstep, Place
from edge.devices.modbus import OtherAnswer, Request, Shape, read_request, write_request
from edge.devices.profile import LinkFacts, Space
from edge.devices.transport import Address, LinkClosed, LinkMute, Wire, open_wire
from edge.errors import DeviceMismatch, DeviceRejected, DeviceUnreachable

TIMEOUT_S = 1.0
MIN_TIMEOUT_WALL_S = 0.3
MIN_PROOF_WALL_S = 0.1
QUIET_S = 0.3  # a line silent for so long owes nothing any more (shared/hardware/faults.md, verified remedies)
MIN_QUIET_WALL_S = 0.05
MAX_DRAIN_S = 2.0
_NO_SUCH_REGISTER = (1, 2, 3)
_BITS_PER_BYTE = 10

Connect = Callable[[Address, float], Wire]


class Link:
    """A serial line or TCP connection and all that is known about its present state."""

    def __init__(
        self,
        address: Address,
        facts: LinkFacts,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        connect: Connect = open_wire,
    ) -> None:
        self.address = address
        self._connect = connect
        self._facts = facts
        self._period_s = facts.min_command_period_s
        self._reply_pause_s = facts.min_reply_pause_s
        self._connect_pause_s = facts.connect_pause_s
        self._clock = clock
        # Simulated instant from which the next command may be sent. Another program may have asked a moment ago, and a
        # hasty command gets no answer: a new owner waits once.
        self.ready_s = clock.now_s() + self._period_s
        self._timeout_s = timeout_s
        self._wire: Wire | None = None
        self._talk: Conversation = RtuConversation() if address.kind == "serial" else TcpConversation()
        self._steps: dict[int, Lockstep] = {}
        self._unquiet_since_wall_s: float | None = None  # a line on which bytes may still come unasked
        self._mute = True  # no byte ever came on this connection

    def share(self, unit: int, facts: LinkFacts) -> None:
        """A device lives on this link: the slowest pace holds for all."""
        self._steps[unit] = Lockstep(facts)
        self._period_s = max(self._period_s, facts.min_command_period_s)
        self._reply_pause_s = max(self._reply_pause_s, facts.min_reply_pause_s)
        self._connect_pause_s = max(self._connect_pause_s, facts.connect_pause_s)
        self.ready_s = max(self.ready_s, self._clock.now_s() + self._period_s)

    def know(self, unit: int, place: Place, words: tuple[int, ...]) -> None:
        """These words of a unit never change: after silence they must come back before the unit is believed again."""
        self._step(unit).constant = (place, words)

    def cost_s(self, count: int) -> float:
        """What a read of so many words takes on this line, by its baud rate [s]."""
        return (8 + 5 + 2 * count) * _BITS_PER_BYTE / self.address.baud if self.address.baud else 0.0

    def read(self, unit: int, space: Space, address: int, count: int) -> Words:
        """The words of one block; raises :class:`DeviceError`."""
        return self._once_more(lambda: self._read_block(unit, space, address, count))

    def _read_block(self, unit: int, space: Space, address: int, count: int) -> Words:
        place = Place(space=space, address=address, count=count)
        step = self._step(unit)
        if step.doubt is not None:
            self._prove(unit, step, place)
        while (length := step.length(place)) is None:
            # Nothing in a refusal can be taken for data, so it parts two reads as well as an answer does.
            with suppress(DeviceRejected):
                self._read(unit, place, step.separator(place))
        try:
            words = self._read(unit, place, length)
        except DeviceRejected as error:
            if error.exception_code in _NO_SUCH_REGISTER and step.refused(place, length):
                return self._read_block(unit, space, address, count)
            raise
        except LinkClosed:
            step.hung_up(place, length)
            raise
        except DeviceUnreachable:
            step.unanswered(place, length)
            raise
        step.answered(place, length)
        return words[:count]

    def write(self, unit: int, address: int, words: tuple[int, ...]) -> None:
        """Write holding registers (FC06 for one, FC16 for several) and check the echo; raises :class:`DeviceError`."""
        step = self._step(unit)
        request = write_request(address, words, single=step.facts.write_single)
        self._once_more(lambda: self._transact(unit, request, step.owed))

    def close(self) -> None:
        """Let go of the port; the next request opens it again."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _step(self, unit: int) -> Lockstep:
        if unit not in self._steps:
            self._steps[unit] = Lockstep(self._facts)
        return self._steps[unit]

    def _read(self, unit: int, place: Place, length: int, late: frozenset[Shape] = frozenset()) -> Words:
        self._step(unit).asked(place.space, length)
        return self._transact(unit, read_request(place.space, place.address, length), late)

    def _prove(self, unit: int, step: Lockstep, wanted: Place) -> None:
        """Ask what only the living, present unit can answer: its constant, else a length that no late answer has."""
        place, known = step.constant or (wanted, ())
        length = step.proof(place)
        try:
            words = self._read(unit, place, length, late=step.owed)
        except DeviceRejected as error:
            if known:
                raise DeviceMismatch(f"{self.address.url}: unit {unit} refused what never changes: {error}") from error
            words = ()
        compared = min(len(words), len(known))
        if words[:compared] != known[:compared]:
            step.contradicted()
            raise DeviceMismatch(f"{self.address.url}: unit {unit} is not in step: what never changes came otherwise")
        step.proved()

    def _once_more(self, ask: Callable[[], Words]) -> Words:
        """A hang-up on an old connection is answered by one new try, for a read with another length."""
        known = self._wire is not None
        try:
            return ask()
        except LinkClosed:
            if not known:
                raise
        return ask()

    def _transact(self, unit: int, request: Request, late: frozenset[Shape]) -> Words:
        """One question and its answer."""
        timeout_wall_s = self._timeout_wall_s(self._step(unit), request)
        wire = self._opened(timeout_wall_s)
        self._clock.sleep_until(self.ready_s)
        try:
            self._settle(wire)
            asked_s = self._clock.now_s()
            wire.send(self._talk.ask(unit, request))
            words = self._await(wire, unit, late, timeout_wall_s)
        except LinkClosed:
            self.close()
            raise
        except (DeviceUnreachable, DeviceMismatch) as error:
            self._distrust(unit, request, silent=isinstance(error, DeviceUnreachable))
            raise
        self._step(unit).heard(self._clock.now_s() - asked_s)
        return words

    def _timeout_wall_s(self, step: Lockstep, request: Request) -> float:
        full_s = self._timeout_s + self.cost_s(request.count)
        timeout_s = full_s if request.words or step.doubt is None else step.patience_s(full_s)
        least_wall_s = MIN_TIMEOUT_WALL_S if timeout_s == full_s else MIN_PROOF_WALL_S
        return max(timeout_s / self._clock.speed, least_wall_s)

    def _opened(self, timeout_wall_s: float) -> Wire:
        if self._wire is None:
            self._wire = self._connect(self.address, timeout_wall_s)
            self._talk.begin()
            self._unquiet_since_wall_s, self._mute = None, True
            self.ready_s = max(self.ready_s, self._clock.now_s() + self._connect_pause_s)
        return self._wire

    def _await(self, wire: Wire, unit: int, late: frozenset[Shape], timeout_wall_s: float) -> Words:
        """Collect bytes until the answer is whole; late answers, known by their length, are passed over."""
        self.ready_s = self._clock.now_s() + self._period_s
        deadline_wall_s = time.monotonic() + timeout_wall_s
        seen = False
        while (left_wall_s := deadline_wall_s - time.monotonic()) > 0.0:
            data = wire.receive(left_wall_s)
            if not data:
                break
            if not seen:
                # The first byte proves that the device has the command: only from here its own pause can be counted.
                self.ready_s = self._clock.now_s() + self._period_s
                seen, self._mute = True, False
            words = self._heard(data, late)
            if words is not None:
                self.ready_s = max(self.ready_s, self._clock.now_s() + self._reply_pause_s)
                return words
        if self._talk.pending_count:
            raise DeviceMismatch(f"{self.address.url} unit {unit}: {self._talk.pending_count} bytes, no valid answer")
        if self.address.kind == "tcp" and self._mute:
            taken = "though it took the connection: it may be serving another client"
            raise LinkMute(f"{self.address.url}: unit {unit} does not answer, {taken}")
        raise DeviceUnreachable(f"{self.address.url}: unit {unit} does not answer")

    def _heard(self, data: bytes, late: frozenset[Shape]) -> Words | None:
        while True:
            try:
                return self._talk.hear(data)
            except OtherAnswer as error:
                if error.shape not in late:
                    raise
            data = b""

    def _distrust(self, unit: int, request: Request, *, silent: bool) -> None:
        """After silence or a wrong answer nothing is trusted: TCP reconnects, a line must fall quiet first."""
        self.ready_s = self._clock.now_s() + self._period_s
        self._step(unit).distrust(request.shape, silent=silent)
        self._unquiet_since_wall_s = time.monotonic()
        if self.address.kind == "tcp":
            self.close()

    def _settle(self, wire: Wire) -> None:
        """Drop what came in unasked; on a line in doubt wait until nothing comes any more."""
        quiet_wall_s = max(QUIET_S / self._clock.speed, MIN_QUIET_WALL_S)
        end_wall_s = time.monotonic() + max(MAX_DRAIN_S / self._clock.speed, 2.0 * quiet_wall_s)
        since_wall_s = self._unquiet_since_wall_s
        while time.monotonic() < end_wall_s:
            left_wall_s = 0.0 if since_wall_s is None else max(since_wall_s + quiet_wall_s - time.monotonic(), 0.0)
            data = wire.receive(left_wall_s)
            if not data:
                break
            self._talk.unasked(data)
            since_wall_s = time.monotonic() if since_wall_s is not None else None
        self._unquiet_since_wall_s = None
