"""Energy kept against a breach of the month's peak: how much, when, and whether it pays at all.

A plan of means holds a peak that the first kettle over an empty battery breaks. So the last weeks' net load says what
each peak would have asked of the battery. A day walked backwards, the least energy that keeps every later import under
the peak is ``D_k = max(D_(k+1) + c_k, 0)``, where ``c_k`` is what lies above the peak and must be taken out,
``h (net_k - peak) / eta``, or, below it, what may be charged meanwhile, ``-h (peak - net_k) eta``. Of all days' needs
at a time of the day a quantile is kept (P90: enough on nine days of ten), as a preference: what lacks costs as long as
it lacks. The peak is the cheapest one in hindsight, its price and the energy kept back together; where that one asks
for nothing, no reserve is kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.qp_limits import reserve_numbers, reserve_part
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Battery
from edge.control.component import AID_EUR, Component

MIN_DAYS_COUNT = 7
# What a need of the evening may reach back for; a longer chain of loads than this the grid can recharge between.
AHEAD_SLOTS = 32
CANDIDATES_COUNT = 25
DAYS_PER_MONTH = 30.4
NEGLIGIBLE_WH = 50.0
# What a missing kWh costs for an hour: more than prices differ, so that arbitrage alone never uses the reserve.
SHORT_EUR_PER_KWH = 0.2
_SLOT_H = SECONDS_PER_DAY / SLOTS_PER_DAY / SECONDS_PER_HOUR


class Hedge(NamedTuple):
    """The month's peak to plan for, and the energy above the battery's floor to keep at each slot of a day, from now.

    ``need_wh`` is float64[96]; zero where no reserve pays. ``words`` tell the verdict.
    """

    peak_w: float
    need_wh: FloatArray
    words: str

    @property
    def pays(self) -> bool:
        """Claims that there is something to keep."""
        return float(self.need_wh.max()) > NEGLIGIBLE_WH


def hedge(
    measured_w: FloatArray, battery: Battery, level_frac: float, least_w: float, eur_per_kw: float, cycle_eur: float
) -> Hedge | None:
    """The verdict of the last weeks; ``None`` without a week of whole days.

    Parameters
    ----------
    measured_w : float64[n]
        Net load (load - PV) of the quarter hours that end now, NaN where it was not measured. [W]
    battery : Battery
        What holds the peak.
    level_frac : float
        The share of days that the reserve is enough for. [frac]
    least_w : float
        The peak that is billed in any case. [W]
    eur_per_kw : float
        Price of the month's peak. [EUR/kW]
    cycle_eur : float
        What a kWh of the battery earns on a day when it is not kept back. [EUR]
    """
    days_w = _days(measured_w)
    if days_w.shape[0] < MIN_DAYS_COUNT:
        return None
    highest_w = max(float(days_w[:, :SLOTS_PER_DAY].max()), least_w)
    peaks_w = np.linspace(max(least_w, highest_w - battery.discharge_w), highest_w, CANDIDATES_COUNT)
    needs_wh = np.quantile(_needs_wh(days_w, peaks_w, battery), level_frac, axis=1)
    usable_wh = (battery.soc_max_frac - battery.soc_min_frac) * battery.capacity_wh
    monthly_eur = (eur_per_kw * peaks_w + DAYS_PER_MONTH * cycle_eur * needs_wh.mean(axis=1)) / W_PER_KW
    monthly_eur[needs_wh.max(axis=1) > usable_wh] = np.inf
    best = int(np.argmin(monthly_eur))
    need_wh, gain_eur = needs_wh[best], float(monthly_eur[-1] - monthly_eur[best])
    if best == CANDIDATES_COUNT - 1 or float(need_wh.max()) <= NEGLIGIBLE_WH:
        return Hedge(float(peaks_w[best]), np.zeros(SLOTS_PER_DAY), "no reserve against peaks: the last weeks ask none")
    words = (
        f"up to {need_wh.max():.0f} Wh are kept against peaks above {peaks_w[best] / W_PER_KW:.1f} kW: "
        f"over the last {days_w.shape[0]} days worth {gain_eur:.2f} EUR a month"
    )
    return Hedge(float(peaks_w[best]), need_wh, words)


def cycle_eur(import_eur_per_kwh: FloatArray, leg_efficiency_frac: float, wear_eur_per_kwh: float) -> float:
    """What a kWh of the battery earns a day between a dear and a cheap hour, wear paid; 0 at least. [EUR]"""
    cheap, dear = np.quantile(import_eur_per_kwh, (0.1, 0.9))
    return max(float(leg_efficiency_frac * (dear - wear_eur_per_kwh) - cheap / leg_efficiency_frac), 0.0)


def hedged(kept: Hedge, battery: Battery, count: int) -> Component:
    """The energy to keep as a component of a plan of ``count`` quarter hours."""
    floor_kwh, full_kwh = (
        frac * battery.capacity_wh / W_PER_KW for frac in (battery.soc_min_frac, battery.soc_max_frac)
    )
    # The need stands at a slot's begin, the programme's energy at its end.
    need_kwh = np.minimum(np.resize(np.roll(kept.need_wh, -1), count) / W_PER_KW + floor_kwh, full_kwh)
    numbers = reserve_numbers(need_kwh, np.full(count, full_kwh), SHORT_EUR_PER_KWH * _SLOT_H, "hedge")
    return Component("hedge", reserve_part(AID_EUR, "hedge"), numbers, {})


def _days(measured_w: FloatArray) -> FloatArray:
    """The whole days back from now, each with the quarter hours that follow it, float64[days, 96 + ahead]."""
    reach = SLOTS_PER_DAY + AHEAD_SLOTS
    if measured_w.size < reach:
        return np.empty((0, reach))
    starts = range(measured_w.size % SLOTS_PER_DAY, measured_w.size - reach + 1, SLOTS_PER_DAY)
    days_w = np.stack([measured_w[start : start + reach] for start in starts])
    return days_w[np.isfinite(days_w).all(axis=1)]


def _needs_wh(days_w: FloatArray, peaks_w: FloatArray, battery: Battery) -> FloatArray:
    """Energy needed at the begin of each slot to hold each peak from there on, float64[peaks, days, 96]. [Wh]"""
    leg = battery.leg_efficiency_frac
    need_wh = np.zeros((peaks_w.size, days_w.shape[0]))
    needs_wh = np.empty((peaks_w.size, days_w.shape[0], SLOTS_PER_DAY))
    for k in range(days_w.shape[1] - 1, -1, -1):
        above_w = np.clip(days_w[None, :, k] - peaks_w[:, None], -battery.charge_w, battery.discharge_w)
        change_wh = _SLOT_H * np.where(above_w > 0.0, above_w / leg, above_w * leg)
        need_wh = np.maximum(need_wh + change_wh, 0.0)
        if k < SLOTS_PER_DAY:
            needs_wh[:, :, k] = need_wh
    return needs_wh
