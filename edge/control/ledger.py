"""What the days cost, four ways: without a battery, by rules, by us, with perfect foresight; all valued alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core_kernels.battery import BatteryParameters
from core_kernels.records import Prices
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray, cost_eur
from edge.config import Battery, Site
from edge.control.peak import QUARTER_S, months
from edge.control.problem import wear_eur_per_kwh

# A possible saving smaller than this is no basis for a share: what the battery holds at the end weighs as much.
SMALLEST_SAVING_EUR = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One way through the days: the bill, the wear, the worth of the energy gained in the battery, the billed peaks."""

    bill_eur: float
    wear_eur: float = 0.0
    stored_eur: float = 0.0
    peak_eur: float = 0.0

    @property
    def total_eur(self) -> float:
        """Bill, peaks and wear less what was gained in stored energy."""
        return self.bill_eur + self.peak_eur + self.wear_eur - self.stored_eur


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The four costs of the same days, and how far below the last the true optimum may lie (0: it is proven)."""

    no_battery: Cost
    rules: Cost
    ours: Cost
    perfect_foresight: Cost
    foresight_gap_eur: float = 0.0

    @property
    def possible_saving_eur(self) -> float:
        """What perfect foresight saves over the rules."""
        return self.rules.total_eur - self.perfect_foresight.total_eur

    @property
    def share_frac(self) -> float:
        """Share of the possible saving over the rules that was taken; NaN where nothing was possible."""
        if self.possible_saving_eur < SMALLEST_SAVING_EUR:
            return math.nan
        return (self.rules.total_eur - self.ours.total_eur) / self.possible_saving_eur


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """Prices in force in every slot of the days, float64[n] [EUR/kWh], and what a capacity tariff bills.

    ``month`` (int64[n]) numbers the calendar months of the slots from 0: each one's highest import of a slot costs
    ``peak_eur_per_kw``, and counts as ``peak_floor_w`` at least; ``peak_billed_w`` of it was billed before these days.
    """

    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    month: npt.NDArray[np.int64] | None = None
    peak_eur_per_kw: float = 0.0
    peak_floor_w: float = 0.0
    peak_billed_w: float = 0.0

    @classmethod
    def of(cls, prices: Prices, site: Site, reached_peak_w: float = math.nan) -> Market:
        """The market of a site over the slots of its prices.

        ``reached_peak_w`` is what the month's peak had come to when the days (of one month) began: they bear what they
        add to it. NaN: the month begins with them.
        """
        tariff, billed = site.tariff, site.tariff.peak_eur_per_kw_month > 0.0
        month = np.unique(months(prices.grid, site.zone), return_inverse=True)[1] if billed else None
        return cls(
            import_eur_per_kwh=prices.import_eur_per_kwh,
            export_eur_per_kwh=prices.export_eur_per_kwh,
            month=month,
            peak_eur_per_kw=tariff.peak_eur_per_kw_month,
            peak_floor_w=max(tariff.peak_floor_w, 0.0 if math.isnan(reached_peak_w) else reached_peak_w),
            peak_billed_w=0.0 if math.isnan(reached_peak_w) else max(tariff.peak_floor_w, reached_peak_w),
        )

    def peak_eur(self, grid_wh: FloatArray) -> float:
        """What the months' peaks cost; 0 without a capacity tariff. ``grid_wh`` as in :func:`cost_of`."""
        if self.month is None:
            return 0.0
        peaks_wh = np.zeros(int(self.month.max()) + 1)
        np.maximum.at(peaks_wh, self.month, grid_wh)
        peaks_w = np.maximum(peaks_wh * SECONDS_PER_HOUR / QUARTER_S, self.peak_floor_w)
        return float(self.peak_eur_per_kw * (peaks_w.sum() - self.peak_billed_w) / W_PER_KW)


def parameters_of(battery: Battery) -> BatteryParameters:
    """The controller's battery model of a site's battery."""
    return BatteryParameters(
        capacity_wh=battery.capacity_wh,
        charge_w=battery.charge_w,
        discharge_w=battery.discharge_w,
        efficiency_frac=battery.efficiency_frac,
        soc_min_frac=battery.soc_min_frac,
        soc_max_frac=battery.soc_max_frac,
    )


def stored_value_eur_per_kwh(market: Market, battery: Battery) -> float:
    """Worth of a kWh left in the battery: an average import it will save, less losses and wear [EUR/kWh]."""
    mean = float(np.mean(market.import_eur_per_kwh))
    return max(battery.leg_efficiency_frac * (mean - wear_eur_per_kwh(battery)), 0.0)


def cost_of(
    grid_wh: FloatArray, discharge_wh: float, stored_gain_wh: float, market: Market, battery: Battery | None
) -> Cost:
    """Cost of one way through the days, from its slot energies at the meter and its battery's energy.

    Parameters
    ----------
    grid_wh : float64[n]
        Net energy of each slot, positive import; NaN is not allowed. [Wh]
    discharge_wh : float
        Energy the battery gave at its AC side. [Wh]
    stored_gain_wh : float
        Energy in the battery at the end less that at the start. [Wh]
    """
    if not np.isfinite(grid_wh).all():
        raise ValueError(f"grid_wh lacks slot {int(np.argmin(np.isfinite(grid_wh)))}")
    bill_eur = float(np.sum(cost_eur(grid_wh, market.import_eur_per_kwh, market.export_eur_per_kwh)))
    peak_eur = market.peak_eur(grid_wh)
    if battery is None:
        return Cost(bill_eur=bill_eur, peak_eur=peak_eur)
    return Cost(
        bill_eur=bill_eur,
        peak_eur=peak_eur,
        wear_eur=wear_eur_per_kwh(battery) * discharge_wh / W_PER_KW,
        stored_eur=stored_value_eur_per_kwh(market, battery) * stored_gain_wh / W_PER_KW,
    )
