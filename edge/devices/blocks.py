"""One read of a block of registers, and the rules that no read may break, whatever it saves.

No read leaves a window, is longer than allowed, crosses a wider gap than allowed, cuts a value, or parts points that
belong together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.devices.bonds import atoms
from edge.devices.profile import LinkFacts, Point, Poll, Space

Span = tuple[Space, int, int]  # space, first and last address


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

    @property
    def last(self) -> int:
        """The last address that is read."""
        return self.address + self.count - 1


def block_of(points: Sequence[Point], facts: LinkFacts, banned: Collection[Span] = ()) -> Block | None:
    """The read that holds these points, or ``None`` where the rules allow none; a read holds no banned span whole."""
    space = points[0].space
    if any(point.space != space for point in points):
        return None
    poll: Poll = "fast" if any(point.poll == "fast" for point in points) else "slow"
    addresses = sorted({address for point in points for address in point.addresses})
    one = _span(addresses, space, facts)
    if one is not None and not _holds_banned(space, one, banned):
        return Block(space=space, address=one[0], count=one[1], poll=poll, points=tuple(points))
    if len(points) > 1 or points[0].high_address is None:
        return None
    high, low = _span([points[0].high_address], space, facts), _span([points[0].address], space, facts)
    if high is None or low is None:
        return None
    return Block(space=space, address=high[0], count=high[1], poll=poll, points=tuple(points), low=low)


def fits(points: Sequence[Point], facts: LinkFacts) -> bool:
    """Whether these points can be read together at all."""
    return block_of(points, facts) is not None


def halves(block: Block, facts: LinkFacts) -> tuple[Block, ...]:
    """A refused read in two parts, to find out which registers the device refuses; what belongs together stays so."""
    parts = sorted(atoms(block.points), key=lambda atom: atom[0].first)
    middle = (len(parts) + 1) // 2
    found = (
        block_of([point for atom in half for point in atom], facts) for half in (parts[:middle], parts[middle:]) if half
    )
    return tuple(part for part in found if part is not None)


def _holds_banned(space: Space, span: tuple[int, int], banned: Collection[Span]) -> bool:
    first, last = span[0], span[0] + span[1] - 1
    return any(where == space and first <= low and high <= last for where, low, high in banned)


def _span(addresses: Sequence[int], space: Space, facts: LinkFacts) -> tuple[int, int] | None:
    """Address and count of the one read over these addresses (ascending), or ``None``."""
    first = addresses[0] - addresses[0] % facts.align_words
    count = -(-(addresses[-1] - first + 1) // facts.align_words) * facts.align_words
    inside = any(low <= first and first + count - 1 <= high for low, high in facts.read_windows.get(space, ()))
    gap = max((after - before - 1 for before, after in pairwise(addresses)), default=0)
    too_wide = facts.gap_words > 0 and gap > facts.gap_words
    return None if not inside or too_wide or count > facts.max_read_words else (first, count)
