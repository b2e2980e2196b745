"""What is drawn into one panel: lines, bands and bars as SVG path elements.

Only presentation attributes are used, so a page may forbid inline styles. NaN breaks a line; it is never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple, Protocol

Points = Sequence[tuple[float, float]]


class Mark(NamedTuple):
    """One entry of a legend."""

    name: str
    colour: str
    kind: Literal["line", "dashed", "band", "bar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """From time and value to picture coordinates."""

    left_px: float
    width_px: float
    start_s: float
    end_s: float
    top_px: float
    height_px: float
    low: float
    high: float

    def x(self, time_s: float) -> float:
        """Horizontal position of an instant."""
        return self.left_px + self.width_px * (time_s - self.start_s) / (self.end_s - self.start_s)

    def y(self, value: float) -> float:
        """Vertical position of a value."""
        return self.top_px + self.height_px * (self.high - value) / (self.high - self.low)

    def path(self, points: Points) -> str:
        """Path commands through the points."""
        return "M" + "L".join(f"{self.x(time_s):.1f},{self.y(value):.1f}" for time_s, value in points)


class Layer(Protocol):
    """Something drawn into a panel."""

    def values(self) -> Iterator[float]:
        """All values that must be seen, NaN included."""
        ...

    def legend(self) -> Sequence[Mark]:
        """How it is explained."""
        ...

    def draw(self, scales: Scales) -> str:
        """The SVG elements."""
        ...


def _runs(points: Points) -> list[Points]:
    """The stretches without NaN."""
    return [tuple(group) for good, group in groupby(points, key=lambda point: math.isfinite(point[1])) if good]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through points; ``fill`` closes it down to zero."""

    name: str
    points: Points
    colour: str
    dash: str = ""
    fill: bool = False

    def values(self) -> Iterator[float]:
        """The ordinates, and zero where the area is filled."""
        yield from (value for _, value in self.points)
        if self.fill:
            yield 0.0

    def legend(self) -> Sequence[Mark]:
        """One line."""
        return (Mark(self.name, self.colour, "dashed" if self.dash else "line"),)

    def draw(self, scales: Scales) -> str:
        """A path a stretch; a stretch of one point is a dot."""
        parts = []
        for run in _runs(self.points):
            if self.fill:
                area = scales.path([(run[0][0], 0.0), *run, (run[-1][0], 0.0)])
                parts.append(f'<path d="{area}Z" fill="{self.colour}" fill-opacity="0.16"/>')
            dash = f' stroke-dasharray="{self.dash}"' if self.dash else ""
            parts.append(
                f'<path d="{scales.path(run if len(run) > 1 else [*run, *run])}" fill="none" stroke="{self.colour}" '
                f'stroke-width="2" stroke-linejoin="round" stroke-linecap="round"{dash}/>'
            )
        return "".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The area between two lines over the same times."""

    name: str
    low: Points
    high: Points
    colour: str

    def values(self) -> Iterator[float]:
        """Both edges."""
        yield from (value for _, value in (*self.low, *self.high))

    def legend(self) -> Sequence[Mark]:
        """One area."""
        return (Mark(self.name, self.colour, "band"),)

    def draw(self, scales: Scales) -> str:
        """A closed path a stretch where both edges are known."""
        both = [(time_s, low + high) for (time_s, low), (_, high) in zip(self.low, self.high, strict=True)]
        lows, highs = dict(self.low), dict(self.high)
        parts = []
        for run in _runs(both):
            upper = [(time_s, highs[time_s]) for time_s, _ in run]
            lower = [(time_s, lows[time_s]) for time_s, _ in reversed(run)]
            parts.append(f'<path d="{scales.path([*upper, *lower])}Z" fill="{self.colour}" fill-opacity="0.28"/>')
        return "".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One bar a slot from zero: upwards in one colour, downwards in another."""

    up: tuple[str, str]
    down: tuple[str, str]
    points: Points
    slot_s: float

    def values(self) -> Iterator[float]:
        """The ordinates and zero."""
        yield from (value for _, value in self.points)
        yield 0.0

    def legend(self) -> Sequence[Mark]:
        """Both directions."""
        return (Mark(*self.up, "bar"), Mark(*self.down, "bar"))

    def draw(self, scales: Scales) -> str:
        """Two paths, one a direction."""
        zero_px = scales.y(0.0)
        shapes: dict[str, list[str]] = {self.up[1]: [], self.down[1]: []}
        for time_s, value in self.points:
            if math.isfinite(value) and value != 0.0:
                left_px, right_px = scales.x(time_s), scales.x(time_s + self.slot_s)
                right_px = max(right_px - 0.5, left_px + 0.5)
                colour = self.up[1] if value > 0.0 else self.down[1]
                shapes[colour].append(
                    f"M{left_px:.1f},{zero_px:.1f}V{scales.y(value):.1f}H{right_px:.1f}V{zero_px:.1f}Z"
                )
        return "".join(f'<path d="{"".join(paths)}" fill="{colour}"/>' for colour, paths in shapes.items() if paths)
