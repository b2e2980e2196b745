"""Every second: what the battery should do now, from the plan's water value and what the house really needs.

The plan's powers come from forecasts; its water value (the worth of a stored kWh) outlives their errors. So the
loop does not hold the planned power but takes the best one for the net load of this second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW
from edge.config import Battery
from edge.control.peak import Cap, cap_of
from edge.control.words import IDLE_W, Marginals, explain, explain_bound, explain_peak
from edge.messages import Command, House, Plan

LEASE_S = 900.0
# Pulls towards the planned power where prices decide nothing; a kW of distance weighs 0.2 ct an hour, so that the
# errors of the plan's forecasts do not come back through it.
PULL_EUR_PER_KWH = 0.002
# A wish this close to what the inverter does by itself is left to the inverter: it follows the load within a second.
SAME_W = 100.0
STEP_W = 10.0


def wish(house: House, plan: Plan | None, battery: Battery, imported_wh: float = 0.0) -> Command:
    """The best battery power for this house now; native where that is the same, or where there is no valid plan.

    ``imported_wh`` is the running quarter hour's import so far, for a capacity tariff. [Wh]
    """
    if plan is None:
        return Command.native("no plan: the inverter's own rules")
    slot = plan.slot(house.time_s)
    if slot is None or house.time_s >= plan.valid_until_s:
        return Command.native("the last plan has expired: the inverter's own rules")
    net_w = house.load_w - house.pv_w
    if math.isnan(net_w):
        return Command.native("load or PV is unknown: the inverter's own rules")
    marginals = marginals_of(plan, slot, battery, house.soc_frac)
    if not all(map(math.isfinite, (*marginals, plan.battery_w[slot]))):
        return Command.native("the plan lacks a price or a power: the inverter's own rules")
    planned_w = plan.battery_w[slot]
    best_w = free_w = best_power_w(net_w, planned_w, marginals, battery)
    bound = explain_bound(free_w, net_w, house.soc_frac, battery, marginals)
    reason = bound or explain(free_w, net_w, marginals)
    if (cap := cap_of(plan, house.time_s, imported_wh)) is not None:
        best_w = best_power_w(net_w, planned_w, marginals, battery, cap)
        if abs(best_w - free_w) > IDLE_W:
            reason = explain_peak(cap.peak_w, cap.peak_eur_per_kw)
    remark = _left_to_inverter(house, battery, best_w, lambda w: _pulled_eur(w, net_w, planned_w, marginals, cap))
    if remark:
        return Command.native(f"{reason}; {remark}")
    return Command(mode="power", battery_w=STEP_W * round(best_w / STEP_W), lease_s=LEASE_S, reason=reason)


def _left_to_inverter(house: House, battery: Battery, best_w: float, hourly_eur: Callable[[float], float]) -> str:
    """Why the best power needs no command; empty where it does."""
    native_w = self_consumption_w(house.load_w - house.pv_w, battery)
    if abs(best_w - native_w) <= SAME_W:
        return "so does the inverter by itself"
    gain_eur = (hourly_eur(native_w) - hourly_eur(best_w)) * LEASE_S / SECONDS_PER_HOUR
    if gain_eur < battery.least_gain_eur and not is_forced(house, native_w):
        return "it gains too little to be worth a command"
    return ""


def self_consumption_w(net_w: float, battery: Battery) -> float:
    """What the inverter's own rules do: cover a deficit, store a surplus [W]."""
    return min(max(net_w, -battery.charge_w), battery.discharge_w)


def is_forced(house: House, native_w: float) -> bool:
    """Claims that the battery runs otherwise than the inverter would by itself: then a command is in force already.

    To begin one takes a gain, to go on with it none: prices that lie close together do not make the battery flap.
    """
    return math.isfinite(house.battery_w) and abs(house.battery_w - native_w) > SAME_W


def marginals_of(plan: Plan, slot: int, battery: Battery, soc_frac: float) -> Marginals:
    """The prices that decide in a slot of a plan, at a charge of the battery."""
    return Marginals(
        import_eur_per_kwh=plan.price_import_eur_per_kwh[slot],
        export_eur_per_kwh=plan.price_export_eur_per_kwh[slot],
        water_value_eur_per_kwh=plan.worth_at(soc_frac),
        wear_eur_per_kwh=plan.wear_eur_per_kwh,
        leg_efficiency_frac=battery.leg_efficiency_frac,
    )


def best_power_w(
    net_w: float, planned_w: float, marginals: Marginals, battery: Battery, cap: Cap | None = None
) -> float:
    """Cheapest battery power for a net load, positive discharge [W].

    Cost an hour is linear between the corners 0 (charge or discharge), ``net_w`` (import or export), the cap of a
    capacity tariff and the limits, plus a weak pull to the planned power; the best of each piece is a corner or the
    piece's own stationary point.
    """

    capped = {self_consumption_w(net_w - cap.allowed_w, battery)} if cap else set()
    corners = sorted({-battery.charge_w, battery.discharge_w, 0.0, self_consumption_w(net_w, battery), *capped})
    candidates = list(corners)
    for low, high in pairwise(corners):
        if high - low < STEP_W:
            continue
        rise_eur = _capped_eur(high, net_w, marginals, cap) - _capped_eur(low, net_w, marginals, cap)
        slope = rise_eur * W_PER_KW / (high - low)
        stationary_w = planned_w - W_PER_KW * slope / (2.0 * PULL_EUR_PER_KWH)
        candidates.append(min(max(stationary_w, low), high))
    return min(candidates, key=lambda power_w: _pulled_eur(power_w, net_w, planned_w, marginals, cap))


def _pulled_eur(power_w: float, net_w: float, planned_w: float, marginals: Marginals, cap: Cap | None) -> float:
    """Cost of holding a power for an hour, with the weak pull to the planned one."""
    distance_kw = (power_w - planned_w) / W_PER_KW
    return _capped_eur(power_w, net_w, marginals, cap) + PULL_EUR_PER_KWH * distance_kw * distance_kw


def _capped_eur(power_w: float, net_w: float, marginals: Marginals, cap: Cap | None) -> float:
    """Cost of holding a power for an hour, a breach of the month's peak included."""
    return _hourly_eur(power_w, net_w, marginals) + (cap.excess_eur(net_w - power_w) if cap else 0.0)


def _hourly_eur(power_w: float, net_w: float, marginals: Marginals) -> float:
    """Cost of holding a power for an hour: the bill, the wear and the stored energy used or gained."""
    grid_kw, power_kw = (net_w - power_w) / W_PER_KW, power_w / W_PER_KW
    bill = grid_kw * (marginals.import_eur_per_kwh if grid_kw > 0.0 else marginals.export_eur_per_kwh)
    if power_kw > 0.0:
        return bill + power_kw * marginals.use_above_eur_per_kwh
    return bill + power_kw * marginals.store_below_eur_per_kwh
