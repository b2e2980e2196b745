"""What a battery has beyond two straight legs: a second, less efficient part of each, a taper, and other batteries.

A leg's loss grows with the square of its power, so its efficiency falls towards full power: two straight pieces, the
better one below the knee. The cheapest way fills the better piece first by itself. The taper (constant-voltage phase)
is a straight line over the stored energy: ``charge <= at_empty - slope * stored_(k-1)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.qp_parts import Cell, Numbers, Part, Ramp
from core_kernels.units import W_PER_KW, FloatArray


class Store(NamedTuple):
    """Numbers of a further battery; float64[n] for the bounds of the stored energy [kWh]."""

    charge_w: float
    discharge_w: float
    stored_wh: float
    stored_min_kwh: FloatArray
    stored_max_kwh: FloatArray
    wear_eur_per_kwh: float
    terminal_eur_per_kwh: float


def store_part(name: str, step_hours: float, leg_efficiency_frac: float, ramp_eur: float) -> Part:
    """A further battery: ``charge``, ``discharge`` [kW], ``stored`` [kWh]; ``step_hours`` is a step's length. [h]"""
    charge, discharge, stored = (f"{name}.{unknown}" for unknown in ("charge", "discharge", "stored"))
    energy = f"{name}.energy"
    return Part(
        unknowns=(charge, discharge, stored),
        rows=(energy,),
        cells=(
            Cell("balance", charge, -1.0),
            Cell("balance", discharge, 1.0),
            Cell(energy, charge, -step_hours * leg_efficiency_frac),
            Cell(energy, discharge, step_hours / leg_efficiency_frac),
            Cell(energy, stored, 1.0),
            Cell(energy, stored, -1.0, 1),
        ),
        ramps=(Ramp(((charge, -1.0), (discharge, 1.0)), ramp_eur),),
    )


def store_numbers(name: str, store: Store, step_hours: float) -> Numbers:
    """Costs and bounds of one plan; ``step_hours`` is a step's length. [h]"""
    first = np.zeros(store.stored_min_kwh.size)
    first[0] = store.stored_wh / W_PER_KW
    worth = np.zeros(first.size)
    worth[-1] = -store.terminal_eur_per_kwh
    return Numbers(
        cost={
            f"{name}.discharge": step_hours * store.wear_eur_per_kwh,
            f"{name}.stored": worth,
        },
        low={f"{name}.energy": first, f"{name}.stored": store.stored_min_kwh},
        high={
            f"{name}.energy": first,
            f"{name}.stored": store.stored_max_kwh,
            f"{name}.charge": store.charge_w / W_PER_KW,
            f"{name}.discharge": store.discharge_w / W_PER_KW,
        },
    )


def upper_part(
    step_hours: float, charge_efficiency_frac: float, discharge_efficiency_frac: float, pull_eur: float
) -> Part:
    """The legs above the knee: ``charge.upper``, ``discharge.upper`` [kW]; ``pull_eur`` makes them convex.

    ``step_hours`` is a step's length [h]; the efficiencies are those of the pieces above the knee.
    """
    return Part(
        unknowns=("charge.upper", "discharge.upper"),
        cells=(
            Cell("balance", "charge.upper", -1.0),
            Cell("balance", "discharge.upper", 1.0),
            Cell("energy", "charge.upper", -step_hours * charge_efficiency_frac),
            Cell("energy", "discharge.upper", step_hours / discharge_efficiency_frac),
        ),
        squares=(("charge.upper", pull_eur), ("discharge.upper", pull_eur)),
    )


def upper_numbers(charge_w: float, discharge_w: float, step_hours: float, wear_eur_per_kwh: float) -> Numbers:
    """Costs and bounds of the legs above the knee."""
    return Numbers(
        cost={"discharge.upper": step_hours * wear_eur_per_kwh},
        low={},
        high={"charge.upper": charge_w / W_PER_KW, "discharge.upper": discharge_w / W_PER_KW},
    )


def taper_part(slope_per_h: float, legs: tuple[str, ...]) -> Part:
    """The charge limit that falls with the stored energy at the step's start; ``slope_per_h`` is kW for each kWh."""
    return Part(
        rows=("taper",),
        cells=(*(Cell("taper", leg, 1.0) for leg in legs), Cell("taper", "stored", slope_per_h, 1)),
    )


def taper_numbers(slope_per_h: float, at_empty_kw: FloatArray, stored_wh: float, charge_w: float) -> Numbers:
    """Bounds of the taper; ``at_empty_kw`` float64[n] is the line at no energy, ``stored_wh`` the energy now."""
    high = np.array(at_empty_kw, dtype=np.float64)
    high[0] = max(high[0] - slope_per_h * stored_wh / W_PER_KW, 0.0)
    return Numbers(cost={}, low={"taper": np.minimum(-charge_w / W_PER_KW, high)}, high={"taper": high})
