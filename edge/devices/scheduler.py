"""Who goes next on a link: several units, writes before reads, and a bounded part for the dead and for strangers.

A request cannot be interrupted, so whoever is most urgent waits for one request at most. Reads are chosen by how late
they are in parts of their own period: a link that cannot keep every period misses all of them in proportion.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import count

from edge.clock import Clock
from edge.devices.bus import Link
from edge.devices.cost import CostFit, RequestCost
from edge.devices.lockstep import Place
from edge.devices.profile import LinkFacts, Space
from edge.devices.transport import Address

DEAD_SHARE_FRAC = 0.1  # of a link's time, for units that do not answer
GUEST_SHARE_FRAC = 0.2  # of a link's time, for clients of the proxy


class Lane(IntEnum):
    """How urgent a request is; the lower number goes first."""

    SAFETY_WRITE = 0
    CONTROL_WRITE = 1
    VERIFY = 2
    FAST_READ = 3
    SLOW_READ = 4
    DIAGNOSTICS = 5


class Turnstile:
    """Lets one request through at a time: the most urgent of those that wait, then the one that waits longest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[Lane, int]] = []
        self._numbers = count()
        self._taken = False

    @contextmanager
    def passing(self, lane: Lane, patience_wall_s: float = math.inf) -> Iterator[None]:
        """Wait for one's turn, hold it for the block; raises :class:`TimeoutError` when patience ends before."""
        ticket = (lane, next(self._numbers))
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._wait(ticket, time.monotonic() + patience_wall_s)
                self._taken = True
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

    def _wait(self, ticket: tuple[Lane, int], deadline_wall_s: float) -> None:
        while self._taken or min(self._waiting) != ticket:
            left_wall_s = deadline_wall_s - time.monotonic()
            if left_wall_s <= 0.0:
                raise TimeoutError("the link is busy with more urgent requests")
            self._changed.wait(None if math.isinf(left_wall_s) else left_wall_s)


@dataclass(slots=True)
class Share:
    """A part of a link's time: after a request of ``d`` seconds the next one may begin ``d / limit_frac`` later."""

    limit_frac: float
    free_s: float = -math.inf

    def spend(self, started_s: float, ended_s: float) -> None:
        """Note a request that took so long."""
        self.free_s = max(self.free_s, started_s) + (ended_s - started_s) / self.limit_frac


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Words that crossed the link, for those who may have them second-hand."""

    unit: int
    space: Space
    address: int
    words: tuple[int, ...]
    measured_s: float


@dataclass(slots=True)
class Memory:
    """The last answers, by request; only kept where somebody asks for them."""

    room_count: int = 64
    kept: dict[tuple[int, Space, int, int], Answered] = field(default_factory=dict)

    def keep(self, answer: Answered) -> None:
        """Replace what the same request brought before; the oldest goes when there is no room."""
        key = (answer.unit, answer.space, answer.address, len(answer.words))
        self.kept.pop(key, None)
        self.kept[key] = answer
        if len(self.kept) > self.room_count:
            del self.kept[next(iter(self.kept))]

    def forget(self, unit: int) -> None:
        """A write changed the unit: nothing read before counts."""
        self.kept = {key: answer for key, answer in list(self.kept.items()) if key[0] != unit}

    def find(self, unit: int, space: Space, address: int, words_count: int, since_s: float) -> tuple[int, ...] | None:
        """The words, if one answer holds them all: words of two answers would be torn."""
        for answer in reversed(list(self.kept.values())):
            start = address - answer.address
            inside = start >= 0 and start + words_count <= len(answer.words)
            if inside and (answer.unit, answer.space) == (unit, space) and answer.measured_s >= since_s:
                return answer.words[start : start + words_count]
        return None


class Bus:
    """A link, shared: every request goes through here, in its lane, and is timed."""

    def __init__(self, link: Link, facts: LinkFacts, clock: Clock) -> None:
        self.dead = Share(DEAD_SHARE_FRAC)
        self.guests = Share(GUEST_SHARE_FRAC)
        self.memory: Memory | None = None
        self.answered_s = -math.inf  # when any unit last answered
        self.fit = CostFit(link.address.baud)
        self._link = link
        self._clock = clock
        self._period_s = facts.min_command_period_s
        self._turnstile = Turnstile()

    @property
    def address(self) -> Address:
        """Where the link leads."""
        return self._link.address

    @property
    def ready_s(self) -> float:
        """Simulated instant from which the next command may be sent."""
        return self._link.ready_s

    @property
    def cost(self) -> RequestCost:
        """What a request costs here, as measured so far."""
        return replace(self.fit.cost, period_s=self._period_s)

    def share(self, unit: int, facts: LinkFacts) -> None:
        """A device lives on this link: the slowest pace holds for all."""
        self._period_s = max(self._period_s, facts.min_command_period_s)
        self._link.share(unit, facts)

    def know(self, unit: int, place: Place, words: tuple[int, ...]) -> None:
        """These words of a unit never change: after silence they must come back before it is believed again."""
        self._link.know(unit, place, words)

    def read(
        self,
        unit: int,
        space: Space,
        address: int,
        words_count: int,
        lane: Lane = Lane.VERIFY,
        patience_wall_s: float = math.inf,
    ) -> tuple[int, ...]:
        """The words of one block; raises :class:`DeviceError`, and :class:`TimeoutError` where patience ends first."""
        with self._turn(lane, patience_wall_s):
            started_s = max(self._clock.now_s(), self._link.ready_s)
            words = self._link.read(unit, space, address, words_count)
            now_s = self.answered_s = self._clock.now_s()
            self.fit.note(words_count, now_s - started_s)
            if self.memory is not None:
                self.memory.keep(Answered(unit=unit, space=space, address=address, words=words, measured_s=now_s))
            return words

    def write(
        self,
        unit: int,
        address: int,
        words: tuple[int, ...],
        lane: Lane = Lane.CONTROL_WRITE,
        patience_wall_s: float = math.inf,
    ) -> None:
        """Write holding registers; raises as :meth:`read`."""
        with self._turn(lane, patience_wall_s):
            if self.memory is not None:
                self.memory.forget(unit)
            self._link.write(unit, address, words)

    def close(self) -> None:
        """Let go of the port; the next request opens it again."""
        with self._turnstile.passing(Lane.SAFETY_WRITE):
            self._link.close()

    @contextmanager
    def _turn(self, lane: Lane, patience_wall_s: float) -> Iterator[None]:
        """One's turn on the link; guests also wait until their share allows it, and pay for it."""
        guest = lane is Lane.DIAGNOSTICS
        if guest:
            wait_wall_s = max(self._clock.wall_s(self.guests.free_s - self._clock.now_s()), 0.0)
            if wait_wall_s > patience_wall_s:
                raise TimeoutError("the guests' part of the link is used up")
            time.sleep(wait_wall_s)
            patience_wall_s -= wait_wall_s
        with self._turnstile.passing(lane, patience_wall_s):
            started_s = self._clock.now_s()
            try:
                yield
            finally:
                if guest:
                    self.guests.spend(started_s, max(self._clock.now_s(), self._link.ready_s))
