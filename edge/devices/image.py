"""The server's side of a profile: registers that show values, and answers to Modbus requests (PDU in, PDU out).

Written without the client's library on purpose: both ends agreeing is then a proof.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edge.devices.profile import Point, Profile, Space, Write
from edge.devices.registers import contributions, decode, decode_all, encode, exponent_of, join_words
from edge.errors import ConfigError, DeviceRejected

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
_MAX_WRITE_WORDS = 123  # Modbus Application Protocol V1.1b3, 6.12

Values = Mapping[str, float | str]


class Served(Protocol):
    """What answers on a link. ``read`` and ``write`` raise :class:`DeviceRejected` with the exception to send."""

    @property
    def profile(self) -> Profile:
        """The family's facts."""
        ...

    def read(self, space: Space, first: int, count: int) -> Sequence[int]:
        """The words of a block."""
        ...

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        """Take words into holding registers."""
        ...


def respond(device: Served, pdu: bytes) -> bytes:
    """The answer to one request, an exception answer included."""
    function = pdu[0] if pdu else 0
    try:
        return bytes((function,)) + _execute(device, function, pdu[1:])
    except DeviceRejected as refusal:
        return bytes((function | 0x80, refusal.exception_code))


def _execute(device: Served, function: int, body: bytes) -> bytes:
    if function in (READ_HOLDING, READ_INPUT) and len(body) == 4:
        first, count = struct.unpack(">HH", body)
        words = device.read("holding" if function == READ_HOLDING else "input", first, count)
        return bytes((2 * count,)) + struct.pack(f">{count}H", *words)
    if function == WRITE_ONE and len(body) == 4:
        first, word = struct.unpack(">HH", body)
        device.write(function, first, (word,))
        return body
    if function == WRITE_MANY and len(body) >= 5:
        first, count, size = struct.unpack(">HHB", body[:5])
        if not 1 <= count <= _MAX_WRITE_WORDS or size != 2 * count or len(body) != 5 + size:
            raise DeviceRejected("count and bytes do not fit", ILLEGAL_VALUE)
        device.write(function, first, struct.unpack(f">{count}H", body[5:]))
        return body[:4]
    known = function in (READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY)
    raise DeviceRejected(f"function {function}", ILLEGAL_VALUE if known else ILLEGAL_FUNCTION)


