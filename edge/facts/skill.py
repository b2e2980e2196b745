"""How the forecasts held since: coverage, bias and skill, of the last days and of those before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core_kernels.quantiles import LEVELS_FRAC, pinball
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, FloatArray
from edge.facts.history import readable
from edge.messages import Plan

RECENT_DAYS = 7
REFERENCE_DAYS = 7
DRIFT_SKILL_RATIO = 0.10  # a fall of the skill by more than this is told; less is weather
_LEAST_REFERENCE_COUNT = 3
_LEAST_SLOTS = {"pv_w": 60, "load_w": 192}  # two days, of PV by daylight
_DAYLIGHT_W = 50.0  # a PV power or forecast below it is night


def held(bodies: Sequence[Mapping[str, Any]], measured: Frame, days_count: int) -> dict[str, dict[str, Any]]:
    """How the first plans of the days did on each signal; 0.80 within P10-P90 is aimed at, PV counts by daylight.

    The skill is 1 - pinball loss / that of the P10, P50 and P90 of the same clock time of the seven days before: 0 is
    as good as these, less is worse. ``measured`` holds them too.
    """
    plans = readable(bodies)
    return {name: _of_signal(plans, measured, name, days_count) for name in ("pv_w", "load_w")}


def _of_signal(plans: Sequence[Plan], measured: Frame, name: str, days_count: int) -> dict[str, Any]:
    grid, actual = measured.grid, measured.column(name)
    said, usual = bands(plans, grid, name.removesuffix("_w")), reference(actual, grid)
    age_s = grid.end_s - grid.starts_s()
    counts = np.isfinite(actual) & np.isfinite(said).all(axis=1) & (age_s <= days_count * SECONDS_PER_DAY)
    if name == "pv_w":
        counts &= np.maximum(actual, said[:, 2]) >= _DAYLIGHT_W
    late = counts & (age_s <= RECENT_DAYS * SECONDS_PER_DAY)
    parts = [_scores(actual[rows], said[rows], usual[rows]) for rows in (counts, late, counts & ~late)]
    return {**parts[0], "recent": parts[1], "before": parts[2], "drift": drift(parts[1], parts[2], _LEAST_SLOTS[name])}


def bands(plans: Sequence[Plan], grid: TimeGrid, stem: str) -> FloatArray:
    """P10, P50, P90 as said up to a day ahead, each plan until the next one, float64[n, 3]; NaN where none was."""
    found = np.full((grid.count, len(LEVELS_FRAC)), math.nan)
    for plan in plans:
        first = (plan.start_s - grid.start_s) // grid.slot_s
        count = min(len(plan.battery_w), SECONDS_PER_DAY // plan.slot_s)
        begin = max(first, 0)
        end = max(min(first + count, grid.count), begin)
        for level, name in enumerate(("p10", "p50", "p90")):
            found[begin:end, level] = getattr(plan, f"{stem}_{name}_w")[begin - first : end - first]
    return found


def reference(actual: FloatArray, grid: TimeGrid) -> FloatArray:
    """P10, P50, P90 of the same clock time (UTC) of the days before, float64[n, 3]; NaN where too few are known."""
    day = SECONDS_PER_DAY // grid.slot_s
    before = np.full((grid.count, REFERENCE_DAYS), math.nan)
    for k in range(REFERENCE_DAYS):
        before[(k + 1) * day :, k] = actual[: max(grid.count - (k + 1) * day, 0)]
    found = np.full((grid.count, len(LEVELS_FRAC)), math.nan)
    known = np.isfinite(before).sum(axis=1) >= _LEAST_REFERENCE_COUNT
    if known.any():
        found[known] = np.nanquantile(before[known], LEVELS_FRAC, axis=1).T
    return found


def losses(name: str, actual: FloatArray, said: FloatArray, usual: FloatArray) -> tuple[float, float]:
    """Summed pinball loss of what was said and of the reference, where all three are known; PV by daylight. [W]"""
    known = np.isfinite(actual) & np.isfinite(said).all(axis=1) & np.isfinite(usual).all(axis=1)
    if name == "pv_w":
        known &= np.maximum(actual, said[:, 2]) >= _DAYLIGHT_W
    ours_w, theirs_w = (math.fsum(pinball(actual[known], quantiles[known])) for quantiles in (said, usual))
    return ours_w, theirs_w


def _scores(actual: FloatArray, said: FloatArray, usual: FloatArray) -> dict[str, float]:
    """Count, coverage, bias, mean error, and skill where the reference is known."""
    nothing = dict.fromkeys(("inside_frac", "bias_w", "error_w", "skill_ratio"), math.nan)
    if not actual.size:
        return {"count": 0, **nothing}
    error_w = said[:, 1] - actual
    return {
        "count": int(actual.size),
        "inside_frac": float(np.mean((said[:, 0] <= actual) & (actual <= said[:, 2]))),
        "bias_w": float(np.mean(error_w)),
        "error_w": float(np.mean(np.abs(error_w))),
        "skill_ratio": _skill_ratio(actual, said, usual),
    }


def _skill_ratio(actual: FloatArray, said: FloatArray, usual: FloatArray) -> float:
    ours, theirs = losses("", actual, said, usual)
    return 1.0 - ours / theirs if theirs > 0.0 else math.nan


def drift(recent: Mapping[str, float], before: Mapping[str, float], least_count: int) -> str:
    """What the comparison of the last days with those before says, in words."""
    if recent["count"] < least_count or before["count"] < least_count:
        return "too few days to say"
    change_ratio = recent["skill_ratio"] - before["skill_ratio"]
    if math.isnan(change_ratio):
        return "too few days to say"
    if change_ratio < -DRIFT_SKILL_RATIO:
        return "worse than before"
    return "better than before" if change_ratio > DRIFT_SKILL_RATIO else "as before"
