"""The twin's ends of the wires: a serial line (pty) at its true line rate, and a Modbus TCP listener.

Own small servers, because the faults that matter - silence, pacing - are what a library's server cannot do. All
durations are simulated seconds of the ``Clock``.
"""

from __future__ import annotations

import os
import pty
import select
import selectors
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterable
from pathlib import Path

from edge.clock import Clock
from edge.devices.transport import Address
from edge.errors import DeviceUnreachable

Answer = Callable[[bytes], bytes]
Action = bytes | float | None  # send, wait [wall s], hang up
Script = Callable[[bytes, bytes], Iterable[Action]]  # what is done with a question's frame and its right answer's frame

_START_AND_DATA_BITS = 9.0
_TURNAROUND_S = 0.020  # a few characters of silence and the firmware's own time
_JITTER_WALL_S = 0.020  # what a loaded machine may shift a wake-up; forgiven in the command period
_GARBAGE_WALL_S = 0.03  # silence after which an incomplete frame is thrown away; USB adapters part one by 16 ms
_STALLED_WALL_S = 1.0  # a client that does not take its answer for so long is dropped
_SLOW_SPEED = 4.0  # up to here bytes are paced one by one
_GATEWAY_TARGET_FAILED = 0x0B


def crc16(data: bytes) -> int:
    """Modbus checksum (Modbus over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def seal(frame: bytes) -> bytes:
    """A frame with its checksum."""
    return frame + struct.pack("<H", crc16(frame))


def faithful(_asked: bytes, answer: bytes) -> Iterable[Action]:
    """The script of a wire without faults."""
    return (answer,)


class Line:
    """A thread that serves one wire until it is closed."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self.wake, self._poke = os.pipe()
        self._thread = threading.Thread(target=run, name=name, daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        os.write(self._poke, b"x")
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._poke)
        os.close(self.wake)


