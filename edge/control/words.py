"""Why, in one sentence and marginal prices: the same words for the plan and for the running action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core_kernels.units import W_PER_KW
from edge.config import Battery

# Below this a power is idle: meters and inverters do not resolve less.
IDLE_W = 50.0


class Marginals(NamedTuple):
    """What decides an action now: the two prices, and from which price on stored energy is used or kept."""

    import_eur_per_kwh: float
    export_eur_per_kwh: float
    water_value_eur_per_kwh: float
    wear_eur_per_kwh: float
    leg_efficiency_frac: float

    @property
    def use_above_eur_per_kwh(self) -> float:
        """A kWh taken out of the battery must save or earn more than this."""
        return self.water_value_eur_per_kwh / self.leg_efficiency_frac + self.wear_eur_per_kwh

    @property
    def store_below_eur_per_kwh(self) -> float:
        """A kWh put into the battery must cost less than this."""
        return self.water_value_eur_per_kwh * self.leg_efficiency_frac

    @property
    def covers(self) -> bool:
        """Claims that the battery should cover a deficit."""
        return self.import_eur_per_kwh > self.use_above_eur_per_kwh

    @property
    def stores(self) -> bool:
        """Claims that the battery should store a surplus."""
        return self.export_eur_per_kwh < self.store_below_eur_per_kwh


def cents(price_eur_per_kwh: float) -> str:
    """A price for a person."""
    return f"{100.0 * price_eur_per_kwh:.1f} ct"


def explain_peak(peak_w: float, eur_per_kw: float) -> str:
    """The sentence where the capacity tariff decides."""
    return f"hold the month's highest quarter hour at {peak_w / W_PER_KW:.1f} kW: a kW more costs {eur_per_kw:.2f} EUR"


def explain_draws(names: Sequence[str], marginals: Marginals) -> str:
    """One sentence for a house without a battery: what the plan runs now, and at which prices."""
    imports = f"import costs {cents(marginals.import_eur_per_kwh)} a kWh"
    exports = f"export pays {cents(marginals.export_eur_per_kwh)} a kWh"
    runs = f"run {', '.join(names)}" if names else "nothing to run"
    return f"{runs} now: {imports}, {exports}"


def explain(battery_w: float, net_w: float, marginals: Marginals) -> str:
    """One sentence for a battery power against the house's need before the battery (load - PV).

    It names prices, not powers: it stays the same as long as the reason does. Where the prices speak, by a hair,
    against what is done, it says so: then the plan's own power has decided.
    """
    imports = f"import costs {cents(marginals.import_eur_per_kwh)} a kWh"
    exports = f"export pays {cents(marginals.export_eur_per_kwh)} a kWh"
    use = f"using stored energy costs {cents(marginals.use_above_eur_per_kwh)}"
    store = f"in the battery it is worth {cents(marginals.store_below_eur_per_kwh)}"
    if battery_w < -IDLE_W and net_w - battery_w > IDLE_W:
        pays = marginals.import_eur_per_kwh < marginals.store_below_eur_per_kwh
        words = f"charge with grid energy: {imports}, {store}"
    elif battery_w < -IDLE_W:
        pays, words = marginals.stores, f"store the surplus: {exports}, {store}"
    elif battery_w > IDLE_W and battery_w > net_w + IDLE_W:
        pays = marginals.export_eur_per_kwh > marginals.use_above_eur_per_kwh
        words = f"discharge into the grid: {exports}, {use}"
    elif battery_w > IDLE_W:
        pays, words = marginals.covers, f"cover the house: {imports}, {use}"
    elif net_w > IDLE_W:
        pays, words = not marginals.covers, f"keep stored energy for later: {imports}, {use}"
    elif net_w < -IDLE_W:
        pays, words = not marginals.stores, f"sell the surplus, leave room for later: {exports}, {store}"
    else:
        return f"nothing to do: {imports}, {exports}, {use}"
    return words if pays else f"{words}; so close that the plan decides"


def explain_bound(battery_w: float, net_w: float, soc_frac: float, battery: Battery, marginals: Marginals) -> str:
    """The sentence where a full or an empty battery decides, not a price; empty where neither does."""
    if soc_frac >= battery.soc_max_frac and battery_w < -IDLE_W:
        sold = f": the surplus is sold, export pays {cents(marginals.export_eur_per_kwh)} a kWh" if net_w < 0.0 else ""
        return f"the battery is full{sold}"
    if soc_frac <= battery.soc_min_frac and battery_w > IDLE_W:
        bought = f": the house imports at {cents(marginals.import_eur_per_kwh)} a kWh" if net_w > 0.0 else ""
        return f"the battery is empty{bought}"
    return ""
