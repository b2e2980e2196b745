"""Load: the quantile model of the house's consumption."""

from __future__ import annotations

import numpy as np

from core_kernels.units import SECONDS_PER_DAY
from training.boosters import QuantileModel, Recipe, Stage, fit_quantiles, quiet
from training.dataset import LoadSampler, Series, before, collect, issue_times_s
from training.split import split_issues

_ISSUE_STEP_SLOTS = 43
_KEEP_FRAC = 0.2
_ENOUGH_ISSUES = 1500.0


def fit_load(series: Series, until_s: float, recipe: Recipe, stage: Stage = quiet) -> QuantileModel:
    """The load model from everything before ``until_s``.

    Raises
    ------
    TrainingError
        No usable rows.
    """
    past = before(series, until_s)
    first_s = past.frame.grid.start_s + 2.0 * SECONDS_PER_DAY
    issues = split_issues(issue_times_s(first_s, past.frame.grid.end_s, _ISSUE_STEP_SLOTS))
    sampler = LoadSampler(past)
    keep_frac = min(1.0, _KEEP_FRAC * max(1.0, _ENOUGH_ISSUES / max(issues.fit_s.size, 1)))
    stage(f"load_w: building features of {issues.fit_s.size + issues.held_out_s.size} issue times")
    train, held_out = (
        collect(past, "load_w", sampler, part, keep_frac, recipe.seed) for part in (issues.fit_s, issues.held_out_s)
    )
    cap_w = 1.5 * float(np.nanmax(past.frame.column("load_w")))
    return fit_quantiles(train, held_out, "load_w", cap_w, recipe, stage)
