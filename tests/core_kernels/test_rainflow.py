"""Rainflow: the cycles of the package ``rainflow`` and of ASTM E1049, at once and sample by sample."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.rainflow import Cycles, RainflowStream, extract_cycles

oracle = pytest.importorskip("rainflow", reason="the dev extra is not installed")

# ASTM E1049-85, figure 6: the load history A..I and its cycles (table in X1 of the standard and the text of 5.4.4).
ASTM_SERIES = np.array([-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0])
ASTM_RANGES = [(3.0, 0.5), (4.0, 0.5), (4.0, 1.0), (8.0, 0.5), (9.0, 0.5), (8.0, 0.5), (6.0, 0.5)]

# Turning points are where the product of two differences is negative, here and in the reference: differences below
# 1e-154 underflow in it. A millionth is finer than any state of charge.
FINE = st.integers(min_value=-1_000_000, max_value=1_000_000).map(lambda millionths: millionths / 1e6)
VALUE = st.one_of(st.integers(min_value=-4, max_value=4).map(float), FINE)


def rows(cycles: Cycles) -> list[tuple[float, ...]]:
    return list(zip(*(array.tolist() for array in cycles), strict=True))


def test_the_example_of_the_standard():
    cycles = extract_cycles(ASTM_SERIES)
    assert list(zip(cycles.extent, cycles.cycles_count, strict=True)) == ASTM_RANGES


@given(st.lists(VALUE, max_size=60))
def test_cycles_are_those_of_the_package(values):
    assert rows(extract_cycles(np.array(values, dtype=np.float64))) == list(oracle.extract_cycles(values))


@pytest.mark.parametrize("seed", range(4))
def test_long_series_with_ties_are_the_packages_too(seed):
    rng = np.random.default_rng(seed)
    for series in (
        rng.standard_normal(3000),
        rng.integers(0, 5, 3000).astype(float),
        rng.standard_normal(999).cumsum(),
    ):
        assert rows(extract_cycles(series)) == list(oracle.extract_cycles(series.tolist()))


@given(st.lists(VALUE, max_size=60))
def test_a_stream_closes_the_same_cycles(values):
    stream, found = RainflowStream(), []
    for value in values:
        found += rows(stream.push(value))
    assert found + rows(stream.rest()) == list(oracle.extract_cycles(values))


def test_a_stream_goes_on_from_its_stored_state():
    rng = np.random.default_rng(5)
    values = rng.random(400)
    whole, first = RainflowStream(), RainflowStream()
    for value in values[:200]:
        whole.push(value)
        first.push(value)
    second = RainflowStream(np.frombuffer(first.state.tobytes()))
    for value in values[200:]:
        assert rows(whole.push(value)) == rows(second.push(value))
    assert rows(whole.rest()) == rows(second.rest())
    assert np.array_equal(whole.state, second.state)


def test_the_memory_of_a_stream_grows_when_ranges_only_shrink():
    values = [(-1.0) ** i / (1.0 + i) for i in range(200)]
    stream = RainflowStream()
    found = [row for value in values for row in rows(stream.push(value))]
    assert found + rows(stream.rest()) == list(oracle.extract_cycles(values))
    assert stream.state.shape[0] > 200


def test_missing_samples_turn_nothing_but_count_as_places():
    with_gaps = np.array([math.nan, -2.0, 1.0, math.inf, -3.0, math.nan, 5.0, -1.0, -math.inf])
    cycles = extract_cycles(with_gaps)
    plain = extract_cycles(np.array([-2.0, 1.0, -3.0, 5.0, -1.0]))
    assert rows(cycles)[0][:3] == rows(plain)[0][:3]
    assert [row[:3] for row in rows(cycles)] == [row[:3] for row in rows(plain)]
    place = {0: 1, 1: 2, 2: 4, 3: 6, 4: 7}
    assert cycles.start.tolist() == [place[i] for i in plain.start.tolist()]
    stream = RainflowStream()
    assert [row for x in with_gaps for row in rows(stream.push(x))] + rows(stream.rest()) == rows(cycles)


@pytest.mark.parametrize("series", [[], [1.0], [1.0, 2.0], [math.nan] * 5, [1.0, math.nan, 2.0]])
def test_fewer_than_three_samples_hold_no_cycle(series):
    assert rows(extract_cycles(np.array(series))) == []
    stream = RainflowStream()
    assert [row for x in series for row in rows(stream.push(x))] + rows(stream.rest()) == []


@given(st.lists(VALUE, min_size=3, max_size=60))
def test_all_travel_is_counted_once(values):
    cycles = extract_cycles(np.array(values))
    assert 2.0 * (cycles.extent * cycles.cycles_count).sum() == pytest.approx(np.abs(np.diff(values)).sum())


def test_a_strided_series_is_taken_and_another_type_is_refused():
    assert rows(extract_cycles(np.repeat(ASTM_SERIES, 2)[::2])) == rows(extract_cycles(ASTM_SERIES))
    for wrong in (ASTM_SERIES.astype(np.float32), ASTM_SERIES.reshape(3, 3), ASTM_SERIES.tolist()):
        with pytest.raises(TypeError, match="series"):
            extract_cycles(wrong)


@pytest.mark.parametrize("state", [np.zeros(3), np.zeros(9), np.full(8, math.nan), np.arange(8.0)])
def test_a_broken_state_is_refused(state):
    with pytest.raises(ValueError, match="state"):
        RainflowStream(state)
