"""What goes wrong in a device behind a sound wire, by name: answers that are well formed and not true.

A lie stands between the wire and the right device. It sees questions and answers as PDUs, and knows by the profile
which words mean what.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.devices.profile import Point, Profile
from edge.devices.registers import pattern_from_number, split_words
from edge.devices.twin_faults import LATE_WALL_S, WIRE_FAULTS, script_of
from edge.devices.twin_wire import Answer, SerialLine, TcpLine

_READS = {3: "holding", 4: "input"}
_WRITES = (6, 16)
_ILLEGAL_ADDRESS, _DEVICE_FAILURE = 2, 4
_WATCHDOG_TURNS = 30  # questions after which a forgotten command ends
_WORN_COUNT = 20  # writes that a register of this poor flash takes
_COUNTER_TURNS = 20  # questions between two resets of the counters
_CLOCK_OFFSET_MINUTES = 10
_POWERS = ("_w",)
_COUNTERS = ("_wh",)


@dataclass(slots=True, kw_only=True)
class Liar:
    """A device's answers with one lie among them."""

    answer: Answer
    profile: Profile
    lie: Lie
    turn: int = 0
    words: dict[str, tuple[int, ...]] = field(default_factory=dict)
    writes: Counter[int] = field(default_factory=Counter)
    undo: dict[int, bytes] = field(default_factory=dict)

    def __call__(self, pdu: bytes) -> bytes:
        """The answer to a question."""
        self.turn += 1
        return self.lie(self, pdu)


Lie = Callable[[Liar, bytes], bytes]
PointLie = Callable[[Liar, Point, tuple[int, ...]], Sequence[int]]


def _refusal(pdu: bytes, code: int) -> bytes:
    return bytes((pdu[0] | 0x80, code))


def of_points(change: PointLie) -> Lie:
    """A lie about the words of points."""

    def lie(liar: Liar, pdu: bytes) -> bytes:
        reply = liar.answer(pdu)
        if reply[0] not in _READS:
            return reply
        words = list(struct.unpack(f">{reply[1] // 2}H", reply[2:]))
        (first,) = struct.unpack_from(">H", pdu, 1)
        for point in liar.profile.points:
            places = [address - first for address in point.addresses]
            if point.space == _READS[reply[0]] and min(places) >= 0 and max(places) < len(words):
                changed = change(liar, point, tuple(words[place] for place in places))
                for place, word in zip(places, changed, strict=True):
                    words[place] = word
        return reply[:2] + struct.pack(f">{len(words)}H", *words)

    return lie


