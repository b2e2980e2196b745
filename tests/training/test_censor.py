"""What PV power says nothing of the sky is taken out, counted and named; nothing else is."""

import dataclasses
import math

import numpy as np
import pytest

from core_kernels.features import sky
from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.records import Frame
from training.censor import censored
from training.clear_days import clear_days
from training.pv_fit import fit_plant, identify

pytestmark = pytest.mark.training
NOON = 10 * SLOTS_PER_DAY + 44  # 11 h UTC of the eleventh day, near noon at 16.6 E


def clear_w(made):
    return sky(made.trained.plant, made.series.frame.grid).clear_w


def with_columns(made, **columns):
    frame = Frame(grid=made.series.frame.grid, columns={**made.series.frame.columns, **columns})
    return dataclasses.replace(made.series, frame=frame)


def judged(made, export_w=math.inf, **columns):
    return censored(with_columns(made, **columns), made.site.location, export_w)


def test_a_home_without_trouble_keeps_every_slot(made):
    found = censored(made.series, made.site.location, math.inf)
    assert {name: count for name, count in found.counts.items() if name != "clipped"} == {
        "stuck": 0, "battery": 0, "curtailed": 0,
    }  # fmt: skip
    np.testing.assert_array_equal(found.series.frame.column("pv_w"), made.series.frame.column("pv_w"))


def test_cloudless_days_are_not_taken_for_flat(made):
    assert judged(made, pv_w=clear_w(made)).counts["curtailed"] == 0


def test_a_value_that_stands_still_is_stuck(made):
    power_w = clear_w(made)
    power_w[NOON : NOON + 12] = 1234.5
    found = judged(made, pv_w=power_w)
    assert found.counts["stuck"] == 12
    assert np.flatnonzero(np.isnan(found.series.frame.column("pv_w"))).tolist() == list(range(NOON, NOON + 12))


def test_a_flat_cap_far_below_the_sun_is_curtailed(made):
    power_w = clear_w(made)
    power_w[NOON - 4 : NOON + 8] = 900.0 + 2.0 * np.sin(np.arange(12.0))
    found = judged(made, pv_w=power_w)
    assert (found.counts["stuck"], found.counts["curtailed"]) == (0, 12)


def test_export_at_the_limit_of_the_site_is_curtailed(made):
    grid_w = np.full(made.series.frame.grid.count, -500.0)
    grid_w[NOON : NOON + 6] = -1999.0
    assert judged(made, 2000.0, pv_w=clear_w(made), grid_w=grid_w).counts["curtailed"] == 6
    assert judged(made, 5000.0, pv_w=clear_w(made), grid_w=grid_w).counts["curtailed"] == 0


def test_power_in_the_dark_and_a_battery_that_feeds_the_grid_are_no_sun(made):
    power_w = clear_w(made)
    midnight = 10 * SLOTS_PER_DAY
    power_w[midnight - 4 : midnight] = (700.0, 650.0, 720.0, 690.0)
    battery_w, grid_w = np.zeros(power_w.size), np.zeros(power_w.size)
    battery_w[NOON : NOON + 3], grid_w[NOON : NOON + 3] = 1500.0, -900.0
    battery_w[NOON + 3] = 1500.0  # into the house alone
    found = judged(made, pv_w=power_w, battery_w=battery_w, grid_w=grid_w)
    assert found.counts["battery"] == 7
    assert 7 + found.counts["clipped"] == sum(found.counts.values())


def test_nights_of_a_battery_do_not_cost_the_days(made):
    power_w = clear_w(made)
    power_w[power_w == 0.0] = 300.0 + np.random.default_rng(3).uniform(0.0, 50.0, int((power_w == 0.0).sum()))
    found = judged(made, pv_w=power_w)
    assert clear_days(found.series, made.site.location).times_s.size >= 3 * SLOTS_PER_DAY


def test_an_inverters_limit_bends_no_orientation(made):
    power_w = np.minimum(clear_w(made), 2200.0)
    found = judged(made, pv_w=power_w)
    assert found.clip_w == pytest.approx(2200.0, rel=0.01)
    assert found.counts["clipped"] > 100
    assert np.isfinite(found.series.frame.column("pv_w")).all()
    array = identify(found, made.site).arrays[0]
    assert array.tilt_deg == pytest.approx(40.0, abs=4.0)
    assert array.azimuth_deg == pytest.approx(160.0, abs=4.0)


def test_hourly_tables_are_judged_by_the_hour(made):
    hourly_w = np.repeat(clear_w(made).reshape(-1, 4).mean(axis=1), 4)
    series = dataclasses.replace(with_columns(made, pv_w=hourly_w), table_slot_s=3600)
    assert sum(censored(series, made.site.location, math.inf).counts.values()) == 0
    hourly_w[NOON : NOON + 16] = 1000.0
    series = dataclasses.replace(with_columns(made, pv_w=hourly_w), table_slot_s=3600)
    assert censored(series, made.site.location, math.inf).counts["stuck"] == 16


def test_the_fit_tells_and_carries_the_counts(made):
    power_w = made.series.frame.column("pv_w").copy()
    power_w[NOON : NOON + 12] = 1234.5
    said = []
    _, model = fit_plant(with_columns(made, pv_w=power_w), made.site, made.recipe, said.append)
    assert said[0] == "pv_w: slots censored: 12 stuck"
    assert model.metrics["censored_stuck_count"] == 12.0
    assert model.metrics["censored_battery_count"] == 0.0
