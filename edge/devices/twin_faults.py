"""What goes wrong on a wire between a right device and its reader, by name: scripts for the twin's lines.

A script gets a question's frame and the frame of its right answer, and says what is sent instead, after what pause, or
that the connection ends. Faults of the device behind the wire are in ``twin_lies``.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edge.devices.twin_wire import Action, Script, seal

LATE_WALL_S = 1.1  # a little more than the reader's timeout
_TURNAROUND_WALL_S = 0.05  # an FTDI adapter on a Deye needs so long (shared/hardware/faults.md, 17)
_MBAP = struct.Struct(">HHHB")
_OTHER_UNIT = 77
_HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of either kind, taken apart; ``transaction`` is ``None`` on a serial line."""

    unit: int
    pdu: bytes
    transaction: int | None = None
    protocol: int = 0

    def packed(self, *, excess_bytes: int = 0) -> bytes:
        """The frame as it goes on the wire; its length field may lie."""
        if self.transaction is None:
            return seal(bytes((self.unit,)) + self.pdu)
        length = 1 + len(self.pdu) + excess_bytes
        return _MBAP.pack(self.transaction, self.protocol, length, self.unit) + self.pdu


def parse(frame: bytes, *, tcp: bool) -> Frame:
    """Take a frame apart."""
    if not tcp:
        return Frame(unit=frame[0], pdu=frame[1:-2])
    transaction, protocol, _, unit = _MBAP.unpack_from(frame)
    return Frame(unit=unit, pdu=frame[_MBAP.size :], transaction=transaction, protocol=protocol)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One question while the fault holds: how many went before, and what was answered to them."""

    asked: Frame
    answer: Frame
    turn: int
    earlier: deque[Frame]
    late_wall_s: float

    def with_pdu(self, pdu: bytes) -> Frame:
        """The answer's frame around another PDU."""
        return Frame(unit=self.answer.unit, pdu=pdu, transaction=self.answer.transaction)

    def is_read(self) -> bool:
        """The question is a read that was answered with words."""
        return self.answer.pdu[0] in (3, 4)


Fault = Callable[[Exchange], Iterable[Action]]


@dataclass(slots=True, kw_only=True)
class Faulty:
    """A script that plays one fault, and remembers what it has to."""

    fault: Fault
    tcp: bool
    late_wall_s: float = LATE_WALL_S
    turn: int = 0
    earlier: deque[Frame] = field(default_factory=lambda: deque(maxlen=3))

    def __call__(self, asked: bytes, answer: bytes) -> Iterable[Action]:
        """What is done about a question."""
        exchange = Exchange(
            asked=parse(asked, tcp=self.tcp),
            answer=parse(answer, tcp=self.tcp),
            turn=self.turn,
            earlier=deque(self.earlier),
            late_wall_s=self.late_wall_s,
        )
        self.turn += 1
        self.earlier.appendleft(exchange.answer)
        return self.fault(exchange)


def late(exchange: Exchange) -> Iterable[Action]:
    """1, 2: the first answer comes after the reader gave up; on a line it then stands before the next one."""
    return [exchange.late_wall_s, exchange.answer.packed()] if exchange.turn == 0 else [exchange.answer.packed()]


def gateway_replay(exchange: Exchange) -> Iterable[Action]:
    """3: the gateway puts its answer to the question before under the present transaction id."""
    older = exchange.earlier[0] if exchange.earlier else exchange.answer
    return [exchange.with_pdu(older.pdu).packed()]


def transaction_rewritten(exchange: Exchange) -> Iterable[Action]:
    """4: the transaction id comes back as 0, without its high byte, or one too high."""
    asked = exchange.asked.transaction or 0
    found = (0, asked & 0xFF, asked + 1 & 0xFFFF)[exchange.turn % 3]
    return [Frame(unit=exchange.answer.unit, pdu=exchange.answer.pdu, transaction=found).packed()]


def replies_swapped(exchange: Exchange) -> Iterable[Action]:
    """5: the answer belongs to another client, which counts its transactions from 1 and reads other registers."""
    size = exchange.answer.pdu[1] if exchange.is_read() else 2
    other = bytes((exchange.answer.pdu[0] & 0x7F, size)) + bytes(range(1, size + 1))
    swapped = Frame(unit=exchange.answer.unit, pdu=other, transaction=exchange.turn + 1)
    return [swapped.packed()]


def wrong_count(exchange: Exchange) -> Iterable[Action]:
    """6: two words are missing, or five too many came."""
    pdu = exchange.answer.pdu
    if not exchange.is_read():
        return [exchange.answer.packed()]
    words = pdu[2:-4] if exchange.turn % 2 and len(pdu) > 6 else pdu[2:] + bytes(range(10))
    return [exchange.with_pdu(bytes((pdu[0], len(words) & 0xFF)) + words).packed()]


def wrong_function(exchange: Exchange) -> Iterable[Action]:
    """7: holding registers answer a question for input registers, and the other way round."""
    pdu = exchange.answer.pdu
    swapped = {3: 4, 4: 3}.get(pdu[0], pdu[0] ^ 0x10)
    other = bytes(byte ^ 0x01 for byte in pdu[2:])
    return [exchange.with_pdu(bytes((swapped, pdu[1])) + other).packed()]


