"""Pictures of days and of plans as SVG text: price, PV with its P10-P90 band, load, grid, battery, state of charge.

Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from core_kernels.units import W_PER_KW
from edge.messages import Plan
from edge.picture.layers import Band, Bars, Layer, Line, Points
from edge.picture.stack import Panel, Span, stack_svg

WIDE_PX = 1200.0
NARROW_PX = 420.0
_ORANGE, _BLUE, _GREEN, _RED, _PURPLE, _SKY, _GREY = (
    "#e69f00", "#0072b2", "#009e73", "#d55e00", "#a8467f", "#56b4e9", "#52606d",
)  # fmt: skip
_MAX_POINTS = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """What happened, or is meant to happen, on equal slots; NaN where unknown, empty where not asked for.

    Every column holds one mean a slot from ``start_s``, except ``soc_frac``: it may hold one value an edge (n + 1).
    """

    start_s: float
    slot_s: float
    price_import_eur_per_kwh: Sequence[float] = ()
    price_export_eur_per_kwh: Sequence[float] = ()
    pv_w: Sequence[float] = ()
    pv_p10_w: Sequence[float] = ()
    pv_p50_w: Sequence[float] = ()
    pv_p90_w: Sequence[float] = ()
    load_w: Sequence[float] = ()
    load_p10_w: Sequence[float] = ()
    load_p50_w: Sequence[float] = ()
    load_p90_w: Sequence[float] = ()
    grid_w: Sequence[float] = ()
    battery_w: Sequence[float] = ()
    soc_frac: Sequence[float] = ()


def days_svg(days: Days, *, zone: ZoneInfo, title: str, now_s: float = math.nan, width_px: float = WIDE_PX) -> str:
    """Five stacked panels; ``width_px`` chooses the layout (``WIDE_PX`` for screens, ``NARROW_PX`` for phones)."""
    count = len(days.battery_w)
    if count == 0:
        return stack_svg(f"{title}: nothing to show", [Panel(title="", height_px=40.0, layers=())], _EMPTY, width_px)
    group = -(-count // _MAX_POINTS)
    if group > 1:
        title = f"{title} (means of {group * days.slot_s / 3600.0:g} h)"
    span = Span(start_s=days.start_s, end_s=days.start_s + count * days.slot_s, zone=zone, now_s=now_s)
    return stack_svg(title, _panels(days, group), span, width_px)


def plan_svg(plan: Plan, *, now_s: float, zone: ZoneInfo, width_px: float = WIDE_PX) -> str:
    """The plan's 48 hours with a line at the present."""
    shared = {name: getattr(plan, name) for name in Days.__dataclass_fields__ if hasattr(plan, name)}
    return days_svg(Days(**shared), zone=zone, title="Plan for the next 48 hours", now_s=now_s, width_px=width_px)


_EMPTY = Span(start_s=0.0, end_s=3600.0, zone=ZoneInfo("UTC"))


def _panels(days: Days, group: int) -> list[Panel]:
    """Price, PV, house, battery and state of charge, each left out where nothing of it is known."""

    def line(name: str, column: Sequence[float], colour: str, scale: float, dash: str = "") -> tuple[Line, ...]:
        points = _means(column, days, group, scale)
        return (Line(name=name, points=points, colour=colour, dash=dash),) if len(column) else ()

    def band(name: str, low: Sequence[float], high: Sequence[float], colour: str) -> tuple[Band, ...]:
        if not (len(low) and len(high)):
            return ()
        edges = (_means(column, days, group, 1.0 / W_PER_KW) for column in (low, high))
        return (Band(name=name, low=next(edges), high=next(edges), colour=colour),)

    kw = 1.0 / W_PER_KW
    price: list[Layer] = [
        *_steps("import", days.price_import_eur_per_kwh, days, group, _GREY),
        *_steps("export", days.price_export_eur_per_kwh, days, group, _SKY),
    ]
    pv: list[Layer] = [
        *band("P10-P90", days.pv_p10_w, days.pv_p90_w, _ORANGE),
        *line("P50", days.pv_p50_w, "#9c6b00", kw, "4 3"),
        *line("measured", days.pv_w, _ORANGE, kw),
    ]
    house: list[Layer] = [
        *band("P10-P90", days.load_p10_w, days.load_p90_w, _BLUE),
        *line("load P50", days.load_p50_w, _BLUE, kw, "4 3"),
        *line("load", days.load_w, _BLUE, kw),
        *line("grid (+ in)", days.grid_w, _PURPLE, kw),
    ]
    battery = Bars(
        up=("discharge", _RED), down=("charge", _GREEN),
        points=_means(days.battery_w, days, group, kw, at_frac=0.0), slot_s=group * days.slot_s,
    )  # fmt: skip
    panels = [
        Panel(title="Price, ct/kWh", height_px=85.0, layers=tuple(price)),
        Panel(title="PV, kW", height_px=120.0, layers=tuple(pv)),
        Panel(title="House, kW", height_px=130.0, layers=tuple(house)),
        Panel(title="Battery, kW", height_px=100.0, layers=(battery,)),
        Panel(title="Charge, %", height_px=80.0, layers=_charge(days, group), bounds=(0.0, 100.0)),
    ]
    return [panel for panel in panels if panel.layers]


def _means(column: Sequence[float], days: Days, group: int, scale: float, at_frac: float = 0.5) -> Points:
    """Means of ``group`` slots at a fraction of their span; a group without a known slot is NaN."""
    points = []
    for first in range(0, len(column), group):
        known = [value for value in column[first : first + group] if math.isfinite(value)]
        mean = scale * sum(known) / len(known) if known else math.nan
        points.append((days.start_s + (first + at_frac * group) * days.slot_s, mean))
    return points


def _steps(name: str, column: Sequence[float], days: Days, group: int, colour: str) -> tuple[Line, ...]:
    """A price holds through its slot: two points a slot. [ct/kWh]"""
    slot_s = group * days.slot_s
    starts = _means(column, days, group, 100.0, at_frac=0.0)
    points = [(time_s + shift_s, value) for time_s, value in starts for shift_s in (0.0, slot_s)]
    return (Line(name=name, points=points, colour=colour),) if points else ()


def _charge(days: Days, group: int) -> tuple[Line, ...]:
    """State of charge at the edges. [%]"""
    edges = [(days.start_s + index * days.slot_s, 100.0 * value) for index, value in enumerate(days.soc_frac)]
    return (Line(name="", points=edges[::group], colour=_BLUE, fill=True),) if edges else ()
