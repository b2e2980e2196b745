"""The optimum as the house would live it: walked forward step by step with exact energy, every limit kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core_kernels.qp import PC, PD, Peaks
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Battery, Site
from edge.control.limits import Bends, bends_of
from edge.control.problem import Inputs


class Rollout(NamedTuple):
    """The plan as the house would live it; ``others_w`` is what each further component draws."""

    battery_w: FloatArray
    soc_frac: FloatArray
    grid_w: FloatArray
    cost_eur: float
    others_w: Mapping[str, FloatArray]


def wished_w(step: FloatArray, columns: Mapping[str, int]) -> FloatArray:
    """The battery power that an optimum wishes, positive discharge, both pieces of its legs together. [W]"""
    wish = step[:, PD] - step[:, PC]
    if "charge.upper" in columns:
        wish = wish + step[:, columns["discharge.upper"]] - step[:, columns["charge.upper"]]
    return W_PER_KW * wish


def rollout(
    wish_w: FloatArray, soc_frac: float, known: Inputs, site: Site, battery: Battery, others_w: Mapping[str, FloatArray]
) -> Rollout:
    """The wished battery powers walked forward with exact energy, clipped to every limit."""
    slot_hours, bends = known.slot_s / SECONDS_PER_HOUR, bends_of(battery)
    battery_w, stored_wh = _walk(wish_w, soc_frac, slot_hours, battery, bends)
    need_w = known.load_w - known.pv_w
    for other_w in others_w.values():
        need_w = need_w + other_w
    grid_w = np.maximum(need_w - battery_w, -site.grid.export_w)
    price = np.where(grid_w > 0.0, known.import_eur_per_kwh, known.export_eur_per_kwh)
    bill_eur = float(slot_hours / W_PER_KW * np.sum(grid_w * price))
    return Rollout(battery_w, stored_wh / battery.capacity_wh, grid_w, bill_eur, others_w)


def _walk(
    wish_w: FloatArray, soc_frac: float, slot_hours: float, battery: Battery, bends: Bends
) -> tuple[FloatArray, FloatArray]:
    low_wh = min(battery.soc_min_frac, soc_frac) * battery.capacity_wh
    high_wh = max(battery.soc_max_frac, soc_frac) * battery.capacity_wh
    drain_wh, held_wh = bends.standby_w * slot_hours, soc_frac * battery.capacity_wh
    battery_w, stored_wh = [], [held_wh]
    for wish in wish_w.tolist():
        most_w = min(battery.discharge_w, bends.most_w(max(held_wh - drain_wh - low_wh, 0.0), slot_hours))
        least_w = -min(battery.charge_w, bends.least_w(max(high_wh - held_wh + drain_wh, 0.0), slot_hours))
        power_w = min(max(wish, least_w), most_w)
        held_wh = max(held_wh + bends.gained_wh(power_w, slot_hours) - drain_wh, 0.0)
        battery_w.append(power_w)
        stored_wh.append(held_wh)
    return np.array(battery_w), np.array(stored_wh)


def peak_w(peaks: Peaks | None, lived: Rollout) -> float:
    """The import that the plan lets no quarter hour of the running month exceed [W]; NaN without a capacity tariff."""
    if peaks is None:
        return math.nan
    return max(W_PER_KW * float(peaks.least_kw[0]), float(lived.grid_w[peaks.counts].max()))
