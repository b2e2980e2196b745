"""What the models of load and PV share: boosters of the residuals of P10, P50, P90 and of the mean.

Each starts from an anchor of its own (climatology, physics) and decides by rules of its own how far its boosters are
believed; how they are put together and judged on rows that they have not seen is one thing, and here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core_kernels.quantiles import LEVELS_FRAC, conformal_offsets, coverage_frac, crossing_frac, pinball
from core_kernels.units import FloatArray
from training.anchor import Anchor
from training.boosters import QuantileModel, columns, damped
from training.dataset import Samples

TARGETS = (0, 1, 2, 1)  # the quantile that each booster adds to; the mean's share goes to P50
GOALS: tuple[Mapping[str, Any], ...] = (
    *({"objective": "reg:quantileerror", "quantile_alpha": level} for level in LEVELS_FRAC),
    {"objective": "reg:squarederror"},
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boosters:
    """Boosters of the residuals of P10, P50, P90 and the mean, their inputs, and how many rows they were fitted on."""

    names: tuple[str, ...]
    boosters: tuple[Any, ...]
    rows: int


def shares(trust_frac: float, mean_frac: float) -> tuple[float, ...]:
    """How much of each booster is heard, where P50 takes up ``mean_frac`` of the mean."""
    return trust_frac, trust_frac * (1.0 - mean_frac), trust_frac, trust_frac * mean_frac


def assembled(
    signal: str,
    learned: Boosters,
    anchor: Anchor | None,
    shares_frac: tuple[float, ...],
    offsets_ratio: tuple[float, ...],
    cap_w: float,
) -> QuantileModel:
    """The model as it is exported, not yet judged."""
    return QuantileModel(
        signal=signal,
        names=learned.names,
        boosters=tuple(damped(booster, share) for booster, share in zip(learned.boosters, shares_frac, strict=True)),
        offsets_ratio=offsets_ratio,
        cap_w=cap_w,
        rows=learned.rows,
        metrics={},
        targets=TARGETS,
        anchor=anchor,
    )


def honest_offsets(held_out: Samples, sorted_ratio: FloatArray) -> tuple[float, ...]:
    """Offsets of the quantiles that make P10 to P90 hold four fifths of rows that they were not fitted on."""
    low, _, high = conformal_offsets(held_out.actual_w / held_out.scale_w, sorted_ratio)
    return float(np.float32(low)), 0.0, float(np.float32(high))


def scores(model: QuantileModel, held_out: Samples) -> dict[str, float]:
    """How the model does on rows that it was not fitted on."""
    values = columns(held_out, model.names)
    found_w = model.quantiles_w(values, held_out.scale_w)
    return {
        "held_out_rows": float(held_out.actual_w.size),
        "pinball_w": float(np.mean(pinball(held_out.actual_w, found_w))),
        "coverage_80": coverage_frac(held_out.actual_w, found_w[:, 0], found_w[:, 2]),
        "crossing_raw": crossing_frac(model.raw_ratio(values)),
    }
