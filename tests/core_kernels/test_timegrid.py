"""Uniform slots, left-closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.timegrid import TimeGrid, floor_s

GRID = TimeGrid(start_s=900, slot_s=900, count=4)


def test_starts_and_edges_of_a_grid():
    assert GRID.starts_s().tolist() == [900.0, 1800.0, 2700.0, 3600.0]
    assert GRID.edges_s().tolist() == [900.0, 1800.0, 2700.0, 3600.0, 4500.0]
    assert GRID.end_s == 4500


@pytest.mark.parametrize(("time_s", "index"), [(900.0, 0), (1799.999, 0), (1800.0, 1), (4499.9, 3)])
def test_a_slot_holds_its_start_and_not_its_end(time_s, index):
    assert GRID.index(time_s) == index


@pytest.mark.parametrize("time_s", [899.999, 4500.0, -1.0])
def test_an_instant_outside_is_refused(time_s):
    with pytest.raises(IndexError, match="outside"):
        GRID.index(time_s)


@given(st.floats(min_value=-1e10, max_value=1e10), st.integers(min_value=1, max_value=86400))
def test_the_floor_is_aligned_and_at_most_a_slot_back(time_s, slot_s):
    start = floor_s(time_s, slot_s)
    assert start % slot_s == 0
    assert start <= time_s < start + slot_s


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"start_s": 0, "slot_s": 0, "count": 1}, "slot_s must be positive"),
        ({"start_s": 0, "slot_s": 900, "count": -1}, "count >= 0"),
        ({"start_s": 100, "slot_s": 900, "count": 1}, "not aligned"),
    ],
)
def test_an_impossible_grid_is_refused(fields, problem):
    with pytest.raises(ValueError, match=problem):
        TimeGrid(**fields)
