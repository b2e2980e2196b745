"""Limits and reserves of a site as components of its plan; the battery's own bends are here too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core_kernels.qp_limits import (
    PHASES,
    Draw,
    Phases,
    phases_numbers,
    phases_part,
    reserve_numbers,
    reserve_part,
)
from core_kernels.qp_parts import Numbers, Part
from core_kernels.qp_store import taper_numbers, taper_part, upper_numbers, upper_part
from core_kernels.units import W_PER_KW, FloatArray
from edge.config import Battery
from edge.control.component import AID_EUR, THREE, Component, Outlook, one_phase

TAPER_END_FRAC = 0.1  # of the charge limit that is left when full: core_kernels.battery
_WIDE_W = 1e6  # a limit that is not there, still a number


class Bends(NamedTuple):
    """A battery as the plan has it: leg efficiencies below and above the knee, and the knees."""

    lower_frac: float
    upper_charge_frac: float
    upper_discharge_frac: float
    charge_knee_w: float
    discharge_knee_w: float
    standby_w: float

    def gained_wh(self, power_w: float, slot_hours: float) -> float:
        """What a battery power changes in the store over a slot, positive discharge. [Wh]"""
        if power_w > 0.0:
            below_w = min(power_w, self.discharge_knee_w)
            return -slot_hours * (below_w / self.lower_frac + (power_w - below_w) / self.upper_discharge_frac)
        below_w = min(-power_w, self.charge_knee_w)
        return slot_hours * (below_w * self.lower_frac + (-power_w - below_w) * self.upper_charge_frac)

    def most_w(self, stored_wh: float, slot_hours: float) -> float:
        """Discharge power that takes this energy out of the store in a slot. [W]"""
        below_wh = slot_hours * self.discharge_knee_w / self.lower_frac
        lower_w = min(stored_wh, below_wh) * self.lower_frac / slot_hours
        return lower_w + max(stored_wh - below_wh, 0.0) * self.upper_discharge_frac / slot_hours

    def least_w(self, room_wh: float, slot_hours: float) -> float:
        """Charge power that brings this energy into the store in a slot. [W]"""
        below_wh = slot_hours * self.charge_knee_w * self.lower_frac
        lower_w = min(room_wh, below_wh) / self.lower_frac / slot_hours
        return lower_w + max(room_wh - below_wh, 0.0) / self.upper_charge_frac / slot_hours


def bends_of(battery: Battery) -> Bends:
    """One straight leg each without ``full_efficiency_frac``; with it a knee at half power.

    The mean of both pieces is the efficiency at full power: ``eta_full P = (eta_lower + eta_upper) P / 2``.
    """
    lower = battery.leg_efficiency_frac
    if math.isnan(battery.full_efficiency_frac):
        return Bends(lower, lower, lower, battery.charge_w, battery.discharge_w, battery.standby_w)
    full = min(math.sqrt(battery.full_efficiency_frac), lower)
    return Bends(
        lower_frac=lower,
        upper_charge_frac=2.0 * full - lower,
        upper_discharge_frac=1.0 / (2.0 / full - 1.0 / lower),
        charge_knee_w=0.5 * battery.charge_w,
        discharge_knee_w=0.5 * battery.discharge_w,
        standby_w=battery.standby_w,
    )


def has_knee(battery: Battery) -> bool:
    """Claims that the battery's legs have a second piece."""
    return not math.isnan(battery.full_efficiency_frac)


def battery_parts(
    battery: Battery, outlook: Outlook, stored_wh: float, stored_max_kwh: FloatArray, wear_eur_per_kwh: float
) -> tuple[Component, ...]:
    """What the battery has beyond straight legs: the legs above the knee, the taper, the standby drain."""
    found, count, slot_hours = [], outlook.grid.count, outlook.step_hours
    bends = bends_of(battery)
    if has_knee(battery):
        part = upper_part(slot_hours, bends.upper_charge_frac, bends.upper_discharge_frac, AID_EUR)
        charge_w = battery.charge_w - bends.charge_knee_w
        discharge_w = battery.discharge_w - bends.discharge_knee_w
        numbers = upper_numbers(charge_w, discharge_w, slot_hours, wear_eur_per_kwh)
        found.append(Component("battery.upper", part, numbers, {}))
    if battery.taper_start_frac < battery.soc_max_frac:
        found.append(_taper(battery, stored_wh, stored_max_kwh, has_knee(battery)))
    if battery.standby_w > 0.0:
        drain = np.full(count, -battery.standby_w * slot_hours / W_PER_KW)
        drain[0] += stored_wh / W_PER_KW
        found.append(Component("battery.standby", Part(), Numbers({}, {"energy": drain}, {"energy": drain}), {}))
    return tuple(found)


