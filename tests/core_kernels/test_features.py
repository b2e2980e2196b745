import numpy as np
import pytest

from core_kernels import featurespec
from core_kernels.features import (
    PvPlant,
    load_features,
    pv_features,
    sky,
    weather_power_w,
)
from core_kernels.featurespec import LOAD_FEATURES, PV_FEATURES, digest, select
from core_kernels.folding import at_mids, day_table, known_mean, neighbours, ratio, weekday
from core_kernels.issue import Calendar
from core_kernels.pv import LINKE_DEFAULT, PvArray, power_from_ghi_w
from core_kernels.records import Frame
from core_kernels.solar import Location
from core_kernels.timegrid import TimeGrid
from core_kernels.weather_features import ghi_w_per_m2

START_S = 1_370_304_000  # 2013-06-04 00:00 UTC, a Tuesday
DAY = 96
PLANT = PvPlant(Location(49.2, 16.6, 230.0), (PvArray(35.0, 180.0, 5000.0, 5000.0),), LINKE_DEFAULT)


def grid(first_day, days):
    return TimeGrid(start_s=START_S + round(first_day * 86400), slot_s=900, count=round(days * DAY))


def column(matrix, name):
    return matrix.values[:, matrix.names.index(name)].astype(np.float64)


def half_clear(days=8):
    past = grid(-days, days)
    return Frame(grid=past, columns={"pv_w": 0.5 * sky(PLANT, past).clear_w, "temp_air_c": np.full(past.count, 12.3)})


def no_offset(target, history):
    return Calendar(np.zeros(target.count), np.zeros(history.grid.count))


def test_a_half_clear_week_has_clearness_one_half_everywhere():
    matrix = pv_features(START_S, grid(0, 2), half_clear(), PLANT)
    clear_w = sky(PLANT, grid(0, 2)).clear_w
    light = clear_w > 0.05 * PLANT.capacity_w
    assert matrix.scale_w == pytest.approx(np.where(clear_w > 0.0, clear_w + 0.25 * PLANT.capacity_w, 0.0))
    for name in ("clearness_3d", "clearness_7d", "clearness_1d"):
        assert column(matrix, name) == pytest.approx(0.5, abs=1e-6)
    for name in ("clearness_slot_1d", "clearness_slot_3d", "clearness_slot_7d", "clearness_slot_high"):
        assert column(matrix, name)[light] == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(column(matrix, "clearness_1h")).all()  # midnight
    assert column(matrix, "temp_air_1d_c") == pytest.approx(12.5)


def test_horizons_count_from_the_issue_and_the_sun_stands_in_the_south_at_noon():
    matrix = pv_features(START_S, grid(0, 1), half_clear(), PLANT)
    assert column(matrix, "horizon_h")[:3] == pytest.approx([0.0, 0.25, 0.5])
    noon = int(np.argmax(column(matrix, "sun_elevation_deg")))
    assert column(matrix, "sun_azimuth_deg")[noon] == pytest.approx(180.0, abs=4.0)


def test_some_seconds_after_the_quarter_change_nothing():
    target, history = grid(0, 2), half_clear()
    for late_s in (0.5, 899.0):
        late = pv_features(START_S + late_s, target, history, PLANT)
        assert np.array_equal(late.values, pv_features(START_S, target, history, PLANT).values, equal_nan=True)
    frame = Frame(grid=history.grid, columns={"load_w": np.arange(history.grid.count, dtype=float)})
    exact, late = (load_features(START_S + s, target, frame, no_offset(target, frame)) for s in (0.0, 30.0))
    assert np.array_equal(late.values, exact.values, equal_nan=True)
    assert np.array_equal(late.scale_w, exact.scale_w)


def test_nothing_newer_than_the_issue_is_accepted():
    with pytest.raises(ValueError, match="after the issue"):
        pv_features(START_S - 1.0, grid(0, 1), half_clear(), PLANT)
    with pytest.raises(ValueError, match="slots of 900 s"):
        load_features(
            START_S, TimeGrid(start_s=START_S, slot_s=3600, count=2), half_clear(), no_offset(grid(0, 1), half_clear())
        )


