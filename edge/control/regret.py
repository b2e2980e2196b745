"""Where the money went that perfect foresight would have kept: the gap split by cause, in whole cents that add up.

The split is a ladder. Its top is what was paid, its foot perfect foresight; on each rung one more cause of loss is
taken away and the days are lived again, so that the difference of two rungs is what that cause cost. Rungs are rounded
to cents before they are subtracted: whatever the days were, the parts add up to the gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.control.causes import AMOUNTS, CAUSES, CENTS_PER_EUR, day_without, failures_kept
from edge.control.causes import cents as whole_cents
from edge.control.ledger import Cost, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """What the days cost, beside what they might have cost, and why.

    ``gap_eur`` maps each cause (``edge.control.causes``) to what it cost; negative where an error earned. The
    parts add up to ``total_gap_eur`` exactly, which is what was paid less perfect foresight in whole cents.
    ``failures`` names the plans that could not be made when the days were lived again.
    """

    actual: Cost
    no_battery: Cost
    rules: Cost
    perfect_foresight: Cost
    gap_eur: Mapping[str, float]
    failures: tuple[str, ...] = ()

    @property
    def total_gap_eur(self) -> float:
        """What was paid beyond perfect foresight, in whole cents [EUR]."""
        return (_cents(self.actual) - _cents(self.perfect_foresight)) / CENTS_PER_EUR

    @property
    def saved_eur(self) -> float:
        """What was saved over the inverter's own rules, in whole cents [EUR]."""
        return (_cents(self.rules) - _cents(self.actual)) / CENTS_PER_EUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Rungs:
    """Costs of the same days with one more cause of loss taken away from rung to rung.

    ``modelled`` is the battery's measured powers on the planner's model of it; ``decided`` the box's decisions, lived
    again with the forecasts it had; then with the true PV, the true load as well, and the true prices as well.
    """

    actual: Cost
    modelled: Cost
    decided: Cost
    true_pv: Cost
    true_load: Cost
    true_prices: Cost


def split(rungs: Rungs, ledger: Ledger, failures: tuple[str, ...] = ()) -> Regret:
    """The gap by cause; ``ledger`` holds the other ways through the same days."""
    ladder = (
        rungs.actual,
        rungs.modelled,
        rungs.decided,
        rungs.true_pv,
        rungs.true_load,
        rungs.true_prices,
        ledger.perfect_foresight,
    )
    cents = [_cents(cost) for cost in ladder]
    gaps = {cause: (cents[k] - cents[k + 1]) / CENTS_PER_EUR for k, cause in enumerate(CAUSES)}
    return Regret(
        actual=rungs.actual,
        no_battery=ledger.no_battery,
        rules=ledger.rules,
        perfect_foresight=ledger.perfect_foresight,
        gap_eur=gaps,
        failures=failures,
    )


def kept(day: str, regret: Regret, wall_s: float) -> dict[str, Any]:
    """A day's regret as it is kept, every amount in whole cents."""
    costs = {name: getattr(regret, name.removesuffix("_eur")) for name in AMOUNTS if name != "total_gap_eur"}
    return day_without(day, "") | {
        **{name: _cents(cost) / CENTS_PER_EUR for name, cost in costs.items()},
        "total_gap_eur": regret.total_gap_eur,
        "gap_eur": dict(regret.gap_eur),
        "failed_count": len(regret.failures),
        "failures": failures_kept(regret.failures),
        "wall_s": wall_s,
    }


def _cents(cost: Cost) -> int:
    return whole_cents(cost.total_eur)