def refusal(code: int) -> Fault:
    """10, 11: every question is refused with this exception."""

    def refuse(exchange: Exchange) -> Iterable[Action]:
        return [exchange.with_pdu(bytes((exchange.asked.pdu[0] | 0x80, code))).packed()]

    return refuse


def bit_flip(exchange: Exchange) -> Iterable[Action]:
    """12: one bit of the answer is wrong, another one each time."""
    frame = bytearray(exchange.answer.packed())
    bit = exchange.turn * 13 % (8 * len(frame))
    frame[bit // 8] ^= 1 << bit % 8
    return [bytes(frame)]


def glitch_bytes(exchange: Exchange) -> Iterable[Action]:
    """13: a line without bias adds bytes at the turnaround."""
    glitch = (b"\x00", b"\xff\xfe", b"\x00\x00\x00", b"\xfe")[exchange.turn % 4]
    return [glitch + exchange.answer.packed()]


def echo(exchange: Exchange) -> Iterable[Action]:
    """14: the adapter hands the question back before the answer."""
    return [exchange.asked.packed(), exchange.answer.packed()]


def foreign_frame(exchange: Exchange) -> Iterable[Action]:
    """15: another unit's answer comes first, in the same burst."""
    other = Frame(unit=_OTHER_UNIT, pdu=bytes((exchange.answer.pdu[0], 4, 1, 2, 3, 4)))
    return [other.packed() + exchange.answer.packed()]


def split_frame(exchange: Exchange) -> Iterable[Action]:
    """16: the answer comes in two pieces, 20 ms apart."""
    frame = exchange.answer.packed()
    return [frame[:4], 0.02, frame[4:]]


def hasty_turnaround() -> Fault:
    """17: a question that comes too soon after the last answer is not heard."""
    answered_wall_s = -float("inf")

    def mind(exchange: Exchange) -> Iterable[Action]:
        nonlocal answered_wall_s
        now_wall_s = time.monotonic()
        hasty = now_wall_s - answered_wall_s < _TURNAROUND_WALL_S
        answered_wall_s = now_wall_s if not hasty else answered_wall_s
        return [] if hasty else [exchange.answer.packed()]

    return mind


def silence(_exchange: Exchange) -> Iterable[Action]:
    """19, 20, 22: the connection stands, and nothing comes."""
    return []


def hang_up(exchange: Exchange) -> Iterable[Action]:
    """21: the connection ends instead of every other answer."""
    return [None] if exchange.turn % 2 == 0 else [exchange.answer.packed()]


def not_modbus(exchange: Exchange) -> Iterable[Action]:
    """35: a web server, another protocol, an endless frame, and a byte count that lies."""
    answer = exchange.answer
    odd = bytes((answer.pdu[0], 3)) + answer.pdu[2:5].ljust(3, b"\x07")
    lies = (
        _HTTP,
        Frame(unit=answer.unit, pdu=answer.pdu, transaction=answer.transaction, protocol=1).packed(),
        answer.packed(excess_bytes=3000),
        exchange.with_pdu(odd).packed(),
    )
    return [lies[exchange.turn % 4]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFault:
    """A named fault: its number in ``shared/hardware/faults.md``, what plays it, and on which wires it exists."""

    number: int
    make: Callable[[], Fault]
    wires: tuple[str, ...] = ("serial", "tcp")


def _always(fault: Fault) -> Callable[[], Fault]:
    return lambda: fault


WIRE_FAULTS = {
    "late-serial": WireFault(number=1, make=_always(late), wires=("serial",)),
    "late-tcp": WireFault(number=2, make=_always(late), wires=("tcp",)),
    "gateway-replay": WireFault(number=3, make=_always(gateway_replay), wires=("tcp",)),
    "transaction-rewritten": WireFault(number=4, make=_always(transaction_rewritten), wires=("tcp",)),
    "replies-swapped": WireFault(number=5, make=_always(replies_swapped), wires=("tcp",)),
    "wrong-count": WireFault(number=6, make=_always(wrong_count)),
    "wrong-function": WireFault(number=7, make=_always(wrong_function)),
    "busy": WireFault(number=10, make=lambda: refusal(6)),
    "gateway-target-silent": WireFault(number=11, make=lambda: refusal(11), wires=("tcp",)),
    "bit-flip": WireFault(number=12, make=_always(bit_flip), wires=("serial",)),
    "glitch-bytes": WireFault(number=13, make=_always(glitch_bytes), wires=("serial",)),
    "echo": WireFault(number=14, make=_always(echo), wires=("serial",)),
    "foreign-frame": WireFault(number=15, make=_always(foreign_frame), wires=("serial",)),
    "split-frame": WireFault(number=16, make=_always(split_frame)),
    "hasty-turnaround": WireFault(number=17, make=hasty_turnaround, wires=("serial",)),
    "single-client": WireFault(number=19, make=_always(silence), wires=("tcp",)),
    "half-open": WireFault(number=20, make=_always(silence), wires=("tcp",)),
    "hang-up": WireFault(number=21, make=_always(hang_up), wires=("tcp",)),
    "not-modbus": WireFault(number=35, make=_always(not_modbus), wires=("tcp",)),
}


def script_of(name: str, *, tcp: bool, late_wall_s: float = LATE_WALL_S) -> Script:
    """The script of a fault by its name; raises ``KeyError`` for a name that is none."""
    return Faulty(fault=WIRE_FAULTS[name].make(), tcp=tcp, late_wall_s=late_wall_s)
