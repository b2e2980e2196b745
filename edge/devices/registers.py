"""Words on the wire and what they mean: pure conversions between registers and numbers.

Raw values are unsigned bit patterns with the high word first; ``type`` says how to read them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from edge.devices.profile import Point, Type, WordOrder, Write

_SIGN_BIT = {"s16": 1 << 15, "s32": 1 << 31}
_LIMITS = {"u16": (0, 0xFFFF), "s16": (-0x8000, 0x7FFF), "u32": (0, 0xFFFFFFFF), "s32": (-0x80000000, 0x7FFFFFFF)}


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
    """The unscaled number in a bit pattern."""
    if kind == "f32":
        return float(struct.unpack(">f", pattern.to_bytes(4, "big"))[0])
    sign_bit = _SIGN_BIT.get(kind, 0)
    return float(pattern - 2 * sign_bit if pattern & sign_bit else pattern)


def pattern_from_number(number: float, kind: Type) -> int:
    """The bit pattern of an unscaled number, rounded to an integer where the type is one.

    Raises ``ValueError`` for text, a number that is not finite, and one outside the type.
    """
    if kind == "str" or not math.isfinite(number):
        raise ValueError(f"{number} is not a number for type {kind}")
    if kind == "f32":
        return int.from_bytes(struct.pack(">f", number), "big")
    rounded = round(number)
    low, high = _LIMITS[kind]
    if not low <= rounded <= high:
        raise ValueError(f"{rounded} does not fit into {kind}")
    return rounded & (0xFFFF if high <= 0xFFFF else 0xFFFFFFFF)


def text_from_words(words: Sequence[int]) -> str:
    """ASCII text, two characters a word, padding removed; anything unprintable becomes ``?``."""
    characters = b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\x00 ").decode("ascii", "replace")
    return "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in characters)


def identity_from_words(words: Sequence[int]) -> str:
    """A serial number; empty where the words hold none: blank, or anything but printable ASCII."""
    text = b"".join(word.to_bytes(2, "big") for word in words).strip(b"\x00 ").decode("latin-1")
    return text if text.isascii() and text.isprintable() else ""


def decode(point: Point, words: Sequence[int], order: WordOrder) -> float:
    """A point's contribution to its signal, in the signal's unit and sign; NaN where the device says "no value"."""
    pattern = join_words(words, order)
    if point.type == "str" or pattern in point.sentinels:
        return math.nan
    number = number_from_pattern(pattern, point.type)
    return number * point.scale * point.sign if math.isfinite(number) else math.nan


def encode(item: Point | Write, value: float, order: WordOrder) -> tuple[int, ...]:
    """The words that carry a value; raises ``ValueError`` where it does not fit the type."""
    return split_words(pattern_from_number(value / (item.scale * item.sign), item.type), item.words, order)


def contributions(points: Sequence[Point], value: float) -> tuple[float, ...]:
    """A signal's value shared out to its points: one point takes it all, several take only their own sign's part."""
    if len(points) == 1:
        return (value,)
    return tuple(max(value, 0.0) if point.sign > 0 else min(value, 0.0) for point in points)
