"""A quality report as JSON and as a table for a terminal."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import Any

from training.quality_report import QualityReport, SignalReport

_LISTED_GAPS = 20


def to_json(report: QualityReport) -> dict[str, Any]:
    """The report as plain values; what is not known is null."""
    return {
        "from": iso(report.grid.start_s),
        "until": iso(report.grid.end_s),
        "slot_s": report.grid.slot_s,
        "signals": [_signal_json(item) for item in report.signals],
        "balance": None
        if report.balance is None
        else {
            "median_w": _plain(report.balance.median_w),
            "p95_w": _plain(report.balance.p95_w),
            "known": report.balance.known_count,
        },
        "missing": [
            {"signal": m.signal, "from": iso(m.start_s), "until": iso(m.end_s), "reason": m.reason}
            for m in report.missing
        ],
        **{name: list(texts) for name, texts in report.listed},
        "ready": dict(report.ready),
        "to_do": list(report.to_do),
    }


def _signal_json(item: SignalReport) -> dict[str, Any]:
    return {
        "signal": item.name,
        "unit": item.unit,
        "ready": item.is_ready,
        "scores": {name.removesuffix("_frac"): _plain(value) for name, value in item.scores._asdict().items()},
        "seed_scores": {
            name.removesuffix("_frac"): _plain(value) for name, value in item.seed_scores._asdict().items()
        },
        "failed": list(item.failed),
        "rows": dataclasses.asdict(item.counts),
        "flagged_slots": dict(item.flagged),
        "gaps": {
            "count": len(item.gaps),
            "longest": [
                {"after": iso(gap.start_s), "until": iso(gap.end_s), "slots": gap.missing_count}
                for gap in item.gaps[:_LISTED_GAPS]
            ],
        },
        "findings": [{"kind": finding.kind, "text": finding.text} for finding in item.findings],
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def iso(time_s: float) -> str:
    """A time as UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_text(report: QualityReport) -> str:
    """The report as a table for a terminal."""
    head = ("signal", "complete", "consist.", "temporal", "reason.", "overall", "gaps", "findings")
    widths = (28, 9, 9, 9, 9, 9, 6, 0)
    lines = ["".join(text.ljust(width) for text, width in zip(head, widths, strict=True))]
    for item in report.signals:
        numbers = ["-" if math.isnan(score) else f"{score:.3f}" for score in item.scores]
        noted = "; ".join([*item.failed, *(finding.kind for finding in item.findings)]) or "-"
        cells = (item.name, *numbers, str(len(item.gaps)), noted)
        lines.append("".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)))
    if report.balance is not None:
        lines.append(f"balance: median {report.balance.median_w:.0f} W, 95 % below {report.balance.p95_w:.0f} W")
    ready = ", ".join(f"{name} {'yes' if is_ready else 'no'}" for name, is_ready in report.ready)
    return "\n".join([*lines, f"ready to train: {ready}", *(f"- {text}" for text in report.to_do)])
