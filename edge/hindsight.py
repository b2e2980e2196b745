"""Days that are over, lived again with one more thing known each time: why they cost more than perfect foresight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from core_kernels.battery import simulate_self_consumption
from core_kernels.records import Forecast, Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.config import Site
from edge.control.ledger import Cost, parameters_of
from edge.control.regret import Regret, Rungs, split
from edge.control.ways import Done, Ways
from edge.planning import Forecasts
from edge.replay import START_SOC_FRAC, Days, Lived, live

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


def regret(
    site: Site,
    days: Days,
    forecaster: Forecasts,
    *,
    soc_frac: float = START_SOC_FRAC,
    each: Callable[[], None] = lambda: None,
) -> Regret:
    """What the days cost beyond perfect foresight, by cause; the days are lived four times.

    Where the table holds ``battery_w`` and ``soc_frac``, they are what was done; else the box's own decisions are, and
    neither the battery's model nor its actuation cost anything. ``soc_frac`` is the charge at the start where the
    table does not say; ``each`` is as of :func:`edge.replay.live`. Raises :class:`StoreError`, :class:`PlanError`.
    """
    done = None
    if all(name in days.measured.columns for name in MEASURED):
        done = Done.of(days.measured, days.first, days.span.count)
        days, soc_frac = as_metered(days, done), float(done.ends_frac[0])

    def lived(part: Days, signals: tuple[str, ...]) -> Lived:
        knowing = Truth(forecaster, days.measured, signals) if signals else forecaster
        return live(site, part, knowing, soc_frac=soc_frac, each=each)

    decided = lived(days, ())
    true_pv, true_both = lived(days, ("pv_w",)), lived(days, ("pv_w", "load_w"))
    revealed = lived(replace(days, prices=replace(days.prices, revealed=True)), ("pv_w", "load_w"))
    actual, modelled = (decided.cost, decided.cost) if done is None else _done(decided.ways, decided.net_w, done)
    rungs = Rungs(
        actual=actual,
        modelled=modelled,
        decided=decided.cost,
        true_pv=true_pv.cost,
        true_load=true_both.cost,
        true_prices=revealed.cost,
    )
    ledger = decided.ways.ledger(decided.net_w, decided.battery_w, decided.soc_frac)
    return split(rungs, ledger, _failures(decided, true_pv, true_both, revealed))


def as_metered(days: Days, done: Done) -> Days:
    """The days with the load that meter, PV and battery leave, and none where the battery is unknown."""
    span = slice(days.first, days.first + days.span.count)
    load_w = days.measured.column("load_w").copy()
    load_w[span] = done.net_w + days.measured.column("pv_w")[span]
    return replace(days, measured=replace(days.measured, columns={**days.measured.columns, "load_w": load_w}))


def _done(ways: Ways, net_w: FloatArray, done: Done) -> tuple[Cost, Cost]:
    """Cost of what the battery did, by its own charge and by the planner's model of it."""
    wish_w = np.where(np.isnan(done.battery_w), 0.0, done.battery_w)
    parameters = parameters_of(ways.battery)
    soc_frac, modelled_w = simulate_self_consumption(wish_w, ways.start_soc_frac, ways.slot_s, parameters)
    return ways.cost(net_w, done.battery_w, done.ends_frac), ways.cost(net_w, modelled_w, soc_frac)


def _failures(decided: Lived, true_pv: Lived, true_both: Lived, revealed: Lived) -> tuple[str, ...]:
    """The plans that failed, by what was known when they were made."""
    lives = {"": decided, "PV known, ": true_pv, "PV and load known, ": true_both, "all known, ": revealed}
    return tuple(f"{known}{text}" for known, lived in lives.items() for text in lived.failures)
