"""What is fitted on and what calibrates: whole days, and never a row whose outcome another part has seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.units import SECONDS_PER_DAY, FloatArray

BLOCK_DAYS = 7
EVERY_BLOCKS = 5


class Split(NamedTuple):
    """Issue times for fitting and for calibrating."""

    fit_s: FloatArray
    held_out_s: FloatArray


def split_issues(issues_s: FloatArray) -> Split:
    """Every fifth week is held out, counted back from the end, so that each season calibrates and the newest week too.

    Issues whose 48 h reach into a held-out week, or start in the two days after one, are used by neither.
    """
    if issues_s.size == 0:
        return Split(issues_s, issues_s)
    age_days = (issues_s[-1] - issues_s) / SECONDS_PER_DAY
    held_out = (age_days // BLOCK_DAYS) % EVERY_BLOCKS == 0
    if held_out.all():
        held_out = age_days < max(float(age_days[0]) / EVERY_BLOCKS, 1e-9)
    held_s = issues_s[held_out]
    after = np.searchsorted(held_s, issues_s)
    next_s = held_s[np.minimum(after, held_s.size - 1)]
    last_s = held_s[np.maximum(after - 1, 0)]
    apart_s = np.minimum(np.abs(next_s - issues_s), np.abs(issues_s - last_s))
    return Split(issues_s[~held_out & (apart_s >= 2 * SECONDS_PER_DAY)], held_s)
