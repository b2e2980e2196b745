import numpy as np
import pytest
from energy import START_S, NaiveForecasts, make_days

from core_kernels.quantiles import mean_of
from core_kernels.timegrid import TimeGrid
from edge.errors import StoreError
from edge.forecast.told import Told

GRID = TimeGrid(start_s=START_S + 3 * 86_400, slot_s=900, count=192)
HISTORY = make_days(3)


def rows(issued_s, first_s, count, level):
    """An issue: pv P10, P50, P90 of level, 2 x level and 3 x level."""
    times_s = first_s + 900.0 * np.arange(count)
    columns = {"issued_s": np.full(count, float(issued_s))}
    return times_s, columns | {f"pv_p{p}_w": np.full(count, k * level) for k, p in ((1, 10), (2, 50), (3, 90))}


def joined(*issues):
    """Rows of several issues, in an order of no meaning."""
    order = np.random.default_rng(1).permutation(sum(times_s.size for times_s, _ in issues))
    times_s = np.concatenate([times_s for times_s, _ in issues])[order]
    return times_s, {name: np.concatenate([columns[name] for _, columns in issues])[order] for name in issues[0][1]}


def test_the_newest_issue_of_the_moment_counts_and_the_rest_is_the_forecasters_own():
    start_s = GRID.start_s
    table = joined(rows(start_s, start_s, 96, 100.0), rows(start_s + 3600, start_s, 48, 700.0))
    own = NaiveForecasts()
    told = Told(own, "made.csv", *table)
    naive = own.forecast(start_s, GRID, HISTORY, None)

    nothing_yet = told.forecast(start_s - 1.0, GRID, HISTORY, None)
    assert nothing_yet["pv_w"].source == naive["pv_w"].source

    first = told.forecast(start_s + 3599.0, GRID, HISTORY, None)
    assert (first["pv_w"].p50[:96] == 200.0).all()
    assert np.array_equal(first["pv_w"].p90[96:], naive["pv_w"].p90[96:])
    assert first["pv_w"].mean[0] == mean_of(np.array([100.0]), np.array([200.0]), np.array([300.0]))[0]
    assert np.array_equal(first["pv_w"].mean[96:], naive["pv_w"].mean[96:])
    assert first["pv_w"].source == "made.csv"
    assert first["load_w"].source == naive["load_w"].source

    newer = told.forecast(start_s + 3600.0, GRID, HISTORY, None)
    assert (newer["pv_w"].p10[:48] == 700.0).all()
    assert np.array_equal(newer["pv_w"].p10[48:], naive["pv_w"].p10[48:])


def test_a_slot_that_is_missing_is_the_forecasters_own():
    times_s, columns = rows(GRID.start_s, GRID.start_s, 96, 50.0)
    columns["pv_p50_w"][7] = np.nan
    own = NaiveForecasts()
    found = Told(own, "t", times_s, columns).forecast(GRID.start_s, GRID, HISTORY, None)["pv_w"]
    naive = own.forecast(GRID.start_s, GRID, HISTORY, None)["pv_w"]
    assert (found.p10[7], found.p50[7], found.p90[7]) == (naive.p10[7], naive.p50[7], naive.p90[7])
    assert found.p10[8] == 50.0


def test_an_issue_that_says_nothing_of_the_window_changes_nothing():
    own = NaiveForecasts()
    told = Told(own, "t", *rows(GRID.start_s, GRID.start_s - 86_400, 4, 50.0))
    assert told.forecast(GRID.start_s, GRID, HISTORY, None)["pv_w"].source != "t"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("issued_s"), "needs a column issued_s"),
        (lambda c: c.update(issued_s=np.full(4, np.nan)), "needs a column issued_s"),
        (lambda c: c.pop("pv_p50_w"), "has pv_p10_w, pv_p90_w, needs all of pv_p10_w, pv_p50_w, pv_p90_w"),
        (lambda c: c.update(pv_p90_w=np.array([9.0, 9.0, 1.0, 9.0])), "row 3: the quantiles of pv_w do not rise"),
        (lambda c: [c.pop(name) for name in list(c) if name != "issued_s"], "has no forecasts"),
    ],
)
def test_a_table_that_is_no_forecast_is_refused(change, says):
    times_s, columns = rows(GRID.start_s, GRID.start_s, 4, 2.0)
    change(columns)
    with pytest.raises(StoreError, match=f"made.csv: {says}"):
        Told(NaiveForecasts(), "made.csv", times_s, columns)


def test_rows_between_quarter_hours_are_refused():
    times_s, columns = rows(GRID.start_s, GRID.start_s + 60, 4, 2.0)
    with pytest.raises(StoreError, match="row 1 starts no quarter hour"):
        Told(NaiveForecasts(), "t", times_s, columns)
