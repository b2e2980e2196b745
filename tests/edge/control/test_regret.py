import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.control.causes import CAUSES
from edge.control.ledger import Cost, Ledger
from edge.control.regret import Rungs, split

EUROS = st.floats(-500.0, 500.0, allow_nan=False)


def ledger_of(foresight_eur: float) -> Ledger:
    costs = {way: Cost(bill_eur=eur) for way, eur in (("no_battery", 9.0), ("rules", 7.0), ("ours", 6.0))}
    return Ledger(**costs, perfect_foresight=Cost(bill_eur=foresight_eur))


def rungs_of(*euros: float) -> Rungs:
    names = ("actual", "modelled", "decided", "true_pv", "true_load", "true_prices")
    return Rungs(**{name: Cost(bill_eur=eur) for name, eur in zip(names, euros, strict=True)})


def test_each_cause_is_the_step_between_two_rungs():
    regret = split(rungs_of(6.0, 5.9, 5.7, 5.0, 4.2, 4.1), ledger_of(4.0))
    assert list(regret.gap_eur) == list(CAUSES)
    assert list(regret.gap_eur.values()) == pytest.approx([0.1, 0.2, 0.7, 0.8, 0.1, 0.1])
    assert regret.total_gap_eur == pytest.approx(2.0)
    assert regret.saved_eur == pytest.approx(1.0)


def test_an_error_that_happened_to_earn_is_negative():
    regret = split(rungs_of(6.0, 6.0, 6.0, 6.5, 5.0, 5.0), ledger_of(4.0))
    assert regret.gap_eur["PV error"] == -0.5


@given(st.lists(EUROS, min_size=6, max_size=6), EUROS)
def test_the_parts_add_up_to_the_gap_to_the_cent_whatever_the_days_were(euros, foresight_eur):
    regret = split(rungs_of(*euros), ledger_of(foresight_eur))
    cents = [round(100 * eur) for eur in regret.gap_eur.values()]
    assert [cent / 100 for cent in cents] == list(regret.gap_eur.values())
    assert sum(cents) == round(100 * euros[0]) - round(100 * foresight_eur)
    assert regret.total_gap_eur == sum(cents) / 100
