"""Rooms from a known network: what acts on them, what is said ahead, and what a bundle may carry."""

import math

import numpy as np
import pytest

from core_kernels.kalman import ThermalNoise
from core_kernels.records import Frame
from core_kernels.rooms import Mix, RoomModel, heat_of, room_quantiles, window_sun
from core_kernels.rooms_document import rooms_document, rooms_from
from core_kernels.solar import Location
from core_kernels.thermal import ThermalInputs, example_network, simulate
from core_kernels.timegrid import TimeGrid

PLACE = Location(49.2, 16.6, 230.0)
START_S = 1_706_745_600  # 2024-02-01 00:00 UTC
DAYS = 6
NAMES = ("bath", "hall")


def model(**changes):
    base = RoomModel(
        names=NAMES,
        network=example_network(2),
        noise=ThermalNoise(),
        location=PLACE,
        window_azimuth_deg=180.0,
        relay_w=np.array([math.nan, math.nan]),
        mix=Mix(1.0, 0.0, 0.0),
        low_k=np.array([-0.1, -0.4]),
        high_k=np.array([0.2, 0.5]),
    )
    return base._replace(**changes)


@pytest.fixture(scope="module")
def house():
    """Six days of two rooms that follow the network exactly."""
    grid = TimeGrid(start_s=START_S, slot_s=900, count=DAYS * 96)
    hour = (grid.starts_s() / 3600.0) % 24.0
    ghi = np.maximum(0.0, 300.0 * np.sin((hour - 7.0) / 10.0 * np.pi)) * ((hour > 7.0) & (hour < 17.0))
    outdoor_c = 2.0 + 3.0 * np.sin((hour - 9.0) / 12.0 * np.pi)
    heat_w = np.where((hour[:, None] + [0.0, 3.0]) % 6.0 < 2.0, 1200.0, 0.0)
    sun = window_sun(grid, ghi, PLACE, 180.0)
    states_c = simulate(example_network(2), ThermalInputs(outdoor_c, sun, heat_w), np.full(4, 20.0), 900.0)
    columns = {"temp_air_c": outdoor_c, "ghi_w_per_m2": ghi}
    for room, name in enumerate(NAMES):
        columns |= {
            f"heat_{name}_w": heat_w[:, room],
            f"room_{name}_c": (states_c[:-1, room] + states_c[1:, room]) / 2.0,
        }
    return Frame(grid=grid, columns=columns)


def part(frame, first, last, **changes):
    grid = TimeGrid(start_s=frame.grid.start_s + 900 * first, slot_s=900, count=last - first)
    columns = {name: values[first:last].copy() for name, values in frame.columns.items()}
    return Frame(grid=grid, columns={**columns, **changes})


def test_rooms_that_follow_the_network_are_known_a_day_ahead(house):
    found = room_quantiles(model(), part(house, 0, 480), part(house, 480, 576))
    for name in NAMES:
        came_c = house.column(f"room_{name}_c")[480:576]
        assert found[f"room_{name}_c"][:, 1] == pytest.approx(came_c, abs=0.4)
        assert np.ptp(came_c) > 2.0


def test_the_spread_is_that_of_the_hour_ahead_and_the_last_for_all_later_ones(house):
    found = room_quantiles(model(), part(house, 0, 480), part(house, 480, 500))["room_hall_c"]
    assert found[:, 0] - found[:, 1] == pytest.approx([-0.1] * 4 + [-0.4] * 16)
    assert found[:, 2] - found[:, 1] == pytest.approx([0.2] * 4 + [0.5] * 16)


def test_more_heat_ahead_is_warmer_and_a_neighbour_feels_it_less(house):
    ahead = part(house, 480, 576)
    warmer = part(house, 480, 576, heat_hall_w=ahead.column("heat_hall_w") + 1000.0)
    before = room_quantiles(model(), part(house, 0, 480), ahead)
    after = room_quantiles(model(), part(house, 0, 480), warmer)
    gain_k = {name: (after[f"room_{name}_c"] - before[f"room_{name}_c"])[-1, 1] for name in NAMES}
    assert gain_k["hall"] > gain_k["bath"] > 0.5


