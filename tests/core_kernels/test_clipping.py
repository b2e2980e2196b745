"""Clipping three ways: pvanalytics as oracle, an inverter labelled by hand, and plain cases."""

import math

import numpy as np
import pytest

from core_kernels.clipping import clipped_geometric, clipped_levels, clipped_threshold, clipping_power_w


def plant(step_s, days, seed=1):
    """An inverter of 6 kW at panels of 9 kW: clouds, dull days, noise and holes."""
    random = np.random.default_rng(seed)
    count = int(days * 86400 / step_s)
    times_s = 1.7e9 - 1.7e9 % 86400.0 + step_s * np.arange(float(count))
    sun = np.maximum(0.0, np.sin((times_s % 86400.0 / 86400.0 - 0.25) * 2.0 * np.pi))
    clouds = (1.0 - 0.7 * (random.random(count) < 0.1)) * np.repeat(random.uniform(0.6, 1.0, days), count // days)
    power_w = np.minimum(9000.0 * sun * clouds, 6000.0)
    power_w = np.where(power_w > 0.0, power_w + random.normal(0.0, 0.5, count), power_w)
    power_w[::977] = math.nan
    return times_s, power_w


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("step_s", "days"), [(20.0, 6), (60.0, 20), (300.0, 60), (900.0, 120), (1800.0, 60)])
def test_the_flags_are_those_of_pvanalytics(step_s, days):
    pd = pytest.importorskip("pandas")
    clipping = pytest.importorskip("pvanalytics.features.clipping")
    times_s, power_w = plant(step_s, days)
    series = pd.Series(power_w, index=pd.to_datetime(times_s, unit="s"))
    assert np.array_equal(clipped_levels(power_w), clipping.levels(series))
    assert np.array_equal(clipped_threshold(times_s, power_w), clipping.threshold(series))
    assert np.array_equal(clipped_geometric(times_s, power_w), clipping.geometric(series.copy()))


@pytest.mark.training
@pytest.mark.data
def test_the_labelled_inverter_clips_where_it_is_labelled(shared_data):
    """PV Fleets inverter 7539, clipping labelled by hand (shared data, quality_labels)."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "quality_labels" / "ac_power_inv_7539.parquet")
    times_s = pd.to_datetime(table["timestamp"]).dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(float)
    power_w, labelled = 1000.0 * table["value_normalized"].to_numpy(), table["label"].to_numpy()
    found = clipped_geometric(times_s, power_w, utc_offset_s=-7 * 3600.0)
    assert (found & labelled).sum() >= 0.9 * labelled.sum()
    assert (found & ~labelled).sum() <= 0.05 * len(labelled)


def test_the_power_at_which_it_clips_is_the_inverters():
    times_s, power_w = plant(900.0, 120)
    assert clipping_power_w(times_s, power_w) == pytest.approx(6000.0, abs=3.0)


def test_an_inverter_that_is_large_enough_does_not_clip():
    times_s, _ = plant(900.0, 30)
    power_w = np.maximum(0.0, 4000.0 * np.sin((times_s % 86400.0 / 86400.0 - 0.25) * 2.0 * np.pi)) ** 1.1
    assert not clipped_threshold(times_s, power_w, slope_max_frac=1e-4).any()
    assert not clipped_geometric(times_s, power_w, slope_max_percent_ratio=0.02).any()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_little_data_clip_nothing(count):
    times_s, power_w = 900.0 * np.arange(count), np.full(count, math.nan)
    assert not clipped_levels(power_w).any()
    assert not clipped_threshold(times_s, power_w).any()
    assert not clipped_geometric(times_s, power_w).any()


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: clipped_levels(np.zeros(3), window_count=0), "window_count"),
        (lambda: clipped_threshold(np.zeros(3), np.zeros(3)), "must rise"),
        (lambda: clipped_geometric(np.zeros(2), np.zeros(3)), "power_w must have 2 values, got 3"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
