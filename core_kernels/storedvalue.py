"""What stored energy is worth when the house ahead is uncertain: stochastic dynamic programming over a battery.

A plan of means sees neither the kettle nor the cloud: it takes it for granted that a mean deficit is a deficit, so it
sells what a spike would have needed, and keeps what a cloudless hour would have filled. Here each slot's net load is
one of a few possible ones, seen before the battery acts (as the fast loop sees it), and independent of the slots
before:

    W_k(e) = sum_j weight_j  min_p [ bill(net_kj - p) + wear(p) + W_(k+1)(e after p) ]

(Bellman's recursion with the decision after the disturbance; e.g. Bertsekas, Dynamic Programming and Optimal Control,
section 1.3.) The powers tried are those between which the cost of a slot is linear: none, the net load, both limits.
All that does not depend on what comes after is computed for all slots at once, and where the limits lead once for all
of them; the recursion itself is two interpolations a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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
    slot_hours, leg = slot_s / SECONDS_PER_HOUR, storage.leg_efficiency_frac
    levels_wh = np.linspace(storage.low_wh, storage.high_wh, LEVELS_COUNT)
    most_w = np.minimum(storage.discharge_w, (levels_wh - storage.low_wh) * leg / slot_hours)
    least_w = -np.minimum(storage.charge_w, (storage.high_wh - levels_wh) / leg / slot_hours)
    covering_w = np.clip(net_w[:, None, :], least_w[:, None], most_w[:, None])
    limits = [limit_w[:, None] for limit_w in (np.zeros(LEVELS_COUNT), most_w, least_w)]

    def slots_eur(power_w: FloatArray) -> FloatArray:
        grid_w = np.maximum(net_w[:, None, :] - power_w, -storage.export_limit_w)
        price = np.where(grid_w > 0.0, *(column[:, None, None] for column in (import_eur_per_kwh, export_eur_per_kwh)))
        wear_eur = storage.wear_eur_per_kwh * np.maximum(power_w, 0.0)
        return np.asarray(slot_hours / W_PER_KW * (grid_w * price + wear_eur))

    covering_eur, limits_eur = slots_eur(covering_w), [slots_eur(limit_w) for limit_w in limits]
    covering, reach = (
        _places(covering_w, levels_wh, slot_hours, leg),
        _places(np.array(limits), levels_wh, slot_hours, leg),
    )
    cost_eur = -storage.terminal_eur_per_kwh * levels_wh / W_PER_KW
    for k in range(net_w.shape[0] - 1, -1, -1):
        slope_eur = np.diff(cost_eur)
        least_eur = covering_eur[k] + cost_eur[covering.below[k]] + covering.part[k] * slope_eur[covering.below[k]]
        ahead_eur = cost_eur[reach.below] + reach.part * slope_eur[reach.below]
        for limit_eur, after_eur in zip(limits_eur, ahead_eur, strict=True):
            np.minimum(least_eur, limit_eur[k] + after_eur, out=least_eur)
        cost_eur = least_eur @ weight_frac
    return Curve(levels_wh, cost_eur)


class _Places(NamedTuple):
    """Where a slot's powers lead: the level below, and the part of the way from it to the next."""

    below: npt.NDArray[np.intp]
    part: FloatArray


def _places(power_w: FloatArray, levels_wh: FloatArray, slot_hours: float, leg_efficiency_frac: float) -> _Places:
    """Where powers lead that are held for a slot from each level, float64[..., levels, m]."""
    after_wh = levels_wh[:, None] - slot_hours * np.where(
        power_w > 0.0, power_w / leg_efficiency_frac, power_w * leg_efficiency_frac
    )
    place = np.clip((after_wh - levels_wh[0]) / (levels_wh[1] - levels_wh[0]), 0.0, LEVELS_COUNT - 1.0)
    below = np.minimum(np.nan_to_num(place).astype(np.intp), LEVELS_COUNT - 2)
    return _Places(below, place - below)
