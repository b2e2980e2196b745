"""What a device's points last brought, and whether a new answer is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core_kernels.signals import Kind, signal
from edge.devices.blocks import Block
from edge.devices.profile import Point, Profile, Space
from edge.devices.registers import Decoded, decode_all, join_words, number_from_pattern
from edge.devices.trust import Halves, Total, Totals, can_tear
from edge.errors import DeviceMismatch
from edge.messages import Cause

_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sample:
    """What a point last brought: its words, its value (NaN: the device says "no value", or text) and when."""

    words: tuple[int, ...]
    value: float
    measured_s: float
    reason: str = ""
    cause: Cause = ""


class BlankAnswer(DeviceMismatch):
    """All zeros or all ones, where a life sign stood before: a device that sleeps, starts, or is not there."""


class Samples:
    """The last sample of each point of one device."""

    def __init__(self, profile: Profile) -> None:
        self.latest: dict[str, Sample] = {}
        self._has_lived = False  # a life sign was seen
        self.is_blank = False  # the last answer that could have shown a life sign was blank
        self._profile = profile
        self._measured = [p.name for p in profile.points if p.signal and signal(p.signal).kind is not Kind.COUNTER]
        self._life_signs = {point.name for point in profile.points if _is_life_sign(point)}
        self._whole_numbers = {point.name for point in profile.points if can_tear(point)}
        self._last: dict[tuple[Space, int], tuple[Block, Mapping[int, int], Mapping[str, Decoded]]] = {}
        self._halves = Halves()
        self._totals = Totals()

    def take(self, block: Block, words_at: Mapping[int, int], now_s: float) -> bool:
        """Take over the answer to a read; false when a value in it leapt, and the read is to be done once more.

        The points of one read are taken together or not at all: partners of one balance are of one instant. Raises
        :class:`BlankAnswer`.
        """
        decoded, torn = self._repeated(block, words_at), _NOTHING
        if decoded is None:
            self._look_for_life(block, words_at)
            decoded = decode_all(block.points, words_at, self._profile.link.word_order)
            found_torn = self._torn(block, decoded)
            if found_torn is None:
                return False
            torn = found_torn
        self._last[block.space, block.address] = (block, words_at, {} if torn else decoded)
        for point in block.points:
            found = decoded[point.name]
            reason, cause = found.reason, _cause_of(found)
            if point.name in torn:
                reason, cause = "its halves were read at two instants, twice", "torn"
            elif not reason and (doubt := self._totals.judge(point, found.value, now_s)):
                reason, cause = doubt, "reset"
            value = math.nan if reason else found.value
            self.latest[point.name] = Sample(found.words, value, now_s, reason, cause)
            self._has_lived |= point.name in self._life_signs and value > 0.0
        return True

    def _repeated(self, block: Block, words_at: Mapping[int, int]) -> Mapping[str, Decoded] | None:
        """What the last answer to this read meant, if this one is the same word for word and nothing is in doubt."""
        last, last_words_at, decoded = self._last.get((block.space, block.address), (None, {}, {}))
        if last is not block or not decoded or self._halves.in_doubt or last_words_at != words_at:
            return None
        self.is_blank = False
        return decoded

    def spoil(self, block: Block, now_s: float, reason: str) -> None:
        """A split value whose halves did not fit together."""
        for point in block.points:
            words = self.latest[point.name].words if point.name in self.latest else ()
            self.latest[point.name] = Sample(words, math.nan, now_s, reason, "torn")

    def total(self, name: str) -> Total | None:
        """What a counter last said that was believed."""
        return self._totals.last(self._profile.by_name[name])

    @property
    def lifeless(self) -> bool:
        """Nothing that is measured has another value than 0 or none any more: an inverter that falls asleep says so."""
        values = (self.latest[name].value for name in self._measured if name in self.latest)
        return self._has_lived and all(value == 0.0 or math.isnan(value) for value in values)

    def _look_for_life(self, block: Block, words_at: Mapping[int, int]) -> None:
        """Refuse an answer of nothing but zeros or ones from registers that have shown that the device lives."""
        signs = [p.name for p in block.points if p.name in self._life_signs]
        if not any(name in self.latest and self.latest[name].value > 0.0 for name in signs):
            return
        words = (words_at[cell] for point in block.points for cell in point.addresses)
        first = next(words)
        self.is_blank = first in (0, 0xFFFF) and all(word == first for word in words)
        if self.is_blank:
            raise BlankAnswer(f"every register of the read is {first}")

    def _torn(self, block: Block, decoded: Mapping[str, Decoded]) -> frozenset[str] | None:
        """The points whose second read agreed with nothing; ``None`` while one waits for its second read."""
        verdicts = {}
        for point in block.points:
            if point.name in self._whole_numbers and not decoded[point.name].reason:
                pattern = join_words(decoded[point.name].words, point.order(self._profile.link.word_order))
                verdicts[point.name] = self._halves.judge(point, number_from_pattern(pattern, point.type))
        if "again" in verdicts.values():
            return None
        return frozenset(name for name, verdict in verdicts.items() if verdict == "torn")


def _is_life_sign(point: Point) -> bool:
    """A measured value that is 0 in no living device: charge, voltage, frequency, a total that has begun."""
    if not point.signal:
        return False
    row = signal(point.signal)
    return row.kind in (Kind.COUNTER, Kind.STATE) or row.unit in ("V", "Hz")


def _cause_of(found: Decoded) -> Cause:
    if not found.reason:
        return ""
    return "implausible" if found.reason.startswith("the scale factor") else "sentinel"
