"""Prices beyond what the market has published: from days alike, and better than the last day's own."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from energy import make_site

from core_kernels.timegrid import TimeGrid
from edge.ingest.price_tail import DAYS_COUNT, guessed, past_s
from edge.ingest.tariff import PriceBook
from edge.timetext import parse_time_s

PRAGUE = ZoneInfo("Europe/Prague")
DATA = Path(__file__).resolve().parents[2] / "../shared/data/prices_day_ahead/cz_ote_hourly.parquet"
FRIDAY = date(2024, 7, 26)
FORTNIGHT = [FRIDAY - timedelta(days=back) for back in range(DAYS_COUNT)]


def by_kind(workday_eur: float, weekend_eur: float):
    """One slot's price on each of the fortnight's days, float64[14, 1]."""
    return np.array([[weekend_eur if day.weekday() >= 5 else workday_eur] for day in FORTNIGHT])


def test_a_slot_costs_what_its_kind_of_day_does():
    assert guessed(by_kind(0.2, 0.05), FORTNIGHT, np.array([False])) == pytest.approx(0.2)
    assert guessed(by_kind(0.2, 0.05), FORTNIGHT, np.array([True])) == pytest.approx(0.05)


def test_a_part_of_the_last_day_s_distance_from_its_kind_lasts():
    past = by_kind(0.2, 0.05)
    past[0] = 0.3  # of ten workdays the last: their mean is 0.21
    assert guessed(past, FORTNIGHT, np.array([False])) == pytest.approx(0.21 + 0.4 * 0.09)
    assert guessed(past, FORTNIGHT, np.array([True])) == pytest.approx(0.05 + 0.4 * 0.09)


def test_without_a_day_of_its_kind_the_last_known_one_stands_and_without_any_day_nothing_does():
    past = np.full((DAYS_COUNT, 2), np.nan)
    past[1, 0] = 0.12  # Thursday knows the first slot, nobody the second
    found = guessed(past, FORTNIGHT, np.array([True, True]))
    assert found[0] == 0.12
    assert np.isnan(found[1])
    assert guessed(np.empty((DAYS_COUNT, 0)), FORTNIGHT, np.empty(0, dtype=bool)).size == 0


def test_the_same_hour_is_meant_by_the_clock_on_the_wall():
    later_s = np.array([parse_time_s("2024-03-31T10:00Z")])  # noon of the day that summer time begins
    starts_s, days = past_s(later_s, parse_time_s("2024-03-30T23:00Z"), 900, PRAGUE)
    assert days[0] == date(2024, 3, 30)
    assert [datetime.fromtimestamp(start_s, PRAGUE).hour for start_s in starts_s[:, 0]] == [12] * DAYS_COUNT


def test_an_hour_that_the_last_day_lacks_is_not_known_of_it():
    later_s = np.array([parse_time_s("2024-07-27T20:00Z")])
    starts_s, _ = past_s(later_s, parse_time_s("2024-07-26T12:00Z"), 900, PRAGUE)
    assert np.isnan(starts_s[0, 0])
    assert np.isfinite(starts_s[1:, 0]).all()


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")
@pytest.mark.training
def test_on_the_czech_market_it_errs_by_less_than_five_sixths_of_what_the_last_day_does():
    book = PriceBook.load(DATA, make_site())
    ours, persistence = [], []
    for day in range(20, 360, 6):
        issued_s = int(parse_time_s("2024-01-01T05:00Z")) + 86_400 * day
        grid = TimeGrid(start_s=issued_s, slot_s=3600, count=48)
        made, truth = book.forecast(grid, float(issued_s)), book.actual(grid)
        first = int(np.count_nonzero(made.known))
        starts_s, _ = past_s(grid.starts_s()[first:], book.published_until_s(issued_s), 3600, PRAGUE)
        place = ((starts_s[0] - book.grid.start_s) // 3600).astype(int)
        actual = truth.import_eur_per_kwh[first:]
        ours.append(np.abs(made.import_eur_per_kwh[first:] - actual).mean())
        persistence.append(np.abs(book.import_eur_per_kwh[place] - actual).mean())
    assert np.mean(ours) < 5.0 / 6.0 * np.mean(persistence)
