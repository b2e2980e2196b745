"""Flags and scores: known cases, slow twins, pvanalytics as oracle, the formulas of PEMS v2."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import checks, quality
from core_kernels.flags import Flag
from core_kernels.signals import signal

SLOT_S = 900.0
nan = math.nan


def clock(count, slot_s=SLOT_S):
    return 1.7e9 + slot_s * np.arange(count)


def wave(count, mean=500.0, swing=300.0):
    """A living power: never equal to its neighbour."""
    return mean + swing * np.sin(0.37 * np.arange(count))


def flagged(assessment, flag):
    return np.flatnonzero(assessment.flags & int(flag)).tolist()


def test_a_clean_column_is_good_in_all_respects():
    judged = quality.assess(clock(96), wave(96), "load_w", SLOT_S)
    assert judged.scores == (1.0, 1.0, 1.0, 1.0, 1.0)
    assert not judged.flags.any()
    assert judged.gaps == ()
    assert judged.failed() == ()


def test_missing_and_out_of_range_are_found_and_told_apart():
    values = wave(100)
    values[[3, 4]] = nan
    values[[10, 11, 12]] = [-5.0, 2e5, math.inf]
    judged = quality.assess(clock(100), values, "pv_w", SLOT_S)
    assert flagged(judged, Flag.MISSING) == [3, 4]
    assert flagged(judged, Flag.RANGE) == [10, 11, 12]
    assert judged.count(Flag.RANGE) == 3
    assert judged.scores.completeness_frac == pytest.approx(0.97)
    assert judged.scores.reasonableness_frac == pytest.approx(1.0 - 2.0 / 97.0)


def test_a_missing_sample_costs_completeness_only():
    values = wave(100)
    values[:30] = nan
    judged = quality.assess(clock(100), values, "load_w", SLOT_S)
    assert judged.scores[:4] == pytest.approx((0.7, 1.0, 1.0, 1.0))
    assert judged.failed() == ("completeness",)


def test_a_missing_row_costs_as_much_as_a_missing_value():
    keep = np.r_[0:40, 60:100]
    judged = quality.assess(clock(100)[keep], wave(100)[keep], "load_w", SLOT_S)
    assert judged.scores.completeness_frac == pytest.approx(0.8)
    assert flagged(judged, Flag.GAP) == [40]
    (gap,) = judged.gaps
    assert (gap.start_s, gap.end_s, gap.missing_count) == (clock(100)[39], clock(100)[60], 20)
    assert judged.scores.temporal_frac == pytest.approx(1.0 - 1.0 / 79.0)


def test_duplicate_backward_and_jittering_times_are_found():
    times_s = clock(10)
    times_s[3] = times_s[2]
    times_s[6] = times_s[4]
    times_s[8] += 0.25 * SLOT_S
    judged = quality.assess(times_s, wave(10), "load_w", SLOT_S)
    assert flagged(judged, Flag.DUPLICATE) == [3]
    assert flagged(judged, Flag.IRREGULAR_TIME) == [6, 8, 9]
    assert set(flagged(judged, Flag.GAP)) == {4, 7}


def test_jitter_of_a_fifth_of_a_slot_is_regular():
    times_s = clock(50) + np.where(np.arange(50) % 2, 0.19, 0.0) * SLOT_S
    assert not quality.assess(times_s, wave(50), "load_w", SLOT_S).flags.any()


def test_a_stuck_power_is_found_and_a_resting_one_is_not():
    values = wave(100)
    values[20:40] = 731.5
    values[60:90] = 0.0
    judged = quality.assess(clock(100), values, "pv_w", SLOT_S)
    assert flagged(judged, Flag.STUCK) == list(range(20, 40))
    assert judged.scores.consistency_frac == 0.0
    assert "consistency" in judged.failed()


def test_a_short_run_or_a_broken_one_is_not_stuck():
    values = wave(60)
    values[10:15] = 700.0
    values[20:40] = 710.0
    values[28] = nan
    judged = quality.assess(clock(60), values, "load_w", SLOT_S)
    assert flagged(judged, Flag.STUCK) == []


def test_a_temperature_that_jumps_is_a_rate_and_a_spike():
    values = 20.0 + 0.1 * np.sin(np.arange(40.0))
    values[20] = 38.0
    judged = quality.assess(clock(40, 60.0), values, "room_living_c", 60.0)
    assert flagged(judged, Flag.RATE) == [20, 21]
    assert flagged(judged, Flag.SPIKE) == [20]


def test_a_kettle_is_no_fault():
    values = np.full(60, 200.0) + np.arange(60) % 3
    values[30] = 3000.0
    assert not quality.assess(clock(60), values, "load_w", SLOT_S).flags.any()


def test_a_counter_reset_is_named_and_a_leap_is_a_rate():
    values = 1000.0 + 100.0 * np.arange(20)
    values[10:] -= 1500.0
    values[15:] += 90_000.0
    judged = quality.assess(clock(20), values, "grid_import_wh", SLOT_S)
    assert flagged(judged, Flag.COUNTER_RESET) == [10]
    assert flagged(judged, Flag.RATE) == [15]


def test_soc_in_whole_percents_each_second_is_not_too_fast():
    values = np.round(np.linspace(0.5, 0.8, 2000), 2)
    assert not quality.assess(clock(2000, 1.0), values, "soc_frac", 1.0).flags.any()


def test_a_fixed_tariff_is_not_stuck():
    judged = quality.assess(clock(200), np.full(200, 0.25), "price_import_eur_per_kwh", SLOT_S)
    assert not judged.flags.any()


def test_a_column_without_any_value_has_no_scores_but_completeness():
    judged = quality.assess(clock(10), np.full(10, nan), "pv_w", SLOT_S)
    assert judged.scores.completeness_frac == 0.0
    assert math.isnan(judged.scores.consistency_frac)
    assert math.isnan(judged.scores.overall_frac)
    assert judged.failed() == ("completeness", "consistency", "reasonableness", "overall")


def test_one_sample_says_nothing_about_time():
    judged = quality.assess(clock(1), np.ones(1), signal("pv_w"), SLOT_S)
    assert math.isnan(judged.scores.temporal_frac)
    assert judged.scores.completeness_frac == 1.0


def test_a_broken_balance_counts_against_consistency():
    pv_w, grid_w, battery_w = wave(100), np.zeros(100), np.zeros(100)
    load_w = pv_w.copy()
    load_w[50:60] += 500.0
    load_w[70] = nan
    extra = checks.flag_balance((grid_w, pv_w, battery_w, load_w), 100.0)
    assert np.flatnonzero(extra).tolist() == list(range(50, 60))
    judged = quality.assess(clock(100), pv_w, "pv_w", SLOT_S, extra_flags=extra)
    assert judged.count(Flag.BALANCE) == 10
    assert judged.scores.consistency_frac == 0.0


def test_meters_may_disagree_by_the_tolerance_or_a_twentieth():
    grid_w, zero = np.array([1000.0, 10_000.0, 10_000.0]), np.zeros(3)
    assert checks.flag_balance((grid_w, zero, zero, grid_w - [99.0, 499.0, 501.0]), 100.0).tolist() == [0, 0, 128]


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ((np.zeros(2), np.zeros(3), "pv_w", 900.0), ValueError, "values must .*got 3"),
        ((np.empty(0), np.empty(0), "pv_w", 900.0), ValueError, "at least one sample"),
        ((np.zeros(1), np.zeros(1), "pv_w", 0.0), ValueError, "slot_s"),
        ((np.zeros(1), np.zeros(1), "power", 900.0), KeyError, "unknown signal"),
        ((np.zeros(1), [0.0], "pv_w", 900.0), TypeError, "values"),
    ],
)
def test_unfit_input_is_refused_by_name(arguments, error, problem):
    with pytest.raises(error, match=problem):
        quality.assess(*arguments)


@given(st.lists(st.integers(-9, 9), min_size=5, max_size=5))
def test_the_median_of_five_is_the_median(values):
    assert checks.median_of_5(*(float(v) for v in values)) == statistics.median(values)


VALUES = st.lists(st.one_of(st.just(nan), st.integers(0, 6).map(float)), min_size=1, max_size=40)


@given(VALUES)
def test_spikes_are_those_of_the_slow_twin(values):
    flags = np.zeros(len(values), dtype=np.uint16)
    checks.flag_spike(np.array(values), 0.5, flags)
    for i in range(len(values)):
        window = values[i - 2 : i + 3] if i >= 2 else []
        expected = False
        if len(window) == 5 and not any(math.isnan(v) for v in window):
            middle = statistics.median(window)
            mad = statistics.median(abs(v - middle) for v in window)
            expected = abs(values[i] - middle) > max(3.0 * 1.4826 * mad, 0.5)
        assert bool(flags[i]) == expected


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, nan]), min_size=1, max_size=60))
def test_stuck_runs_are_those_of_the_slow_twin(values):
    flags = np.zeros(len(values), dtype=np.uint16)
    checks.flag_stuck(clock(len(values), 1.0), np.array(values), 0.0, 7.0, flags)
    for i in range(len(values)):
        left = right = i
        while left > 0 and values[left - 1] == values[i]:
            left -= 1
        while right + 1 < len(values) and values[right + 1] == values[i]:
            right += 1
        assert bool(flags[i]) == (values[i] in (1.0, 2.0) and right - left >= 7)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
def test_hampel_and_stale_values_agree_with_pvanalytics():
    pd = pytest.importorskip("pandas")
    outliers = pytest.importorskip("pvanalytics.quality.outliers")
    gaps = pytest.importorskip("pvanalytics.quality.gaps")
    values = np.round(np.random.default_rng(4).normal(0.0, 1.0, 400), 1)
    values[::17] *= 9.0
    values[100:112] = 5.5
    flags = np.zeros(400, dtype=np.uint16)
    checks.flag_spike(values, 0.0, flags)
    want = outliers.hampel(pd.Series(values), window=5, max_deviation=3.0)
    assert np.array_equal(flags[2:-2] != 0, want.to_numpy()[2:-2])
    flags[:] = 0
    checks.flag_stuck(clock(400), values, nan, 0.0, flags)
    stale = gaps.stale_values_round(pd.Series(values, index=pd.to_datetime(clock(400), unit="s")), window=6, mark="all")
    assert np.array_equal(flags != 0, stale.to_numpy())


@pytest.mark.training
@pytest.mark.data
def test_labelled_stale_data_are_found(shared_data):
    """PV Fleets inverter 2173: 245 samples labelled stale by hand (shared data, quality_labels)."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "quality_labels" / "ac_power_inv_2173_stale_data.parquet")
    values = np.ascontiguousarray(table["value_normalized"], dtype=np.float64) * 1000.0
    judged = quality.assess(clock(len(values)), values, "pv_w", SLOT_S)
    found, labelled = judged.flags & int(Flag.STUCK) != 0, table["stale_data_mask"].to_numpy()
    assert (found & labelled).sum() / labelled.sum() > 0.9
    assert (found & ~labelled).sum() < 30


