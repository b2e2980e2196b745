"""Bytes to and from a wire: a serial port or a TCP socket, named by a URL. Foreign errors end here."""

from __future__ import annotations

import errno
import os
import select
import socket
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import parse_qs, urlsplit

import serial

from edge.config_links import MODBUS_TCP_PORT, port_key
from edge.devices.profile import LinkFacts
from edge.errors import DeviceUnreachable

_CHUNK_BYTES = 1024
_MAX_BAUD = 4_000_000  # the fastest that Linux has a name for (B4000000 in termbits.h)
_PARITIES = ("N", "E", "O")
_LASTING = Path("/dev/serial")


class LinkClosed(DeviceUnreachable):
    """The other end hung up; the same question may be asked once more on a new connection."""


class LinkDown(DeviceUnreachable):
    """No port or no listener there at this moment. Said at once, so that it costs little to ask again soon."""


class LinkMute(DeviceUnreachable):
    """A connection that was taken and never brought a byte: a device that serves one client only, and has another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a link leads: a serial path or a TCP host."""

    url: str
    kind: Literal["serial", "tcp"]
    place: str
    port: int = 0
    baud: int = 0
    parity: str = "N"
    stopbits: int = 1

    @property
    def key(self) -> str:
        """One for all spellings of the same port: links in ``/dev`` are followed, loopback is loopback."""
        return port_key(self.kind, self.place, self.port)


def parse_url(url: str, facts: LinkFacts) -> Address:
    """``serial:///dev/ttyUSB0?baud=9600&parity=N&stopbits=1`` or ``tcp://host:port``; raises ``ValueError``."""
    if not url.isprintable():
        raise ValueError(f"{url!r} holds a character that no name has")
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.port == 0:
            raise ValueError(f"{url} is not tcp://host:port")
        return Address(url=url, kind="tcp", place=parts.hostname, port=parts.port or MODBUS_TCP_PORT)
    if parts.scheme != "serial" or parts.netloc or len(parts.path) < 2:
        raise ValueError(f"{url!r} is neither serial:///path?baud=9600 nor tcp://host:port")
    options = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    unknown = set(options) - {"baud", "parity", "stopbits"}
    if unknown:
        raise ValueError(f"{url} has the unknown option {', '.join(sorted(unknown))}")
    baud, stopbits = options.get("baud", str(facts.baud)), options.get("stopbits", str(facts.stopbits))
    parity = options.get("parity", facts.parity)
    if not _is_baud(baud) or stopbits not in ("1", "2") or parity not in _PARITIES:
        raise ValueError(f"{url}: baud must be 1 to {_MAX_BAUD}, parity N, E or O, stopbits 1 or 2")
    return Address(url=url, kind="serial", place=parts.path, baud=int(baud), parity=parity, stopbits=int(stopbits))


def _is_baud(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(_MAX_BAUD)) and 0 < int(text) <= _MAX_BAUD


class Wire(Protocol):
    """An open connection. Durations are wall seconds."""

    def send(self, data: bytes) -> None:
        """Hand all bytes over; raises :class:`DeviceUnreachable`."""

    def receive(self, timeout_s: float) -> bytes:
        """What has arrived, waiting at most so long for the first byte; empty when nothing came."""

    def close(self) -> None:
        """Let go of the port."""


def open_wire(address: Address, timeout_s: float) -> Wire:
    """Connect; raises :class:`DeviceUnreachable` with one line that names the URL."""
    return SerialWire(address, timeout_s) if address.kind == "serial" else TcpWire(address, timeout_s)


class SerialWire:
    """An exclusively opened serial port (or pty)."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._url = address.url
        try:
            self._port = serial.Serial(
                address.place,
                baudrate=address.baud,
                parity=address.parity,
                stopbits=address.stopbits,
                exclusive=True,
                write_timeout=timeout_s,
            )
        except (OSError, ValueError, OverflowError, termios.error) as error:
            words = f"{_reason(error)}{_remedy(error)}{advice(address.place)}"
            raise LinkDown(f"{self._url} cannot be opened: {words}") from error

    def send(self, data: bytes) -> None:
        """Hand all bytes over."""
        try:
            self._port.write(data)
        except OSError as error:
            raise LinkClosed(f"{self._url} is gone: {_reason(error)}") from error

    def receive(self, timeout_s: float) -> bytes:
        """What has arrived."""
        try:
            ready, _, _ = select.select([self._port.fd], [], [], timeout_s)
            data = bytes(self._port.read(self._port.in_waiting or 1)) if ready else b""
        except OSError as error:
            raise LinkClosed(f"{self._url} is gone: {_reason(error)}") from error
        return data

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()


class TcpWire:
    """A TCP connection."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._url = address.url
        try:
            self._socket = socket.create_connection((address.place, address.port), timeout=timeout_s)
        except UnicodeError as error:  # not from the network: Python's own encoding of host names
            raise DeviceUnreachable(f"{self._url} cannot be reached: this is no host name") from error
        except (TimeoutError, socket.gaierror) as error:
            raise DeviceUnreachable(f"{self._url} cannot be reached: {_reason(error)}") from error
        except OSError as error:
            raise LinkDown(f"{self._url} cannot be reached: {_reason(error)}") from error
        if self._socket.getsockname() == self._socket.getpeername():
            # A port of this very machine that nobody listens on may be given to the caller itself.
            self._socket.close()
            raise LinkDown(f"{self._url} cannot be reached: nobody listens there")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def send(self, data: bytes) -> None:
        """Hand all bytes over."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkClosed(f"{self._url} hung up: {_reason(error)}") from error

    def receive(self, timeout_s: float) -> bytes:
        """What has arrived."""
        try:
            ready, _, _ = select.select([self._socket], [], [], timeout_s)
            data = self._socket.recv(_CHUNK_BYTES) if ready else b""
        except OSError as error:
            raise LinkClosed(f"{self._url} hung up: {_reason(error)}") from error
        if ready and not data:
            raise LinkClosed(f"{self._url} hung up")
        return data

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


def _remedy(error: Exception) -> str:
    """What helps where the user has no right to the port; Debian gives serial ports to the group dialout."""
    if errno.EACCES not in _cause(error).args:
        return ""
    return "; add yourself to the group 'dialout' (sudo usermod -aG dialout $USER) and log in again"


def _cause(error: Exception) -> BaseException:
    """The system's own error, where pyserial wraps it."""
    return error if not isinstance(error, serial.SerialException) else error.__context__ or error


def lasting_path(place: str, root: Path = _LASTING) -> str:
    """The name of a serial port that outlives a reboot or another socket: by its adapter's number, else by its socket.

    The place itself where there is no such name.
    """
    names = [name for folder in ("by-id", "by-path") for name in sorted((root / folder).glob("*"))]
    return next((str(name) for name in names if os.path.realpath(name) == os.path.realpath(place)), place)


def advice(place: str, root: Path = _LASTING) -> str:
    """Where the adapter may be now, when a port that is named by its order of arrival is gone."""
    if Path(place).exists() or place.startswith((str(root / "by-id"), str(root / "by-path"))):
        return ""
    found = sorted(str(name) for name in (root / "by-id").glob("*"))
    return f" (there is {', '.join(found)}: a name that lasts)" if found else ""


def _reason(error: Exception) -> str:
    """The system's words for an error, without Python's wrapping."""
    if "lock" in str(error):
        return "it is in use by another program"
    cause = _cause(error)
    if errno.ENOTTY in cause.args:
        return "it is no serial port"
    words = getattr(cause, "strerror", None) or (cause.args[-1] if isinstance(cause, termios.error) else cause)
    return str(words).splitlines()[0]
