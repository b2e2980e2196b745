"""Load: quantile boosters on the difference to what the last weeks say, trusted as far as held-out weeks bear it.

Four boosters explain the residuals of P10, P50, P90 and of the mean. A median of a lumpy load is a noisy thing to
learn, and the plan adds up energy: P50 takes up a share of the mean. Where the trees do not beat the 28-day
climatology on held-out weeks, the model is the climatology.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.quantiles import LEVELS_FRAC, pinball, uncross
from core_kernels.records import Float32Matrix
from core_kernels.units import FloatArray
from training.anchor import Anchor
from training.boosters import QuantileModel, Recipe, Stage, columns, fitted, quiet, used_names
from training.dataset import LoadSampler, Samples, Series, before
from training.residuals import GOALS, TARGETS, Boosters, assembled, honest_offsets, scores, shares
from training.samples import chosen_rows, gathered
from training.split import split_issues

_ISSUE_STEP_SLOTS = 43
_KEEP_FRAC = 0.1  # of the slots of each issue around the clock; of each midnight's all
_LONG_DAYS = 500.0  # from here on the seasons repeat, and deeper trees find more than accidents
_CLIMATOLOGY = ("load_slot_low", "load_slot_median", "load_slot_high")
_RECENT = ("load_slot_14d_low", "load_slot_14d_median", "load_slot_14d_high")
_MEANS = ("load_slot_7d", "load_slot_28d")
_TRUSTS_FRAC = (0.0, 0.5, 0.75, 1.0)
# P50's share of the mean: a median of one year is too noisy; on 13 measured homes half of both had the lower pinball
# loss on most, and an RMSE below the 7-day mean's. Years of data need less of it (`pems-train bench load`).
_MEAN_FRAC, _LONG_MEAN_FRAC = 0.5, 0.2


class Choice(NamedTuple):
    """How far the trees are trusted, how much of P50 is the mean, and the offsets of P10 and P90."""

    trust_frac: float
    mean_frac: float
    offsets_ratio: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned(Boosters):
    """Boosters, and what stands in for a missing anchor."""

    typical_ratio: dict[str, float]


def fit_load(series: Series, until_s: float, recipe: Recipe, stage: Stage = quiet) -> QuantileModel:
    """The load model from everything before ``until_s``.

    Raises
    ------
    TrainingError
        No usable rows.
    """
    past = before(series, until_s)
    days = past.frame.grid.count / SLOTS_PER_DAY
    stage("load_w: building features")
    samples = gathered(past, "load_w", LoadSampler(past), recipe.seed, _ISSUE_STEP_SLOTS, _KEEP_FRAC)
    parts = split_issues(np.unique(samples.issued_s))
    train, held_out = (chosen_rows(samples, np.isin(samples.issued_s, part)) for part in parts)
    stage(f"load_w: choosing on {np.unique(held_out.issued_s).size} held-out issue times")
    draft = learn(train, recipe, days)
    choice = choose(draft, held_out, _LONG_MEAN_FRAC if days >= _LONG_DAYS else _MEAN_FRAC)
    stage(f"load_w: fitting on {samples.actual_w.size} rows")
    cap_w = 1.5 * float(np.nanmax(past.frame.column("load_w")))
    metrics = scores(assemble(draft, choice, cap_w), held_out)
    metrics |= {"tree_trust": choice.trust_frac, "mean_in_p50": choice.mean_frac}
    return replace(assemble(learn(samples, recipe, days), choice, cap_w), metrics=metrics)


def mixes(mean_frac: float, recent_frac: float = 0.5) -> tuple[dict[str, float], ...]:
    """What P10, P50 and P90 begin with: the last 14 and 28 days, and for P50 a share of their mean."""
    low, middle, high = (
        {old: 1.0 - recent_frac, new: recent_frac} for old, new in zip(_CLIMATOLOGY, _RECENT, strict=True)
    )
    middle = {name: (1.0 - mean_frac) * share for name, share in middle.items()} | mean_mix(mean_frac)
    return low, middle, high


def mean_mix(share_frac: float = 1.0) -> dict[str, float]:
    """What the mean begins with."""
    return dict.fromkeys(_MEANS, share_frac / len(_MEANS))


def _params(recipe: Recipe, days: float) -> tuple[dict[str, Any], int]:
    """Small trees for a year or less, deeper and more of them for longer; both learn slowly."""
    shape = {"max_depth": 3, "min_child_weight": 200.0, "colsample_bytree": 0.6}
    rounds, reach = recipe.rounds, 4.0
    if days >= _LONG_DAYS:
        shape, rounds, reach = {"max_depth": 6, "min_child_weight": 60.0, "colsample_bytree": 0.4}, 3 * rounds // 2, 9.0
    return {**shape, "subsample": 0.5, "lambda": 10.0, "eta": reach / rounds, "seed": recipe.seed}, rounds


def learn(samples: Samples, recipe: Recipe, days: float) -> Learned:
    """Fit the four residuals."""
    anchors = (*_CLIMATOLOGY, *_RECENT, *_MEANS)
    names = tuple(dict.fromkeys((*used_names(samples), *anchors)))
    values = columns(samples, names)
    typical = {name: _typical(values[:, names.index(name)]) for name in anchors}
    ratio = samples.actual_w / samples.scale_w
    params, rounds = _params(recipe, days)
    starts = Anchor.of(mixes(0.0), typical).ratio(names, values)
    mean_start = Anchor.of((mean_mix(), mean_mix(), mean_mix()), typical).ratio(names, values)[:, :1]
    weight = samples.scale_w / samples.scale_w.mean()
    boosters = tuple(
        fitted(values, ratio - start, weight, {**params, **goal}, rounds)
        for goal, start in zip(GOALS, np.hstack([starts, mean_start]).T, strict=True)
    )
    return Learned(names=names, boosters=boosters, typical_ratio=typical, rows=ratio.size)


def _typical(column: Float32Matrix) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if known.size else 1.0


def blend(learned: Learned, choice: Choice) -> tuple[Anchor, tuple[float, ...]]:
    """What the model begins with, and the share of each booster; without trust in the trees, the climatology."""
    trust, mean = choice.trust_frac, choice.mean_frac
    anchor = Anchor.of(mixes(mean) if trust > 0.0 else mixes(0.0, 0.0), learned.typical_ratio)
    return anchor, shares(trust, mean)


def assemble(learned: Learned, choice: Choice, cap_w: float) -> QuantileModel:
    """The model as it is exported."""
    anchor, heard = blend(learned, choice)
    return assembled("load_w", learned, anchor, heard, choice.offsets_ratio, cap_w)


def choose(learned: Learned, held_out: Samples, mean_frac: float) -> Choice:
    """The trust in the trees that held-out weeks speak for, and the offsets that make P10..P90 honest."""
    values = columns(held_out, learned.names)
    trees = np.column_stack([booster.inplace_predict(values) for booster in learned.boosters])

    def raw_ratio(choice: Choice) -> FloatArray:
        anchor, heard = blend(learned, choice)
        weights = np.eye(len(LEVELS_FRAC))[list(TARGETS)] * np.asarray(heard)[:, None]
        return uncross(anchor.ratio(learned.names, values) + trees @ weights)

    def loss(choice: Choice) -> float:
        return float(np.mean(pinball(held_out.actual_w, raw_ratio(choice) * held_out.scale_w[:, None])))

    options = (Choice(trust, mean_frac if trust > 0.0 else 0.0) for trust in _TRUSTS_FRAC)
    chosen = min(options, key=loss)
    if chosen.trust_frac == 0.0:
        return chosen
    return chosen._replace(offsets_ratio=honest_offsets(held_out, raw_ratio(chosen)))