def seed_by_the_book(times_s, values, low, high):
    """The lines of PEMS v2's ``_calculate_df_quality`` for one column, without pandas."""
    n = len(values)
    filled = [0.0 if math.isnan(v) else v for v in values]
    mean = sum(filled) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in filled) / n)
    outliers = sum(abs(v - mean) / deviation > 3 for v in filled) / n if deviation else 0.0
    steps = [b - a for a, b in itertools.pairwise(times_s)]
    completeness = 1 - sum(math.isnan(v) for v in values) / n
    consistency = 1 - min(outliers, 0.1) / 0.1
    temporal = sum(240 <= s <= 360 for s in steps) / len(steps) if steps else 1.0
    reasonableness = sum(low <= v <= high for v in values) / n
    overall = completeness * 0.3 + consistency * 0.25 + temporal * 0.25 + reasonableness * 0.2
    return completeness, consistency, temporal, reasonableness, overall


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("pv_w", 0.0, 1e5),
        ("room_bath_c", -40.0, 60.0),
        ("grid_v", 0.0, 500.0),
        ("soc_frac", 0.0, 1.0),
        ("wind_m_per_s", 0.0, math.inf),
    ],
)
def test_seed_scores_are_those_of_pems_v2(name, low, high):
    random = np.random.default_rng(11)
    values = random.normal(0.3, 40.0, 500)
    values[::50] = 9000.0
    values[::33] = nan
    times_s = 1.7e9 + np.cumsum(random.choice([300.0, 320.0, 370.0, 900.0], 500))
    judged = quality.assess(times_s, values, name, 300.0, seed=True)
    assert judged.scores == pytest.approx(seed_by_the_book(times_s, values, low, high), abs=1e-12)


