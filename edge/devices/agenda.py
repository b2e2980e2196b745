"""The planned reads of one device: what is due, and what happens to a read that the device refuses.

A refused read is halved until the refused register stands alone; it is then kept out of every other read and asked for
again after an hour. A read whose halves are all answered was refused for what lies between them, or for its length: it
stays parted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from edge.devices.blocks import Block, Span, halves
from edge.devices.cost import RequestCost
from edge.devices.planner import load_of, plan_reads
from edge.devices.profile import Point, Profile
from edge.devices.turns import RECHECK_S, Turn

WORTHWHILE_FRAC = 0.9


@dataclass(slots=True)
class _Parting:
    """The turns that a refused read was parted into."""

    turns: list[Turn]


class Agenda:
    """The turns of one device, planned by what requests cost on its link."""

    def __init__(self, profile: Profile, cost: Callable[[], RequestCost]) -> None:
        self._profile = profile
        self._cost = cost
        self._banned: set[Span] = set()
        self._partings: list[_Parting] = []
        self.turns: list[Turn] = []
        self._turn_of: dict[str, Turn] = {}
        self.plan()

    def turn_of(self, point: Point) -> Turn:
        """The read that brings a point."""
        return self._turn_of[point.name]

    def plan(self) -> None:
        """Lay the reads out anew around the refused registers, keeping what is known of each point."""
        self._take_over(self._best())

    def reconsider(self) -> None:
        """Plan anew if, by what requests are now known to cost, that saves a tenth of the link's time."""
        if self._partings:
            return
        cost, blocks = self._cost(), self._best()
        load = sum(load_of(block, cost) for block in blocks)
        if load < WORTHWHILE_FRAC * sum(load_of(turn.block, cost) for turn in self.turns if not turn.refused):
            self._take_over(blocks)

    def answered(self, turn: Turn) -> None:
        """The read brought its words; one that was refused before joins the others again."""
        turn.reason, turn.cause, turn.busy_count, turn.suspect = "", "", 0, False
        if turn.refused:
            turn.refused = False
            self._banned -= _cells(turn.block)
            if not self._partings:
                self.plan()
        self._settle(turn)

    def refuse(self, turn: Turn, reason: str, now_s: float) -> None:
        """The device does not have all of this read."""
        turn.reason, turn.cause = reason, "refused"
        parts = halves(turn.block, self._profile.link)
        if len(parts) < 2:
            turn.refused, turn.suspect, turn.not_before_s = True, False, now_s + RECHECK_S
            self._banned |= _cells(turn.block)
            self._settle(turn)
            return
        turns = [
            Turn(block=part, reason=reason, cause="refused", suspect=True, busy_count=turn.busy_count) for part in parts
        ]
        self._use([*(other for other in self.turns if other is not turn), *turns])
        parting = next((one for one in self._partings if turn in one.turns), None)
        if parting is None:
            self._partings.append(_Parting(turns))
        else:
            parting.turns = [*(other for other in parting.turns if other is not turn), *turns]

    def _best(self) -> tuple[Block, ...]:
        """The cheapest reads of everything that is not refused."""
        alone = {point.name for turn in self.turns if turn.refused for point in turn.block.points}
        points = [point for point in self._profile.points if point.name not in alone]
        return plan_reads(points, self._profile.link, self._cost(), self._banned)

    def _take_over(self, blocks: Iterable[Block]) -> None:
        fresh = [_inherit(Turn(block=block), self._turn_of) for block in blocks]
        self._use([*(turn for turn in self.turns if turn.refused), *fresh])

    def _settle(self, turn: Turn) -> None:
        """Plan anew when every part of a parted read was either answered or refused alone."""
        parting = next((one for one in self._partings if turn in one.turns), None)
        if parting is None or any(part.suspect for part in parting.turns):
            return
        self._partings.remove(parting)
        if not any(part.refused for part in parting.turns):
            self._banned |= _seams(parting.turns)
        if not self._partings:
            self.plan()

    def _use(self, turns: list[Turn]) -> None:
        self.turns = turns
        self._turn_of = {point.name: turn for turn in turns for point in turn.block.points}


def _inherit(turn: Turn, known: dict[str, Turn]) -> Turn:
    """A new turn as old as the oldest that it replaces."""
    before = [known[point.name] for point in turn.block.points if point.name in known]
    if before:
        oldest = min(before, key=lambda one: one.brought_s)
        turn.asked_s, turn.brought_s = min(one.asked_s for one in before), oldest.brought_s
        turn.reason, turn.cause = oldest.reason, oldest.cause
    return turn


def _cells(block: Block) -> set[Span]:
    """Every register of a block's points: no other read may touch one."""
    return {(point.space, cell, cell) for point in block.points for cell in point.addresses}


def _seams(turns: list[Turn]) -> set[Span]:
    """Between neighbouring parts: no read may reach from one into the next."""
    blocks = sorted((turn.block for turn in turns), key=lambda block: (block.space, block.address))
    ends = [(block.space, max(p.last for p in block.points), min(p.first for p in block.points)) for block in blocks]
    return {(one[0], one[1], other[2]) for one, other in pairwise(ends) if one[0] == other[0]}
