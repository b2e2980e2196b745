"""Closed loops over measured homes: which share of what was possible each way of forecasting and acting takes."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core_kernels.figures import Row
from edge.bench_control.forecasts import Archived, Naive, perfect
from edge.bench_control.homes import Home, home
from edge.config import Battery
from edge.control.ledger import Ledger
from edge.forecast.baseline import Baseline
from edge.messages import Command, House, Plan
from edge.planning import Forecasts
from edge.replay import Lived, live

REPLAY_SPEED, FAST_SPEED = 1000.0, 20.0
FAST_SLOTS_COUNT = 24
_LEASE_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """One home's shares of (best rule - perfect foresight), and how its loops fared."""

    home: Home
    ledger: Ledger
    perfect_frac: float
    own_frac: float
    naive_frac: float
    holding_frac: float
    speed_ratio: float
    failed_count: int


def held(house: House, plan: Plan | None, battery: Battery, imported_wh: float) -> Command:  # noqa: ARG001 -- the seam's signature
    """Hold the planned power, as controllers do that know no water value."""
    slot = None if plan is None else plan.slot(house.time_s)
    if plan is None or slot is None:
        return Command.native("no plan")
    return Command(mode="power", battery_w=plan.battery_w[slot], lease_s=_LEASE_S, reason="held")


def shares(home: Home) -> Shares:
    """Live a home's days with each forecast, and once more holding the planned powers."""
    started_s = time.perf_counter()
    own = _lived(home, Archived(Baseline(home.site)))
    seconds_s = time.perf_counter() - started_s
    naive, holding = _lived(home, Naive()), live(home.site, home.days, Naive(), act=held)
    ledger = own.ways.ledger(own.net_w, own.battery_w, own.soc_frac)

    def share_frac(lived: Lived) -> float:
        return (ledger.rules.total_eur - lived.cost.total_eur) / ledger.possible_saving_eur

    return Shares(
        home=home,
        ledger=ledger,
        perfect_frac=share_frac(_lived(home, perfect(home.days.measured))),
        own_frac=share_frac(own),
        naive_frac=share_frac(naive),
        holding_frac=share_frac(holding),
        speed_ratio=home.days.span.count * home.days.span.slot_s / seconds_s,
        failed_count=len(own.failures),
    )


def _lived(home: Home, forecaster: Forecasts) -> Lived:
    return live(home.site, home.days, forecaster)


def loop_rows(found: Sequence[Shares]) -> tuple[Row, ...]:
    """Every home's shares, then what the issue asks of all of them together."""
    rows = [row for one in found for row in _home_rows(one)]
    if not found:
        return ()
    gains = [one.naive_frac - one.holding_frac for one in found]
    return (
        *rows,
        _over("perfect forecasts, median share", found, lambda one: one.perfect_frac, statistics.median, 0.96),
        _over("perfect forecasts, least share", found, lambda one: one.perfect_frac, min, 0.92),
        _over("own forecasts, median share", found, lambda one: one.own_frac, statistics.median, 0.85),
        _over("own forecasts, least share", found, lambda one: one.own_frac, min, 0.60),
        _share("water value over holding setpoints, median", statistics.median(gains), "holding", math.nan, 0.20),
        _share("water value over holding setpoints, least", min(gains), "holding", math.nan, 0.0),
        _speed(found),
    )


def _home_rows(one: Shares) -> tuple[Row, ...]:
    name, frac = one.home.name, one.home.naive_share_frac
    least_frac = np.nanmax([one.naive_frac, frac, 0.0])
    possible_eur = one.ledger.possible_saving_eur
    return (
        _share(f"{name}: own forecasts", one.own_frac, "naive forecasts, this run", one.naive_frac, float(least_frac)),
        _share(f"{name}: perfect forecasts", one.perfect_frac, "perfect foresight (exact LP)", 1.0, 0.92),
        _share(f"{name}: naive, holding setpoints", one.holding_frac, "naive forecasts", one.naive_frac, -math.inf),
        Row(
            name=f"{name}: best rule over perfect foresight",
            value=one.ledger.rules.total_eur,
            unit="EUR",
            reference="perfect foresight",
            reference_value=one.ledger.perfect_foresight.total_eur,
            ratio=one.ledger.rules.total_eur / one.ledger.perfect_foresight.total_eur,
            target=f"{possible_eur:.2f} EUR possible; no plan fails ({one.failed_count} did)",
            ok=one.failed_count == 0,
        ),
    )


def _share(name: str, value: float, reference: str, reference_value: float, least_frac: float) -> Row:
    """A share that should reach a least one."""
    return Row(
        name=name,
        value=value,
        unit="frac",
        reference=reference,
        reference_value=reference_value,
        ratio=value / reference_value,
        target=f">= {least_frac:.3g}" if math.isfinite(least_frac) else "none; for comparison",
        ok=value >= least_frac,
    )


def _over(
    name: str,
    found: Sequence[Shares],
    of: Callable[[Shares], float],
    reduce: Callable[[Sequence[float]], float],
    least_frac: float,
) -> Row:
    """One figure over all homes."""
    value, naive = (reduce([take(one) for one in found]) for take in (of, lambda one: one.naive_frac))
    return _share(f"{len(found)} homes: {name}", value, "naive forecasts, this run", naive, least_frac)


def _speed(found: Sequence[Shares]) -> Row:
    """Simulated over real time of the slowest home: forecasts, plans, fast loop, guard."""
    slowest = min(found, key=lambda one: one.speed_ratio)
    return _times(f"replay at 15 min ({slowest.home.name})", slowest.speed_ratio, REPLAY_SPEED)


def fast_row(home: Home) -> Row:
    """A home's first hours with the fast loop at work every second, as on the box."""
    span = replace(home.days.span, count=FAST_SLOTS_COUNT)
    started_s = time.perf_counter()
    live(home.site, replace(home.days, span=span), Baseline(home.site), act_s=1)
    seconds_s = time.perf_counter() - started_s
    return _times(f"replay with a fast loop of 1 s ({home.name})", span.count * span.slot_s / seconds_s, FAST_SPEED)


def _times(name: str, speed_ratio: float, least_ratio: float) -> Row:
    """A speed against real time."""
    return Row(
        name=name,
        value=speed_ratio,
        unit="times",
        reference="real time",
        reference_value=1.0,
        ratio=speed_ratio,
        target=f">= {least_ratio:.0f} times real time",
        ok=speed_ratio >= least_ratio,
    )


def rows(data: Path, names: Sequence[str], span_days: int) -> tuple[Row, ...]:
    """The loops of the named homes; raises :class:`StoreError` where their data are absent."""
    homes = [home(name, data, span_days) for name in names]
    return (*loop_rows([shares(one) for one in homes]), *(fast_row(one) for one in homes[:1]))