def test_without_history_everything_measured_is_missing_and_physics_remains():
    empty = Frame(grid=grid(0, 0), columns={})
    matrix = pv_features(START_S, grid(0, 1), empty, PLANT)
    assert np.isnan(column(matrix, "clearness_7d")).all()
    assert np.isnan(column(matrix, "temp_air_1d_c")).all()
    assert matrix.scale_w.max() > 0.6 * PLANT.capacity_w
    loads = load_features(START_S, grid(0, 1), empty, Calendar(np.zeros(DAY), np.zeros(0)))
    assert np.isnan(loads.scale_w).all()
    assert np.isnan(column(loads, "load_slot_1d")).all()


def test_forecast_weather_enters_as_power_and_cloudiness():
    target = grid(0, 1)
    hours = TimeGrid(start_s=START_S, slot_s=3600, count=24)
    weather = Frame(
        grid=hours,
        columns={
            "fc_ghi_w_per_m2": np.full(24, 400.0),
            "fc_cloud_frac": np.full(24, 0.7),
            "fc_temp_air_c": np.linspace(0.0, 23.0, 24),
        },
    )
    matrix = pv_features(START_S, target, half_clear(), PLANT, weather)
    noon = DAY // 2 - 4
    times_s = np.array([target.starts_s()[noon] + 450.0])
    temp = at_mids(weather, "fc_temp_air_c", target)[noon : noon + 1]
    ghi = ghi_w_per_m2(target, PLANT, weather)[noon : noon + 1]
    assert ghi == pytest.approx(400.0, rel=0.03)
    by_physics = power_from_ghi_w(times_s, PLANT.location, PLANT.arrays, ghi, temp, np.array([1.0]))
    clear_w = sky(PLANT, target).clear_w
    assert column(matrix, "fc_power_frac")[noon] == pytest.approx(by_physics[0] / clear_w[noon], abs=1e-3)
    assert column(matrix, "fc_physics_ratio")[noon] == pytest.approx(by_physics[0] / matrix.scale_w[noon], abs=1e-3)
    assert column(matrix, "fc_cloud_frac") == pytest.approx(0.7)
    assert np.isnan(column(pv_features(START_S, target, half_clear(), PLANT), "fc_power_frac")).all()
    assert np.isnan(weather_power_w(target, PLANT, None)).all()


def test_the_sky_of_now_fades_into_physics_over_four_hours():
    noon = grid(0.5, 0.25)
    hours = TimeGrid(start_s=START_S, slot_s=3600, count=24)
    weather = Frame(grid=hours, columns={"fc_ghi_w_per_m2": np.full(24, 400.0)})
    past = grid(-7.5, 8)
    history = Frame(grid=past, columns={"pv_w": 0.5 * sky(PLANT, past).clear_w})
    matrix = pv_features(START_S + 43_200.0, noon, history, PLANT, weather)
    clear_ratio = sky(PLANT, noon).clear_w / matrix.scale_w
    near, far, physics = (column(matrix, name) for name in ("near_ratio", "far_physics_ratio", "fc_physics_ratio"))
    assert near[[0, 8, 16]] == pytest.approx(0.5 * clear_ratio[[0, 8, 16]] * (1.0, 0.5, 0.0), abs=1e-3)
    assert far[[0, 8, 16]] == pytest.approx(physics[[0, 8, 16]] * (0.0, 0.5, 1.0), abs=1e-3)


