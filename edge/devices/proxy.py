"""A Modbus TCP port through which other programs share a link that serves one client only.

What control has just read is answered at once from its words; anything else waits in the last lane, within the guests'
part of the link. Writes are refused unless the site allows them. Nothing that a guest sends can stop control.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.clock import Clock
from edge.devices.profile import Space
from edge.devices.scheduler import Bus, Lane, Memory
from edge.devices.transport import Address, LinkDown
from edge.devices.unit import Unit
from edge.errors import DeviceError, DeviceRejected, DeviceUnreachable
from edge.messages import RegisterWrite

FRESH_S = 2.0  # words that control read so shortly ago are still what the device would say
PATIENCE_WALL_S = 2.0  # a guest waits so long for its turn; the usual clients give up after 3 s
_GUESTS_COUNT = 8
_TICK_WALL_S = 0.2
_IDLE_WALL_S = 60.0  # a guest that asks nothing for so long is gone, whatever its network says
_STALLED_WALL_S = 1.0  # a guest that does not take its answer for so long is dropped
_MBAP = struct.Struct(">HHHB")
_LONGEST_BYTES = 260
_ILLEGAL_FUNCTION, _ILLEGAL_VALUE, _BUSY, _NO_PATH, _NO_ANSWER = 1, 3, 6, 10, 11
_READS: dict[int, Space] = {3: "holding", 4: "input"}
_WRITE_ONE, _WRITE_MANY = 6, 16
_UNITS = range(1, 248)
_MAX_READ_WORDS, _MAX_WRITE_WORDS = 125, 123  # Modbus Application Protocol V1.1b3, 6.3 and 6.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Where other programs find a link, and whether they may write."""

    address: Address
    bus: Bus
    allow_writes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestWrite:
    """What a guest wrote, for the ledger."""

    unit: int
    address: int
    words: tuple[int, ...]
    guest: str


@dataclass(slots=True)
class _Guest:
    """A connected client and the bytes of its question so far."""

    name: str
    asked_wall_s: float
    buffer: bytearray = field(default_factory=bytearray)


