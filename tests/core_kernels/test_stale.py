"""Stale and interpolated data: slow twins, pvanalytics as oracle, data labelled by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.stale import interpolated, stale_by_difference, stale_by_rounding

nan = math.nan
VALUES = st.lists(
    st.one_of(st.sampled_from([nan, math.inf, 1e300]), st.sampled_from([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0004, 3.0])),
    max_size=150,
)
MARKS = st.sampled_from(["end", "tail", "all"])


def spread(ends, window, mark):
    span = {"end": 1, "tail": window - 1, "all": window}[mark]
    return [any(ends[i : i + span]) for i in range(len(ends))]


def slow_close(values, window):
    ends = [False] * len(values)
    for i in range(window - 1, len(values)):
        part = values[i - window + 1 : i + 1]
        first = part[0]
        ends[i] = all(map(math.isfinite, part)) and all(abs(v - first) <= 1e-8 + 1e-5 * abs(first) for v in part)
    return ends


@given(VALUES, st.integers(2, 8), MARKS)
def test_windows_close_to_their_first_are_stale(values, window, mark):
    have = stale_by_difference(np.array(values, dtype=np.float64), window, mark=mark)
    assert have.tolist() == spread(slow_close(values, window), window, mark)


@given(VALUES, st.integers(3, 8), MARKS)
def test_windows_of_equal_steps_are_interpolated(values, window, mark):
    with np.errstate(invalid="ignore"):
        steps = [nan, *np.diff(values).tolist()][: len(values)]
    have = interpolated(np.array(values, dtype=np.float64), window, mark=mark)
    assert have.tolist() == spread(slow_close(steps, window - 1), window, mark)


@given(VALUES, st.integers(2, 8), MARKS)
def test_runs_of_equal_rounded_values_are_stale(values, window, mark):
    rounded = np.round(np.array(values, dtype=np.float64), 3).tolist()
    ends = [
        i >= window - 1 and all(v == rounded[i] and math.isfinite(v) for v in rounded[i - window + 1 : i + 1])
        for i in range(len(values))
    ]
    have = stale_by_rounding(np.array(values, dtype=np.float64), window, mark=mark)
    assert have.tolist() == spread(ends, window, mark)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mark", ["end", "tail", "all"])
@pytest.mark.parametrize("window", [3, 6, 11])
def test_the_flags_are_those_of_pvanalytics(window, mark):
    pd = pytest.importorskip("pandas")
    gaps = pytest.importorskip("pvanalytics.quality.gaps")
    random = np.random.default_rng(1)
    values = np.round(np.cumsum(random.integers(-1, 2, 3000) * random.integers(0, 2, 3000) * 0.1), 1)
    values[::97], values[500:502], values[1000:1100] = nan, math.inf, np.linspace(0.0, 3.0, 100)
    series = pd.Series(values)
    assert np.array_equal(
        stale_by_difference(values, window, mark=mark), gaps.stale_values_diff(series, window, mark=mark)
    )
    assert np.array_equal(
        stale_by_rounding(values, window, mark=mark), gaps.stale_values_round(series, window, mark=mark)
    )
    assert np.array_equal(interpolated(values, window, mark=mark), gaps.interpolation_diff(series, window, mark=mark))


@pytest.mark.training
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "label", "test"),
    [("stale", "stale_data_mask", stale_by_difference), ("interpolated", "interpolated_data_mask", interpolated)],
)
def test_labelled_faults_are_found(shared_data, name, label, test):
    """PV Fleets inverter 2173, faults inserted and labelled by hand (shared data, quality_labels)."""
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(shared_data / "quality_labels" / f"ac_power_inv_2173_{name}_data.parquet")
    values, labelled = table["value_normalized"].to_numpy().copy(), table[label].to_numpy()
    found = test(values, mark="all")
    bright = values > 0.02
    assert (found & labelled).sum() / labelled.sum() > 0.9
    assert (found & ~labelled & bright).sum() / bright.sum() < 0.01


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: stale_by_difference(np.zeros(9), 1), "window_count"),
        (lambda: stale_by_rounding(np.zeros(9), 6, 16), "decimals_count"),
        (lambda: interpolated(np.zeros(9), 2), "window_count"),
        (lambda: interpolated(np.zeros(9), 6, mark="head"), "mark"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
