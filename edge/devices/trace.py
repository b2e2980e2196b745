"""The last frames of every link as they were on the wire, for whoever wonders why a device and the box disagree."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from edge.clock import Clock
from edge.devices.bus import Connect
from edge.devices.transport import Address, Wire

KEPT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Bytes that went out or came in; one frame may come in pieces."""

    time_s: float
    link: str
    direction: Literal["out", "in"]
    data: str


class Trace:
    """Stands between links and wires; any thread may look at what it kept."""

    def __init__(self, clock: Clock, connect: Connect) -> None:
        self._clock, self._connect = clock, connect
        self._frames: deque[Frame] = deque(maxlen=KEPT)

    def connect(self, address: Address, timeout_s: float) -> Wire:
        """Open a wire whose bytes are kept for a while."""
        return _TracedWire(self._connect(address, timeout_s), address.url, self)

    def note(self, link: str, direction: Literal["out", "in"], data: bytes) -> None:
        """Keep some bytes."""
        self._frames.append(Frame(time_s=self._clock.now_s(), link=link, direction=direction, data=data.hex(" ")))

    def frames(self) -> list[Frame]:
        """What was kept, oldest first."""
        return list(self._frames)


class _TracedWire:
    def __init__(self, wire: Wire, link: str, trace: Trace) -> None:
        self._wire, self._link, self._trace = wire, link, trace

    def send(self, data: bytes) -> None:
        self._trace.note(self._link, "out", data)
        self._wire.send(data)

    def receive(self, timeout_s: float) -> bytes:
        data = self._wire.receive(timeout_s)
        if data:
            self._trace.note(self._link, "in", data)
        return data

    def close(self) -> None:
        self._wire.close()
