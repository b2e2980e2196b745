"""A bundle challenges the champion: both judged on the same held-out days, the outcome recorded, then the crown."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from core_kernels.folding import SLOT_S, SLOTS_PER_DAY
from training.backtest import Span, issue_days
from training.bundle_file import opened
from training.dataset import HISTORY_SLOTS, Series, cut
from training.errors import TrainingError
from training.judge import Day, judge
from training.predictor import fingerprint
from training.promotion import Scores, objections, require_unseen
from training.registry import CHAMPION, Entry, Judgement, Registry


class Outcome(NamedTuple):
    """What the days said, and why the candidate must not become champion."""

    candidate: Entry
    champion: str | None
    day_count: int
    scores: Scores
    objections: tuple[str, ...]


def challenge(registry: Registry, candidate: Entry, series: Series, span: Span) -> Outcome:
    """Judge candidate and champion on whole local days inside the span, and record their scores.

    Raises
    ------
    TrainingError
        A bundle was trained on these days, or has other features than this program.
    """
    days = [day for day in issue_days(series, span) if span.train_until_s <= day[0] and day[1].end_s <= span.until_s]
    if not days:
        raise TrainingError("there is no whole local day between --from and --until")
    series = _needed(series, days)
    champion = registry.alias(candidate.site, CHAMPION)
    rivals = [candidate, *([registry.find(champion)] if champion not in (None, candidate.sha256) else [])]
    require_unseen({rival.version: float(rival.manifest["training"]["to_s"]) for rival in rivals}, days[0][0])
    scored = []
    for rival in rivals:
        manifest, members = opened(registry.content(rival), rival.version)
        scored.append(judge(manifest, members, series, days))
        registry.record(
            Judgement(
                sha256=rival.sha256,
                data_sha256=fingerprint(series.frame),
                from_s=days[0][0],
                until_s=float(days[-1][1].end_s),
                days=len(days),
                scores=scored[-1],
            )
        )
    reasons = objections(scored[0], scored[1] if len(scored) > 1 else None, len(days))
    return Outcome(candidate, champion, len(days), scored[0], reasons)


def _needed(series: Series, days: list[Day]) -> Series:
    """The part of a long table that these days, the history before and the weather around them lie in."""
    grid = series.frame.grid
    first = int(days[0][0] - grid.start_s) // SLOT_S - HISTORY_SLOTS
    last = (days[-1][1].end_s - grid.start_s) // SLOT_S + SLOTS_PER_DAY
    return replace(series, frame=cut(series.frame, max(first, 0), min(last, grid.count)))


def promoted(registry: Registry, outcome: Outcome, force: str | None) -> None:
    """Make the candidate champion if nothing speaks against it, or by force; a refusal is logged as well.

    Raises
    ------
    TrainingError
        The gate's reasons, a line each.
    """
    reasons = "; ".join(outcome.objections)
    if outcome.objections and not force:
        registry.refuse(outcome.candidate, reasons)
        raise TrainingError("\n".join(f"not promoted: {reason}" for reason in outcome.objections))
    detail = f"forced: {force}; in spite of: {reasons}" if outcome.objections else f"on {outcome.day_count} days"
    registry.promote(outcome.candidate, beaten=outcome.champion, detail=detail)
