"""Keeps questions and answers in step: a late, repeated or shifted answer must never pass for the one just asked for.

An RTU answer names its unit, function and length, but not what was asked, and a gateway may put an old answer under a
new transaction id. What is left to tell answers apart is their length: a read never asks for a length that one of the
unit's last two reads of the same function had, so a stream that lags by one or two answers is always seen. After
silence a unit is in doubt until a question whose answer is known, or has a length that nothing owed can have, came back
right. Pure: no wire, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.devices.modbus import READ_HOLDING, READ_INPUT, Shape
from edge.devices.profile import LinkFacts, Space

HISTORY = 2  # lengths that the next one must differ from
_STEPS = 8  # lengths tried for a question that must differ from all that is owed
_STRIKES = 2  # times that a longer read brought silence and the plain one did not
_HANG_UPS = 3  # times in a row that a connection ended at a longer read
_PATIENT_COUNT = 1  # silences in a row after which a unit is taken for absent rather than slow
_FULL_PATIENCE_EVERY = 4  # it may have become slower
_PATIENCE_FACTOR = 3.0
_LEAST_PATIENCE_S = 0.15
_FORGETS = 3  # answers of three lengths that contradict a constant: this is another device


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Words of one unit: where they are and how many."""

    space: Space
    address: int
    count: int

    @property
    def function(self) -> int:
        """The function code that reads it."""
        return READ_INPUT if self.space == "input" else READ_HOLDING


@dataclass(slots=True)
class Doubt:
    """A unit that failed to answer: the shapes of answers that may still come, and how often a proof failed."""

    owed: set[Shape] = field(default_factory=set)
    contradictions: int = 0


@dataclass(slots=True)
class Lockstep:
    """What is known about one unit's stream of answers."""

    facts: LinkFacts
    doubt: Doubt | None = None
    constant: tuple[Place, tuple[int, ...]] | None = None
    slowest_s: float = 0.0  # answer of those lately seen; 0: none yet
    silences_count: int = 0
    _asked: dict[Space, deque[int]] = field(default_factory=dict)
    _rigid: set[Place] = field(default_factory=set)
    _silenced: set[Place] = field(default_factory=set)
    _strikes: dict[Place, int] = field(default_factory=dict)

    def length(self, place: Place) -> int | None:
        """The length to ask for: the place's own or one of two longer ones; ``None`` where none may be asked now."""
        recent = self._recent(place.space)
        longest = 0 if place in self._rigid | self._silenced else HISTORY
        lengths = (place.count + step * self.facts.align_words for step in range(longest + 1))
        allowed = (length for length in lengths if length == place.count or length <= self._room(place))
        return next((length for length in allowed if length not in recent), None)

    def separator(self, place: Place) -> int:
        """Another length at the same place, asked only to keep two reads of one length apart; shorter ones first."""
        recent = self._recent(place.space)
        usable = (length for length in self._others(place) if length not in recent and length != place.count)
        return next(usable)

    def proof(self, place: Place) -> int:
        """A length for the question that ends a doubt: none that is owed, none of the last two."""
        recent, owed = self._recent(place.space), self.owed
        lengths = [length for length in (place.count, *self._others(place)) if length not in recent]
        return next((length for length in lengths if (place.function, length) not in owed), lengths[0])

    def asked(self, space: Space, length: int) -> None:
        """A read of this length goes out now."""
        self._asked.setdefault(space, deque(maxlen=HISTORY)).append(length)

    def answered(self, place: Place, length: int) -> None:
        """The words came: a longer read clears the place, a plain one after a silent longer one adds suspicion."""
        if length > place.count:
            self._strikes.pop(place, None)
        elif place in self._silenced:
            self._silenced.discard(place)
            self._strike(place, _STRIKES)

    def refused(self, place: Place, length: int) -> bool:
        """A read was refused; true if it was longer than needed, so that the plain one deserves a try."""
        if length > place.count:
            self._rigid.add(place)
        return length > place.count

    def unanswered(self, place: Place, length: int) -> None:
        """Silence: a longer read may have been the reason."""
        if length > place.count:
            self._silenced.add(place)

    def hung_up(self, place: Place, length: int) -> None:
        """The connection ended: that a longer read was the reason is believed only when it happens again and again."""
        if length > place.count:
            self._strike(place, _HANG_UPS)

    @property
    def owed(self) -> frozenset[Shape]:
        """Answers that may still come late."""
        return frozenset(self.doubt.owed) if self.doubt is not None else frozenset()

    def distrust(self, owed: Shape, *, silent: bool = True) -> None:
        """From now on the unit is in doubt, and an answer of this shape may still come."""
        self.silences_count += silent
        self.doubt = self.doubt or Doubt()
        self.doubt.owed.add(owed)

    def heard(self, latency_s: float) -> None:
        """An answer took so long."""
        self.slowest_s = max(latency_s, 0.95 * self.slowest_s)
        self.silences_count = 0

    def patience_s(self, full_s: float) -> float:
        """How long to wait for a proof: an absent unit must not cost the others a whole timeout each time."""
        patient = self.silences_count <= _PATIENT_COUNT or self.silences_count % _FULL_PATIENCE_EVERY == 0
        if patient or self.slowest_s == 0.0:
            return full_s
        return min(full_s, max(_PATIENCE_FACTOR * self.slowest_s, _LEAST_PATIENCE_S))

    def proved(self) -> None:
        """The unit answered the very question: it is believed again."""
        self.doubt = None

    def contradicted(self) -> None:
        """A well-formed proof holds other words than the constant: three in a row mean another device."""
        if self.doubt is not None:
            self.doubt.contradictions += 1
            if self.doubt.contradictions >= _FORGETS:
                self.constant, self.doubt.contradictions = None, 0

    def _strike(self, place: Place, most_count: int) -> None:
        self._strikes[place] = self._strikes.get(place, 0) + 1
        if self._strikes[place] >= most_count:
            self._rigid.add(place)

    def _recent(self, space: Space) -> deque[int]:
        return self._asked.get(space, deque())

    def _room(self, place: Place) -> int:
        """The longest read that may start at the place."""
        facts = self.facts
        windows = facts.read_windows.get(place.space, ()) if not facts.sunspec_bases else ((0, 0xFFFF),)
        last = max((high for low, high in windows if low <= place.address <= high), default=0)
        within_gap = place.count + (facts.gap_words or facts.max_read_words)
        return min(last - place.address + 1, facts.max_read_words, within_gap)

    def _others(self, place: Place) -> Iterator[int]:
        """Shorter lengths, then longer ones in the window, then, at last, beyond it: a refusal is an answer too."""
        step, room = self.facts.align_words, self._room(place)
        yield from range(step, min(place.count, (_STEPS + 1) * step), step)
        longest = max(place.count, self.facts.max_read_words)
        longer = range(place.count + step, min(place.count + _STEPS * step, longest) + 1, step)
        yield from sorted(longer, key=lambda length: length > room)
