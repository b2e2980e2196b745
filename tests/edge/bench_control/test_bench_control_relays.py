import numpy as np
import pytest

from edge.bench_control import relays
from edge.control.rounding import kept
from edge.control.switching import GAP_EUR


def test_a_day_plan_keeps_every_spell_and_is_measured_beside_the_whole_programme():
    day = relays.day_of(1, relays=1, steps=8)
    theirs = day.model().search(60.0)
    ours = relays.planned(day, 0.0)
    assert theirs is not None
    assert all(kept(switch, row) for switch, row in zip(day.switches, ours.found.on, strict=True))
    assert ours.found.cost_eur >= theirs.cost_eur - 2.0 * GAP_EUR
    for row in relays.rows_of(1, day, 60.0):
        assert row.error >= -2.0 * GAP_EUR / day.import_eur(theirs)
        assert row.value == pytest.approx(100.0 * row.error)


def test_a_seed_is_a_day_and_another_seed_another():
    first, again, other = (relays.day_of(seed, relays=2, steps=8) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.posed.slots.net_load_kw, again.posed.slots.net_load_kw)
    assert not np.array_equal(first.posed.slots.import_eur_per_kwh, other.posed.slots.import_eur_per_kwh)