def test_before_dawn_physics_alone_speaks_for_the_next_hours():
    hours = TimeGrid(start_s=START_S, slot_s=3600, count=24)
    weather = Frame(grid=hours, columns={"fc_ghi_w_per_m2": np.full(24, 400.0)})
    matrix = pv_features(START_S, grid(0, 1), half_clear(), PLANT, weather)
    lit = matrix.scale_w > 0.0
    assert column(matrix, "near_ratio")[lit] == pytest.approx(0.0)
    assert column(matrix, "far_physics_ratio")[lit] == pytest.approx(column(matrix, "fc_physics_ratio")[lit])
    assert np.isnan(column(pv_features(START_S, grid(0, 1), half_clear(), PLANT), "far_physics_ratio")).all()


def test_weather_is_not_stretched_over_gaps_or_past_its_ends():
    hours = TimeGrid(start_s=START_S, slot_s=3600, count=12)
    values = np.arange(12.0)
    values[3:8] = np.nan
    weather = Frame(grid=hours, columns={"fc_temp_air_c": values})
    found = at_mids(weather, "fc_temp_air_c", grid(0, 1))
    assert found[2] == pytest.approx(0.125)
    assert np.isnan(found[16:30]).all()
    assert np.isnan(found[12 * 4 :]).all()
    assert np.isnan(
        at_mids(Frame(grid=hours, columns={"fc_temp_air_c": np.full(12, np.nan)}), "fc_temp_air_c", hours)
    ).all()


