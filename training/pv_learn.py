"""PV: boosters on what physics leaves unexplained, trusted as far as other weeks and later seasons bear it.

The anchor is the sky of now for the next hours and a share of physics after, and four boosters explain the rest of P10,
P50, P90 and of the mean. How far all that is believed beside physics is decided on a later part of the past than it was
fitted on, and falls with a row's distance from what it was fitted on (:mod:`training.guard`), so that boosters that
know one season alone cannot talk physics out of the next. P50 takes up a share of the mean, because the plan adds up
energy; the offsets of P10 and P90 come from whole weeks that were held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from core_kernels.quantiles import uncross
from core_kernels.records import Float32Matrix
from core_kernels.units import FloatArray
from training.anchor import Anchor
from training.boosters import QuantileModel, Recipe, Stage, columns, fitted, quiet, used_names
from training.dataset import Samples
from training.guard import PHYSICS, Guard
from training.residuals import GOALS, Boosters, assembled, honest_offsets, scores, shares
from training.samples import chosen_rows
from training.split import split_issues

SIGNAL = "pv_w"
# What the boosters start from: the sky of now, and a share of physics; all of it costs accuracy at home, none of it the
# next season.
_START_FRAC = {"near_ratio": 1.0, "far_physics_ratio": 0.3}
MEAN_FRAC = 0.7  # of P50; the median of PV is a noisy thing to learn, and lies above the mean on bright days
_TRUSTS_FRAC = (0.0, 0.25, 0.5, 0.75, 1.0)
_LATER_FRAC = 0.3  # of the issue times; what judges the boosters' trust
_NEAR_BEST = 1.05  # of the least squared error: boosters that know the whole past are better than those judged here
_SHAPE = {"max_depth": 6, "min_child_weight": 60.0, "colsample_bytree": 0.4, "subsample": 0.7, "lambda": 5.0}
_REACH = 9.0  # learning rate times rounds
_ROUNDS = 3
Goal = tuple[Mapping[str, Any], int]  # what a booster is asked for, and the power of the scale that weighs its rows
_GOALS: tuple[Goal, ...] = (*((goal, 1) for goal in GOALS[:-1]), (GOALS[-1], 2))


class Choice(NamedTuple):
    """How far the boosters are believed, and the offsets of the quantiles."""

    trust_frac: float
    offsets_ratio: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned(Boosters):
    """Boosters, what they start from, and what they know."""

    anchor: Anchor | None
    guard: Guard | None

    def start(self, values: Any) -> FloatArray:
        """What the anchor says of each row, float64[n]; 0 without one."""
        return np.zeros(values.shape[0]) if self.anchor is None else self.anchor.ratio(self.names, values)[:, 0]


def learn_pv(samples: Samples, cap_w: float, recipe: Recipe, stage: Stage = quiet) -> QuantileModel:
    """The PV model from rows of the past."""
    issues_s = np.unique(samples.issued_s)
    parts = split_issues(issues_s)
    weeks, held_out = (chosen_rows(samples, np.isin(samples.issued_s, part)) for part in parts)
    stage(f"{SIGNAL}: choosing on {parts.held_out_s.size} held-out issue times")
    trust = _trust(samples, recipe)
    draft = learn(weeks, recipe)
    choice = calibrated(draft, Choice(trust), held_out)
    metrics = scores(assemble(draft, choice, cap_w), held_out) | {"trust": trust}
    stage(f"{SIGNAL}: fitting on {samples.actual_w.size} rows")
    return replace(assemble(learn(samples, recipe), choice, cap_w), metrics=metrics)


def _trust(samples: Samples, recipe: Recipe) -> float:
    """The most trust that the later part of the past speaks for, given boosters of the earlier; all without physics."""
    if np.isnan(samples.values[:, samples.names.index(PHYSICS)]).all():
        return 1.0
    edge_s = float(np.quantile(samples.issued_s, 1.0 - _LATER_FRAC))
    early, late = (
        chosen_rows(samples, samples.issued_s < edge_s - 172_800.0),
        chosen_rows(samples, samples.issued_s >= edge_s),
    )
    if early.actual_w.size == 0:
        return _TRUSTS_FRAC[1]
    learned = learn(early, recipe, _GOALS[-1:])
    names = learned.names
    values = columns(late, names)
    said = learned.start(values) + learned.boosters[-1].inplace_predict(values)

    physics = np.nan_to_num(late.values[:, late.names.index(PHYSICS)].astype(np.float64))

    def loss(most_frac: float) -> float:
        trust = 1.0 if learned.guard is None else replace(learned.guard, most_frac=most_frac).trust_frac(names, values)
        error_w = (trust * said + (1.0 - trust) * physics) * late.scale_w - late.actual_w
        return float(np.mean(error_w**2))

    losses = [loss(most_frac) for most_frac in _TRUSTS_FRAC]
    return max(frac for frac, worth in zip(_TRUSTS_FRAC, losses, strict=True) if worth <= _NEAR_BEST * min(losses))


def learn(samples: Samples, recipe: Recipe, goals: tuple[Goal, ...] = _GOALS) -> Learned:
    """Fit the residuals; a quantile's loss is in watts, the mean's in watts squared."""
    names = used_names(samples)
    values = columns(samples, names)
    mix = {name: share for name, share in _START_FRAC.items() if name in names}
    anchor = Anchor.of((mix, mix, mix), {name: _typical(values[:, names.index(name)]) for name in mix}) if mix else None
    came = samples.actual_w / samples.scale_w
    guard = Guard.of(names, values, came)
    learned = Learned(names=names, boosters=(), anchor=anchor, guard=guard, rows=came.size)
    label = came - learned.start(values)
    size = samples.scale_w / samples.scale_w.mean()
    rounds = _ROUNDS * recipe.rounds
    params = {**_SHAPE, "seed": recipe.seed, "eta": _REACH / rounds}
    boosters = tuple(fitted(values, label, size**power, {**params, **goal}, rounds) for goal, power in goals)
    return replace(learned, boosters=boosters)


def _typical(values: Float32Matrix) -> float:
    """The median of what is known."""
    return float(np.median(values[np.isfinite(values)]))


def assemble(learned: Learned, choice: Choice, cap_w: float) -> QuantileModel:
    """The model as it is exported."""
    model = assembled(SIGNAL, learned, learned.anchor, shares(1.0, MEAN_FRAC), choice.offsets_ratio, cap_w)
    guard = None if learned.guard is None else replace(learned.guard, most_frac=choice.trust_frac)
    return replace(model, guard=guard)


def calibrated(learned: Learned, choice: Choice, held_out: Samples) -> Choice:
    """The choice with offsets that make P10 to P90 hold four fifths of rows that the draft was not fitted on."""
    raw = uncross(assemble(learned, choice, 1.0).raw_ratio(columns(held_out, learned.names)))
    return choice._replace(offsets_ratio=honest_offsets(held_out, raw))
