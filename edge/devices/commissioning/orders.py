"""Word order by plausibility: which way round do 32-bit values make sense?

A home's numbers are far below 2^31, so of the two readings of an integer the much smaller one is right; a float read
the wrong way round is absurdly small or large. One value may be a coincidence, a device full of them is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.devices.commissioning.report import Check
from edge.devices.profile import Point, WordOrder
from edge.devices.registers import join_words, number_from_pattern

_CLEARLY = 256.0  # so much smaller is no coincidence of two random words (1 in 256, and several values vote)
_SANE_FLOAT = (1e-6, 1e10)


def vote(point: Point, words: Sequence[int], order: WordOrder) -> int:
    """+1: the declared order makes sense and the other does not; -1: the other way round; 0: cannot be told."""
    whole = point.type != "str" and point.high_address is None and not point.mask
    if len(words) != 2 or not whole or not any(words) or join_words(words, order) in point.sentinels:
        return 0
    other: WordOrder = "little" if order == "big" else "big"
    declared, swapped = (abs(number_from_pattern(join_words(words, way), point.type)) for way in (order, other))
    if point.type == "f32":
        low, high = _SANE_FLOAT
        return int(low <= declared <= high) - int(low <= swapped <= high)
    if declared * _CLEARLY < swapped:
        return 1
    return -1 if swapped * _CLEARLY < declared else 0


def judge_order(found: Iterable[tuple[Point, Sequence[int], WordOrder]]) -> Check:
    """The verdict over all values of two words."""
    votes = {point.name: vote(point, words, order) for point, words, order in found}
    for_it, against = (sorted(name for name, cast in votes.items() if cast == side) for side in (1, -1))
    data = {"for": len(for_it), "against": against}
    if len(against) > len(for_it):
        return Check(
            name="word order",
            state="refuse",
            text=f"{len(against)} of {len(against) + len(for_it)} values make sense only with their words the other "
            f"way round ({against[0]})",
            advice="this is another family or firmware: choose the profile that fits, or change word_order in it",
            data=data,
        )
    if against:
        return Check(
            name="word order",
            state="finding",
            text=f"{', '.join(against)} would make more sense with the words the other way round",
            advice="compare these with the device's own display",
            data=data,
        )
    if not for_it:
        return Check(
            name="word order", state="unknown", text="no value of two words is large enough to tell", data=data
        )
    return Check(name="word order", state="ok", text=f"{len(for_it)} values make sense as they are", data=data)