def test_load_ratios_know_the_clock_the_weekday_and_the_local_time():
    past = grid(-28, 28)
    local_hour = ((past.starts_s() + 7200.0) // 3600) % 24
    history = Frame(grid=past, columns={"load_w": np.where(local_hour == 18, 2000.0, 200.0)})
    target = grid(0, 2)
    shift = Calendar(np.full(target.count, 7200.0), np.full(past.count, 7200.0))
    matrix = load_features(START_S, target, history, shift)
    mean_w = (23 * 200.0 + 2000.0) / 24
    assert matrix.scale_w == pytest.approx(mean_w)
    evening = column(matrix, "clock_h") == 18.25
    assert evening.sum() == 2
    assert np.flatnonzero(evening)[0] == 65  # 16:15 UTC
    for name in ("load_slot_1d", "load_slot_weekday", "load_slot_7d", "load_slot_28d", "load_slot_daytype"):
        # the smoothing over five quarters reaches one quarter out of the hour
        assert column(matrix, name)[evening] == pytest.approx((4 * 2000.0 + 200.0) / 5 / mean_w, abs=0.01)
    assert column(matrix, "load_slot_median")[evening] == pytest.approx(2000.0 / mean_w, abs=0.01)
    assert column(matrix, "weekday")[0] == 1.0
    assert column(matrix, "weekday")[-1] == 3.0  # 02:00 local on Thursday
    assert column(matrix, "load_1d") == pytest.approx(1.0)


def test_the_same_weekday_is_recognised():
    past = grid(-28, 28)
    tuesday = weekday((past.starts_s() // 900).astype(np.int64)) == 1
    history = Frame(grid=past, columns={"load_w": np.where(tuesday, 900.0, 300.0)})
    target = grid(0, 2)
    matrix = load_features(START_S, target, history, no_offset(target, history))
    scale_w = (900.0 + 6 * 300.0) / 7
    middle = slice(4, DAY - 4)
    assert column(matrix, "load_slot_weekday")[middle] == pytest.approx(900.0 / scale_w, abs=0.01)
    assert column(matrix, "load_slot_weekday")[DAY:][middle] == pytest.approx(300.0 / scale_w, abs=0.01)


def test_every_value_lies_on_its_declared_grid_as_float32():
    matrix = pv_features(START_S, grid(0, 2), half_clear(), PLANT)
    for index, feature in enumerate(PV_FEATURES):
        values = matrix.values[:, index]
        known = values[np.isfinite(values)].astype(np.float64)
        steps = known / feature.step
        assert np.abs(steps - np.rint(steps)).max(initial=0.0) < 1e-2
    assert matrix.values.dtype == np.float32


def test_columns_are_selected_by_name_in_the_models_order():
    matrix = pv_features(START_S, grid(0, 1), half_clear(), PLANT)
    chosen = select(matrix, ("clearness_7d", "horizon_h"))
    assert np.array_equal(chosen.values[:, 1], matrix.values[:, 0])
    with pytest.raises(ValueError, match="unknown features: moon"):
        select(matrix, ("moon",))


def test_the_digest_follows_the_feature_tables(monkeypatch):
    before = digest()
    assert len(before) == 64
    monkeypatch.setattr(featurespec, "LOAD_FEATURES", LOAD_FEATURES[1:])
    assert digest() != before


def test_numbers_of_the_features_have_not_changed_without_a_new_revision():
    matrix = pv_features(START_S + 43_200.0, grid(0.5, 1), half_clear_at_noon(), PLANT)
    sums = {name: float(np.nansum(column(matrix, name))) for name in ("clearness_3h", "clearness_slot_7d", "horizon_h")}
    assert sums == pytest.approx({"clearness_3h": 48.0, "clearness_slot_7d": 29.5, "horizon_h": 1140.0}, abs=1.0)
    assert featurespec.REVISION == 5


def half_clear_at_noon():
    past = grid(-7.5, 8)
    return Frame(grid=past, columns={"pv_w": 0.5 * sky(PLANT, past).clear_w})


def test_a_day_table_has_the_newest_day_first_and_nan_where_nothing_is_known():
    slots = np.arange(100, 100 + 2 * DAY)
    table = day_table(slots.astype(float), slots, 100 + 2 * DAY, 3)
    assert table[0, 99 % DAY] == 99 + 2 * DAY
    assert table[1, 100 % DAY] == 100
    assert np.isnan(table[2]).all()
    assert neighbours(table, 1).shape == (DAY, 9)


def test_ratio_and_mean_keep_missing_missing():
    assert np.isnan(ratio(np.array([1.0]), np.array([0.0])))[0]
    assert ratio(np.array([9.0]), np.array([1.0]))[0] == 3.0
    assert np.isnan(known_mean(np.array([np.nan]), 0))
    assert known_mean(np.array([np.nan, 2.0]), 0) == 2.0


def test_a_public_holiday_is_known_as_one_and_lived_as_a_sunday():
    past, target = grid(-28, 28), grid(0, 2)
    day = (past.starts_s() // 86_400).astype(int)
    quiet = (day + 3) % 7 >= 5
    history = Frame(grid=past, columns={"load_w": np.where(quiet, 1000.0, 400.0)})
    today = START_S // 86_400
    plain = Calendar(np.zeros(target.count), np.zeros(past.count))
    free = load_features(START_S, target, history, plain._replace(holidays=(today,)))
    work = load_features(START_S, target, history, plain)
    is_weekday = (today + 3) % 7 < 5
    assert is_weekday
    assert (column(free, "is_holiday")[:DAY] == 1.0).all()
    assert (column(free, "is_holiday")[DAY:] == 0.0).all()
    assert column(free, "load_slot_daytype")[DAY // 2] > 1.5 * column(work, "load_slot_daytype")[DAY // 2]
    assert (column(free, "weekday") == column(work, "weekday")).all()


def test_a_holiday_of_the_last_weeks_does_not_pass_for_a_working_day():
    past, target = grid(-28, 28), grid(0, 1)
    day = (past.starts_s() // 86_400).astype(int)
    last_week = START_S // 86_400 - 7
    free = ((day + 3) % 7 >= 5) | (day == last_week)
    history = Frame(grid=past, columns={"load_w": np.where(free, 1000.0, 400.0)})
    plain = Calendar(np.zeros(target.count), np.zeros(past.count))
    told = column(load_features(START_S, target, history, plain._replace(holidays=(last_week,))), "load_slot_daytype")
    untold = column(load_features(START_S, target, history, plain), "load_slot_daytype")
    assert told[DAY // 2] < untold[DAY // 2]
