"""Why, in one sentence and marginal prices: the same words for the plan and for the running action."""

from __future__ import annotations

from typing import NamedTuple

from core_kernels.units import W_PER_KW

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


def explain(battery_w: float, net_w: float, marginals: Marginals) -> str:
    """One sentence for a battery power against the house's need before the battery (load - PV).

    It names prices, not powers: it stays the same as long as the reason does.
    """
    imports = f"import costs {cents(marginals.import_eur_per_kwh)} a kWh"
    exports = f"export pays {cents(marginals.export_eur_per_kwh)} a kWh"
    use = f"using stored energy costs {cents(marginals.use_above_eur_per_kwh)}"
    store = f"in the battery it is worth {cents(marginals.store_below_eur_per_kwh)}"
    if battery_w < -IDLE_W:
        from_grid = net_w - battery_w > IDLE_W
        return f"charge with grid energy: {imports}, {store}" if from_grid else f"store the surplus: {exports}, {store}"
    if battery_w > IDLE_W:
        to_grid = battery_w > net_w + IDLE_W
        return f"discharge into the grid: {exports}, {use}" if to_grid else f"cover the house: {imports}, {use}"
    if net_w > IDLE_W:
        return f"keep stored energy for later: {imports}, {use}"
    if net_w < -IDLE_W:
        return f"sell the surplus, leave room for later: {exports}, {store}"
    return f"nothing to do: {imports}, {exports}, {use}"
