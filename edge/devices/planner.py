"""Which registers are read together: the plan that takes the least of the link's time.

A read costs a fixed part and a part per word, as often as the most wanted of its points. Where a request is dear
(Growatt's 850 ms between commands equals about 400 words at 9600 baud) reads grow to the edge of their window; where
words are dear, slow points leave the fast reads. The rules of ``blocks`` hold in every plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence

from edge.devices.blocks import Block, Span, block_of
from edge.devices.bonds import atoms
from edge.devices.cost import RequestCost
from edge.devices.profile import LinkFacts, Point

CONTROL_PERIOD_S, FAST_PERIOD_S, SLOW_PERIOD_S = 1.0, 4.0, 120.0
CONTROL_SIGNALS = frozenset({"grid_w", "battery_w", "load_w", "soc_frac"})  # what the control cycle steers by
_PERIODS_S = (CONTROL_PERIOD_S, FAST_PERIOD_S, SLOW_PERIOD_S)

_Join = Callable[[Sequence[Point]], Block | None]
_Price = Callable[[Block], float]


def wanted_period_s(point: Point) -> float:
    """How often a point should be read where the link allows it."""
    if point.poll == "slow":
        return SLOW_PERIOD_S
    return CONTROL_PERIOD_S if point.signal in CONTROL_SIGNALS else FAST_PERIOD_S


def period_of(points: Iterable[Point]) -> float:
    """How often a read is wanted: as often as the most wanted of its points [s]."""
    return min((wanted_period_s(point) for point in points), default=CONTROL_PERIOD_S)


def load_of(block: Block, cost: RequestCost) -> float:
    """The part of the link's time that a read takes when it comes as often as wanted."""
    return sum(cost.of(count) for _, count in block.requests) / period_of(block.points)


def plan_reads(
    points: Iterable[Point], facts: LinkFacts, cost: RequestCost, banned: Collection[Span] = ()
) -> tuple[Block, ...]:
    """Reads that hold every point exactly once, the most wanted first, at the least load that is found.

    Two plans compete: the best cut of all points in a row, and the best cut of the most wanted ones, over which the
    rest is laid. In both, reads that are cheaper as one are then joined.
    """
    # What belongs together around a banned register is read as it stands: better refused than never asked.
    tried = (block_of(atom, facts, banned) or block_of(atom, facts) for atom in atoms(points))
    parts = [block for block in tried if block is not None]
    split = [block for block in parts if block.low is not None]
    whole = sorted((block for block in parts if block.low is None), key=lambda block: (block.space, block.address))

    def join(found: Sequence[Point]) -> Block | None:
        block = block_of(found, facts, banned)
        return block if block is not None and block.low is None else None

    def price(block: Block) -> float:
        return load_of(block, cost)

    plans = [_joined(plan, join, price) for plan in (_cut(whole, join, price), _layered(whole, join, price))]
    best = min(plans, key=lambda plan: math.fsum(map(price, plan)))
    return tuple(sorted([*best, *split], key=lambda block: (period_of(block.points), block.space, block.address)))


def _cut(ordered: Sequence[Block], join: _Join, price: _Price) -> list[Block]:
    """The cheapest cut of a row of reads into longer ones, by dynamic programming."""
    best: list[tuple[float, list[Block]]] = [(0.0, [])]
    for end in range(1, len(ordered) + 1):
        options: list[tuple[float, list[Block]]] = []
        for start in range(end - 1, -1, -1):
            several = [point for part in ordered[start:end] for point in part.points]
            block = ordered[start] if start == end - 1 else join(several)
            if block is None:
                break
            options.append((best[start][0] + price(block), [*best[start][1], block]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def _layered(ordered: Sequence[Block], join: _Join, price: _Price) -> list[Block]:
    """The most wanted reads first; what lies inside one of them rides along, the rest makes the next layer."""
    plan: list[Block] = []
    for period_s in _PERIODS_S:
        left: list[Block] = []
        for part in (part for part in ordered if period_of(part.points) == period_s):
            over = ((i, join((*block.points, *part.points))) for i, block in enumerate(plan) if _covers(block, part))
            index, grown = next(((i, block) for i, block in over if block is not None), (-1, part))
            if index < 0:
                left.append(part)
            else:
                plan[index] = grown
        plan += _cut(left, join, price)
    return plan


def _covers(block: Block, part: Block) -> bool:
    return block.space == part.space and block.address <= part.address and part.last <= block.last


def _joined(plan: Sequence[Block], join: _Join, price: _Price) -> list[Block]:
    """The plan with pairs of reads joined as long as that makes it cheaper, the best pair first."""
    blocks = list(plan)
    while True:
        saved, pair, whole = 0.0, (0, 0), None
        for i, one in enumerate(blocks):
            for j, other in enumerate(blocks[:i]):
                block = join((*other.points, *one.points)) if one.space == other.space else None
                gain = 0.0 if block is None else price(one) + price(other) - price(block)
                if gain > saved:
                    saved, pair, whole = gain, (i, j), block
        if whole is None:
            return blocks
        blocks = [block for index, block in enumerate(blocks) if index not in pair] + [whole]
