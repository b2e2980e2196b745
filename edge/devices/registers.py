"""Words on the wire and what they mean: pure conversions between registers and numbers.

Raw values are unsigned bit patterns with the high word first; ``type`` says how to read them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.devices.profile import WORDS, Point, Type, WordOrder, Write

EXPONENTS = range(-10, 11)  # SunSpec: the legal values of a scale factor
NO_VALUE = "the device says that there is no value"


def join_words(words: Sequence[int], order: WordOrder) -> int:
    """The bit pattern of a value from its words as they arrived."""
    pattern = 0
    for word in words if order == "big" else reversed(words):
        pattern = pattern << 16 | word
    return pattern


def split_words(pattern: int, count: int, order: WordOrder) -> tuple[int, ...]:
    """The words of a bit pattern as they go on the wire."""
    words = tuple(pattern >> 16 * place & 0xFFFF for place in range(count - 1, -1, -1))
    return words if order == "big" else words[::-1]


def number_from_pattern(pattern: int, kind: Type) -> float:
    """The unscaled number in a bit pattern; whole numbers beyond 2**53 lose their last digits."""
    if kind == "f32":
        return float(struct.unpack(">f", pattern.to_bytes(4, "big"))[0])
    size = 1 << 16 * WORDS[kind]
    return float(pattern - size if kind.startswith("s") and 2 * pattern >= size else pattern)


def pattern_from_number(number: float, kind: Type) -> int:
    """The bit pattern of an unscaled number, rounded to an integer where the type is one.

    Raises ``ValueError`` for text, a number that is not finite, and one outside the type.
    """
    if kind == "str" or not math.isfinite(number):
        raise ValueError(f"{number} is not a number for type {kind}")
    if kind == "f32":
        try:
            return int.from_bytes(struct.pack(">f", number), "big")
        except OverflowError as error:
            raise ValueError(f"{number} does not fit into f32") from error
    rounded, size = round(number), 1 << 16 * WORDS[kind]
    low = -size // 2 if kind.startswith("s") else 0
    if not low <= rounded < low + size:
        raise ValueError(f"{rounded} does not fit into {kind}")
    return rounded % size


def text_from_words(words: Sequence[int]) -> str:
    """ASCII text, two characters a word, padding removed; anything unprintable becomes ``?``."""
    characters = b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\x00 ").decode("ascii", "replace")
    return "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in characters)


def identity_from_words(words: Sequence[int]) -> str:
    """A serial number; empty where the words hold none: blank, or anything but printable ASCII."""
    text = b"".join(word.to_bytes(2, "big") for word in words).strip(b"\x00 ").decode("latin-1")
    return text if text.isascii() and text.isprintable() else ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a point's words say; a NaN (text, or no value) has its reason."""

    words: tuple[int, ...]
    value: float
    reason: str = ""


def decode_all(points: Iterable[Point], words_at: Mapping[int, int], order: WordOrder) -> dict[str, Decoded]:
    """The values of points that were read together, by name; what a value hangs on must be among the points."""
    listed = {point.name: point for point in points}
    words = {name: tuple(map(words_at.__getitem__, point.addresses)) for name, point in listed.items()}
    found: dict[str, Decoded] = {}
    for name, point in listed.items():
        exponent, reason = 0, ""
        if point.scale_point:
            scale = listed[point.scale_point]
            exponent, reason = exponent_of(join_words(words[scale.name], scale.order(order)))
        if point.needs and not decode(listed[point.needs], words[point.needs], order) > 0.0:
            reason = f"{NO_VALUE} while {point.needs} is 0"
        value = math.nan if reason else decode(point, words[name], order, exponent)
        missing = NO_VALUE if math.isnan(value) and point.type != "str" else ""
        found[name] = Decoded(words[name], value, reason or missing)
    return found


def exponent_of(pattern: int) -> tuple[int, str]:
    """The exponent in a scale factor's word, or 0 and why there is none."""
    exponent = int(number_from_pattern(pattern, "s16"))
    if exponent in EXPONENTS:
        return exponent, ""
    return 0, "the device gives no scale factor" if pattern == 0x8000 else f"the scale factor {exponent} is not one"


def decode(point: Point, words: Sequence[int], order: WordOrder, exponent: int = 0) -> float:
    """A point's contribution to its signal, in the signal's unit and sign; NaN where the device says "no value"."""
    pattern = join_words(words, point.order(order))
    if point.type == "str" or pattern in point.sentinels:
        return math.nan
    number = _scaled(number_from_pattern(_masked(pattern, point.mask), point.type), exponent)
    value = (number * point.scale + point.offset) * point.sign
    return value if math.isfinite(number) else math.nan


def encode(item: Point | Write, value: float, order: WordOrder, exponent: int = 0, base: int = 0) -> tuple[int, ...]:
    """The words that carry a value; raises ``ValueError`` where it does not fit the type.

    ``base``: the pattern that the register holds now, whose bits outside the mask stay.
    """
    number = _scaled((value / item.sign - item.offset) / item.scale, -exponent)
    return split_words(onto(item, pattern_from_number(number, item.type), base), item.words, item.order(order))


def onto(item: Point | Write, pattern: int, base: int) -> int:
    """The register's pattern with this value in it; without a mask the value is all of it."""
    if not item.mask:
        return pattern
    placed = pattern * (item.mask & -item.mask)
    if placed & ~item.mask:
        raise ValueError(f"{pattern} does not fit into mask {item.mask:#x}")
    return base & ~item.mask | placed


def _masked(pattern: int, mask: int) -> int:
    """The bits that count, moved to the right end."""
    return (pattern & mask) // (mask & -mask) if mask else pattern


def _scaled(number: float, exponent: int) -> float:
    """Times a power of ten, without the error of a factor like 10**-2."""
    return number * 10.0**exponent if exponent >= 0 else number / 10.0**-exponent


def contributions(points: Sequence[Point], value: float) -> tuple[float, ...]:
    """A signal's value shared out to its points: alike where all have one sign, else each sign takes its own part."""
    plus = sum(point.sign > 0 for point in points)
    minus = len(points) - plus
    if not plus or not minus:
        return (value / len(points),) * len(points)
    return tuple(max(value, 0.0) / plus if point.sign > 0 else min(value, 0.0) / minus for point in points)
