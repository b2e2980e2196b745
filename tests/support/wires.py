"""Small scripted ends of a Modbus wire, for tests of the client. They share no code with it."""

from __future__ import annotations

import os
import pty
import select
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterable
from types import TracebackType

Action = bytes | float | None  # send, wait (wall seconds), hang up
Script = Callable[[bytes], Iterable[Action]]


def crc(data: bytes) -> bytes:
    """Modbus over Serial Line V1.02, 6.2.2, bit by bit."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def rtu(unit: int, pdu: bytes) -> bytes:
    return bytes([unit]) + pdu + crc(bytes([unit]) + pdu)


def mbap(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def words_pdu(function: int, words: Iterable[int]) -> bytes:
    data = b"".join(struct.pack(">H", word) for word in words)
    return bytes([function, len(data)]) + data


class _Server:
    """One thread that hands each request to a script and does what it says."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.times_s: list[float] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._stopped.set()
        self._thread.join(5.0)
        self._close()

    def _answer(self, request: bytes, send: Callable[[bytes], object]) -> bool:
        self.requests.append(request)
        self.times_s.append(time.monotonic())
        for action in self.script(request):
            if action is None:
                return False
            if isinstance(action, float):
                time.sleep(action)
            else:
                send(action)
        return True

    def _run(self) -> None: ...

    def _close(self) -> None: ...


class PtyServer(_Server):
    """A serial device on a pty; ``url`` is the client's end."""

    def __init__(self, script: Script) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.url = f"serial://{self.path}?baud=9600"
        super().__init__(script)

    def _run(self) -> None:
        buffer = b""
        while not self._stopped.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.02)
            if ready:
                buffer += os.read(self._master, 512)
                size = 8 if len(buffer) > 6 and buffer[1] != 16 else 9 + buffer[6] if len(buffer) > 6 else 9
                if len(buffer) >= size:
                    request, buffer = buffer[:size], b""
                    self._answer(request, lambda data: os.write(self._master, data))

    def speak(self, data: bytes) -> None:
        """Say something that nobody asked for."""
        os.write(self._master, data)

    def _close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


class TcpServer(_Server):
    """A Modbus TCP device on a free port; requests come with their MBAP header."""

    def __init__(self, script: Script) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.connections = 0
        super().__init__(script)

    def _run(self) -> None:
        while not self._stopped.is_set():
            ready, _, _ = select.select([self._listener], [], [], 0.02)
            if ready:
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection:
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        while not self._stopped.is_set():
            ready, _, _ = select.select([connection], [], [], 0.02)
            if ready:
                request = connection.recv(512)
                if not request or not self._answer(request, connection.sendall):
                    return

    def _close(self) -> None:
        self._listener.close()


class RegisterBank:
    """Registers of one unit behind a script: reads, writes, refusals, and writes that are lost."""

    def __init__(self, unit: int = 1) -> None:
        self.unit = unit
        self.words: dict[tuple[int, int], int] = {}
        self.refused: set[tuple[int, int]] = set()
        self.refused_writes: set[int] = set()
        self.lost_writes: set[int] = set()
        self.writes: list[tuple[int, int, tuple[int, ...]]] = []
        self.silent = False

    def put(self, function: int, address: int, *words: int) -> None:
        for offset, word in enumerate(words):
            self.words[function, address + offset] = word

    def answer(self, pdu: bytes) -> bytes:
        function, address, count = struct.unpack_from(">BHH", pdu)
        if function in (3, 4):
            asked = [(function, address + offset) for offset in range(count)]
            if self.refused & set(asked):
                return bytes([function | 0x80, 2])
            return words_pdu(function, [self.words.get(key, 0) for key in asked])
        words = (count,) if function == 6 else struct.unpack(f">{count}H", pdu[6:])
        if address in self.refused_writes:
            return bytes([function | 0x80, 3])
        self.writes.append((function, address, words))
        if address not in self.lost_writes:
            self.put(3, address, *words)
        return pdu[:5]

    def rtu(self, request: bytes) -> list[Action]:
        if self.silent or request[0] != self.unit:
            return []
        return [rtu(self.unit, self.answer(request[1:-2]))]

    def tcp(self, request: bytes) -> list[Action]:
        if self.silent:
            return []
        (transaction,) = struct.unpack_from(">H", request)
        return [mbap(transaction, request[6], self.answer(request[7:]))]
