"""A device in memory whose every word tells by which request it was made, and that may lag, be silent, or refuse."""

from __future__ import annotations

import struct

from memory_wire import connect_to
from wires import mbap, rtu, words_pdu

from edge.devices.bus import Link
from edge.devices.lockstep import Place
from edge.devices.profile_file import load_profile
from edge.devices.transport import parse_url
from edge.errors import DeviceError

SPH = load_profile("growatt/sph").link
URLS = {"serial": "serial:///dev/null", "tcp": "tcp://box"}
SERIAL_NUMBER = Place(space="holding", address=23, count=5)
NAME = (18, 52, 86, 120, 137)


class Now:
    """A clock that never waits."""

    speed = 1000.0

    def now_s(self) -> float:
        return 0.0

    def sleep_until(self, time_s: float) -> None:
        """There is nothing to wait for."""


class Device:
    """Every word tells by which request it was made; ``lag``: the answer to the question so many before is sent."""

    def __init__(self, kind: str, lag: int = 0, refuses=None) -> None:
        self.kind = kind
        self.lag = lag
        self.silent = False
        self.refuses = refuses or (lambda _address, _count: False)
        self.pdus: list[bytes] = []
        self.lengths: list[tuple[int, int]] = []
        self.truth: dict[int, int] = {}
        self.name = NAME

    def script(self, frame: bytes):
        pdu = frame[1:-2] if self.kind == "serial" else frame[7:]
        function, address, count = struct.unpack_from(">BHH", pdu)
        self.lengths.append((function, count))
        serial = len(self.pdus) + 1
        self.truth = {place: (97 * place + 1009 * serial) & 0xFFFF for place in range(address, address + count)}
        if function == 3:
            self.truth.update({23 + offset: word for offset, word in enumerate(self.name)})
        words = [self.truth[place] for place in range(address, address + count)]
        refused = self.refuses(address, count)
        self.pdus.append(bytes([function | 0x80, 2]) if refused else words_pdu(function, words))
        if self.silent or len(self.pdus) <= self.lag:
            return []
        pdu = self.pdus[-1 - self.lag]
        return [rtu(1, pdu) if self.kind == "serial" else mbap(frame[0] << 8 | frame[1], 1, pdu)]


def link_to(device: Device, facts=SPH) -> Link:
    return Link(parse_url(URLS[device.kind], facts), facts, Now(), connect=connect_to(device.script))


def outcomes(link: Link, device: Device, blocks, rounds: int) -> list[str]:
    """What came of so many reads of each block: right, WRONG, or the name of our error."""
    found = []
    for _ in range(rounds):
        for space, address, count in blocks:
            try:
                words = link.read(1, space, address, count)
            except DeviceError as error:
                found.append(type(error).__name__)
            else:
                truth = [device.truth[place] for place in range(address, address + count)]
                found.append("right" if list(words) == truth else "WRONG")
    return found