class Registers:
    """Words by address: points of the profile show values, the rest of a window reads 0, outside is exception 02."""

    def __init__(self, profile: Profile, windows: Mapping[str, Sequence[tuple[int, int]]] | None = None) -> None:
        self._profile = profile
        self._windows = profile.link.read_windows if windows is None else windows
        self._words: dict[str, dict[int, int]] = {"input": defaultdict(int), "holding": defaultdict(int)}
        lent = {point.signal for point in profile.points if point.same_as}
        self._groups = tuple(sorted(profile.signals().items(), key=lambda group: group[0] in lent))
        self._scales = {point.scale_point for point in profile.points} - {""}
        self._put_named({name: profile.by_name[name].golden_value for name in self._scales})

    def show_golden(self) -> None:
        """Let every point show its golden value."""
        for point in self._profile.points:
            self._put(point, point.golden_value)

    def words(self, point: Point) -> tuple[int, ...]:
        """A point's words as they lie on the wire."""
        return tuple(self._words[point.space][address] for address in point.addresses)

    def place(self, point: Point, words: Sequence[int]) -> None:
        """Put a point's words where they belong."""
        self._words[point.space].update(zip(point.addresses, words, strict=True))

    def value(self, point: Point) -> float:
        """What a client decodes from a point."""
        return decode(point, self.words(point), self._profile.link.word_order, self.exponent(point))

    def exponent(self, item: Point | Write) -> int:
        """The scale factor that the registers show for this value now."""
        if not item.scale_point:
            return 0
        scale = self._profile.by_name[item.scale_point]
        exponent, reason = exponent_of(join_words(self.words(scale), scale.order(self._profile.link.word_order)))
        if reason:
            raise ValueError(f"{item.name}: {reason}")
        return exponent

    def show(self, values: Values) -> None:
        """Encode values, by signal or by point name; raises ``ValueError`` where one does not fit its register.

        Scale factors come first, registers with two meanings after those with one: what is left hangs on them.
        """
        self._put_named({name: value for name, value in values.items() if name in self._scales})
        for signal, points in self._groups:
            value = values.get(signal)
            if isinstance(value, (int, float)):
                self._share(points, value)
        self._put_named({name: value for name, value in values.items() if name not in self._scales})

    def _put_named(self, values: Values) -> None:
        for name, value in values.items():
            if name in self._profile.by_name:
                self._put(self._profile.by_name[name], value)

    def _share(self, points: Sequence[Point], value: float) -> None:
        """A signal's value over its points, less what registers say that belong to another signal first."""
        own = [point for point in points if not point.same_as]
        lent = decode_all(
            self._profile.with_partners(point for point in points if point.same_as),
            self._words[points[0].space],
            self._profile.link.word_order,
        )
        given = sum(lent[point.name].value for point in points if point.same_as)
        for point, part in zip(own, contributions(own, value - given), strict=True):
            self._put(point, part)

    def _put(self, point: Point, value: float | str) -> None:
        order = self._profile.link.word_order
        held = self._words[point.space]
        if isinstance(value, str):
            padded = value.encode("ascii").ljust(2 * point.words, b"\0")[: 2 * point.words]
            words: Sequence[int] = struct.unpack(f">{point.words}H", padded)
        else:
            base = join_words([held[address] for address in point.addresses], point.order(order))
            words = encode(point, value, order, self.exponent(point), base)
        held.update(zip(point.addresses, words, strict=True))

    def word(self, address: int) -> int:
        """A holding register's word."""
        return self._words["holding"].get(address, 0)

    def store(self, first: int, words: Sequence[int]) -> None:
        """Put words into holding registers as they are."""
        for offset, word in enumerate(words):
            self._words["holding"][first + offset] = word

    def require_window(self, space: Space, first: int, count: int) -> None:
        """Raise the exception a device sends for a block it does not have."""
        if not any(low <= first and first + count - 1 <= high for low, high in self._windows.get(space, ())):
            raise DeviceRejected(f"{space} {first}..{first + count - 1}", ILLEGAL_ADDRESS)

    def read(self, space: Space, first: int, count: int) -> tuple[int, ...]:
        """The words of a block; raises :class:`DeviceRejected`."""
        link = self._profile.link
        if not 1 <= count <= link.max_read_words:
            raise DeviceRejected(f"{count} words", ILLEGAL_VALUE)
        self.require_window(space, first, count)
        if first % link.align_words or count % link.align_words:
            raise DeviceRejected(f"{first} x {count} is not aligned", ILLEGAL_ADDRESS)
        words = self._words[space]
        return tuple(words.get(address, 0) for address in range(first, first + count))


def check_range(profile: Profile, address: int, word: int) -> bool:
    """Whether the profile knows a one-word write at this address; a word out of its range raises exception 03."""
    for write in profile.writes:
        if write.address == address and write.words == 1:
            raw = word - 0x10000 if write.type == "s16" and word & 0x8000 else word
            if not write.range[0] <= raw <= write.range[1]:
                raise DeviceRejected(f"{write.name} = {raw}", ILLEGAL_VALUE)
            return True
    return False


def check_state(profile: Profile, state: Values) -> None:
    """Raise :class:`ConfigError` with every name of a state that the profile does not know or that does not fit."""
    has = dict.fromkeys([*profile.signals(), *profile.by_name])
    problems = [
        f"{name}: {profile.name} has no such signal or point; it has {', '.join(has)}"
        for name in state
        if name not in has
    ]
    for name, value in state.items():
        try:
            Registers(profile).show({name: value})
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ConfigError(f"state of {profile.name}", problems)


class ImageDevice:
    """Any profile: its golden image, or what a state or a source puts in its place; nothing can be written."""

    def __init__(self, profile: Profile, state: Values, source: Callable[[], Values] | None = None) -> None:
        check_state(profile, state)
        self._profile = profile
        self._registers = Registers(profile)
        self._source = source
        self._registers.show_golden()
        self._registers.show(state)

    @property
    def profile(self) -> Profile:
        """The family's facts."""
        return self._profile

    def read(self, space: Space, first: int, count: int) -> Sequence[int]:
        """The words of a block, fresh from the source."""
        if self._source is not None:
            self._registers.show(self._source())
        return self._registers.read(space, first, count)

    def write(self, function: int, first: int, words: Sequence[int]) -> None:
        """Refuse: what can be written is served with its battery."""
        raise DeviceRejected(f"function {function}: {len(words)} words at holding {first}", ILLEGAL_ADDRESS)


def identity(profile: Profile) -> dict[str, float | str]:
    """Texts and type codes by which a device is known: the profile's golden ones."""
    known = {identity.point for identity in profile.identify} | {control.requires for control in profile.controls}
    return {p.name: p.golden_value for p in profile.points if p.type == "str" or p.name in known}