def _taper(battery: Battery, stored_wh: float, stored_max_kwh: FloatArray, knee: bool) -> Component:
    """Above the taper's start the charge limit falls on a line to a tenth of itself at the maximum."""
    start_kwh, end_kwh = (
        frac * battery.capacity_wh / W_PER_KW for frac in (battery.taper_start_frac, battery.soc_max_frac)
    )
    charge_kw = battery.charge_w / W_PER_KW
    slope = (1.0 - TAPER_END_FRAC) * charge_kw / (end_kwh - start_kwh)
    # While the battery is led back from above its maximum the line stays feasible: nothing is charged then anyway.
    beyond_kwh = np.maximum(np.concatenate(([stored_wh / W_PER_KW], stored_max_kwh[:-1])) - end_kwh, 0.0)
    at_empty_kw = charge_kw + slope * (start_kwh + beyond_kwh)
    legs = ("charge", "charge.upper") if knee else ("charge",)
    numbers = taper_numbers(slope, at_empty_kw, stored_wh, battery.charge_w)
    return Component("battery.taper", taper_part(slope, legs), numbers, {})


def phases(outlook: Outlook, battery: Battery, others: Sequence[Component], slack_w: float) -> tuple[Component, ...]:
    """The three phases' limits, where the site has any; ``slack_w`` is left for leading a battery back."""
    grid = outlook.site.grid
    if grid.phases != PHASES or not (math.isfinite(grid.phase_w) or math.isfinite(grid.imbalance_w)):
        return ()
    share = one_phase(battery.phase)
    draws = {"charge": Draw(1.0, share), "discharge": Draw(-1.0, share), "curtail": Draw(1.0, THREE)}
    if has_knee(battery):
        draws |= {"charge.upper": Draw(1.0, share), "discharge.upper": Draw(-1.0, share)}
    for other in others:
        draws |= other.draws
    fixed_w = np.outer(outlook.load_w, grid.load_phase_frac) - outlook.pv_w[:, None] / PHASES
    phase_w, imbalance_w = (min(limit_w, _WIDE_W) for limit_w in (grid.phase_w, grid.imbalance_w))
    numbers = Phases(
        fixed_kw=fixed_w / W_PER_KW,
        phase_kw=(np.maximum(phase_w, np.abs(fixed_w).max(axis=1) + slack_w)) / W_PER_KW,
        imbalance_kw=np.full(outlook.grid.count, (imbalance_w + slack_w) / W_PER_KW),
    )
    over_w = float(np.abs(fixed_w).max() - phase_w)
    named = (f"the load forecast exceeds a phase's limit by {over_w:.0f} W",) if over_w > 0.0 else ()
    return (Component("phases", phases_part(draws), phases_numbers(numbers), {}, named),)


def reserve(outlook: Outlook, battery: Battery, stored_max_kwh: FloatArray) -> tuple[Component, ...]:
    """Energy kept for an outage, where the site wants any; more than the battery holds is named."""
    wanted = outlook.site.reserve
    if wanted is None or wanted.energy_wh <= 0.0:
        return ()
    room_wh = battery.soc_max_frac * battery.capacity_wh
    need_kwh = np.full(outlook.grid.count, min(wanted.energy_wh, room_wh) / W_PER_KW)
    numbers = reserve_numbers(need_kwh, stored_max_kwh, wanted.eur_per_kwh * outlook.step_hours)
    over_wh = wanted.energy_wh - room_wh
    named = (f"the reserve is {over_wh:.0f} Wh more than the battery holds",) if over_wh > 0.0 else ()
    return (Component("reserve", reserve_part(AID_EUR), numbers, {}, named),)
