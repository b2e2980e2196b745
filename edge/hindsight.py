"""Days that are over, lived again with one more thing known each time: why they cost more than perfect foresight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core_kernels.battery import simulate_self_consumption
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.config import Site
from edge.control.ledger import Cost, parameters_of
from edge.control.regret import Regret, Rungs, split
from edge.control.ways import Ways
from edge.errors import StoreError
from edge.planning import Forecasts
from edge.replay import START_SOC_FRAC, Days, live

MEASURED = ("battery_w", "soc_frac")


class Truth:
    """A forecaster of which some signals are what was measured later; beyond the table it is the forecaster's own."""

    def __init__(self, forecaster: Forecasts, measured: Frame, signals: tuple[str, ...]) -> None:
        self._forecaster, self._measured, self._signals = forecaster, measured, signals

    def forecast(self, issued_s: float, grid: TimeGrid, history: Frame, weather: Frame | None) -> dict[str, Forecast]:
        """As the seam has it, the true signals without any spread."""
        made = self._forecaster.forecast(issued_s, grid, history, weather)
        return made | {name: self._true(made[name]) for name in self._signals}

    def _true(self, made: Forecast) -> Forecast:
        first = (made.grid.start_s - self._measured.grid.start_s) // made.grid.slot_s
        later = self._measured.column(made.signal)[first : first + made.grid.count]

        def known(guessed: FloatArray) -> FloatArray:
            values = guessed.copy()
            values[: later.size] = np.where(np.isnan(later), values[: later.size], later)
            return values

        p10, p50, p90, mean = (known(column) for column in (made.p10, made.p50, made.p90, made.mean))
        return replace(made, p10=p10, p50=p50, p90=p90, mean=mean, source="hindsight")


def regret(site: Site, days: Days, forecaster: Forecasts, *, soc_frac: float = START_SOC_FRAC) -> Regret:
    """What the days cost beyond perfect foresight, by cause; the days are lived four times.

    Where the table holds ``battery_w`` and ``soc_frac``, they are what was done; else the box's own decisions are, and
    neither the battery's model nor its actuation cost anything. ``soc_frac`` is the charge at the start where the
    table does not say. Raises :class:`StoreError`, :class:`PlanError`.
    """
    measured = all(name in days.measured.columns for name in MEASURED)
    if measured:
        days, soc_frac = _measured(days, soc_frac)
    decided = live(site, days, forecaster, soc_frac=soc_frac)
    actual, modelled = _done(days, decided.ways, decided.net_w) if measured else (decided.cost, decided.cost)
    true_pv = Truth(forecaster, days.measured, ("pv_w",))
    true_both = Truth(forecaster, days.measured, ("pv_w", "load_w"))
    revealed = replace(days, prices=replace(days.prices, revealed=True))
    rungs = Rungs(
        actual=actual,
        modelled=modelled,
        decided=decided.cost,
        true_pv=live(site, days, true_pv, soc_frac=soc_frac).cost,
        true_load=live(site, days, true_both, soc_frac=soc_frac).cost,
        true_prices=live(site, revealed, true_both, soc_frac=soc_frac).cost,
    )
    return split(rungs, decided.ways.ledger(decided.net_w, decided.battery_w, decided.soc_frac))


def _measured(days: Days, soc_frac: float) -> tuple[Days, float]:
    """The days without the slots whose battery power is unknown, and the charge they began with."""
    span = slice(days.first, days.first + days.span.count)
    load_w = days.measured.column("load_w").copy()
    load_w[span] = np.where(np.isnan(days.column("battery_w")), np.nan, load_w[span])
    frame = replace(days.measured, columns={**days.measured.columns, "load_w": load_w})
    charge_frac = days.measured.columns["soc_frac"][max(days.first - 1, 0) : days.first + days.span.count]
    known = charge_frac[np.isfinite(charge_frac)]
    return replace(days, measured=frame), float(known[0]) if known.size else soc_frac


def _done(days: Days, ways: Ways, net_w: FloatArray) -> tuple[Cost, Cost]:
    """Cost of what the battery did, by its own charge and by the planner's model of it."""
    battery_w, charge_frac = (days.column(name) for name in MEASURED)
    known = charge_frac[np.isfinite(charge_frac)]
    if not known.size:
        raise StoreError("soc_frac is never there in the span")
    ends_frac = np.array([ways.start_soc_frac, known[-1]])
    wish_w = np.where(np.isnan(battery_w), 0.0, battery_w)
    parameters = parameters_of(ways.battery)
    soc_frac, modelled_w = simulate_self_consumption(wish_w, ways.start_soc_frac, ways.slot_s, parameters)
    return ways.cost(net_w, battery_w, ends_frac), ways.cost(net_w, modelled_w, soc_frac)