def test_a_mix_of_present_and_habit_needs_no_network(house):
    history = part(house, 0, 480)
    now = room_quantiles(model(mix=Mix(0.0, 1.0, 0.0)), history, part(house, 480, 576))["room_hall_c"]
    assert (now[:, 1] == house.column("room_hall_c")[479]).all()
    habit = room_quantiles(model(mix=Mix(0.0, 0.0, 1.0)), history, part(house, 480, 576))["room_hall_c"]
    wanted = house.column("room_hall_c")[:480].reshape(5, 96).mean(axis=0)
    assert habit[:, 1] == pytest.approx(wanted)


def test_a_gap_in_the_past_is_left_behind_and_one_at_the_end_is_nan(house):
    history = part(house, 0, 480)
    gone = history.column("temp_air_c").copy()
    gone[:100] = np.nan
    found = room_quantiles(model(), part(house, 0, 480, temp_air_c=gone), part(house, 480, 576))["room_hall_c"]
    assert np.isfinite(found).all()
    gone[470:] = np.nan
    assert np.isnan(
        room_quantiles(model(), part(house, 0, 480, temp_air_c=gone), part(house, 480, 576))["room_hall_c"]
    ).all()
    assert np.isnan(room_quantiles(model(), part(house, 0, 0), part(house, 480, 576))["room_hall_c"]).all()


def test_a_missing_reading_of_a_room_is_bridged(house):
    lost = house.column("room_hall_c")[:480].copy()
    lost[200:260] = np.nan
    found = room_quantiles(model(), part(house, 0, 480, room_hall_c=lost), part(house, 480, 576))["room_hall_c"]
    assert found[:, 1] == pytest.approx(house.column("room_hall_c")[480:576], abs=0.5)


def test_a_relay_is_all_or_nothing_and_a_room_without_heater_has_none():
    grid = TimeGrid(start_s=START_S, slot_s=900, count=4)
    frame = Frame(grid=grid, columns={"heat_hall_w": np.array([0.0, 3.0, 900.0, math.nan])})
    found = heat_of(frame, NAMES, np.array([math.nan, 1500.0]))
    assert (found[:, 0] == 0.0).all()
    assert found[:3, 1].tolist() == [0.0, 1500.0, 1500.0]
    assert math.isnan(found[3, 1])


def test_a_low_winter_sun_shines_more_on_a_southern_window_than_on_the_ground():
    grid = TimeGrid(start_s=START_S + 11 * 3600, slot_s=900, count=4)
    ghi = np.array([400.0, 400.0, -3.0, math.nan])
    south = window_sun(grid, ghi, PLACE, 180.0)
    assert (south[:2] > 500.0).all()
    assert (window_sun(grid, ghi, PLACE, 0.0)[:2] < 200.0).all()
    assert south[2] == 0.0
    assert math.isnan(south[3])
    assert window_sun(grid, ghi, PLACE, math.nan)[:3].tolist() == [400.0, 400.0, 0.0]


def test_rooms_survive_a_bundle():
    known = model(window_azimuth_deg=math.nan, relay_w=np.array([1500.0, math.nan]))
    again = rooms_from(rooms_document(known))
    assert rooms_document(again) == rooms_document(known)
    assert np.array_equal(again.network.pairs, known.network.pairs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"names": ["hall", "hall"]}, "different names"),
        ({"names": ["hall", "../x"]}, "a-z"),
        ({"relay_w": [1.0]}, "one value a room"),
        ({"mix": {"network_frac": 0.9, "now_frac": 0.9, "habit_frac": 0.0}}, "sum to 1"),
        ({"low_k": [-1.0]}, "1..192"),
        ({"low_k": [0.5, 0.0]}, "must not be above 0"),
        ({"high_k": [1.0, 99.0]}, "within 30 K"),
        ({"window_azimuth_deg": 720.0}, "0..360"),
        ({"noise": {"air_k": 0.0, "mass_k": 0.1, "measured_k": 0.1}}, "air_k"),
        ({"location": {"latitude_deg": 200.0, "longitude_deg": 0.0, "altitude_m": 0.0}}, "latitude_deg"),
        ({"network": {}}, "not readable"),
        ({"moon": 1}, "must have the keys"),
    ],
)
def test_rooms_that_cannot_be_are_refused_by_name(changes, said):
    with pytest.raises(ValueError, match=said):
        rooms_from({**rooms_document(model()), **changes})
