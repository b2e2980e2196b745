"""The same days lived four ways on the controller's battery model: no battery, rules, ours, perfect foresight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.battery import simulate_self_consumption
from core_kernels.qp import Peaks, Slots, Terms, structure
from core_kernels.records import Frame
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Battery, Site
from edge.control.ledger import Cost, Ledger, Market, cost_of, parameters_of, stored_value_eur_per_kwh
from edge.control.problem import wear_eur_per_kwh
from edge.errors import PlanError, StoreError


class Foresight(NamedTuple):
    """The cost of the best way that was found, and how far below it the optimum may still lie [EUR]."""

    cost: Cost
    gap_eur: float


class Done(NamedTuple):
    """What was done in measured slots: need before the battery, its power (NaN both where unknown), its charge's ends.

    The need is what the meter says without the battery, so that its cost is the meter's bill.
    """

    net_w: FloatArray
    battery_w: FloatArray
    ends_frac: FloatArray

    @classmethod
    def of(cls, measured: Frame, first: int, count: int) -> Done:
        """From a span of measurements; raises :class:`StoreError` where the battery's charge is never known in it."""
        span = slice(first, first + count)
        grid_w, battery_w, load_w, pv_w = (
            measured.column(name)[span] for name in ("grid_w", "battery_w", "load_w", "pv_w")
        )
        net_w = grid_w + battery_w if np.isfinite(grid_w).any() else load_w - pv_w
        charge_frac = measured.column("soc_frac")
        within_frac = charge_frac[span][np.isfinite(charge_frac[span])]
        if not within_frac.size:
            raise StoreError("soc_frac is never there in the span")
        before_frac = charge_frac[first - 1] if first else np.nan
        start_frac = before_frac if np.isfinite(before_frac) else within_frac[0]
        known = np.isfinite(net_w) & np.isfinite(battery_w)
        return cls(
            np.where(known, net_w, np.nan),
            np.where(known, battery_w, np.nan),
            np.array([start_frac, within_frac[-1]]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The days' site, prices and first state of charge, shared by the four."""

    site: Site
    battery: Battery
    market: Market
    slot_s: int
    start_soc_frac: float

    def ledger(self, net_w: FloatArray, battery_w: FloatArray, soc_frac: FloatArray) -> Ledger:
        """The four costs for what the house needed before the battery (load - PV) and how ours used it.

        Parameters
        ----------
        net_w, battery_w : float64[n]
            Mean powers of the slots; where ``net_w`` is NaN the slot is left out of all four. [W]
        soc_frac : float64[n + 1]
            Ours, on the edges. [frac]
        """
        rules = self.rules(net_w)
        ours = self.cost(net_w, battery_w, soc_frac)
        foresight = self.foresight(net_w)
        best = min((foresight.cost, ours, rules), key=lambda cost: cost.total_eur)  # what was done was possible
        least_eur = foresight.cost.total_eur - foresight.gap_eur
        return Ledger(
            no_battery=self.no_battery(net_w),
            rules=rules,
            ours=ours,
            perfect_foresight=best if foresight.gap_eur > 0.0 else foresight.cost,
            foresight_gap_eur=max(best.total_eur - least_eur, 0.0) if foresight.gap_eur > 0.0 else 0.0,
        )

    def _grid_wh(self, grid_w: FloatArray) -> FloatArray:
        """Slot energies at the meter; the inverter throttles PV at the export limit."""
        return np.maximum(grid_w, -self.site.grid.export_w) * (self.slot_s / SECONDS_PER_HOUR)

    def cost(self, net_w: FloatArray, battery_w: FloatArray, soc_frac: FloatArray) -> Cost:
        """Cost of a battery's way; arguments as of :meth:`ledger`."""
        missing = np.isnan(net_w)
        net_w, battery_w = np.where(missing, 0.0, net_w), np.where(missing, 0.0, battery_w)
        discharge_wh = float(np.maximum(battery_w, 0.0).sum()) * self.slot_s / SECONDS_PER_HOUR
        gain_wh = float(soc_frac[-1] - soc_frac[0]) * self.battery.capacity_wh
        return cost_of(self._grid_wh(net_w - battery_w), discharge_wh, gain_wh, self.market, self.battery)

    def no_battery(self, net_w: FloatArray) -> Cost:
        """Cost of the same days without one; NaN is left out."""
        return cost_of(self._grid_wh(np.where(np.isnan(net_w), 0.0, net_w)), 0.0, 0.0, self.market, None)

    def rules(self, net_w: FloatArray) -> Cost:
        """Self-consumption all along; NaN is left out."""
        net_w = np.where(np.isnan(net_w), 0.0, net_w)
        parameters = parameters_of(self.battery)
        soc_frac, battery_w = simulate_self_consumption(net_w, self.start_soc_frac, self.slot_s, parameters)
        return self.cost(net_w, battery_w, soc_frac)

    def foresight(self, net_w: FloatArray) -> Foresight:
        """The optimum with all known beforehand; the battery rests where nothing was measured."""
        from edge.control.oracle import foresee  # only who asks for the optimum pays for the solver's memory

        missing = np.isnan(net_w)
        net_w = np.where(missing, 0.0, net_w)
        battery, count = self.battery, net_w.size
        shape = structure(count, self.slot_s, battery.leg_efficiency_frac, 0.0, self.market.month)
        terms = Terms(
            self.start_soc_frac * battery.capacity_wh,
            wear_eur_per_kwh(battery),
            stored_value_eur_per_kwh(self.market, battery),
            self._peaks(),
        )
        battery_w, gap_eur = foresee(shape, self._slots(net_w, missing), terms)
        leg = battery.leg_efficiency_frac
        stored_w = -np.where(battery_w > 0.0, battery_w / leg, battery_w * leg)
        gained_wh = np.cumsum(stored_w) * self.slot_s / SECONDS_PER_HOUR
        soc_frac = self.start_soc_frac + np.concatenate(([0.0], gained_wh)) / battery.capacity_wh
        return Foresight(cost=self.cost(net_w, battery_w, soc_frac), gap_eur=gap_eur)

    def _peaks(self) -> Peaks | None:
        """Every month's peak, from the tariff's floor on."""
        month = self.market.month
        if month is None:
            return None
        floor_kw = np.full(int(month.max()) + 1, self.market.peak_floor_w / W_PER_KW)
        return Peaks(self.market.peak_eur_per_kw, floor_kw, floor_kw, np.ones(month.size, dtype=np.bool_))

    def _slots(self, net_w: FloatArray, missing: npt.NDArray[np.bool_]) -> Slots:
        battery, grid = self.battery, self.site.grid
        low_frac, high_frac = (
            min(battery.soc_min_frac, self.start_soc_frac),
            max(battery.soc_max_frac, self.start_soc_frac),
        )
        there, one = np.where(missing, 0.0, 1.0), np.ones(net_w.size)
        return Slots(
            net_load_kw=net_w / W_PER_KW,
            import_eur_per_kwh=self.market.import_eur_per_kwh,
            export_eur_per_kwh=self.market.export_eur_per_kwh,
            charge_max_kw=there * battery.charge_w / W_PER_KW,
            discharge_max_kw=there * battery.discharge_w / W_PER_KW,
            import_max_kw=np.maximum(grid.import_w, net_w) / W_PER_KW,
            export_max_kw=one * grid.export_w / W_PER_KW,
            curtail_max_kw=np.maximum(-net_w - grid.export_w, 0.0) / W_PER_KW,
            stored_min_kwh=one * low_frac * battery.capacity_wh / W_PER_KW,
            stored_max_kwh=one * high_frac * battery.capacity_wh / W_PER_KW,
        )


def perfect_foresight(site: Site, market: Market, net_w: FloatArray, slot_s: int, start_soc_frac: float) -> Cost:
    """The cheapest way through days whose net load is known (NaN: left out); raises :class:`PlanError`."""
    if site.battery is None:
        raise PlanError("the site has no battery: nothing to decide")
    ways = Ways(site=site, battery=site.battery, market=market, slot_s=slot_s, start_soc_frac=start_soc_frac)
    return ways.foresight(net_w).cost