class Proxy:
    """Serves one link from a thread of its own until closed; raises :class:`DeviceUnreachable` for a port in use."""

    def __init__(self, port: Port, clock: Clock) -> None:
        address = port.address
        self.written: deque[GuestWrite] = deque(maxlen=1000)
        self.bus, self._clock, self._allow_writes = port.bus, clock, port.allow_writes
        self._memory = self.bus.memory = self.bus.memory or Memory()
        self._listener = listener(address, address.port)
        self.port = int(self._listener.getsockname()[1])
        self._guests: dict[socket.socket, _Guest] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"proxy {self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let all guests go."""
        self._stopped.set()
        self._thread.join()
        for connection in (*self._guests, self._listener):
            connection.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopped.is_set():
                # Guests before newcomers: who has hung up makes room.
                ready = sorted(selector.select(_TICK_WALL_S), key=lambda event: event[0].fileobj is self._listener)
                for key, _ in ready:
                    if key.fileobj is self._listener:
                        self._welcome(selector)
                    elif isinstance(key.fileobj, socket.socket) and not self._talk(key.fileobj):
                        self._part(selector, key.fileobj)
                for connection in self._idle():
                    self._part(selector, connection)

    def _idle(self) -> list[socket.socket]:
        """Those that have asked nothing for too long: a client that lost its power or its network never hangs up."""
        before_wall_s = time.monotonic() - _IDLE_WALL_S
        return [connection for connection, guest in self._guests.items() if guest.asked_wall_s < before_wall_s]

    def _part(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        selector.unregister(connection)
        del self._guests[connection]
        connection.close()

    def _welcome(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, (host, port, *_) = self._listener.accept()
        except OSError:  # it hung up before it was greeted
            return
        if len(self._guests) >= _GUESTS_COUNT:
            self._part(selector, min(self._guests, key=lambda one: self._guests[one].asked_wall_s))
        connection.settimeout(_STALLED_WALL_S)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._guests[connection] = _Guest(name=f"{host}:{port}", asked_wall_s=time.monotonic())
        selector.register(connection, selectors.EVENT_READ)

    def _talk(self, connection: socket.socket) -> bool:
        """Answer what a guest sent; false when it is gone or speaks something else."""
        guest = self._guests[connection]
        try:
            data = connection.recv(_LONGEST_BYTES)
            guest.buffer += data
            while (question := take_question(guest.buffer)) is not None:
                guest.asked_wall_s = time.monotonic()
                transaction, unit, pdu = question
                reply = self.answer(unit, pdu, guest.name)
                connection.sendall(_MBAP.pack(transaction, 0, 1 + len(reply), unit) + reply)
        except (OSError, ValueError):
            return False
        return bool(data)

    def answer(self, unit: int, pdu: bytes, guest: str) -> bytes:
        """The answer to one question, an exception included."""
        function = pdu[0]
        try:
            return bytes([function]) + self._execute(unit, function, pdu[1:], guest)
        except DeviceRejected as refusal:
            code = refusal.exception_code
        except TimeoutError:
            code = _BUSY
        except DeviceError as error:
            code = _NO_PATH if isinstance(error, LinkDown) else _NO_ANSWER
        return bytes([function | 0x80, code])

    def _execute(self, unit: int, function: int, body: bytes, guest: str) -> bytes:
        if unit not in _UNITS:
            raise DeviceRejected(f"no unit {unit}", _NO_PATH)
        if function in _READS:
            address, words_count = _parts(">HH", body)
            if not 1 <= words_count <= _MAX_READ_WORDS or address + words_count > 1 << 16:
                raise DeviceRejected(f"{words_count} words", _ILLEGAL_VALUE)
            words = self._read(unit, _READS[function], address, words_count)
            return struct.pack(f">B{words_count}H", 2 * words_count, *words)
        if function not in (_WRITE_ONE, _WRITE_MANY) or not self._allow_writes:
            raise DeviceRejected(f"function {function}", _ILLEGAL_FUNCTION)
        address, words = _written(function, body)
        self.bus.write(unit, address, words, Lane.DIAGNOSTICS, PATIENCE_WALL_S)
        self.written.append(GuestWrite(unit=unit, address=address, words=words, guest=guest))
        return body[:4]

    def _read(self, unit: int, space: Space, address: int, words_count: int) -> tuple[int, ...]:
        fresh = self._memory.find(unit, space, address, words_count, self._clock.now_s() - FRESH_S)
        if fresh is not None:
            return fresh
        return self.bus.read(unit, space, address, words_count, Lane.DIAGNOSTICS, PATIENCE_WALL_S)


def listener(address: Address, port: int) -> socket.socket:
    """A listening socket at the address's place; raises :class:`DeviceUnreachable`."""
    try:
        return socket.create_server((address.place, port), backlog=_GUESTS_COUNT)
    except (OSError, UnicodeError) as error:  # UnicodeError: Python's own encoding of host names
        reason = getattr(error, "strerror", None) or str(error)
        raise DeviceUnreachable(f"the proxy {address.url} cannot be opened: {reason}") from error


def registers_of(written: GuestWrite, units: Sequence[Unit]) -> list[RegisterWrite]:
    """A guest's write in the terms of the ledger; a register that no profile knows counts as one that wears."""
    unit = next((one for one in units if one.number == written.unit), None)
    name = unit.name if unit is not None else f"unit {written.unit}"
    wear_of = {write.address: write.wear for write in unit.family.writes} if unit is not None else {}
    return [
        RegisterWrite(
            register=f"{name} holding {address}",
            raw=word,
            wear=wear_of.get(address, "unknown"),
            reason=f"by {written.guest} through the proxy",
        )
        for address, word in enumerate(written.words, written.address)
    ]


def take_question(buffer: bytearray) -> tuple[int, int, bytes] | None:
    """Transaction, unit and PDU of the question that begins the buffer; ``None`` while it is not whole.

    Raises ``ValueError`` for what is not Modbus TCP.
    """
    if len(buffer) < _MBAP.size:
        return None
    transaction, protocol, size, unit = _MBAP.unpack_from(buffer)
    if protocol != 0 or not 2 <= size <= _LONGEST_BYTES - 6:
        raise ValueError("not Modbus TCP")
    if len(buffer) < 6 + size:
        return None
    pdu = bytes(buffer[7 : 6 + size])
    del buffer[: 6 + size]
    return transaction, unit, pdu


def _written(function: int, body: bytes) -> tuple[int, tuple[int, ...]]:
    """Address and words of a write."""
    if function == _WRITE_ONE:
        address, word = _parts(">HH", body)
        return address, (word,)
    address, words_count, size = _parts(">HHB", body[:5])
    whole = size == 2 * words_count == len(body) - 5
    if not whole or not 1 <= words_count <= _MAX_WRITE_WORDS or address + words_count > 1 << 16:
        raise DeviceRejected("count and bytes do not fit", _ILLEGAL_VALUE)
    return address, struct.unpack(f">{words_count}H", body[5:])


def _parts(layout: str, body: bytes) -> tuple[int, ...]:
    if len(body) != struct.calcsize(layout):
        raise DeviceRejected(f"{len(body)} bytes", _ILLEGAL_VALUE)
    return struct.unpack(layout, body)
