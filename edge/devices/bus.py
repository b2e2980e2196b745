"""One owner a link: paces the commands, waits for the answer, recovers after silence. Blocking.

Durations are simulated seconds of the :class:`Clock`, except where a name says ``wall``: a timeout never gets shorter
than ``MIN_TIMEOUT_WALL_S``, so that an accelerated clock does not make a living device look dead.
"""

from __future__ import annotations

import time
from contextlib import suppress

from edge.clock import Clock
from edge.devices.modbus import Request, read_request, rtu_frame, take_rtu, take_tcp, tcp_frame, write_request
from edge.devices.profile import LinkFacts
from edge.devices.transport import Address, LinkClosed, Wire, open_wire
from edge.errors import DeviceMismatch, DeviceRejected, DeviceUnreachable

TIMEOUT_S = 1.0
MIN_TIMEOUT_WALL_S = 0.3
QUIET_S = 0.3  # a line silent for so long owes nothing any more (shared/hardware/faults.md, verified remedies)
MIN_QUIET_WALL_S = 0.05
MAX_DRAIN_S = 2.0
_BITS_PER_BYTE = 10


class Link:
    """A serial line or TCP connection and all that is known about its present state."""

    def __init__(self, address: Address, facts: LinkFacts, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        self.address = address
        self.ready_s = float("-inf")  # simulated instant from which the next command may be sent
        self._period_s = facts.min_command_period_s
        self._align_words = facts.align_words
        self._clock = clock
        self._timeout_s = timeout_s
        self._wire: Wire | None = None
        self._transaction = 0
        self._owed: set[int] = set()  # word counts of answers that may still arrive late (serial only)

    def share(self, facts: LinkFacts) -> None:
        """Another device lives on this link: the slower pace holds for both."""
        self._period_s = max(self._period_s, facts.min_command_period_s)
        self._align_words = max(self._align_words, facts.align_words)

    def cost_s(self, count: int) -> float:
        """What a read of so many words takes on this line, by its baud rate [s]."""
        return (8 + 5 + 2 * count) * _BITS_PER_BYTE / self.address.baud if self.address.baud else 0.0

    def read(self, unit: int, space: str, address: int, count: int) -> tuple[int, ...]:
        """The words of one block; raises :class:`DeviceError`."""
        if self._owed:
            self._resynchronise(unit, space, address)
        return self._ask(unit, read_request(space, address, count))

    def write(self, unit: int, address: int, words: tuple[int, ...]) -> None:
        """Write holding registers (FC06 for one, FC16 for several) and check the echo; raises :class:`DeviceError`."""
        self._ask(unit, write_request(address, words))

    def close(self) -> None:
        """Let go of the port; the next request opens it again."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _resynchronise(self, unit: int, space: str, address: int) -> None:
        """After a timeout on a serial line: ask for a length that no late answer can have, before trusting the line."""
        lengths = [self._align_words * step for step in range(1, 9)]
        probe = next((length for length in lengths if length not in self._owed), None)
        if probe is None:
            self._owed.clear()
            probe = lengths[0]
        # A refusal of this very question also proves that the line is in step.
        with suppress(DeviceRejected):
            self._ask(unit, read_request(space, address, probe))
        self._owed.clear()

    def _ask(self, unit: int, request: Request) -> tuple[int, ...]:
        """One transaction; a hang-up on an old connection is answered by one new try."""
        known = self._wire is not None
        try:
            return self._transact(unit, request)
        except LinkClosed:
            self.close()
            if not known:
                raise
        return self._transact(unit, request)

    def _transact(self, unit: int, request: Request) -> tuple[int, ...]:
        timeout_wall_s = max((self._timeout_s + self.cost_s(request.count)) / self._clock.speed, MIN_TIMEOUT_WALL_S)
        wire = self._opened(timeout_wall_s)
        self._clock.sleep_until(self.ready_s)
        try:
            self._discard(wire)
            self._transaction = self._transaction % 0xFFFF + 1
            serial_line = self.address.kind == "serial"
            wire.send(rtu_frame(unit, request) if serial_line else tcp_frame(self._transaction, unit, request))
            return self._await(wire, unit, request, timeout_wall_s)
        except LinkClosed:
            self.close()
            raise
        except (DeviceUnreachable, DeviceMismatch):
            self._recover(wire, request)
            raise

    def _opened(self, timeout_wall_s: float) -> Wire:
        if self._wire is None:
            self._wire = open_wire(self.address, timeout_wall_s)
        return self._wire

    def _await(self, wire: Wire, unit: int, request: Request, timeout_wall_s: float) -> tuple[int, ...]:
        """Collect bytes until the answer is whole."""
        self.ready_s = self._clock.now_s() + self._period_s
        deadline_wall_s = time.monotonic() + timeout_wall_s
        buffer = bytearray()
        seen = False
        while (left_wall_s := deadline_wall_s - time.monotonic()) > 0.0:
            data = wire.receive(left_wall_s)
            if data and not seen:
                # The first byte proves that the device has the command: only from here its own pause can be counted.
                self.ready_s = self._clock.now_s() + self._period_s
                seen = True
            buffer += data
            if self.address.kind == "serial":
                words = take_rtu(buffer, unit, request)
            else:
                words = take_tcp(buffer, self._transaction, unit, request)
            if words is not None:
                return words
        if buffer:
            raise DeviceMismatch(f"{self.address.url} unit {unit}: {len(buffer)} bytes that are no valid answer")
        raise DeviceUnreachable(f"{self.address.url}: unit {unit} does not answer")

    def _discard(self, wire: Wire) -> None:
        """Drop what came in unasked."""
        if self.address.kind == "serial":
            while wire.receive(0.0):
                pass

    def _recover(self, wire: Wire, request: Request) -> None:
        """After silence or a wrong answer nothing on the line is trusted: TCP reconnects, serial drains until quiet."""
        self.ready_s = self._clock.now_s() + self._period_s
        if self.address.kind == "tcp":
            self.close()
            return
        self._owed.add(0 if request.words else request.count)
        quiet_wall_s = max(QUIET_S / self._clock.speed, MIN_QUIET_WALL_S)
        end_wall_s = time.monotonic() + max(MAX_DRAIN_S / self._clock.speed, 2.0 * quiet_wall_s)
        try:
            while wire.receive(quiet_wall_s) and time.monotonic() < end_wall_s:
                pass
        except LinkClosed:
            self.close()
