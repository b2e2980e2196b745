import math
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from energy import START_S, make_grid, make_site

from core_kernels.timegrid import TimeGrid
from edge.config_supply import Tariff
from edge.errors import StoreError
from edge.ingest.table import Table
from edge.ingest.tariff import PriceBook, builtin_prices
from edge.timetext import parse_time_s

PRAGUE = ZoneInfo("Europe/Prague")
SITE = make_site()
DATA = Path(__file__).resolve().parents[2] / "../shared/data/prices_day_ahead"


def book(start: str, hours: int, slot_s: int = 3600, site=SITE, **columns) -> PriceBook:
    times_s = parse_time_s(start) + slot_s * np.arange(hours * 3600 // slot_s)
    values = columns or {"price_eur_mwh": np.arange(times_s.size, dtype=np.float64)}
    return PriceBook.of(Table(source="prices.csv", times_s=times_s, columns=values), site)


def grid_of(start: str, count: int, slot_s: int = 900) -> TimeGrid:
    return TimeGrid(start_s=int(parse_time_s(start)), slot_s=slot_s, count=count)


def test_fees_are_added_to_the_spot_price():
    prices = book("2024-06-01T00:00Z", 24, price_eur_mwh=np.full(24, 100.0)).actual(grid_of("2024-06-01T00:00Z", 8))
    np.testing.assert_allclose(prices.import_eur_per_kwh, 0.18)
    np.testing.assert_allclose(prices.export_eur_per_kwh, 0.09)
    assert prices.known.all()


def test_all_in_columns_stand_as_they_are():
    columns = {"price_import_eur_per_kwh": np.full(24, 0.3), "price_export_eur_per_kwh": np.full(24, 0.05)}
    prices = book("2024-06-01T00:00Z", 24, **columns).actual(grid_of("2024-06-01T00:00Z", 4))
    assert prices.import_eur_per_kwh[0] == 0.3
    assert prices.export_eur_per_kwh[0] == 0.05


def test_an_absent_export_column_is_what_the_fees_make_of_the_same_spot_price():
    prices = book("2024-06-01T00:00Z", 24, price_import_eur_per_kwh=np.full(24, 0.3))
    assert prices.export_eur_per_kwh[0] == pytest.approx(0.3 - 0.08 - 0.01)


def test_a_table_without_prices_is_an_error():
    with pytest.raises(StoreError, match=r"prices\.csv: has neither"):
        book("2024-06-01T00:00Z", 24, volume_mwh=np.zeros(24))


def test_hourly_prices_hold_for_four_quarter_hours():
    prices = book("2024-06-01T00:00Z", 24).actual(grid_of("2024-06-01T01:00Z", 8))
    np.testing.assert_allclose(prices.import_eur_per_kwh - 0.08, [0.001] * 4 + [0.002] * 4)


@pytest.mark.parametrize("slot_s", [900, 1800])
def test_finer_prices_are_averaged_over_an_hour(slot_s):
    per_hour = 3600 // slot_s
    prices = book("2024-06-01T00:00Z", 24, slot_s).actual(grid_of("2024-06-01T00:00Z", 2, 3600))
    means = np.arange(2 * per_hour).reshape(2, per_hour).mean(axis=1) / 1000.0
    np.testing.assert_allclose(prices.import_eur_per_kwh - 0.08, means)


def test_a_gap_is_an_error_that_names_the_first_missing_slot():
    values = np.full(48, 100.0)
    values[5] = math.nan
    gappy = book("2024-06-01T00:00Z", 48, price_eur_mwh=values)
    with pytest.raises(StoreError, match="no price at 2024-06-01T05:00:00Z"):
        gappy.actual(grid_of("2024-06-01T00:00Z", 96))


def test_a_forecast_ends_at_the_first_gap_and_fails_only_in_it():
    values = np.full(48, 100.0)
    values[5] = math.nan
    gappy = book("2024-06-01T00:00Z", 48, price_eur_mwh=values)
    prices = gappy.forecast(grid_of("2024-06-01T00:00Z", 192), parse_time_s("2024-06-01T00:00Z"))
    for column in (prices.import_eur_per_kwh, prices.export_eur_per_kwh):
        assert np.isfinite(column[:20]).all()
        assert np.isnan(column[20:]).all()
    assert prices.known.sum() == 20
    with pytest.raises(StoreError, match="no price at 2024-06-01T05:15:00Z"):
        gappy.forecast(grid_of("2024-06-01T05:15Z", 192), parse_time_s("2024-06-01T05:15Z"))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("price_import_eur_per_kwh", 85.0, r"at 2024-06-01T02:00:00Z is 85 EUR/kWh, beyond 10; EUR/MWh in an EUR/kWh"),
        ("price_export_eur_per_kwh", -10.5, "is -10.5 EUR/kWh, beyond 10"),
        ("price_eur_mwh", 10_001.0, "is 10001 EUR/MWh, beyond 10000$"),
        ("price_eur_mwh", math.inf, "is inf EUR/MWh"),
    ],
)
def test_a_price_that_no_market_has_is_named_with_its_time(column, value, words):
    values = np.full(24, 0.1)
    values[2] = value
    columns = {"price_import_eur_per_kwh": np.full(24, 0.1), column: values}
    with pytest.raises(StoreError, match=rf"prices\.csv: {column} .*{words}"):
        book("2024-06-01T00:00Z", 24, **columns)


