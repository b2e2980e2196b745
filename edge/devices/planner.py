"""Which registers are read together. On a slow or paced line a request costs more than the words it carries:

Growatt's 850 ms between commands equals about 400 words at 9600 baud, so points are always merged as far as one read
may go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.devices.profile import LinkFacts, Point, Poll, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read: ``count`` words from ``address``, and the points that lie in it whole."""

    space: Space
    address: int
    count: int
    poll: Poll
    points: tuple[Point, ...]


def plan_blocks(points: Iterable[Point], facts: LinkFacts) -> tuple[Block, ...]:
    """Reads that hold every point exactly once, fast ones first; slow points ride along where a fast read can grow.

    No read leaves a window, is longer than allowed, or cuts a value.
    """
    ordered = sorted(points, key=lambda point: (point.space, point.address))
    blocks = _merge([point for point in ordered if point.poll == "fast"], facts)
    lonely: list[Point] = []
    for point in (point for point in ordered if point.poll == "slow"):
        for index, block in enumerate(blocks):
            grown = _block((*block.points, point), facts) if block.space == point.space else None
            if grown is not None:
                blocks[index] = grown
                break
        else:
            lonely.append(point)
    return (*blocks, *_merge(lonely, facts))


def halves(block: Block, facts: LinkFacts) -> tuple[Block, ...]:
    """A refused read in two parts, to find out which registers the device refuses; one point cannot be parted."""
    ordered = sorted(block.points, key=lambda point: point.address)
    middle = (len(ordered) + 1) // 2
    parts = [_block(part, facts) for part in (ordered[:middle], ordered[middle:]) if part]
    return tuple(part for part in parts if part is not None)


def _merge(ordered: Sequence[Point], facts: LinkFacts) -> list[Block]:
    """Neighbours joined as long as one read can hold them."""
    blocks: list[Block] = []
    for point in ordered:
        grown = _block((*blocks[-1].points, point), facts) if blocks else None
        if grown is not None:
            blocks[-1] = grown
            continue
        alone = _block((point,), facts)
        if alone is not None:
            blocks.append(alone)
    return blocks


def _block(points: Sequence[Point], facts: LinkFacts) -> Block | None:
    """The read that holds these points, or ``None`` where no single read can."""
    spaces = {point.space for point in points}
    first = min(point.address for point in points)
    last = max(point.last for point in points)
    first -= first % facts.align_words
    count = -(-(last - first + 1) // facts.align_words) * facts.align_words
    space = points[0].space
    inside = any(low <= first and first + count - 1 <= high for low, high in facts.read_windows.get(space, ()))
    if len(spaces) > 1 or not inside or count > facts.max_read_words:
        return None
    poll: Poll = "fast" if any(point.poll == "fast" for point in points) else "slow"
    return Block(space=space, address=first, count=count, poll=poll, points=tuple(points))
