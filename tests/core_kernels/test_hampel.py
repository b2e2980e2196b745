"""Hampel's filter: slow twin, pvanalytics as oracle, stream and batch."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.hampel import NORMAL_QUARTILE, HampelStream, hampel, median_of_five

nan = math.nan
VALUES = st.lists(st.one_of(st.sampled_from([nan, math.inf, 0.0, -0.0]), st.integers(-4, 9).map(float)), max_size=60)


def slow(values, window, deviations=3.0):
    """The definition, window by window."""
    found = [False] * len(values)
    ahead = (window - 1) // 2
    for i in range(len(values)):
        part = values[max(i + ahead + 1 - window, 0) : i + ahead + 1]
        if i + ahead + 1 - window < 0 or len(part) < window or not all(map(math.isfinite, part)):
            continue
        middle = statistics.median(part)
        mad = statistics.median(abs(v - middle) for v in part) / NORMAL_QUARTILE
        found[i] = abs(values[i] - middle) > deviations * mad
    return found


@given(VALUES, st.sampled_from([3, 4, 5, 6, 7, 13]), st.sampled_from([0.0, 1.0, 3.0]))
def test_outliers_are_those_of_the_slow_twin(values, window, deviations):
    assert hampel(np.array(values, dtype=np.float64), window, deviations).tolist() == slow(values, window, deviations)


@given(VALUES, st.sampled_from([3, 4, 5, 9]), st.integers(0, 60))
def test_the_stream_answers_as_the_batch_also_after_a_restart(values, window, cut):
    batch = hampel(np.array(values, dtype=np.float64), window).tolist()
    stream = HampelStream(window)
    answers = [stream.push(value) for value in values[:cut]]
    stream = HampelStream.restore(stream.state)
    answers += [stream.push(value) for value in values[cut:]]
    assert answers[stream.delay_count :] == batch[: max(len(values) - stream.delay_count, 0)]


@given(st.lists(st.integers(-9, 9), min_size=5, max_size=5))
def test_the_network_of_five_is_the_median(values):
    assert median_of_five(*(float(v) for v in values)) == statistics.median(values)


def test_a_lone_spike_is_found_in_any_window():
    values = np.sin(0.01 * np.arange(500.0))
    values[250] += 3.0
    for window in (3, 5, 15, 61, 121):
        assert np.flatnonzero(hampel(values, window, 6.0)).tolist() == [250]


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("window", [4, 5, 15, 61])
def test_the_flags_are_those_of_pvanalytics(window):
    pd = pytest.importorskip("pandas")
    outliers = pytest.importorskip("pvanalytics.quality.outliers")
    random = np.random.default_rng(6)
    values = np.round(np.cumsum(random.normal(0.0, 1.0, 1500)), 1)
    values[::40] += random.normal(0.0, 30.0, 38)
    values[[100, 700, 701]] = nan
    want = outliers.hampel(pd.Series(values), window=window).to_numpy()
    assert want.sum() > 20
    assert np.array_equal(hampel(values, window), want)


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ((np.zeros(9), 2), ValueError, "window_count"),
        ((np.zeros(9), 1002), ValueError, "window_count"),
        ((np.zeros(9), 5, -1.0), ValueError, "deviations_count"),
        ((np.zeros(9), 5, 3.0, 0.0), ValueError, "scale"),
        ((np.zeros(9, dtype=np.float32), 5), TypeError, "values"),
        ((np.zeros(18)[::2], 5), ValueError, "values"),
    ],
)
def test_unfit_input_is_refused_by_name(arguments, error, problem):
    with pytest.raises(error, match=problem):
        hampel(*arguments)


def test_a_state_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="not that of a stream"):
        HampelStream.restore(np.append(HampelStream(7).state, 0.0))
