"""The scores of PEMS v2: its own lines in pandas and scipy as oracle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.seed_scores import seed_score


def seed_in_pandas(times_s, values, low, high):
    """``_calculate_df_quality`` of PEMS v2 for one column."""
    pd = pytest.importorskip("pandas")
    stats = pytest.importorskip("scipy.stats")
    frame = pd.DataFrame({"value": values}, index=pd.to_datetime(times_s, unit="s"))
    completeness = 1.0 - frame.isnull().sum().sum() / frame.size
    z = np.abs(stats.zscore(frame["value"].fillna(0.0)))
    consistency = 1.0 - min((z > 3.0).sum() / len(frame), 0.1) / 0.1
    steps = frame.index.to_series().diff().dropna()
    expected = pd.Timedelta(minutes=5)
    timely = (steps >= expected * 0.8) & (steps <= expected * 1.2)
    temporal = timely.sum() / len(steps)
    reasonableness = ((frame["value"] >= low) & (frame["value"] <= high)).sum() / len(frame)
    total = 0.3 * completeness + 0.25 * consistency + 0.25 * temporal + 0.2 * reasonableness
    return completeness, consistency, temporal, reasonableness, total


@pytest.mark.training
@pytest.mark.parametrize(("unit", "low", "high"), [("W", 0.0, 1e5), ("degC", -40.0, 60.0), ("m/s", 0.0, math.inf)])
@pytest.mark.parametrize("count", [2, 7, 500, 5003])
def test_they_are_those_of_pandas_and_scipy(unit, low, high, count):
    random = np.random.default_rng(count)
    values = random.normal(20.0, 40.0, count)
    values[::50], values[3::33] = 9000.0, math.nan
    times_s = 1.7e9 + np.cumsum(random.choice([300.0, 320.0, 360.0, 361.0, 240.0, 239.0, 900.0], count))
    assert seed_score(times_s, values, unit) == pytest.approx(seed_in_pandas(times_s, values, low, high), abs=1e-12)


@given(st.lists(st.one_of(st.just(math.nan), st.floats(-1e6, 1e6)), min_size=1, max_size=50))
def test_they_lie_between_0_and_1(values):
    scores = seed_score(300.0 * np.arange(len(values)), np.array(values), "W")
    assert all(-1e-12 <= score <= 1.0 + 1e-12 for score in scores)


def test_an_infinite_value_spoils_what_it_spoils_in_the_seed():
    values = np.ones(20)
    values[4] = math.inf
    scores = seed_score(300.0 * np.arange(20), values, "W")
    assert scores.reasonableness_frac == pytest.approx(0.95)
    assert scores.consistency_frac == 1.0


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: seed_score(np.empty(0), np.empty(0), "W"), "at least one"),
        (lambda: seed_score(np.zeros(2), np.zeros(3), "W"), "values must .*got 3"),
    ],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