class SerialLine:
    """RTU on a pty whose slave end is linked at the address's path. Other units and hasty commands get silence."""

    def __init__(
        self, address: Address, unit: int, clock: Clock, answer: Answer, *, min_command_period_s: float
    ) -> None:
        self._unit = unit
        self._clock = clock
        self.answer = answer
        self.script: Script = faithful
        self._period_s = min_command_period_s - clock.speed * _JITTER_WALL_S
        self._character_s = (_START_AND_DATA_BITS + (address.parity != "N") + address.stopbits) / address.baud
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._path = Path(address.place)
        self._free_s = self._answered_s = -float("inf")
        try:
            self._link()
        except OSError as error:
            os.close(self._master)
            os.close(self._slave)
            raise DeviceUnreachable(f"{address.url} cannot be served: {error.strerror}") from error
        self._line = Line(f"serial {self._path}", self._run)
        self._line.start()

    def _link(self) -> None:
        if self._path.is_symlink():
            self._path.unlink()
        self._path.symlink_to(os.ttyname(self._slave))

    def close(self) -> None:
        """Stop serving and remove the link."""
        self._line.close()
        if self._path.is_symlink() and str(self._path.readlink()) == os.ttyname(self._slave):
            self._path.unlink()
        os.close(self._master)
        os.close(self._slave)

    def _run(self) -> None:
        buffer = b""
        arrived_s = 0.0
        while True:
            timeout = _GARBAGE_WALL_S if buffer else None
            ready, _, _ = select.select([self._master, self._line.wake], [], [], timeout)
            if self._line.wake in ready:
                return
            if not ready:
                buffer = b""
                continue
            chunk = os.read(self._master, 4096)
            now_s = self._clock.now_s()
            arrived_s = arrived_s if buffer else now_s
            self._free_s = max(self._free_s, now_s) + self._character_s * len(chunk)
            buffer += chunk
            frame = buffer[: _frame_size(buffer)]
            if _is_whole(frame):
                buffer = b""
                self._clock.sleep_until(self._free_s)
                self._serve(frame, arrived_s)

    def _serve(self, frame: bytes, arrived_s: float) -> None:
        if frame[0] != self._unit or arrived_s - self._answered_s < self._period_s:
            return
        self._answered_s = arrived_s
        reply = seal(frame[:1] + self.answer(frame[1:-2]))
        self._free_s = max(self._free_s + _TURNAROUND_S, self._clock.now_s())
        for action in self.script(frame, reply):
            if isinstance(action, bytes):
                self._send_paced(action)
            elif action is not None:
                time.sleep(action)
                self._free_s = max(self._free_s, self._clock.now_s())

    def _send_paced(self, data: bytes) -> None:
        if self._clock.speed > _SLOW_SPEED:
            self._free_s += self._character_s * len(data)
            self._clock.sleep_until(self._free_s)
            self._send(data)
            return
        for index in range(len(data)):
            self._free_s += self._character_s
            self._clock.sleep_until(self._free_s)
            self._send(data[index : index + 1])

    def _send(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except BlockingIOError:
            return  # nobody reads: a real wire loses the bytes as well


def _frame_size(buffer: bytes) -> int:
    """Length of the request that begins the buffer: known functions by their layout, others all there is."""
    function = buffer[1] if len(buffer) > 1 else 0
    if 1 <= function <= 6:
        return 8
    if function in (15, 16):
        return 9 + buffer[6] if len(buffer) > 6 else 9
    return max(len(buffer), 4)


def _is_whole(frame: bytes) -> bool:
    return len(frame) >= 4 and len(frame) == _frame_size(frame) and seal(frame[:-2]) == frame


class TcpLine:
    """Modbus TCP for several clients at once; another unit id gets the gateway's exception 0B."""

    def __init__(self, address: Address, unit: int, answer: Answer) -> None:
        self._unit = unit
        self.answer = answer
        self.script: Script = faithful
        try:
            self._listener = socket.create_server((address.place, address.port), backlog=8)
        except OSError as error:
            raise DeviceUnreachable(f"{address.url} cannot be served: {error.strerror or error}") from error
        self.port = int(self._listener.getsockname()[1])
        self._buffers: dict[socket.socket, bytes] = {}
        self._line = Line(f"tcp {self.port}", self._run)
        self._line.start()

    def close(self) -> None:
        """Stop serving and drop all clients."""
        self._line.close()
        for client in (*self._buffers, self._listener):
            client.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._line.wake, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj == self._line.wake:
                        return
                    if key.fileobj is self._listener:
                        client, _ = self._listener.accept()
                        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        client.settimeout(_STALLED_WALL_S)
                        self._buffers[client] = b""
                        selector.register(client, selectors.EVENT_READ)
                    elif isinstance(key.fileobj, socket.socket) and not self._talk(key.fileobj):
                        selector.unregister(key.fileobj)
                        del self._buffers[key.fileobj]
                        key.fileobj.close()

    def _talk(self, client: socket.socket) -> bool:
        """Answer what a client sent; false when the connection is over or not Modbus."""
        try:
            chunk = client.recv(4096)
            buffer = self._buffers[client] + chunk
            while len(buffer) >= 8:
                transaction, protocol, size, unit = struct.unpack(">HHHB", buffer[:7])
                if protocol != 0 or not 2 <= size <= 254:
                    return False
                if len(buffer) < 6 + size:
                    break
                asked, buffer = buffer[: 6 + size], buffer[6 + size :]
                pdu = asked[7:]
                reply = self.answer(pdu) if unit == self._unit else bytes((pdu[0] | 0x80, _GATEWAY_TARGET_FAILED))
                answer = struct.pack(">HHHB", transaction, 0, 1 + len(reply), unit) + reply
                if not self._play(client, asked, answer):
                    return False
            self._buffers[client] = buffer
        except OSError:
            return False
        return bool(chunk)

    def _play(self, client: socket.socket, asked: bytes, answer: bytes) -> bool:
        """Do what the script says; false when it hangs up."""
        for action in self.script(asked, answer):
            if action is None:
                return False
            if isinstance(action, bytes):
                client.sendall(action)
            else:
                time.sleep(action)
        return True
