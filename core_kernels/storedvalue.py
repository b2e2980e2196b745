"""What stored energy is worth when the house ahead is uncertain: stochastic dynamic programming over a battery.

A plan of means sees neither the kettle nor the cloud: it takes it for granted that a mean deficit is a deficit, so it
sells what a spike would have needed, and keeps what a cloudless hour would have filled. Here each slot's net load is
one of a few possible ones, seen before the battery acts (as the fast loop sees it), and independent of the slots
before:

    W_k(e) = sum_j weight_j  min_p [ bill(net_kj - p) + wear(p) + W_(k+1)(e after p) ]

(Bellman's recursion with the decision after the disturbance; e.g. Bertsekas, Dynamic Programming and Optimal Control,
section 1.3.) The powers tried are those between which the cost of a slot is linear: none, the net load, both limits.
All that does not depend on what comes after is computed for all slots at once; the recursion itself is one
interpolation a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray

LEVELS_COUNT = 25
_FLAT_WH = 1e-6


class Storage(NamedTuple):
    """A battery between its bounds, and what using and leaving energy is worth."""

    low_wh: float
    high_wh: float
    charge_w: float
    discharge_w: float
    leg_efficiency_frac: float
    export_limit_w: float
    wear_eur_per_kwh: float
    terminal_eur_per_kwh: float


class Curve(NamedTuple):
    """Cost to come from each level of stored energy, float64[LEVELS_COUNT] each; falls with energy that is wanted."""

    stored_wh: FloatArray
    cost_eur: FloatArray

    def worth_eur_per_kwh(self, stored_wh: float) -> float:
        """What one more kWh saves near a stored energy: the slope over a level to either side [EUR/kWh]."""
        reach_wh = float(self.stored_wh[1] - self.stored_wh[0])
        ends_wh = np.clip((stored_wh - reach_wh, stored_wh + reach_wh), self.stored_wh[0], self.stored_wh[-1])
        if ends_wh[1] - ends_wh[0] < _FLAT_WH:  # below the floor or above the ceiling: the slope at that end
            ends_wh = np.array(self.stored_wh[:2] if stored_wh < self.stored_wh[0] else self.stored_wh[-2:])
        less_eur, more_eur = np.interp(ends_wh, self.stored_wh, self.cost_eur)
        return float((less_eur - more_eur) * W_PER_KW / (ends_wh[1] - ends_wh[0]))


def cost_to_come(
    net_w: FloatArray,
    weight_frac: FloatArray,
    import_eur_per_kwh: FloatArray,
    export_eur_per_kwh: FloatArray,
    slot_s: float,
    storage: Storage,
) -> Curve:
    """The curve at the begin of the first slot.

    Parameters
    ----------
    net_w : float64[n, m]
        Possible net loads of each slot before the battery. [W]
    weight_frac : float64[m]
        Their probabilities, adding up to 1.
    import_eur_per_kwh, export_eur_per_kwh : float64[n]
        Prices. [EUR/kWh]
    slot_s : float
        Length of a slot. [s]
    storage : Storage
        ``low_wh`` below ``high_wh``.

    Returns
    -------
    Curve
        NaN where an input is NaN.
    """
    slot_hours = slot_s / SECONDS_PER_HOUR
    levels_wh = np.linspace(storage.low_wh, storage.high_wh, LEVELS_COUNT)
    power_w = _candidates_w(net_w, levels_wh, slot_hours, storage)
    leg = storage.leg_efficiency_frac
    after_wh = levels_wh[:, None, None] - slot_hours * np.where(power_w > 0.0, power_w / leg, power_w * leg)
    place = np.clip((after_wh - storage.low_wh) / (levels_wh[1] - levels_wh[0]), 0.0, LEVELS_COUNT - 1.0)
    below = np.minimum(np.nan_to_num(place).astype(np.intp), LEVELS_COUNT - 2)
    part = place - below
    grid_w = np.maximum(net_w[:, None, :, None] - power_w, -storage.export_limit_w)
    price = np.where(
        grid_w > 0.0, *(column[:, None, None, None] for column in (import_eur_per_kwh, export_eur_per_kwh))
    )
    slot_eur = slot_hours / W_PER_KW * (grid_w * price + storage.wear_eur_per_kwh * np.maximum(power_w, 0.0))
    cost_eur = -storage.terminal_eur_per_kwh * levels_wh / W_PER_KW
    for k in range(net_w.shape[0] - 1, -1, -1):
        slope_eur = np.diff(cost_eur)
        cost_eur = (slot_eur[k] + cost_eur[below[k]] + part[k] * slope_eur[below[k]]).min(axis=-1) @ weight_frac
    return Curve(levels_wh, cost_eur)


def _candidates_w(net_w: FloatArray, levels_wh: FloatArray, slot_hours: float, storage: Storage) -> FloatArray:
    """Powers tried at each slot, level and net load within the battery's limits, float64[n, levels, m, 4] [W]."""
    leg = storage.leg_efficiency_frac
    most_w = np.minimum(storage.discharge_w, (levels_wh - storage.low_wh) * leg / slot_hours)
    least_w = -np.minimum(storage.charge_w, (storage.high_wh - levels_wh) / leg / slot_hours)
    shape = (net_w.shape[0], levels_wh.size, net_w.shape[1])
    most_w, least_w = (np.broadcast_to(limit[None, :, None], shape) for limit in (most_w, least_w))
    covering_w = np.clip(np.broadcast_to(net_w[:, None, :], shape), least_w, most_w)
    return np.stack((np.zeros(shape), covering_w, most_w, least_w), axis=-1)
