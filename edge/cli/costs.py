"""The four ways through the same days, as table and JSON: the same for a demo's days and for recorded ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.control.ledger import Ledger
    from edge.control.regret import Regret

WAYS = {
    "no_battery": "no battery",
    "rules": "rules (self-consumption)",
    "ours": "PEMS Edge",
    "perfect_foresight": "perfect foresight",
}


def as_data(ledger: Ledger) -> dict[str, object]:
    """Costs and their parts, each by way, and the share."""
    parts = {
        "costs_eur": "total_eur",
        "bills_eur": "bill_eur",
        "peaks_eur": "peak_eur",
        "wear_eur": "wear_eur",
        "stored_eur": "stored_eur",
    }
    columns = {name: {way: getattr(getattr(ledger, way), part) for way in WAYS} for name, part in parts.items()}
    return {**columns, "share_frac": ledger.share_frac}


def share_words(ledger: Ledger) -> str:
    """How much of what was possible was taken, in a sentence."""
    possible_eur = ledger.possible_saving_eur
    if math.isnan(ledger.share_frac):
        return f"Only {max(possible_eur, 0.0):.2f} EUR were possible over the rules: too little to state a share."
    share_percent = 100.0 * ledger.share_frac
    return f"Ours took {share_percent:.0f} % of the {possible_eur:.2f} EUR that were possible over the rules."


def as_rows(ledger: Ledger) -> list[str]:
    """One line a way; the peaks' column stands only where a capacity tariff bills them."""
    ways = {label: getattr(ledger, way) for way, label in WAYS.items()}
    billed = any(cost.peak_eur for cost in ways.values())
    head = f"{'':26}{'bill':>9}{'+ peaks':>9}" if billed else f"{'':26}{'bill':>9}"
    rows = [f"{head}{'+ wear':>9}{'- stored':>10}{'= cost EUR':>12}"]
    for label, cost in ways.items():
        peaks = f"{cost.peak_eur:9.2f}" if billed else ""
        rows.append(
            f"{label:26}{cost.bill_eur:9.2f}{peaks}{cost.wear_eur:9.2f}{cost.stored_eur:10.2f}{cost.total_eur:12.2f}"
        )
    return rows


def regret_data(regret: Regret) -> dict[str, object]:
    """The gap to perfect foresight by cause, in whole cents that add up."""
    return {"total_eur": regret.total_gap_eur, "causes_eur": dict(regret.gap_eur)}


def regret_rows(regret: Regret) -> list[str]:
    """One line a cause."""
    rows = [f"  {cause:24}{eur:9.2f}" for cause, eur in regret.gap_eur.items()]
    return [f"{'Beyond perfect foresight':26}{regret.total_gap_eur:9.2f} EUR, of which", *rows]
