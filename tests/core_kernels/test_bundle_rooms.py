"""Rooms in a bundle: through JSON and back, what is refused, and golden rows that tell right from wrong."""

import json
import math

import numpy as np
import pytest
from made_rooms import NAMES, made_rooms, room_days

from core_kernels.bundle_rooms import BundledRooms, bundled_document, bundled_from, golden_rooms, rooms_ratio


@pytest.fixture(scope="module")
def rooms():
    return made_rooms()


@pytest.fixture(scope="module")
def golden(rooms):
    frame = room_days(3)
    return golden_rooms(rooms, frame.part(0, 192), frame.part(192, 288))


def test_rooms_come_back_from_json_to_the_last_bit(rooms):
    document = bundled_document(rooms)
    again = bundled_from(json.loads(json.dumps(document, allow_nan=False)))
    assert bundled_document(again) == document
    assert again.heat_w[0] == 1200.0
    assert math.isnan(again.heat_w[1])


def test_a_room_without_a_heater_asks_for_no_heat(rooms):
    assert rooms.signals == tuple(f"room_{name}_c" for name in NAMES)
    assert rooms.acting == ("temp_air_c", "ghi_w_per_m2", f"heat_{NAMES[0]}_w")


def test_rooms_prove_themselves_on_their_golden_rows(rooms, golden):
    assert golden["rooms_q"].shape == (96, 2, 3)
    assert rooms_ratio(bundled_from(bundled_document(rooms)), golden) == 0.0


def test_another_network_is_far_from_the_golden_rows(rooms, golden):
    network = rooms.model.network
    other = rooms.model._replace(network=network._replace(air_mass_k_per_w=network.air_mass_k_per_w * 1.05))
    assert rooms_ratio(BundledRooms(other, rooms.heat_w), golden) > 1e-4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rooms_q": None}, "missing: rooms_q"),
        ({"rooms_q": np.zeros((96, 1, 3))}, "wrong shape"),
        ({"rooms_history": np.zeros((4, 9))}, "wrong shape"),
        ({"rooms_ahead": np.zeros(96)}, "wrong shape"),
        ({"rooms_q": np.full((96, 2, 3), np.nan)}, "not finite"),
        ({"rooms_ahead": np.full((96, 3), np.nan)}, "not finite"),
    ],
)
def test_golden_rows_that_prove_nothing_are_refused(rooms, golden, changes, says):
    arrays = {name: values for name, values in {**golden, **changes}.items() if values is not None}
    with pytest.raises(ValueError, match=says):
        rooms_ratio(rooms, arrays)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"surprise": 1}, "rooms must have the keys heat_w, model"),
        ({"heat_w": [1200.0]}, "one value a room"),
        ({"heat_w": 1200.0}, "one value a room"),
        ({"heat_w": [1200.0, 0.0]}, "above 0"),
        ({"heat_w": [1200.0, True]}, "above 0"),
        ({"heat_w": [1200.0, 1e9]}, "above 0"),
        ({"model": {}}, "rooms must have the keys"),
    ],
)
def test_rooms_that_cannot_be_are_refused_by_name(rooms, changes, says):
    with pytest.raises(ValueError, match=says):
        bundled_from({**bundled_document(rooms), **changes})


def test_rooms_that_are_no_table_are_refused():
    with pytest.raises(ValueError, match="rooms must have the keys"):
        bundled_from([])
