import math
from pathlib import Path

import numpy as np
import pytest
from energy import days_of, make_days, make_grid, make_site

from core_kernels.records import Frame
from edge.bench_control import loops
from edge.bench_control.forecasts import Naive
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