def test_a_missing_row_is_a_gap_too():
    times_s = parse_time_s("2024-06-01T00:00Z") + 3600.0 * np.array([0, 1, 2, 4, 5])
    gappy = PriceBook.of(Table(source="p.csv", times_s=times_s, columns={"price_eur_mwh": np.ones(5)}), SITE)
    with pytest.raises(StoreError, match=r"p\.csv: no price at 2024-06-01T03:00:00Z"):
        gappy.actual(grid_of("2024-06-01T00:00Z", 24))


@pytest.mark.parametrize(
    ("issued", "until"),
    [
        ("2024-06-01T11:59Z", "2024-06-01T22:00Z"),  # 13:59 in Prague: today only
        ("2024-06-01T12:00Z", "2024-06-02T22:00Z"),  # 14:00: the whole of tomorrow
        ("2024-03-30T13:00Z", "2024-03-31T22:00Z"),  # 14:00 on the eve of the day of 23 hours
        ("2024-10-26T12:00Z", "2024-10-27T23:00Z"),  # 14:00 on the eve of the day of 25 hours
        ("2024-10-27T12:30Z", "2024-10-27T23:00Z"),  # 13:30 on it
    ],
)
def test_the_market_publishes_tomorrow_at_two_in_the_afternoon(issued, until):
    published = book("2024-01-01T00:00Z", 24).published_until_s(parse_time_s(issued))
    assert published == parse_time_s(until)


@pytest.mark.parametrize(
    ("day_utc", "hours"),
    [("2024-03-30T23:00Z", 23), ("2024-10-26T22:00Z", 25), ("2024-06-01T22:00Z", 24)],
)
def test_known_slots_span_short_and_long_days(day_utc, hours):
    whole = book("2024-03-01T00:00Z", 24 * 300)
    grid = grid_of(day_utc, 192)
    prices = whole.forecast(grid, float(grid.start_s))
    assert int(prices.known.sum()) == 4 * hours
    assert prices.known[: 4 * hours].all()


def clock_book(start: str, hours: int) -> PriceBook:
    """Each price is a tenth of its local hour."""
    times_s = parse_time_s(start) + 3600.0 * np.arange(hours)
    local = [datetime.fromtimestamp(time_s, PRAGUE).hour / 10.0 for time_s in times_s]
    columns = {"price_import_eur_per_kwh": np.array(local)}
    return PriceBook.of(Table(source="clock", times_s=times_s, columns=columns), SITE)


@pytest.mark.parametrize("issued", ["2024-03-30T10:00Z", "2024-10-26T10:00Z", "2024-06-01T10:00Z", "2024-06-01T18:00Z"])
def test_an_unknown_price_is_that_of_days_alike_at_the_same_local_hour(issued):
    grid = grid_of(issued, 192)
    prices = clock_book("2024-03-01T00:00Z", 24 * 300).forecast(grid, float(grid.start_s))
    local = [datetime.fromtimestamp(time_s, PRAGUE).hour / 10.0 for time_s in grid.starts_s()]
    guessed = ~prices.known
    assert guessed.any()
    # The hour that the shorter day skips has no twin of its own name: its neighbour stands in.
    differs = np.abs(prices.import_eur_per_kwh - local)[guessed]
    assert (differs <= 0.1 + 1e-9).all()
    assert np.count_nonzero(differs > 1e-9) <= 4


