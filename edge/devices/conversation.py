"""Question and answer on one connection, as two pure machines: bytes to send come out, bytes received go in.

Both hold what has arrived and not yet been understood; neither touches a wire.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from edge.devices.modbus import (
    WRITE_ONE,
    Request,
    drop_echo,
    drop_tcp,
    rtu_frame,
    take_rtu,
    take_tcp,
    tcp_frame,
)

LAST_TRANSACTION = 0xFF  # some gateways clear the high byte (shared/hardware/faults.md, 4): ours has none

Words = tuple[int, ...]


class Conversation(Protocol):
    """One question at a time."""

    def begin(self) -> None:
        """A new connection: nothing is left of the old one."""

    def unasked(self, data: bytes) -> None:
        """What came in before the question is no answer to it."""

    def ask(self, unit: int, request: Request) -> bytes:
        """The bytes that put the question."""

    def hear(self, data: bytes) -> Words | None:
        """More bytes: the answer's words, or ``None`` while it is not whole; raises the errors of an answer."""

    @property
    def pending_count(self) -> int:
        """Bytes that came and are no answer yet."""


class RtuConversation:
    """A serial line. Adapters that hand our own bytes back are found out by the first read."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._unit = 0
        self._request = Request(function=0, address=0, count=0)
        self._sent = b""
        self._echoes = self._echo_due = False

    def begin(self) -> None:
        """A new connection."""
        self._buffer.clear()

    def unasked(self, data: bytes) -> None:  # noqa: ARG002 -- a line has no frames that go on
        """What came in unasked is thrown away."""
        self._buffer.clear()

    def ask(self, unit: int, request: Request) -> bytes:
        """The bytes that put the question."""
        self._buffer.clear()  # what stood behind the last answer is none to this question
        self._unit, self._request, self._sent = unit, request, rtu_frame(unit, request)
        # The answer to FC06 is the question itself: only an adapter known to echo sends two of them.
        self._echo_due = self._echoes or request.function != WRITE_ONE
        return self._sent

    def hear(self, data: bytes) -> Words | None:
        """More bytes."""
        self._buffer += data
        if self._echo_due and drop_echo(self._buffer, self._sent):
            self._echoes, self._echo_due = True, False
        if self._echo_due and self._request.function == WRITE_ONE:
            return None
        words = take_rtu(self._buffer, self._unit, self._request)
        if words is not None and self._echo_due:
            self._echoes = False
        return words

    @property
    def pending_count(self) -> int:
        """Bytes that came and are no answer yet."""
        return len(self._buffer)


class TcpConversation:
    """A TCP connection. Its first transaction number is by chance, so that two clients of one device differ."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._unit = 0
        self._request = Request(function=0, address=0, count=0)
        self._transaction = secrets.randbelow(LAST_TRANSACTION) + 1

    def begin(self) -> None:
        """A new connection."""
        self._buffer.clear()

    def unasked(self, data: bytes) -> None:
        """Whole frames that came in unasked are thrown away."""
        self._buffer += data
        drop_tcp(self._buffer)

    def ask(self, unit: int, request: Request) -> bytes:
        """The bytes that put the question."""
        self._unit, self._request = unit, request
        self._transaction = self._transaction % LAST_TRANSACTION + 1
        return tcp_frame(self._transaction, unit, request)

    def hear(self, data: bytes) -> Words | None:
        """More bytes."""
        self._buffer += data
        return take_tcp(self._buffer, self._transaction, self._unit, self._request)

    @property
    def pending_count(self) -> int:
        """Bytes that came and are no answer yet."""
        return len(self._buffer)
