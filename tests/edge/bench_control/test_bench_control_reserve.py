import math
from dataclasses import replace

import numpy as np
from energy import days_of, make_days, make_site

from core_kernels.timegrid import TimeGrid
from edge.bench_control import reserve
from edge.bench_control.homes import Home


def home_of(count_days: int = 10) -> Home:
    return Home(name="made", site=make_site(), days=days_of(make_days(count_days), 7, 1), naive_share_frac=math.nan)


def test_a_car_adds_two_hours_of_its_power_to_each_evening():
    bare = home_of()
    added_w = reserve.with_car(bare).days.measured.column("load_w") - bare.days.measured.column("load_w")
    by_day_w = added_w.reshape(-1, 96)
    assert (by_day_w.sum(axis=1) == 8 * 3700.0).all()
    assert (by_day_w[:, :64] == 0.0).all()
    assert np.unique(by_day_w.argmax(axis=1)).size > 1


def test_rows_hold_each_home_and_the_median_gain():
    found = [
        reserve.Gain(name=f"h{i}", kept_frac=0.8, bare_frac=bare_frac) for i, bare_frac in enumerate((0.5, 0.7, 0.9))
    ]
    rows = reserve.gain_rows(found)
    assert [row.ok for row in rows] == [True, True, False, True]
    assert rows[-1].name == "3 runs: reserve on over off, median"
    assert math.isclose(rows[-1].value, 0.1)
    assert reserve.gain_rows([]) == ()


def test_a_home_is_lived_from_the_first_of_the_next_month_on():
    made = home_of(34)  # June has 30 days
    begin = TimeGrid(start_s=made.days.span.start_s, slot_s=900, count=80)
    found = reserve.gain(replace(made, days=replace(made.days, span=begin)))
    assert found.name == "made"
    assert max(found.kept_frac, found.bare_frac) <= 1.0 + 1e-6
    assert found.gain_frac == found.kept_frac - found.bare_frac