def test_a_first_day_that_lacks_an_hour_is_guessed_by_its_mean():
    late = book("2024-06-01T06:00Z", 16, price_eur_mwh=np.full(16, 100.0))
    prices = late.forecast(grid_of("2024-06-01T06:00Z", 192), parse_time_s("2024-06-01T06:00Z"))
    np.testing.assert_allclose(prices.import_eur_per_kwh, 0.18)


def test_hours_that_the_last_known_day_lacks_come_from_the_day_before():
    """The table ends at noon of the last day: its afternoon is guessed from yesterday's."""
    values = np.concatenate((np.full(24, 50.0), np.full(12, 100.0)))
    ends = book("2024-06-01T00:00Z", 36, price_eur_mwh=values)
    prices = ends.forecast(grid_of("2024-06-02T08:00Z", 192), parse_time_s("2024-06-02T08:00Z"))
    assert prices.known.sum() == 16
    np.testing.assert_allclose(prices.import_eur_per_kwh[16:40], 0.13)
    np.testing.assert_allclose(prices.import_eur_per_kwh[68:100], 0.18)


def test_a_table_that_has_ended_is_an_error_not_a_guess():
    old = book("2024-06-01T00:00Z", 24)
    with pytest.raises(StoreError, match="no price at 2024-06-02T00:00:00Z, prices end before"):
        old.forecast(grid_of("2024-06-02T00:00Z", 192), parse_time_s("2024-06-02T00:00Z"))


def test_a_table_is_read_with_either_time_column(tmp_path):
    for column in ("time_utc", "start_utc"):
        path = tmp_path / f"{column}.csv"
        path.write_text(f"{column},price_eur_mwh\n2024-06-01T00:00:00Z,100\n2024-06-01T01:00:00Z,50\n")
        assert PriceBook.load(path, SITE).import_eur_per_kwh.tolist() == pytest.approx([0.18, 0.13])
    bad = tmp_path / "bad.csv"
    bad.write_text("when,price_eur_mwh\n2024-06-01T00:00:00Z,100\n")
    with pytest.raises(StoreError, match=r"bad\.csv: has no column time_utc"):
        PriceBook.load(bad, SITE)


def test_made_prices_say_so_and_are_the_same_for_the_same_seed_and_day():
    first = builtin_prices(make_grid(96), PRAGUE, 7)
    later = builtin_prices(make_grid(96 * 5, START_S - 86_400), PRAGUE, 7)
    assert "made" in first.source
    shared = make_grid(96)
    np.testing.assert_array_equal(first.actual(shared).import_eur_per_kwh, later.actual(shared).import_eur_per_kwh)
    other = builtin_prices(make_grid(96), PRAGUE, 8).actual(shared)
    assert (other.import_eur_per_kwh != first.actual(shared).import_eur_per_kwh).any()


def test_made_prices_peak_in_the_evening_dip_at_noon_and_are_now_and_then_negative():
    made = builtin_prices(make_grid(96 * 60), PRAGUE, 1, Tariff())
    grid = TimeGrid(start_s=START_S + 22 * 3600 - 86_400 * 0, slot_s=3600, count=24 * 59)
    by_hour = made.actual(grid).import_eur_per_kwh.reshape(59, 24)
    mean = by_hour.mean(axis=0)
    assert int(np.argmax(mean)) in (19, 20)
    assert int(np.argmin(mean)) in (12, 13, 14)
    assert 0.0 < (by_hour < 0.0).mean() < 0.1


@pytest.mark.data
@pytest.mark.training
def test_the_czech_market_of_2024_loads_and_lacks_its_25th_hour():
    path = DATA / "cz_ote_hourly.parquet"
    if not path.is_file():
        pytest.skip("../shared/data is absent")
    czech = PriceBook.load(path, SITE)
    assert np.nanmin(czech.export_eur_per_kwh) < -0.1
    with pytest.raises(StoreError, match="no price at 2024-10-27T22:00:00Z"):
        czech.actual(grid_of("2024-10-26T22:00Z", 100, 900))
