import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from energy import (
    BATTERY,
    FEES,
    START_S,
    NaiveForecasts,
    PerfectForecasts,
    days_of,
    duck_book,
    make_days,
    make_grid,
    make_site,
)

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import cost_eur
from edge.errors import PlanError, StoreError
from edge.ingest.quarters import quarter_hours
from edge.ingest.table import Table
from edge.ingest.tariff import PriceBook, builtin_prices
from edge.replay import Days, part, replay
from edge.timetext import parse_time_s

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
SITE = make_site()


def table(slot_s: int, **columns) -> Table:
    count = len(next(iter(columns.values())))
    times_s = START_S + slot_s * np.arange(count, dtype=np.float64)
    return Table(
        source="t.csv", times_s=times_s, columns={k: np.asarray(v, dtype=np.float64) for k, v in columns.items()}
    )


def test_days_known_beforehand_leave_almost_nothing_on_the_table():
    measured = make_days(8)
    result = replay(SITE, days_of(measured, 3, 3), PerfectForecasts(measured))
    ledger = result.ledger
    assert ledger.perfect_foresight.total_eur < ledger.ours.total_eur < ledger.rules.total_eur
    assert ledger.share_frac > 0.95
    assert result.failures == ()
    assert result.missing_count == 0
    assert result.speed_ratio > 1000.0


def test_the_bill_is_what_the_trajectory_and_the_prices_say():
    measured = make_days(10)
    result = replay(SITE, days_of(measured, 8, 1), NaiveForecasts())
    columns = result.columns
    grid_wh = columns["grid_w"] * 0.25
    bill = cost_eur(grid_wh, columns["price_import_eur_per_kwh"], columns["price_export_eur_per_kwh"]).sum()
    assert result.ledger.ours.bill_eur == pytest.approx(float(bill))
    balance_w = columns["grid_w"] + columns["pv_w"] + columns["battery_w"] - columns["load_w"]
    np.testing.assert_allclose(balance_w, 0.0, atol=1e-6)
    assert columns["soc_frac"].min() >= BATTERY.soc_min_frac - 1e-9
    assert columns["soc_frac"].max() <= BATTERY.soc_max_frac + 1e-9
    assert np.isfinite(columns["pv_p50_w"]).all()
    assert result.solve_quantile_s(0.5) > 0.0
    assert result.source == "PV by fake, load by fake"


def test_nothing_newer_than_the_issue_reaches_the_forecaster():
    measured = make_days(4)
    seen = []

    class Spy(NaiveForecasts):
        def forecast(self, issued_s, grid, history, weather):
            seen.append((issued_s, history.grid.end_s, grid.start_s, weather))
            return super().forecast(issued_s, grid, history, weather)

    replay(SITE, days_of(measured, 1, 1), Spy())
    assert len(seen) == 96
    assert all(end_s <= issued_s == start_s and weather is None for issued_s, end_s, start_s, weather in seen)


def test_forecast_weather_is_handed_over_and_kept_out_of_the_history():
    measured = make_days(3)
    columns = {**measured.columns, "fc_temp_air_c": np.full(measured.grid.count, 20.0)}
    measured = Frame(grid=measured.grid, columns=columns)
    seen = []

    class Spy(NaiveForecasts):
        def forecast(self, issued_s, grid, history, weather):
            seen.append((set(history.columns), set(weather.columns)))
            return super().forecast(issued_s, grid, history, weather)

    replay(SITE, days_of(measured, 1, 1), Spy())
    assert seen[0] == ({"pv_w", "load_w"}, {"fc_temp_air_c"})


def test_quarter_hours_without_measurement_are_left_out_and_counted():
    measured = make_days(4)
    load_w = measured.columns["load_w"].copy()
    load_w[200:210] = math.nan
    gappy = Frame(grid=measured.grid, columns={"pv_w": measured.columns["pv_w"], "load_w": load_w})
    result = replay(SITE, days_of(gappy, 1, 2), PerfectForecasts(measured))
    assert result.missing_count == 10
    assert np.isnan(result.columns["grid_w"]).sum() == 10
    assert (result.columns["battery_w"][104:114] == 0.0).all()
    assert math.isfinite(result.ledger.ours.total_eur)
    assert result.ledger.perfect_foresight.total_eur <= result.ledger.ours.total_eur + 1e-6


def test_plans_that_fail_leave_the_inverter_on_its_own_rules():
    class Broken:
        def forecast(self, issued_s, grid, history, weather):
            raise PlanError("no model today")

    measured = make_days(3)
    result = replay(SITE, days_of(measured, 1, 1), Broken())
    assert len(result.failures) == 96
    assert result.failures[0] == "2024-06-02T00:00:00Z: no model today"
    assert result.ledger.share_frac == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(result.solve_quantile_s(0.5))
    assert np.isnan(result.columns["pv_p50_w"]).all()


def test_the_last_days_use_the_horizon_that_exists():
    measured = make_days(3)
    result = replay(SITE, days_of(measured, 1, 2), PerfectForecasts(measured))
    assert {failure.split(": ")[1] for failure in result.failures} <= {"nothing to plan from"}
    assert len(result.failures) == 3


