"""The P2 quantile: the paper's own example, numpy as oracle, restart."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.p2 import StreamQuantile, stream_quantile

# Jain and Chlamtac (1985), table 1: 20 observations, the median's markers after the last one
PAPER = [0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92]
PAPER += [34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37]


def test_the_example_of_the_paper_ends_as_printed():
    stream = StreamQuantile(0.5)
    for value in PAPER:
        stream.push(value)
    assert stream.state[2:7] == pytest.approx([0.02, 0.49, 4.44, 17.20, 38.62], abs=0.01)
    assert stream.state[7:].tolist() == [1.0, 6.0, 10.0, 16.0, 20.0]
    assert stream.quantile == pytest.approx(4.44, abs=0.005)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 0.95])
def test_a_long_stream_comes_near_the_exact_quantile(level):
    values = np.random.default_rng(2).lognormal(size=50_000)
    assert stream_quantile(values, level) == pytest.approx(np.quantile(values, level), rel=0.02)


@given(
    st.lists(st.one_of(st.sampled_from([math.nan, math.inf]), st.floats(-1e6, 1e6)), max_size=40), st.integers(0, 40)
)
def test_it_stays_within_the_data_and_survives_a_restart(values, cut):
    whole = stream_quantile(np.array(values, dtype=np.float64), 0.5)
    stream = StreamQuantile(0.5)
    stream.run(np.array(values[:cut], dtype=np.float64))
    stream = StreamQuantile.restore(stream.state)
    stream.run(np.array(values[cut:], dtype=np.float64))
    assert stream.quantile == pytest.approx(whole, nan_ok=True)
    known = [value for value in values if math.isfinite(value)]
    assert math.isnan(whole) if not known else min(known) <= whole <= max(known)
    if 0 < len(known) <= 5:
        assert whole == np.quantile(known, 0.5)


@pytest.mark.parametrize(
    ("work", "problem"),
    [(lambda: StreamQuantile(1.0), "level_frac"), (lambda: StreamQuantile.restore(np.zeros(3)), "state has 3")],
)
def test_unfit_input_is_refused_by_name(work, problem):
    with pytest.raises(ValueError, match=problem):
        work()
