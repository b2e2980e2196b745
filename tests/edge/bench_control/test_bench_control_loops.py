import math
from pathlib import Path

import numpy as np
import pytest
from energy import days_of, make_days, make_grid, make_site

from core_kernels.records import Forecast, Frame
from edge.bench_control import loops
from edge.bench_control.forecasts import ARCHIVED, Archived, Naive
from edge.bench_control.homes import HOMES, Home, home
from edge.errors import StoreError

DATA = Path(__file__).resolve().parents[3] / "../shared/data"


def test_naive_is_the_mean_of_the_last_days_and_a_fading_residual():
    grid = make_grid(96 * 8)
    day = np.arange(96 * 8) // 96
    history = Frame(grid=grid, columns={"pv_w": 100.0 * day, "load_w": np.where(np.arange(768) == 767, 900.0, 300.0)})
    made = Naive().forecast(grid.end_s, make_grid(8, grid.end_s), history, None)
    np.testing.assert_allclose(made["pv_w"].mean, 600.0)
    above_w = 900.0 - (6 * 300.0 + 900.0) / 7
    np.testing.assert_allclose(made["load_w"].mean[:2], 300.0 + above_w * np.exp(-np.array([1, 2]) / 4.0))


class Steady:
    """Forecasts 1,000 W of PV in every slot, at least 500 W and at most 2,000 W."""

    def forecast(self, issued_s, grid, history, weather):
        p10, p50, p90 = (np.full(grid.count, power_w) for power_w in (500.0, 1000.0, 2000.0))
        return {
            "pv_w": Forecast(signal="pv_w", issued_s=issued_s, grid=grid, p10=p10, p50=p50, p90=p90, source="steady")
        }


def test_half_of_pv_is_the_archived_forecast_less_its_bias_and_all_of_it_the_boxs_own_where_nothing_was_said():
    grid = make_grid(96)
    ahead = make_grid(4, grid.end_s)
    said_w = np.concatenate((np.full(96, 400.0), [800.0, np.nan, 0.0]))
    archive = Frame(grid=make_grid(99), columns={ARCHIVED: said_w})
    history = Frame(grid=grid, columns={"pv_w": np.full(96, 600.0)})
    made = Archived(Steady()).forecast(grid.end_s, ahead, history, archive)["pv_w"]
    own = Steady().forecast(grid.end_s, ahead, history, None)["pv_w"]
    np.testing.assert_allclose(made.mean / own.mean, [0.5 + 0.5 * 1200.0 / own.mean[0], 1.0, 0.5, 1.0])
    np.testing.assert_allclose(made.p90 / made.p10, 4.0)
    assert Archived(Steady()).forecast(grid.end_s, ahead, history, None)["pv_w"].source == "steady"


def test_rows_name_each_home_and_hold_what_all_take_together():
    measured = make_days(10)
    made = Home(name="made", site=make_site(), days=days_of(measured, 7, 1), naive_share_frac=math.nan)
    found = loops.loop_rows([loops.shares(made)])
    by_name = {row.name: row for row in found}
    assert by_name["made: own forecasts"].reference_value <= 1.0
    assert by_name["1 homes: perfect forecasts, median share"].value > 0.9
    assert by_name["made: best rule over perfect foresight"].ok
    gains = by_name["water value over holding setpoints, least"]
    assert gains.ok == (gains.value >= 0.0)
    assert loops.loop_rows([]) == ()


def test_a_fast_loop_of_a_second_is_lived_some_times_faster_than_real_time():
    made = Home(name="made", site=make_site(), days=days_of(make_days(9), 7, 1), naive_share_frac=math.nan)
    row = loops.fast_row(made)
    assert row.name == "replay with a fast loop of 1 s (made)"
    assert row.value > 1.0


@pytest.mark.data
@pytest.mark.training
def test_every_home_has_its_days_and_its_prices():
    if not DATA.is_dir():
        pytest.skip("../shared/data is absent")
    for name in HOMES:
        found = home(name, DATA, 1)
        assert np.isfinite(found.days.column("load_w")).all()
        assert found.days.column("pv_w").min() >= 0.0
        assert found.days.prices.actual(found.days.span).known.all()
    with pytest.raises(StoreError, match="has no home b99"):
        home("b99", DATA, 1)
