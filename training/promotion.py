"""The gate before a model becomes champion: judged on days that neither it nor the champion has seen. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from training.errors import TrainingError

OURS = "ours"
MIN_DAYS = 7
NOT_WORSE_RATIO = 1.02  # in no signal may a challenger lose more than the luck of a few days against the champion
COVERAGE_80 = (0.65, 0.95)  # of P10-P90 on few days; far outside, the spread is not honest

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]  # of each signal, of ours and each reference


def objections(candidate: Scores, champion: Scores | None, day_count: int) -> tuple[str, ...]:
    """Why the candidate must not become champion, a reason each; none where it may.

    The mean pinball loss decides: below every reference in every signal; against the champion in no signal worse by
    more than 2 %, and better over all signals (geometric mean).
    """
    reasons = [f"judged on {day_count} days, at least {MIN_DAYS} are needed"] if day_count < MIN_DAYS else []
    for signal, scored in sorted(candidate.items()):
        reasons += _own_reasons(signal, scored)
    if champion is not None:
        reasons += _against(candidate, champion)
    return tuple(reasons)


def _own_reasons(signal: str, scored: Mapping[str, Mapping[str, float]]) -> list[str]:
    loss = pinball(scored, OURS)
    if math.isnan(loss):
        return [f"{signal}: nothing was measured on these days"]
    rivals = {who: pinball(scored, who) for who in scored if who != OURS}
    reasons = [
        f"{signal}: pinball {loss:.4g} does not beat {who} ({rival:.4g})"
        for who, rival in sorted(rivals.items())
        if not math.isnan(rival) and not loss < rival
    ]
    coverage = scored[OURS].get("coverage_80", math.nan)
    low, high = COVERAGE_80
    if not low <= coverage <= high:
        reasons.append(f"{signal}: P10-P90 holds {100 * coverage:.0f} % of what came, wanted {low:.0%} to {high:.0%}")
    return reasons


def _against(candidate: Scores, champion: Scores) -> list[str]:
    reasons, logs = [], []
    for signal in sorted(set(candidate) & set(champion)):
        ours, theirs = pinball(candidate[signal], OURS), pinball(champion[signal], OURS)
        if math.isnan(ours) or math.isnan(theirs):
            continue
        ratio = ours / theirs if theirs > 0.0 else math.inf
        logs.append(math.log(ratio) if ratio > 0.0 else -math.inf)
        if ratio > NOT_WORSE_RATIO:
            reasons.append(f"{signal}: pinball {ours:.4g} is worse than the champion's {theirs:.4g}")
    missing = sorted(set(champion) - set(candidate))
    reasons += [f"{signal}: the champion predicts it, the candidate does not" for signal in missing]
    if not reasons and not sum(logs) < 0.0:
        reasons.append("over all signals it is no better than the champion")
    return reasons


def pinball(scored: Mapping[str, Mapping[str, float]], who: str) -> float:
    """Mean pinball loss of one of them; NaN where it has none."""
    return scored.get(who, {}).get("pinball", math.nan)


def require_unseen(trained_until_s: Mapping[str, float], from_s: float) -> None:
    """Raise :class:`TrainingError` for models whose training data reach into the days that are to judge them."""
    seen = sorted(name for name, until_s in trained_until_s.items() if until_s > from_s)
    if seen:
        raise TrainingError(f"not held out: {', '.join(seen)} was trained on data of the days that are to judge it")
