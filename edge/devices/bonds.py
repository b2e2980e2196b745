"""Which points must be read in one request: a value and its scale factor, balance partners, shared registers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.devices.profile import Point


def atoms(points: Iterable[Point]) -> tuple[tuple[Point, ...], ...]:
    """The points in groups that are never torn apart, each in the order of its addresses."""
    groups: list[tuple[set[str], list[Point]]] = []
    for point in points:
        bonds, members, others = _bonds(point), [point], []
        for group in groups:
            if bonds.isdisjoint(group[0]):
                others.append(group)
            else:
                bonds |= group[0]
                members += group[1]
        groups = [*others, (bonds, members)]
    return tuple(tuple(sorted(members, key=lambda point: (point.space, point.first))) for _, members in groups)


def _bonds(point: Point) -> set[str]:
    """Names that a point shares with whatever must be read with it."""
    named = {f"point {name}" for name in (point.name, point.scale_point, point.same_as, point.needs) if name}
    return named | ({f"together {point.together}"} if point.together else set())
