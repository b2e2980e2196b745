"""The figures of fleets and of first days: resampled homes, rows and their targets."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest

pytest.importorskip("distributed", reason="needs the fleet extra")

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from training.bench import day_one, fleet
from training.dataset import Series
from training.fleet.outcome import Outcome

pytestmark = pytest.mark.training


def run(count, wall_s, cpu_s, homes):
    found = [Outcome(home="h", state="trained", cpu_s=cpu_s, wall_s=cpu_s, peak_rss_bytes=5 * 10**8)] * homes
    return fleet.Run(count, wall_s, found)


def test_two_workers_that_only_train_are_efficient_and_a_slow_engine_is_not():
    one, two = run(1, 101.0, 1.0, 100), run(2, 51.0, 1.0, 100)
    clock, own = fleet._speed(one, two)
    assert clock.value == pytest.approx(101.0 / 51.0 / 2.0)
    assert own.value == pytest.approx(100.0 / 102.0)
    assert clock.ok
    assert own.ok
    assert not any(row.ok for row in fleet._speed(one, run(2, 80.0, 1.0, 100)))


def test_a_home_costs_the_same_among_few_and_many_or_the_row_says_so():
    assert fleet._flat(run(1, 20.0, 1.0, 20), run(1, 200.0, 1.05, 200)).ok
    assert not fleet._flat(run(1, 20.0, 1.0, 20), run(1, 300.0, 1.5, 200)).ok
    assert fleet._memory([run(1, 1.0, 1.0, 2)] * 3).ok


def test_a_resampled_home_is_a_window_of_a_measured_one_at_another_height():
    grid = TimeGrid(start_s=0, slot_s=900, count=100 * 96)
    series = Series(
        frame=Frame(grid=grid, columns={"load_w": np.full(grid.count, 500.0)}), table_slot_s=900, zone=ZoneInfo("UTC")
    )
    table, again = (fleet.resampled(series, np.random.default_rng(3)) for _ in range(2))
    assert table.equals(again)
    assert len(table) == fleet.DAYS * 96
    assert 250.0 < table["load_w"].mean() < 1010.0
    assert table["load_w"].std() / table["load_w"].mean() == pytest.approx(0.1, rel=0.1)


def test_a_spread_of_other_homes_beats_the_bare_profile_and_each_home_counts_once():
    random = np.random.default_rng(2)
    homes = {}
    for name, count in (("a", 4000), ("b", 4000), ("c", 400)):
        share = random.lognormal(-0.3, 0.8, count)
        homes[name] = day_one.Home(500.0 * share / share.mean(), np.ones(count), 500.0)
    rows = day_one.figures(homes)
    assert [row.name for row in rows[:3]] == [f"pinball on day one, {name}" for name in homes]
    assert all(row.ok for row in rows[:4])
    low, middle, high = day_one.fitted_spread([homes["a"]] * 2)
    assert (low, middle, high) == pytest.approx(np.quantile(homes["a"].load_w / 500.0, [0.1, 0.5, 0.9]), rel=0.02)
