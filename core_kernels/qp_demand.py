"""A car or a program in the house's programme: energy that must have flowed by a deadline, within a power.

Energy is counted at the car's battery [kWh] from the begin of the session that runs, so that a shifted answer fits. A
deadline is a least energy. It is soft by a shortfall, energy from nowhere that costs more than any other, so that a
house whose limits leave no way has a plan all the same, and says by how much it falls short; the next session then
begins as if the last one had been served. One row for both keeps the solver's tail short: with a row of its own for
the goal, OSQP took half as many iterations again (``pems bench control --part peers``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.qp_parts import Cell, Numbers, Part, Ramp
from core_kernels.units import W_PER_KW, FloatArray


class Demand(NamedTuple):
    """What a plan's numbers say, float64[n] each: power limits, energy due by the end (NaN: none), most energy.

    ``start_wh`` is what the session that runs has had already.
    """

    power_min_kw: FloatArray
    power_max_kw: FloatArray
    goal_kwh: FloatArray
    most_kwh: FloatArray
    short_eur_per_kwh: float
    start_wh: float = 0.0


def demand_part(name: str, step_hours: float, efficiency_frac: float, ramp_eur: float) -> Part:
    """Unknowns ``power`` [kW at the bus], ``energy`` [kWh], ``short`` [kWh]; ``step_hours`` is a step's length. [h]"""
    power, energy, short = (f"{name}.{unknown}" for unknown in ("power", "energy", "short"))
    flow = f"{name}.flow"
    return Part(
        unknowns=(power, energy, short),
        rows=(flow,),
        cells=(
            Cell("balance", power, -1.0),
            Cell(flow, power, -step_hours * efficiency_frac),
            Cell(flow, energy, 1.0),
            Cell(flow, energy, -1.0, 1),
            Cell(flow, short, -1.0),
        ),
        ramps=(Ramp(((power, 1.0),), ramp_eur),),
    )


def demand_numbers(name: str, demand: Demand) -> Numbers:
    """Costs and bounds of one plan."""
    due = np.isfinite(demand.goal_kwh)
    start = np.zeros(due.size)
    start[0] = demand.start_wh / W_PER_KW
    goal_kwh = np.where(due, demand.goal_kwh, min(start[0], 0.0))
    return Numbers(
        cost={f"{name}.short": np.where(due, demand.short_eur_per_kwh, 0.0)},
        low={
            f"{name}.flow": start,
            f"{name}.power": demand.power_min_kw,
            f"{name}.energy": goal_kwh,
        },
        high={
            f"{name}.flow": start,
            f"{name}.power": demand.power_max_kw,
            f"{name}.energy": np.maximum(demand.most_kwh, goal_kwh),
            f"{name}.short": np.where(due, np.maximum(goal_kwh, 0.0), 0.0),
        },
    )
