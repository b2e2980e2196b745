"""A quality report as one page of HTML that needs nothing else: scores, what is known when, a plot a signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from training.errors import SetupError
from training.quality_report import Day, QualityReport, SignalReport
from training.quality_text import iso

WIDTH_PX, HEIGHT_PX = 720.0, 96.0
_MOST_COLUMNS = 360
_GOOD, _FAIR = 0.95, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Paths of a plot: band of each day's least and greatest value, line of its mean, and what stands at the axis."""

    band: str
    line: str
    top: str
    bottom: str
    zero_px: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One stretch of the calendar of a signal."""

    x_px: float
    width_px: float
    level: str


def page(report: QualityReport) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    rows = [(item, cells(item.days), plot(item.days)) for item in report.signals]
    return environment.get_template("quality.html").render(
        report=report,
        rows=rows,
        iso=iso,
        score=_score,
        level=_level,
        width=WIDTH_PX,
        height=HEIGHT_PX,
        reason=_reason,
        slots_h=report.grid.slot_s / 3600.0,
    )


def write_page(report: QualityReport, path: Path) -> None:
    """Write the page; raises :class:`SetupError`."""
    try:
        path.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror}") from error


def cells(days: Sequence[Day]) -> tuple[Cell, ...]:
    """What is known, day by day; several days share a cell where there are many."""
    size = max(1, math.ceil(len(days) / _MOST_COLUMNS))
    groups = [days[first : first + size] for first in range(0, len(days), size)]
    width_px = WIDTH_PX / max(len(groups), 1)
    shares = [sum(day.known_frac for day in group) / len(group) for group in groups]
    return tuple(
        Cell(x_px=round(i * width_px, 2), width_px=round(width_px + 0.3, 2), level=_level(share))
        for i, share in enumerate(shares)
    )


def plot(days: Sequence[Day]) -> Plot | None:
    """The paths of a signal; None where nothing is known."""
    known = [day for day in days if day.known_frac > 0.0]
    if not known:
        return None
    low, high = min(day.low for day in known), max(day.high for day in known)
    span = high - low or 1.0
    step_px = WIDTH_PX / max(len(days), 1)

    def at(i: int, value: float) -> str:
        return f"{(i + 0.5) * step_px:.1f},{HEIGHT_PX * (1.0 - (value - low) / span):.1f}"

    band, line = [], []
    for run in _runs(days):
        upper = [at(i, days[i].high) for i in run]
        lower = [at(i, days[i].low) for i in reversed(run)]
        band.append("M" + "L".join(upper + lower) + "Z")
        line.append("M" + "L".join(at(i, days[i].value) for i in run))
    zero_px = round(HEIGHT_PX * (1.0 - (0.0 - low) / span), 1) if low < 0.0 < high else None
    return Plot(band="".join(band), line="".join(line), top=f"{high:.4g}", bottom=f"{low:.4g}", zero_px=zero_px)


def _runs(days: Sequence[Day]) -> list[list[int]]:
    """Days in a row that know something."""
    runs: list[list[int]] = []
    for i, day in enumerate(days):
        if day.known_frac == 0.0:
            continue
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _level(share_frac: float) -> str:
    """The class of a share or score."""
    if math.isnan(share_frac) or share_frac == 0.0:
        return "none"
    if share_frac >= _GOOD:
        return "good"
    return "fair" if share_frac >= _FAIR else "poor"


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{100.0 * value:.1f}"


def _reason(item: SignalReport) -> str:
    """Why a signal is not ready, or that it is."""
    return ", ".join([*item.failed, *(finding.kind for finding in item.findings)]) or "ready"