def test_seed_scores_of_one_constant_sample_are_those_of_pems_v2():
    assert quality.assess(np.zeros(1), np.ones(1), "pv_w", 300.0, seed=True).scores == pytest.approx((1.0,) * 5)


def test_seed_mode_punishes_export_and_quarter_hours_and_the_corrected_mode_does_not():
    values = wave(96, mean=0.0)
    seed = quality.assess(clock(96), values, "grid_w", SLOT_S, seed=True).scores
    assert seed.temporal_frac == 0.0
    assert seed.reasonableness_frac < 0.6
    assert quality.assess(clock(96), values, "grid_w", SLOT_S).scores.overall_frac == 1.0


@pytest.mark.parametrize(
    ("value", "previous", "age_s", "mask"),
    [
        (230.0, 229.0, 1.0, Flag.GOOD),
        (230.0, nan, nan, Flag.GOOD),
        (nan, 229.0, 1.0, Flag.MISSING),
        (501.0, nan, nan, Flag.RANGE),
        (-0.1, nan, nan, Flag.RANGE),
        (math.inf, nan, nan, Flag.RANGE),
        (300.0, 229.0, 1.0, Flag.RATE),
        (300.0, 229.0, 10.0, Flag.GOOD),
        (600.0, 229.0, 1.0, Flag.RANGE | Flag.RATE),
        (230.0, 230.0, 0.0, Flag.DUPLICATE),
        (230.0, 230.0, -5.0, Flag.IRREGULAR_TIME),
        (nan, 230.0, 0.0, Flag.DUPLICATE | Flag.MISSING),
    ],
)
def test_one_sample_is_judged_against_the_one_before(value, previous, age_s, mask):
    assert quality.judge_sample(value, previous, age_s, 0.0, 500.0, 20.0) == mask


@given(VALUES, st.floats(min_value=0.0, max_value=3.0))
def test_the_judge_of_the_cycle_and_the_batch_find_the_same(values, rate_per_s):
    times_s, values = clock(len(values), 2.0), np.array(values)
    flags = np.zeros(len(values), dtype=np.uint16)
    checks.flag_range(values, 1.0, 5.0, flags)
    checks.flag_rate(times_s, values, rate_per_s, 0.0, False, flags)
    previous, seen_s = nan, nan
    for i, value in enumerate(values.tolist()):
        age_s = float(times_s[i]) - seen_s
        assert quality.judge_sample(value, previous, age_s, 1.0, 5.0, rate_per_s) == flags[i]
        if not math.isnan(value):
            previous, seen_s = value, float(times_s[i])
