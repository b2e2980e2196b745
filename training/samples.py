"""Rows to fit on: whole days ahead from every local midnight, and some slots from issue times around the clock."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.units import SECONDS_PER_DAY
from training.dataset import LoadSampler, PvSampler, Samples, Series, collect, issue_times_s, local_midnights_s


def gathered(
    past: Series,
    name: str,
    sampler: PvSampler | LoadSampler,
    seed: int,
    step_slots: int,
    keep_frac: float,
    near_slots: int = 0,
) -> Samples:
    """A day ahead from every local midnight; every ``step_slots``, a share of the slots of two days ahead.

    Of the ``near_slots`` next to an issue none is left out: the box forecasts anew every quarter hour.

    Raises
    ------
    TrainingError
        No usable rows.
    """
    first_s, last_s = past.frame.grid.start_s + 2.0 * SECONDS_PER_DAY, past.frame.grid.end_s
    midnights_s = local_midnights_s(past, first_s, last_s - SECONDS_PER_DAY)
    around_s = np.setdiff1d(issue_times_s(first_s, last_s, step_slots), midnights_s)
    whole = collect(past, name, sampler, midnights_s, 1.0, seed, SLOTS_PER_DAY)
    if around_s.size == 0:
        return whole
    some = collect(past, name, sampler, around_s, keep_frac, seed, near_slots=near_slots)
    order = np.argsort(np.concatenate([whole.issued_s, some.issued_s]), kind="stable")
    return Samples(
        names=whole.names,
        values=np.concatenate([whole.values, some.values])[order],
        scale_w=np.concatenate([whole.scale_w, some.scale_w])[order],
        actual_w=np.concatenate([whole.actual_w, some.actual_w])[order],
        issued_s=np.concatenate([whole.issued_s, some.issued_s])[order],
    )


def chosen_rows(samples: Samples, keep: npt.NDArray[np.bool_]) -> Samples:
    """Some of the rows."""
    return Samples(
        names=samples.names,
        values=samples.values[keep],
        scale_w=samples.scale_w[keep],
        actual_w=samples.actual_w[keep],
        issued_s=samples.issued_s[keep],
    )