def test_what_is_missing_from_the_table_is_named():
    measured = make_days(2)
    only_pv = Frame(grid=measured.grid, columns={"pv_w": measured.columns["pv_w"]})
    with pytest.raises(StoreError, match="no column load_w"):
        replay(SITE, days_of(only_pv, 0, 1), NaiveForecasts())
    blank = Frame(grid=measured.grid, columns={**measured.columns, "load_w": np.full(192, math.nan)})
    with pytest.raises(StoreError, match="never both there"):
        replay(SITE, days_of(blank, 0, 1), NaiveForecasts())
    with pytest.raises(
        StoreError, match="span is not within the table, which holds 2024-06-01T00:00:00Z to 2024-06-03"
    ):
        replay(SITE, days_of(measured, 1, 2), NaiveForecasts())


def test_a_price_gap_within_the_span_is_an_error():
    measured = make_days(3)
    short = dataclasses.replace(days_of(measured, 1, 2), prices=duck_book(2))
    with pytest.raises(StoreError, match="no price at 2024-06-02T00:00:00Z"):
        replay(SITE, short, NaiveForecasts())


def test_a_site_without_battery_has_nothing_to_decide():
    with pytest.raises(PlanError, match="no battery"):
        replay(make_site(None), days_of(make_days(2), 0, 1), NaiveForecasts())


def test_hourly_rows_become_four_quarter_hours_each():
    frame = quarter_hours(table(3600, pv_w=[1.0, 2.0], comment=[7.0, 7.0]))
    np.testing.assert_array_equal(frame.columns["pv_w"], [1.0] * 4 + [2.0] * 4)
    assert set(frame.columns) == {"pv_w"}


def test_minutes_are_averaged_when_half_of_them_are_there():
    minutes = np.arange(45.0)
    minutes[15:22] = math.nan
    minutes[30:38] = math.nan
    frame = quarter_hours(table(60, pv_w=minutes))
    assert frame.columns["pv_w"][0] == pytest.approx(7.0)
    assert frame.columns["pv_w"][1] == pytest.approx(np.arange(22.0, 30.0).mean())
    assert math.isnan(frame.columns["pv_w"][2])


def test_minutes_begin_at_the_first_whole_quarter():
    late = table(300, pv_w=np.arange(7.0))
    late = dataclasses.replace(late, times_s=late.times_s + 300.0)
    frame = quarter_hours(late)
    assert frame.grid.start_s == START_S + 900
    np.testing.assert_allclose(frame.columns["pv_w"], [3.0])
    with pytest.raises(StoreError, match="no whole quarter hour"):
        quarter_hours(table(300, pv_w=[1.0, 2.0]))


def test_odd_slots_are_refused():
    times_s = 700.0 * 3600 + 700.0 * np.arange(5)
    odd = Table(source="odd.csv", times_s=times_s, columns={"pv_w": np.ones(5)})
    with pytest.raises(StoreError, match="slots of 700 s do not fit"):
        quarter_hours(odd)


def test_a_part_keeps_measured_and_forecast_columns_apart():
    frame = Frame(grid=make_grid(4), columns={"pv_w": np.arange(4.0), "fc_cloud_frac": np.zeros(4)})
    assert set(part(frame, 1, 3, forecast=False).columns) == {"pv_w"}
    assert part(frame, -5, 2, forecast=True).grid.count == 2


def emhass() -> Frame:
    """The measured home of EMHASS' author, 30 min; PV is NaN at night at the source."""
    import pyarrow.parquet

    path = DATA / "home_emhass/emhass_30min.parquet"
    if not path.is_file():
        pytest.skip("../shared/data is absent")
    rows = pyarrow.parquet.read_table(path)
    times_s = rows["t_utc"].to_numpy().astype("datetime64[s]").astype(np.float64)
    load_w = rows["power_load_no_var_loads"].to_numpy().astype(np.float64)
    pv_w = np.nan_to_num(np.maximum(rows["power_photovoltaics"].to_numpy().astype(np.float64), 0.0))
    there = np.isfinite(load_w)
    load_w = np.interp(times_s, times_s[there], load_w[there])
    return quarter_hours(Table(source="emhass", times_s=times_s, columns={"pv_w": pv_w, "load_w": load_w}))


@pytest.mark.data
@pytest.mark.training
@pytest.mark.parametrize(
    ("start", "least_naive", "least_perfect"), [("2024-04-15T00:00Z", 0.45, 0.9), ("2024-09-16T00:00Z", 0.5, 0.9)]
)
def test_a_measured_home_takes_half_of_the_saving_naively_and_nearly_all_with_foresight(
    start, least_naive, least_perfect
):
    measured = emhass()
    prices = PriceBook.load(DATA / "prices_day_ahead/cz_ote_hourly.parquet", SITE)
    span = TimeGrid(start_s=int(parse_time_s(start)), slot_s=900, count=96 * 10)
    days = Days(measured=measured, span=span, prices=prices)
    naive = replay(SITE, days, NaiveForecasts())
    perfect = replay(SITE, days, PerfectForecasts(measured))
    assert naive.ledger.share_frac > least_naive
    assert perfect.ledger.share_frac > least_perfect
    assert naive.speed_ratio > 1000.0


def test_made_prices_carry_the_loop_too():
    measured = make_days(3)
    prices = builtin_prices(make_grid(96 * 6), SITE.zone, 1, FEES)
    result = replay(SITE, dataclasses.replace(days_of(measured, 1, 1), prices=prices), NaiveForecasts())
    assert math.isfinite(result.ledger.ours.total_eur)
