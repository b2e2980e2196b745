"""Which registers are read together. On a slow or paced line a request costs more than the words it carries:

Growatt's 850 ms between commands equals about 400 words at 9600 baud, so points are always merged as far as one read
may go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.devices.bonds import atoms
from edge.devices.profile import LinkFacts, Point, Poll, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read: ``count`` words from ``address``, and the points that lie in it whole.

    ``low``: the one point is a split value out of reach of one read. Its low word (address and count of that read) is
    read between two reads of the high word, which must bring the same: else the value was torn.
    """

    space: Space
    address: int
    count: int
    poll: Poll
    points: tuple[Point, ...]
    low: tuple[int, int] | None = None

    @property
    def requests(self) -> tuple[tuple[int, int], ...]:
        """Address and count of each request, in their order."""
        one = (self.address, self.count)
        return (one,) if self.low is None else (one, self.low, one)


def plan_blocks(points: Iterable[Point], facts: LinkFacts) -> tuple[Block, ...]:
    """Reads that hold every point exactly once, fast ones first; slow points ride along where a fast read can grow.

    No read leaves a window, is longer than allowed, crosses a wider gap than allowed, cuts a value, or parts points
    that belong together.
    """
    whole, lonely = [], []
    for atom in atoms(points):
        block = _block(atom, facts)
        if block is None or block.low is not None:
            lonely += [block] if block is not None else []
        else:
            whole.append(block)
    whole.sort(key=lambda block: (block.space, block.address))
    blocks = _merge([block for block in whole if block.poll == "fast"], facts)
    left: list[Block] = []
    for slow in (block for block in whole if block.poll == "slow"):
        for index, block in enumerate(blocks):
            grown = _joined(block, slow, facts)
            if grown is not None:
                blocks[index] = grown
                break
        else:
            left.append(slow)
    return (*blocks, *_merge(left, facts), *lonely)


def halves(block: Block, facts: LinkFacts) -> tuple[Block, ...]:
    """A refused read in two parts, to find out which registers the device refuses; what belongs together stays so."""
    parts = sorted(atoms(block.points), key=lambda atom: atom[0].first)
    middle = (len(parts) + 1) // 2
    found = (
        plan_blocks([point for atom in half for point in atom], facts) for half in (parts[:middle], parts[middle:])
    )
    return tuple(part for half in found for part in half)


def fits(points: Sequence[Point], facts: LinkFacts) -> bool:
    """Whether these points can be read together at all."""
    return _block(points, facts) is not None


def _merge(ordered: Sequence[Block], facts: LinkFacts) -> list[Block]:
    """Neighbours joined as long as one read can hold them."""
    blocks: list[Block] = []
    for block in ordered:
        grown = _joined(blocks[-1], block, facts) if blocks else None
        if grown is not None:
            blocks[-1] = grown
        else:
            blocks.append(block)
    return blocks


def _joined(one: Block, other: Block, facts: LinkFacts) -> Block | None:
    grown = _block((*one.points, *other.points), facts) if one.space == other.space else None
    return grown if grown is not None and grown.low is None else None


def _block(points: Sequence[Point], facts: LinkFacts) -> Block | None:
    """The read that holds these points, or ``None`` where no single read can (and no point is split)."""
    addresses = sorted({address for point in points for address in point.addresses})
    space = points[0].space
    poll: Poll = "fast" if any(point.poll == "fast" for point in points) else "slow"
    one = _span(addresses, space, facts)
    if len({point.space for point in points}) > 1:
        return None
    if one is not None:
        return Block(space=space, address=one[0], count=one[1], poll=poll, points=tuple(points))
    if len(points) > 1 or points[0].high_address is None:
        return None
    high, low = _span([points[0].high_address], space, facts), _span([points[0].address], space, facts)
    if high is None or low is None:
        return None
    return Block(space=space, address=high[0], count=high[1], poll=poll, points=tuple(points), low=low)


def _span(addresses: Sequence[int], space: Space, facts: LinkFacts) -> tuple[int, int] | None:
    """Address and count of the one read over these addresses (ascending), or ``None``."""
    first = addresses[0] - addresses[0] % facts.align_words
    count = -(-(addresses[-1] - first + 1) // facts.align_words) * facts.align_words
    inside = any(low <= first and first + count - 1 <= high for low, high in facts.read_windows.get(space, ()))
    gap = max((after - before - 1 for before, after in pairwise(addresses)), default=0)
    too_wide = facts.gap_words > 0 and gap > facts.gap_words
    return None if not inside or too_wide or count > facts.max_read_words else (first, count)
