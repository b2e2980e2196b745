"""Further batteries of a site as components of its plan; the box drives only the first one."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.qp_limits import Draw
from core_kernels.qp_parts import Numbers, Part
from core_kernels.qp_store import Store, store_numbers, store_part
from core_kernels.units import W_PER_KW
from edge.config_house import FurtherBattery
from edge.control.component import AID_EUR, Component, Outlook, one_phase

# Full cycles to the end of life, as for the first battery.
CYCLE_LIFE_COUNT = 10_000


def stores(outlook: Outlook, terminal_eur_per_kwh: float) -> tuple[Component, ...]:
    """All further batteries; one whose charge is not known is left out and named."""
    return tuple(_store(battery, outlook, terminal_eur_per_kwh) for battery in outlook.site.stores)


def _store(battery: FurtherBattery, outlook: Outlook, terminal_eur_per_kwh: float) -> Component:
    name, soc_frac = f"battery.{battery.name}", outlook.around.soc_frac.get(battery.name, math.nan)
    if not 0.0 <= soc_frac <= 1.0:
        state = "not known" if math.isnan(soc_frac) else f"{soc_frac:g}"
        words = f"{name} is left out of the plan: its state of charge is {state}"
        return Component(name, Part(), Numbers({}, {}, {}), {}, (words,))
    # Outside its bounds it stays where it is until it comes back by itself: nothing forces it.
    least_frac, most_frac = min(battery.soc_min_frac, soc_frac), max(battery.soc_max_frac, soc_frac)
    kwh, ones = battery.capacity_wh / W_PER_KW, np.ones(outlook.grid.count)
    numbers = Store(
        charge_w=battery.charge_w,
        discharge_w=battery.discharge_w,
        stored_wh=soc_frac * battery.capacity_wh,
        stored_min_kwh=least_frac * kwh * ones,
        stored_max_kwh=most_frac * kwh * ones,
        wear_eur_per_kwh=battery.replacement_eur_per_kwh / CYCLE_LIFE_COUNT,
        terminal_eur_per_kwh=terminal_eur_per_kwh,
    )
    leg_frac, share_frac = math.sqrt(battery.efficiency_frac), one_phase(battery.phase)
    outside = soc_frac < battery.soc_min_frac or soc_frac > battery.soc_max_frac
    return Component(
        name=name,
        part=store_part(name, outlook.step_hours, leg_frac, AID_EUR),
        numbers=store_numbers(name, numbers, outlook.step_hours),
        draws={f"{name}.charge": Draw(1.0, share_frac), f"{name}.discharge": Draw(-1.0, share_frac)},
        violations=(f"{name} is at {soc_frac:.1%}, outside its bounds",) if outside else (),
    )
