"""Two settings on recorded days: day blocks dealt at random between them, as one would with a real house, and each day
both ways, as only a replay can.

The days are lived in order, each with the setting it was dealt, from the charge that the day before left. A fortnight's
second week is dealt the mirror of its first, so that every weekday is lived once each way; the pairs are what is
compared, each day as the money saved over the inverter's own rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core_kernels.paired import Comparison, compared
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.config import Site
from edge.control.localday import local_days
from edge.errors import PlanError
from edge.planning import Forecasts
from edge.replay import START_SOC_FRAC, Days, Lived, live

WEEK_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A site with what forecasts for it."""

    site: Site
    forecaster: Forecasts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Versus:
    """What came out; ``dealt`` claims of each day that it was lived with the second setting."""

    days: tuple[str, ...]
    dealt: npt.NDArray[np.bool_]
    dealt_eur: FloatArray
    randomised: Comparison
    both_ways: Comparison


def deal(count: int, block_days: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which days fall to the second setting: blocks drawn for each fortnight's first week, mirrored in its second."""
    rng = np.random.default_rng(seed)
    weeks = []
    for _ in range(-(-count // (2 * WEEK_DAYS))):
        first = np.repeat(rng.random(-(-WEEK_DAYS // block_days)) < 0.5, block_days)[:WEEK_DAYS]
        weeks += [first, ~first]
    return np.concatenate(weeks)[:count]


def versus(one: Setting, other: Setting, days: Days, *, block_days: int, seed: int) -> Versus:
    """Compare two settings over whole fortnights of local days; negative: the second is the cheaper one.

    Raises :class:`PlanError` where they cannot be compared, and as :func:`edge.replay.live` does.
    """
    if one.site.tariff != other.site.tariff:
        raise PlanError("the two sites pay different tariffs: what their days cost says nothing of what decides")
    if one.site.tariff.peak_eur_per_kw_month > 0.0:
        raise PlanError("a capacity tariff bills the month: its days cannot be compared one by one")
    whole = _fortnights(one.site, days.span)
    dealt = deal(len(whole), block_days, seed)
    dealt_eur, apart_eur, soc_frac = np.empty(len(whole)), np.empty(len(whole)), START_SOC_FRAC
    for k, (_, grid) in enumerate(whole):
        day = replace(days, span=grid)
        lived = [live(way.site, day, way.forecaster, soc_frac=soc_frac) for way in (one, other)]
        apart_eur[k] = lived[1].cost.total_eur - lived[0].cost.total_eur
        chosen = lived[int(dealt[k])]
        dealt_eur[k], soc_frac = _over_rules_eur(lived[0], chosen), float(chosen.soc_frac[-1])
    return Versus(
        days=tuple(name for name, _ in whole),
        dealt=dealt,
        dealt_eur=dealt_eur,
        randomised=compared(pairs_eur(dealt_eur, dealt)),
        both_ways=compared(apart_eur),
    )


def pairs_eur(dealt_eur: FloatArray, dealt: npt.NDArray[np.bool_]) -> FloatArray:
    """Second setting less first, of each weekday of each fortnight, in the order of time."""
    cost_eur, second = (values.reshape(-1, 2, WEEK_DAYS) for values in (dealt_eur, dealt))
    found: FloatArray = np.where(second[:, 0], cost_eur[:, 0] - cost_eur[:, 1], cost_eur[:, 1] - cost_eur[:, 0])
    return found.reshape(-1)


def _over_rules_eur(reference: Lived, lived: Lived) -> float:
    """What a day cost more than the first setting's house by its own rules: most of the weather goes with them."""
    return lived.cost.total_eur - reference.ways.rules(reference.net_w).total_eur


def _fortnights(site: Site, span: TimeGrid) -> Sequence[tuple[str, TimeGrid]]:
    """The whole local days of a span, as many as make whole fortnights."""
    found = [(day.name, day.grid) for day in local_days(span, site.zone)]
    if found and found[0][1].count < found[1 if len(found) > 1 else 0][1].count:
        found = found[1:]
    count = len(found) // (2 * WEEK_DAYS) * 2 * WEEK_DAYS
    if not count:
        raise PlanError(f"the span has {len(found)} whole local days: a fortnight is the least that can be dealt")
    return found[:count]
