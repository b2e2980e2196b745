"""The flow picture: sun, grid, battery and house around the bus, arrows in the direction that energy takes."""

from __future__ import annotations

import math
from typing import NamedTuple

from edge.web.view import Live
from edge.wording import MISSING, percent_words, power_words

_CENTRE_PX = (210.0, 160.0)
_QUIET_W = 10.0
_RADIUS_PX = 50.0


class _Node(NamedTuple):
    name: str
    x_px: float
    y_px: float
    into_bus_w: float
    words: str


def flow_svg(live: Live) -> str:
    """Four nodes and four arrows; an unknown power is a dash and a dotted line, never an arrow."""
    nodes = (
        _Node("Sun", 210.0, 56.0, live.pv_w, power_words(live.pv_w)),
        _Node("Grid", 56.0, 160.0, live.grid_w, _directed(live.grid_w, "import", "export")),
        _Node("Battery", 364.0, 160.0, live.battery_w, _directed(live.battery_w, "discharge", "charge")),
        _Node("House", 210.0, 264.0, -live.load_w, power_words(live.load_w)),
    )
    said = ", ".join(f"{node.name} {node.words}" for node in nodes)
    parts = [f'<svg class="flow" viewBox="0 0 420 320" role="img"><title>{said}</title>']
    parts += [_arrow(node) for node in nodes]
    parts.append(f'<circle class="bus" cx="{_CENTRE_PX[0]:g}" cy="{_CENTRE_PX[1]:g}" r="7"/>')
    for node in nodes:
        extra = percent_words(live.soc_frac) if node.name == "Battery" else ""
        parts.append(_circle(node, extra))
    return "".join(parts) + "</svg>"


def _directed(power_w: float, positive: str, negative: str) -> str:
    if not math.isfinite(power_w):
        return MISSING
    if abs(power_w) < _QUIET_W:
        return power_words(power_w)
    return f"{positive if power_w > 0.0 else negative} {power_words(power_w)}"


def _arrow(node: _Node) -> str:
    """From the node's rim to the bus or back; its width grows with the power."""
    dx_px, dy_px = _CENTRE_PX[0] - node.x_px, _CENTRE_PX[1] - node.y_px
    length_px = math.hypot(dx_px, dy_px)
    rim = (node.x_px + dx_px * _RADIUS_PX / length_px, node.y_px + dy_px * _RADIUS_PX / length_px)
    hub = (node.x_px + dx_px * (1.0 - 14.0 / length_px), node.y_px + dy_px * (1.0 - 14.0 / length_px))
    if not abs(node.into_bus_w) >= _QUIET_W:
        kind = "unknown" if math.isnan(node.into_bus_w) else "still"
        return f'<path class="wire {kind}" stroke-width="3" d="M{rim[0]:.1f},{rim[1]:.1f}L{hub[0]:.1f},{hub[1]:.1f}"/>'
    tail, tip = (rim, hub) if node.into_bus_w > 0.0 else (hub, rim)
    width_px = 2.5 + 1.2 * math.sqrt(min(abs(node.into_bus_w), 20_000.0) / 1000.0)
    ux, uy = (tip[0] - tail[0]), (tip[1] - tail[1])
    size = math.hypot(ux, uy)
    ux, uy = ux / size, uy / size
    neck = (tip[0] - 11.0 * ux, tip[1] - 11.0 * uy)
    wings = (neck[0] - 7.0 * uy, neck[1] + 7.0 * ux, neck[0] + 7.0 * uy, neck[1] - 7.0 * ux)
    line = f"M{tail[0]:.1f},{tail[1]:.1f}L{neck[0]:.1f},{neck[1]:.1f}"
    head = f"M{tip[0]:.1f},{tip[1]:.1f}L{wings[0]:.1f},{wings[1]:.1f}L{wings[2]:.1f},{wings[3]:.1f}Z"
    colour = node.name.lower()
    wire = f'<path class="wire {colour}" stroke-width="{width_px:.1f}" d="{line}"/>'
    return f'{wire}<path class="head {colour}" d="{head}"/>'


def _circle(node: _Node, extra: str) -> str:
    """The node with its name, its power and, for the battery, its charge."""
    place = f'x="{node.x_px:g}" text-anchor="middle"'
    words = node.words.split(" ", 1) if node.words[0].isalpha() else ["", node.words]
    lines = [("name", node.name if not extra else f"{node.name} {extra}"), ("power", words[1]), ("side", words[0])]
    colour = "unknown" if math.isnan(node.into_bus_w) else node.name.lower()
    parts = [f'<circle class="node {colour}" cx="{node.x_px:g}" cy="{node.y_px:g}" r="{_RADIUS_PX:g}"/>']
    for (kind, text), shift_px in zip(lines, (-12.0, 8.0, 25.0), strict=True):
        if text:
            parts.append(f'<text class="{kind}" {place} y="{node.y_px + shift_px:g}">{text}</text>')
    return "".join(parts)
