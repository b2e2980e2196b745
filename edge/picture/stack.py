"""Stacked panels that share one time axis in local time, as one SVG text. No library, no script, no style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from edge.picture.layers import Layer, Mark, Scales

INK, FAINT, RULE, PAPER = "#1f2933", "#52606d", "#e4e7eb", "#ffffff"
_LEFT_PX, _RIGHT_PX, _HEAD_PX, _FOOT_PX, _GAP_PX, _LABEL_PX = 46.0, 12.0, 34.0, 42.0, 12.0, 22.0
_FONT = 'font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif"'
_TICK_STEP_S = 900
_HOURS_A_TICK = (1, 2, 3, 6, 12, 24)
_PX_A_TICK, _PX_A_DATE = 30.0, 72.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart of the stack; without bounds its scale comes from its layers."""

    title: str
    height_px: float
    layers: tuple[Layer, ...]
    bounds: tuple[float, float] | None = None

    def ticks(self) -> tuple[float, ...]:
        """Round values from the lower to the upper end of the scale."""
        finite = [value for layer in self.layers for value in layer.values() if math.isfinite(value)]
        low, high = self.bounds or (min(finite, default=0.0), max(finite, default=1.0))
        return nice_ticks(low, high, max(2, int(self.height_px // 27)))

    def marks(self) -> tuple[Mark, ...]:
        """The legend; layers without a name have no entry."""
        return tuple(mark for layer in self.layers for mark in layer.legend() if mark.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The shared time axis; ``now_s`` draws a line where it is known."""

    start_s: float
    end_s: float
    zone: ZoneInfo
    now_s: float = math.nan


def nice_ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    """About ``count`` steps of 1, 2, 2.5 or 5 times a power of ten that enclose ``low`` and ``high``."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(index * step, 10) for index in range(first, last + 1))


def stack_svg(title: str, panels: Sequence[Panel], span: Span, width_px: float) -> str:
    """The whole picture; its height follows from the panels."""
    height_px = _HEAD_PX + sum(panel.height_px + _LABEL_PX + _GAP_PX for panel in panels) + _FOOT_PX - _GAP_PX
    size = f'viewBox="0 0 {width_px:g} {height_px:g}" width="{width_px:g}" height="{height_px:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {_FONT}><title>{escape(title)}</title>',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        _text(_LEFT_PX, 22.0, title, f'font-size="15" font-weight="600" fill="{INK}"'),
    ]
    top_px = _HEAD_PX
    for panel in panels:
        scales = _scales(panel, span, width_px, top_px + _LABEL_PX)
        parts.append(_panel(panel, scales, span))
        top_px += panel.height_px + _LABEL_PX + _GAP_PX
    parts.append(_time_labels(_scales(panels[-1], span, width_px, 0.0), span, top_px - _GAP_PX))
    return "".join(parts) + "</svg>"


def _scales(panel: Panel, span: Span, width_px: float, top_px: float) -> Scales:
    ticks = panel.ticks()
    return Scales(
        left_px=_LEFT_PX,
        width_px=width_px - _LEFT_PX - _RIGHT_PX,
        start_s=span.start_s,
        end_s=span.end_s,
        top_px=top_px,
        height_px=panel.height_px,
        low=ticks[0],
        high=ticks[-1],
    )


def _panel(panel: Panel, scales: Scales, span: Span) -> str:
    """Title, legend, rules and layers of one panel."""
    right_px, bottom_px = scales.left_px + scales.width_px, scales.top_px + scales.height_px
    parts = [
        _text(_LEFT_PX, scales.top_px - 8.0, panel.title, f'font-size="12.5" font-weight="600" fill="{INK}"'),
        _legend(panel.marks(), right_px, scales.top_px - 8.0),
    ]
    for value in panel.ticks():
        y_px = scales.y(value)
        parts.append(_rule((scales.left_px, right_px), (y_px, y_px), "#9aa5b1" if value == 0.0 else RULE))
        parts.append(
            _text(_LEFT_PX - 6.0, y_px + 4.0, f"{value:g}", f'text-anchor="end" font-size="11.5" fill="{FAINT}"')
        )
    heights_px = (scales.top_px, bottom_px)
    parts += [_rule((scales.x(time_s),) * 2, heights_px, "#cbd2d9") for time_s in midnights(span)]
    parts += [layer.draw(scales) for layer in panel.layers]
    if span.start_s <= span.now_s <= span.end_s:
        now_px = scales.x(span.now_s)
        parts.append(_rule((now_px, now_px), heights_px, INK, 'stroke-width="1.5" stroke-dasharray="2 3"'))
    return "".join(parts)


def _legend(marks: Sequence[Mark], right_px: float, y_px: float) -> str:
    """Entries from the right edge leftwards; their width is estimated from their letters."""
    parts = []
    for mark in reversed(marks):
        parts.append(_text(right_px, y_px, mark.name, f'text-anchor="end" font-size="12" fill="{FAINT}"'))
        right_px -= _words_px(mark.name) + 3.0
        middle_px = y_px - 4.0
        if mark.kind in ("line", "dashed"):
            dash = ' stroke-dasharray="4 3"' if mark.kind == "dashed" else ""
            ends = (right_px - 20.0, right_px - 5.0)
            parts.append(_rule(ends, (middle_px, middle_px), mark.colour, f'stroke-width="2.5"{dash}'))
        else:
            opacity = "0.28" if mark.kind == "band" else "1"
            parts.append(
                f'<rect x="{right_px - 19:.1f}" y="{middle_px - 5:.1f}" width="14" height="10" rx="1.5" '
                f'fill="{mark.colour}" fill-opacity="{opacity}"/>'
            )
        right_px -= 32.0
    return "".join(parts)


def _words_px(words: str) -> float:
    """Width of a legend's words in a usual sans-serif of 12 px: narrow, wide and other letters."""
    return sum(4.4 if letter in " ()-fijlrt" else 8.4 if letter in "mwPMW0159+" else 7.1 for letter in words)


def _local_ticks(span: Span, hours: int) -> Iterator[tuple[float, datetime]]:
    """Instants whose local time is a full multiple of some hours; right on days of 23 and 25 hours too."""
    time_s = math.ceil(span.start_s / _TICK_STEP_S) * _TICK_STEP_S
    while time_s <= span.end_s:
        local = datetime.fromtimestamp(time_s, span.zone)
        if local.minute == 0 and local.hour % hours == 0:
            yield float(time_s), local
        time_s += _TICK_STEP_S


def midnights(span: Span) -> tuple[float, ...]:
    """The starts of the local days."""
    return tuple(time_s for time_s, _ in _local_ticks(span, 24))


def _time_labels(scales: Scales, span: Span, y_px: float) -> str:
    """Hours, as many as fit, and a date under every midnight that has room."""
    px_an_hour = scales.width_px * 3600.0 / (span.end_s - span.start_s)
    hours = next((step for step in _HOURS_A_TICK if step * px_an_hour >= _PX_A_TICK), 0)
    right_px = scales.left_px + scales.width_px
    parts = []
    for time_s, local in _local_ticks(span, hours) if hours and hours < 24 else ():
        anchor = "end" if scales.x(time_s) > right_px - 10.0 else "middle"
        label = _text(
            scales.x(time_s), y_px + 16.0, f"{local:%H}", f'text-anchor="{anchor}" font-size="11.5" fill="{FAINT}"'
        )
        parts.append(label)
    return "".join(parts) + _dates(scales, span, y_px + 34.0)


def _dates(scales: Scales, span: Span, y_px: float) -> str:
    """A date under the middle of every local day that has room."""
    starts = sorted({span.start_s, *midnights(span)} - {span.end_s})
    parts, free_from_px = [], 0.0
    for time_s, end_s in zip(starts, [*starts[1:], span.end_s], strict=True):
        middle_px = (scales.x(time_s) + scales.x(end_s)) / 2.0
        if middle_px - _PX_A_DATE / 2.0 < free_from_px:
            continue
        local = datetime.fromtimestamp(time_s, span.zone)
        parts.append(_text(middle_px, y_px, f"{local:%a %-d %b}", f'text-anchor="middle" font-size="12" fill="{INK}"'))
        free_from_px = middle_px + _PX_A_DATE / 2.0
    return "".join(parts)


def _text(x_px: float, y_px: float, words: str, attributes: str) -> str:
    return f'<text x="{x_px:.1f}" y="{y_px:.1f}" {attributes}>{escape(words)}</text>'


def _rule(x_px: tuple[float, ...], y_px: tuple[float, ...], colour: str, attributes: str = "") -> str:
    path = f"M{x_px[0]:.1f},{y_px[0]:.1f}L{x_px[1]:.1f},{y_px[1]:.1f}"
    return f'<path d="{path}" stroke="{colour}" fill="none" {attributes}/>'
