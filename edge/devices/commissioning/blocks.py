"""Block reads against single reads: a device that silently closes gaps shifts all that follows (faults.md, 8).

No check of a single answer can see that: length, function and checksum are right. So every run of declared registers
inside a planned read is read once more alone, and both must show the same words in the same places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.devices.blocks import Block
from edge.devices.commissioning.report import Check
from edge.devices.commissioning.subject import Subject

NAME = "blocks"
_TRIES = 3  # a value that moves between two reads proves nothing; a shift shows again
_FURTHEST = 16  # words that a shift is looked for against the gaps' own direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbouring registers inside a block, to be read without a gap: ``start`` counts from the block's first word."""

    start: int
    count: int
    name: str


def compare_blocks(subject: Subject, progress: Callable[[str], None]) -> Check:
    """Read every planned block in pieces as well; raises :class:`DeviceError`."""
    told = untold = 0
    shifted: list[str] = []
    for block in (block for block in subject.blocks() if block.low is None):
        progress(f"{block.space} {block.address}..{block.address + block.count - 1} in one read and in pieces")
        for run in runs_of(block, subject.unit.profile.link.align_words):
            words = _difference(subject, block, run)
            told, untold = told + (words is not None), untold + (words is None)
            if words:
                shifted.append(f"{block.space} {block.address + run.start} ({run.name}): {words}")
    data = {"told": told, "untold": untold, "shifted": shifted}
    if shifted:
        return Check(
            name=NAME,
            state="refuse",
            text=f"{len(shifted)} of {told} pieces differ from the read that spans them: {shifted[0]}",
            advice="the device closes gaps between registers: the profile must not read across them (gap_words)",
            data=data,
        )
    silent = f"; {untold} held only zeros or moved all the time" if untold else ""
    return Check(
        name=NAME,
        state="ok" if told else "unknown",
        text=f"{told} pieces show the same alone as in the reads that span them{silent}",
        data=data,
    )


def runs_of(block: Block, align_words: int) -> tuple[Run, ...]:
    """The gapless runs of a block; of a block without a gap its last value stands for all."""
    owner = {address: point.name for point in block.points for address in point.addresses}
    groups: list[list[int]] = []
    for address in sorted(owner):
        if groups and address == groups[-1][-1] + 1:
            groups[-1].append(address)
        else:
            groups.append([address])
    if len(groups) == 1:
        groups = [[address for address in groups[0] if owner[address] == owner[groups[0][-1]]]]
    runs = []
    for group in groups:
        start = (group[0] - block.address) // align_words * align_words
        count = -(-(group[-1] + 1 - block.address - start) // align_words) * align_words
        runs.append(Run(start=start, count=count, name=owner[group[0]]))
    return tuple(runs)


def shift_of(whole: Sequence[int], run: Run, alone: Sequence[int]) -> int | None:
    """By how many words a run sits too early in the block; 0: it is in its place, ``None``: nothing can be told.

    Only words that are not 0 count, because an empty register looks like any other.
    """
    matches: Counter[int] = Counter()
    for early in range(-_FURTHEST, run.start + 1):
        for offset, word in enumerate(alone):
            place = run.start + offset - early
            if word and 0 <= place < len(whole) and whole[place] == word:
                matches[early] += 1
    best = max(matches.values(), default=0)
    if not best:
        return None
    return min((early for early, count in matches.items() if count == best), key=abs)


def _difference(subject: Subject, block: Block, run: Run) -> str | None:
    """How a run differs from the block around it, in words; empty: not at all, ``None``: it cannot be told."""
    inside: set[tuple[int, ...]] = set()
    outside: set[tuple[int, ...]] = set()
    shifts: set[int | None] = set()
    for _ in range(_TRIES):
        whole = subject.read(block.space, block.address, block.count)
        alone = subject.read(block.space, block.address + run.start, run.count)
        shift = shift_of(whole, run, alone)
        if shift == 0:
            return ""
        if not any(alone) and not any(whole[run.start : run.start + run.count]):
            return None
        inside.add(whole[run.start : run.start + run.count])
        outside.add(alone)
        shifts.add(shift)
    shift = shifts.pop() if len(shifts) == 1 else None
    if shift is not None:
        return f"it comes {abs(shift)} registers too {'early' if shift > 0 else 'late'}"
    stands_still = len(inside) == len(outside) == 1
    if stands_still and inside != outside:
        return f"{_hex(inside.pop())} in the block, {_hex(outside.pop())} alone"
    return None


def _hex(words: Sequence[int]) -> str:
    return " ".join(f"{word:04X}" for word in words[:4])
