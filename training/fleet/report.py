"""The fleet on one page: how skill is spread, the worst homes and why, what failed; and the same as numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from training.fleet.outcome import Outcome

_WORST = 20
_EDGES_FRAC = np.round(np.linspace(-0.5, 0.5, 21), 2)  # the outer bins hold all beyond
_QUANTILES_FRAC = (0.05, 0.25, 0.5, 0.75, 0.95)
_SHORT_DAYS, _GAPPY_FRAC, _MOVED_RATIO = 60.0, 0.95, 1.3
_COVERAGE_80 = (0.7, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a histogram of skill."""

    low_frac: float
    high_frac: float
    home_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A home whose models do worst, and what may explain it."""

    home: str
    skill_frac: float
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReport:
    """Skill of all homes in one signal."""

    signal: str
    home_count: int
    quantiles_frac: tuple[float, ...]
    below_zero_count: int
    bars: tuple[Bar, ...]
    worst: tuple[Bad, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """All of it."""

    home_count: int
    trained_count: int
    kept_count: int
    bundle_count: int
    failures: tuple[tuple[str, str], ...]
    signals: tuple[SignalReport, ...]
    home_cpu_s: float
    peak_rss_bytes: int | None


def fleet_report(found: Sequence[Outcome]) -> FleetReport:
    """From what became of each home."""
    states = Counter(outcome.state for outcome in found)
    done = [outcome for outcome in found if outcome.state != "failed"]
    names = sorted({name for outcome in done for name in outcome.scores})
    return FleetReport(
        home_count=len(found),
        trained_count=states["trained"],
        kept_count=states["kept"],
        bundle_count=sum(outcome.has_bundle for outcome in done),
        failures=tuple(sorted((outcome.home, outcome.reason) for outcome in found if outcome.state == "failed")),
        signals=tuple(_signal(name, done) for name in names),
        home_cpu_s=float(np.mean([outcome.cpu_s for outcome in done])) if done else math.nan,
        peak_rss_bytes=max((o.peak_rss_bytes for o in done if o.peak_rss_bytes is not None), default=None),
    )


def _signal(name: str, done: Sequence[Outcome]) -> SignalReport:
    pairs = [(outcome.skill(name), outcome) for outcome in done if math.isfinite(outcome.skill(name))]
    skills = np.array([skill for skill, _ in pairs])
    inside = np.clip(skills, _EDGES_FRAC[0], np.nextafter(_EDGES_FRAC[-1], 0.0))
    counts = np.histogram(inside, _EDGES_FRAC)[0].tolist()
    worst = sorted(pairs, key=lambda pair: pair[0])[:_WORST]
    return SignalReport(
        signal=name,
        home_count=len(pairs),
        quantiles_frac=tuple(np.quantile(skills, _QUANTILES_FRAC).tolist()) if pairs else (),
        below_zero_count=int((skills < 0.0).sum()),
        bars=tuple(
            Bar(low_frac=low, high_frac=high, home_count=count)
            for low, high, count in zip(_EDGES_FRAC.tolist(), _EDGES_FRAC[1:].tolist(), counts, strict=False)
        ),
        worst=tuple(Bad(home=o.home, skill_frac=skill, why=reasons(name, o)) for skill, o in worst),
    )


def reasons(name: str, outcome: Outcome) -> tuple[str, ...]:
    """What of a home's data may explain its skill in a signal; empty where nothing stands out."""
    found, facts = [], outcome.facts
    if facts is not None:
        if facts.history_days < _SHORT_DAYS:
            found.append(f"only {facts.history_days:.0f} days of history")
        known = facts.known_frac.get(name, math.nan)
        if known < _GAPPY_FRAC:
            found.append(f"{100 * (1 - known):.0f} % of its slots are missing")
        level = facts.level_ratio.get(name, math.nan)
        if not 1.0 / _MOVED_RATIO <= level <= _MOVED_RATIO and math.isfinite(level):
            found.append(f"the judged days had {level:.2f} times the mean of the four weeks before")
    coverage = outcome.scores[name]["ours"].get("coverage_80", math.nan)
    low, high = _COVERAGE_80
    if math.isfinite(coverage) and not low <= coverage <= high:
        found.append(f"P10-P90 holds {100 * coverage:.0f} % of what came")
    return tuple(found)


def summary(report: FleetReport) -> dict[str, Any]:
    """As ``--json`` prints it."""
    return {
        "homes": report.home_count,
        "trained": report.trained_count,
        "kept": report.kept_count,
        "bundles": report.bundle_count,
        "failed": [{"home": home, "reason": reason} for home, reason in report.failures],
        "home_cpu_s": _number(report.home_cpu_s),
        "peak_rss_bytes": report.peak_rss_bytes,
        "skill": {
            item.signal: {
                "homes": item.home_count,
                "below_zero": item.below_zero_count,
                **{f"p{100 * level:.0f}": v for level, v in zip(_QUANTILES_FRAC, item.quantiles_frac, strict=False)},
                "worst": [{"home": bad.home, "skill": bad.skill_frac, "why": list(bad.why)} for bad in item.worst],
            }
            for item in report.signals
        },
    }


def page(report: FleetReport) -> str:
    """The whole page; it needs nothing else."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("fleet.html").render(report=report, levels=_QUANTILES_FRAC)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
