"""Inputs of a room's model: hand-made weeks, and nothing newer than the issue."""

import numpy as np
import pytest

from core_kernels.featurespec import ROOM_FEATURES
from core_kernels.issue import Calendar, example_issue
from core_kernels.records import Frame
from core_kernels.room_features import Room, room_features
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid

START_S = 1_718_928_000  # Friday 2024-06-21 00:00 UTC
DAY = 96
HALL = Room("hall", Location(49.2, 16.6, 230.0))


def week(temp_c, heat_w=None, days=8):
    past = TimeGrid(start_s=START_S - days * 86400, slot_s=900, count=days * DAY)
    columns = {"room_hall_c": temp_c(np.arange(float(past.count)))}
    if heat_w is not None:
        columns["heat_hall_w"] = heat_w(np.arange(past.count))
    return Frame(grid=past, columns=columns)


def columns_of(history, weather=None, offset_s=0.0, issued_s=START_S, count=DAY):
    grid = TimeGrid(start_s=START_S, slot_s=900, count=count)
    calendar = Calendar(np.full(count, offset_s), np.full(history.grid.count, offset_s))
    matrix = room_features(issued_s, grid, history, HALL, calendar, weather)
    assert matrix.names == tuple(feature.name for feature in ROOM_FEATURES)
    assert matrix.values.dtype == np.float32
    return {name: matrix.values[:, i].astype(np.float64) for i, name in enumerate(matrix.names)}


def test_a_room_that_warms_evenly_has_its_slope():
    have = columns_of(week(lambda i: 10.0 + 0.01 * i))  # 0.04 K an hour
    assert have["room_now_c"] == pytest.approx(17.7)  # 17.67 on a grid of 0.1
    assert have["room_1h_k"] == pytest.approx(0.05)  # 0.015 + 0.04 from the last quarter to the hour before
    assert have["room_3h_k"] == pytest.approx(0.15)
    assert have["room_slot_1d_k"][50] == pytest.approx(-0.45, abs=0.03)  # 46 quarters before the last, 0.01 K each


def test_a_room_with_a_daily_course_finds_it_at_the_clock_time():
    have = columns_of(week(lambda i: 20.0 + 2.0 * np.sin(i * (2.0 * np.pi / DAY))))
    wave = 20.0 + 2.0 * np.sin(np.arange(DAY) * (2.0 * np.pi / DAY))
    assert have["room_now_c"] + have["room_slot_7d_k"] == pytest.approx(wave, abs=0.09)
    assert have["room_slot_1d_k"] == pytest.approx(have["room_slot_7d_k"])


def test_heat_counts_as_a_share_of_the_most_that_was_seen():
    have = columns_of(week(lambda i: 20.0 + 0.0 * i, lambda i: np.where(i % DAY < 24, 1500.0, 0.0)))
    assert have["heat_1d_frac"] == pytest.approx(0.25)
    assert have["heat_1h_frac"] == pytest.approx(0.0)
    assert have["heat_slot_7d_frac"][12] == pytest.approx(1.0)
    assert have["heat_slot_7d_frac"][60] == pytest.approx(0.0)


def test_a_room_without_heating_or_never_heated_has_no_share():
    for heat_w in (None, lambda i: 0.0 * i):
        have = columns_of(week(lambda i: 20.0 + 0.0 * i, heat_w))
        assert np.isnan(have["heat_1d_frac"]).all()
        assert np.isnan(have["heat_slot_7d_frac"]).all()


def test_the_clock_is_the_local_one():
    have = columns_of(week(lambda i: 20.0 + 0.0 * i), offset_s=7200.0)
    assert have["clock_h"][:2].tolist() == [2.0, 2.25]
    assert have["weekday"][[0, 95]].tolist() == [4.0, 5.0]


def test_a_room_that_was_not_seen_for_an_hour_is_unknown():
    def silent(i):
        return np.where(i >= 8 * DAY - 4, np.nan, 20.0)

    assert np.isnan(columns_of(week(silent))["room_now_c"]).all()
    assert columns_of(week(lambda i: np.where(i >= 8 * DAY - 3, np.nan, 20.0)))["room_now_c"][0] == 20.0


def test_what_sun_and_air_do_adds_up_until_the_first_gap():
    grid = TimeGrid(start_s=START_S, slot_s=900, count=DAY)
    ghi = np.full(DAY, 400.0)
    temp_c = np.arange(float(DAY))
    temp_c[40:70] = np.nan
    weather = Frame(grid=grid, columns={"fc_ghi_w_per_m2": ghi, "fc_temp_air_c": temp_c})
    have = columns_of(week(lambda i: 20.0 + 0.0 * i), weather)
    assert have["fc_ghi_since_wh_per_m2"][3] == pytest.approx(400.0)
    assert have["fc_temp_air_since_c"][10] == pytest.approx(5.0)
    assert np.isfinite(have["fc_temp_air_since_c"]).sum() == 40
    assert np.isfinite(have["fc_temp_air_c"]).sum() == 66


def test_some_seconds_after_the_quarter_change_nothing():
    history = week(lambda i: 20.0 + np.sin(i))
    exact, late = columns_of(history), columns_of(history, issued_s=START_S + 30.0)
    assert all(np.array_equal(exact[name], late[name], equal_nan=True) for name in exact)


def test_nothing_newer_than_the_issue_is_accepted():
    with pytest.raises(ValueError, match="after the issue"):
        columns_of(week(lambda i: 20.0 + 0.0 * i), issued_s=START_S - 1.0)


def test_every_value_lies_on_its_declared_grid():
    grid, history, calendar, weather = example_issue()
    matrix = room_features(float(grid.start_s), grid, history, HALL, calendar, weather)
    assert (matrix.scale_w == 1.0).all()
    for index, feature in enumerate(ROOM_FEATURES):
        steps = matrix.values[:, index].astype(np.float64) / feature.step
        assert steps == pytest.approx(np.rint(steps), abs=2e-3)
        assert np.isfinite(steps).all()
