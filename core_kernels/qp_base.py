"""Battery, PV curtailment and grid as the first part of every house's programme."""

from __future__ import annotations

from core_kernels.qp_parts import Cell, Part, Ramp

BASE_UNKNOWNS = ("charge", "discharge", "stored", "import", "curtail")
BASE_ROWS = ("balance", "energy")


def base_part(step_hours: float, leg_efficiency_frac: float, ramp_eur: float) -> Part:
    """Battery, PV curtailment and grid; ``step_hours`` is the length of a step. [h]"""
    eta = leg_efficiency_frac
    return Part(
        unknowns=BASE_UNKNOWNS,
        rows=BASE_ROWS,
        cells=(
            Cell("balance", "charge", -1.0),
            Cell("balance", "discharge", 1.0),
            Cell("balance", "import", 1.0),
            Cell("balance", "curtail", -1.0),
            Cell("energy", "charge", -step_hours * eta),
            Cell("energy", "discharge", step_hours / eta),
            Cell("energy", "stored", 1.0),
            Cell("energy", "stored", -1.0, 1),
        ),
        ramps=(Ramp((("charge", -1.0), ("discharge", 1.0)), ramp_eur),),
    )
