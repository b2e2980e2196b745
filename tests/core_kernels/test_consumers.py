"""What a plan decides is no part of the load that is forecast."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.consumers import consumer_signal, rest_of_load_w, without_consumers
from core_kernels.records import Frame
from core_kernels.signals import signal
from core_kernels.timegrid import TimeGrid

CONSUMERS = {
    "ev.car": "ev_car_w",
    "load.washer": "load_washer_w",
    "zone.bath": "heat_bath_w",
    "heatpump": "heatpump_w",
    "hotwater": "hotwater_w",
}
power_w = st.floats(0.0, 20_000.0)
metered_w = st.one_of(power_w, st.just(math.nan))


@pytest.mark.parametrize(("consumer", "name"), CONSUMERS.items())
def test_each_kind_of_consumer_has_a_power_of_the_table(consumer, name):
    assert consumer_signal(consumer) == name
    assert (signal(name).unit, signal(name).low) == ("W", 0.0)


@pytest.mark.parametrize("consumer", ["pool", "store.garage", "ev", ""])
def test_what_is_no_consumer_has_no_signal(consumer):
    with pytest.raises(KeyError):
        consumer_signal(consumer)


def test_before_its_meter_the_car_is_part_of_the_load_and_a_gap_after_that_is_unknown():
    load_w = np.array([3000.0, 3100.0, 3200.0, 3300.0, 3400.0])
    car_w = np.array([math.nan, 2000.0, math.nan, 0.0, 3401.0])
    rest_w = rest_of_load_w(load_w, [car_w])
    np.testing.assert_array_equal(rest_w, [3000.0, 1100.0, math.nan, 3300.0, 0.0])


def test_a_meter_that_never_spoke_takes_nothing_away():
    load_w = np.array([1.0, 2.0])
    np.testing.assert_array_equal(rest_of_load_w(load_w, [np.full(2, math.nan)]), load_w)


@given(rows=st.lists(st.tuples(metered_w, metered_w, metered_w), min_size=1, max_size=30))
def test_rest_and_parts_add_up_to_the_load(rows):
    rest, *parts = np.array(rows, dtype=np.float64).T
    load_w = rest + np.sum(parts, axis=0)
    kept_w = load_w.copy()
    found_w = rest_of_load_w(load_w, parts)
    whole = np.isfinite(load_w)
    np.testing.assert_allclose(found_w[whole], rest[whole], atol=1e-9)
    assert not np.isfinite(found_w[~np.isfinite(load_w)]).any()
    np.testing.assert_array_equal(load_w, kept_w)


def test_only_the_load_of_a_frame_changes_and_only_by_what_it_has_a_column_of():
    grid = TimeGrid(start_s=0, slot_s=900, count=2)
    columns = {"load_w": np.array([500.0, 600.0]), "ev_car_w": np.array([0.0, 400.0]), "pv_w": np.zeros(2)}
    frame = Frame(grid=grid, columns=columns)
    rest = without_consumers(frame, ("ev_car_w", "heatpump_w"))
    np.testing.assert_array_equal(rest.column("load_w"), [500.0, 200.0])
    np.testing.assert_array_equal(rest.column("ev_car_w"), [0.0, 400.0])
    assert without_consumers(frame, ("heatpump_w",)) is frame
    assert without_consumers(Frame(grid=grid, columns={"ev_car_w": np.zeros(2)}), ("ev_car_w",)).columns.keys() == {
        "ev_car_w"
    }
