"""Limits that stand across components: three phases and their balance, the reserve for outages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core_kernels.qp_parts import Cell, Numbers, Part
from core_kernels.units import FloatArray

PHASES = 3
_PAIRS = ((0, 1), (1, 2), (2, 0))


class Draw(NamedTuple):
    """What a unit of an unknown draws from the bus in each step [kW], and its share of each phase."""

    bus_per_unit: FloatArray | float
    share_frac: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)


class Phases(NamedTuple):
    """Numbers of one plan: power on each phase that is not decided here float64[n, 3], limits float64[n] [kW]."""

    fixed_kw: FloatArray
    phase_kw: FloatArray
    imbalance_kw: FloatArray


def phases_part(draws: Mapping[str, Draw]) -> Part:
    """Rows of the phases' import and of the three differences; ``draws`` says what each unknown draws."""
    phase_rows, pair_rows = ([f"{kind}.{i}" for i in range(PHASES)] for kind in ("phase", "imbalance"))
    cells = []
    for name, draw in draws.items():
        share = draw.share_frac
        weights = [*share, *(share[i] - share[j] for i, j in _PAIRS)]
        rows = zip((*phase_rows, *pair_rows), weights, strict=True)
        cells += [Cell(row, name, weight * draw.bus_per_unit) for row, weight in rows if weight != 0.0]
    return Part(rows=(*phase_rows, *pair_rows), cells=tuple(cells))


def phases_numbers(phases: Phases) -> Numbers:
    """The bounds of both kinds, moved by what is fixed, and never tighter than what is fixed already takes."""
    low: dict[str, FloatArray] = {}
    high: dict[str, FloatArray] = {}
    for i in range(PHASES):
        fixed = phases.fixed_kw[:, i]
        limit = np.maximum(phases.phase_kw, np.abs(fixed))
        low[f"phase.{i}"], high[f"phase.{i}"] = -limit - fixed, limit - fixed
    for row, (i, j) in enumerate(_PAIRS):
        fixed = phases.fixed_kw[:, i] - phases.fixed_kw[:, j]
        limit = np.maximum(phases.imbalance_kw, np.abs(fixed))
        low[f"imbalance.{row}"], high[f"imbalance.{row}"] = -limit - fixed, limit - fixed
    return Numbers(cost={}, low=low, high=high)


def reserve_part(pull_eur: float, name: str = "reserve") -> Part:
    """``stored + name >= need``: energy to be kept, soft; ``pull_eur`` makes the shortfall convex."""
    return Part(
        unknowns=(name,),
        rows=(f"{name}_row",),
        cells=(Cell(f"{name}_row", "stored", 1.0), Cell(f"{name}_row", name, 1.0)),
        squares=((name, pull_eur),),
    )


def reserve_numbers(
    need_kwh: FloatArray, stored_max_kwh: FloatArray, short_eur: float, name: str = "reserve"
) -> Numbers:
    """What a missing kWh costs in each step, how much is wanted, and how much there can be, float64[n]."""
    return Numbers(
        cost={name: short_eur},
        low={f"{name}_row": need_kwh},
        high={name: need_kwh, f"{name}_row": need_kwh + stored_max_kwh},
    )