def closed_gap(liar: Liar, pdu: bytes) -> bytes:
    """8: the first undeclared register of a block is left out and everything after it moves up."""
    reply = liar.answer(pdu)
    if reply[0] not in _READS:
        return reply
    (first,) = struct.unpack_from(">H", pdu, 1)
    space = _READS[reply[0]]
    declared = {address for point in liar.profile.points if point.space == space for address in point.addresses}
    gap = next((place for place in range(reply[1] // 2) if first + place not in declared), None)
    if gap is None:
        return reply
    cut = 2 + 2 * gap
    return reply[:cut] + reply[cut + 2 :] + b"\x00\x00"


def illegal_address(liar: Liar, pdu: bytes) -> bytes:
    """9: this firmware lacks one register in the middle, and refuses every block that touches it."""
    points = [point for point in liar.profile.points if point.signal]
    missing = points[len(points) // 2]
    if pdu[0] not in _READS or _READS[pdu[0]] != missing.space:
        return liar.answer(pdu)
    first, count = struct.unpack_from(">HH", pdu, 1)
    touches = any(first <= address < first + count for address in missing.addresses)
    return _refusal(pdu, _ILLEGAL_ADDRESS) if touches else liar.answer(pdu)


def failed_block(liar: Liar, pdu: bytes) -> bytes:
    """24: blocks of the power's registers fail, the others answer."""
    if pdu[0] not in _READS:
        return liar.answer(pdu)
    first, count = struct.unpack_from(">HH", pdu, 1)
    powers = [point for point in liar.profile.points if point.signal in ("grid_w", "battery_w")]
    touched = any(p.space == _READS[pdu[0]] and first <= p.address < first + count for p in powers)
    return _refusal(pdu, _DEVICE_FAILURE) if touched else liar.answer(pdu)


def _night(_liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """22: the display sleeps, and every number is 0."""
    return words if point.type == "str" else (0,) * len(words)


def _sentinels(_liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """23: the device says of everything that there is no value."""
    return split_words(point.sentinels[0], len(words), "big") if point.sentinels else words


def _wrong_sign(_liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """25: a small negative number in a register that has no sign."""
    unsigned = point.signal.endswith(_POWERS) and point.type in ("u16", "u32")
    return (*(0xFFFF,) * (len(words) - 1), 0xFFFE) if unsigned else words


def _torn(liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """26: a value that passes a multiple of 65536 shows its new low word beside its old high word every other time."""
    if point.type not in ("u32", "s32") or not point.signal.endswith(_COUNTERS):
        return words
    high = words[0] if liar.turn % 2 else words[0] + 1 & 0xFFFF
    return (high, 0x0003)


def _scale_apart(liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """27: the device changes its mind about the exponent between two reads, and the value follows one read later."""
    scales = {other.scale_point for other in liar.profile.points if other.scale_point}
    if point.name not in scales:
        return words
    return (words[0] + liar.turn % 2 & 0xFFFF,)


def write_ignored(liar: Liar, pdu: bytes) -> bytes:
    """28: writes are acknowledged and forgotten."""
    return pdu[:5] if pdu[0] in _WRITES else liar.answer(pdu)


def sequence_broken(liar: Liar, pdu: bytes) -> bytes:
    """29: every second write fails."""
    if pdu[0] not in _WRITES:
        return liar.answer(pdu)
    liar.writes[0] += 1
    return liar.answer(pdu) if liar.writes[0] % 2 else _refusal(pdu, _DEVICE_FAILURE)


def watchdog(liar: Liar, pdu: bytes) -> bytes:
    """30: what was written falls back by itself after a while."""
    if liar.undo and liar.turn % _WATCHDOG_TURNS == 0:
        for undo in liar.undo.values():
            liar.answer(undo)
        liar.undo.clear()
    if pdu[0] in _WRITES:
        (first,) = struct.unpack_from(">H", pdu, 1)
        count = 1 if pdu[0] == _WRITES[0] else struct.unpack_from(">H", pdu, 3)[0]
        held = liar.answer(struct.pack(">BHH", 3, first, count))
        if held[0] in _READS:
            liar.undo.setdefault(first, struct.pack(">BHHB", 16, first, count, 2 * count) + held[2:])
    return liar.answer(pdu)


def wear(liar: Liar, pdu: bytes) -> bytes:
    """31: a register that was written too often keeps what it has."""
    if pdu[0] not in _WRITES:
        return liar.answer(pdu)
    (first,) = struct.unpack_from(">H", pdu, 1)
    liar.writes[first] += 1
    return liar.answer(pdu) if liar.writes[first] <= _WORN_COUNT else pdu[:5]


def _counter_steps_back(liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """32: the energy counters start again at nothing from time to time."""
    reset = liar.turn // _COUNTER_TURNS % 2 == 1
    return (0,) * len(words) if reset and point.signal.endswith(_COUNTERS) else words


def _clock_drift(liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """33: the device's own clock is ten minutes ahead (and, at the end of an hour, an hour behind itself)."""
    minutes = liar.profile.clock[4:5]
    return ((words[0] + _CLOCK_OFFSET_MINUTES) % 60,) if point.name in minutes else words


def _other_firmware(liar: Liar, point: Point, words: tuple[int, ...]) -> Sequence[int]:
    """34: after an update powers are told in steps ten times as fine."""
    if not point.signal.endswith(_POWERS) or point.type not in ("u16", "s16", "u32", "s32"):
        return words
    order = point.order(liar.profile.link.word_order)
    bits = 16 * len(words)
    pattern = 0
    for word in words if order == "big" else reversed(words):
        pattern = pattern << 16 | word
    number = pattern - (1 << bits) if point.type.startswith("s") and pattern >> bits - 1 else pattern
    return split_words(pattern_from_number(min(10.0 * number, 0x7FFF), point.type), len(words), order)


LIES: dict[str, Lie] = {
    "closed-gap": closed_gap,
    "illegal-address": illegal_address,
    "night": of_points(_night),
    "sentinels": of_points(_sentinels),
    "failed-block": failed_block,
    "wrong-sign": of_points(_wrong_sign),
    "torn-value": of_points(_torn),
    "scale-apart": of_points(_scale_apart),
    "write-ignored": write_ignored,
    "sequence-broken": sequence_broken,
    "watchdog": watchdog,
    "wear": wear,
    "counter-steps-back": of_points(_counter_steps_back),
    "clock-drift": of_points(_clock_drift),
    "other-firmware": of_points(_other_firmware),
}
FAULTS = (*WIRE_FAULTS, *LIES)


def play(line: SerialLine | TcpLine, profile: Profile, name: str, late_wall_s: float = LATE_WALL_S) -> None:
    """Play a fault on a line from now on; raises ``ValueError`` for a name that is none, or not of this wire."""
    kind = "tcp" if isinstance(line, TcpLine) else "serial"
    if name in LIES:
        line.answer = Liar(answer=line.answer, profile=profile, lie=LIES[name])
    elif name in WIRE_FAULTS and kind in WIRE_FAULTS[name].wires:
        line.script = script_of(name, tcp=kind == "tcp", late_wall_s=late_wall_s)
    else:
        raise ValueError(f"{name} is no fault of a {kind} line")
