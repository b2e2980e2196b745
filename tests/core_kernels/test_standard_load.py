"""The standard profile of a household, and what it says of a home that was not measured."""

import numpy as np
import pytest

from core_kernels.folding import weekday
from core_kernels.standard_load import SPREAD_RATIO, level_w, standard_ratio, standard_spread

YEAR = np.arange(54 * 365 * 96 + 13 * 96, 54 * 365 * 96 + 13 * 96 + 366 * 96)  # 2024


def test_the_profile_is_a_share_of_the_years_mean():
    assert np.datetime64(int(YEAR[0] // 96), "D") == np.datetime64("2024-01-01")
    assert standard_ratio(YEAR, weekday(YEAR), 50.0).mean() == pytest.approx(1.0, abs=0.03)


def test_single_values_are_those_of_h25():
    # demandlib 0.2.2, h25.csv: kWh a quarter hour for 1,000,000 kWh a year; over 1e6 / (365 * 96).
    workday_19h, sunday_2h30 = np.array([YEAR[0] + 76]), np.array([YEAR[0] + 6 * 30 * 96 + 2 * 96 + 10])
    found = standard_ratio(workday_19h, np.array([0]), 50.0)[0]
    assert found == pytest.approx(1.4701732 * 1.2420301, rel=1e-6)
    day = 183.0  # of the year 2024: 1 July
    factor = -3.92e-10 * day**4 + 3.2e-7 * day**3 - 7.02e-5 * day**2 + 2.1e-3 * day + 1.24
    july_sunday = standard_ratio(sunday_2h30, np.array([6]), 50.0)[0]
    assert july_sunday / factor == pytest.approx(0.7347888, rel=1e-6)


def test_the_seasons_turn_at_the_equator():
    north, south = (standard_ratio(YEAR, weekday(YEAR), latitude_deg) for latitude_deg in (50.0, -50.0))
    january, july = (
        YEAR[0] // 96 + 31 > YEAR // 96,
        (YEAR[0] // 96 + 182 <= YEAR // 96) & (YEAR[0] // 96 + 213 > YEAR // 96),
    )
    assert north[january].mean() > north[july].mean()
    assert south[july].mean() > south[january].mean()
    assert south[july].mean() == pytest.approx(north[january].mean(), rel=0.02)


def test_a_level_is_found_again_from_what_is_known_of_a_day():
    ratio = standard_ratio(YEAR[:96], weekday(YEAR[:96]), 50.0)
    load_w = 400.0 * ratio
    load_w[10:60] = np.nan
    assert level_w(load_w, ratio) == pytest.approx(400.0)
    assert np.isnan(level_w(np.full(96, np.nan), ratio))
    assert np.isnan(level_w(np.empty(0), np.empty(0)))


def test_quantiles_are_in_order_around_the_mean():
    spread = standard_spread(500.0, np.array([0.5, 2.0]))
    assert spread[:, 1].tolist() == [250.0, 1000.0]
    assert (np.diff(spread, axis=1) > 0.0).all()
    assert spread[0, 0] == pytest.approx(250.0 * SPREAD_RATIO[0])
