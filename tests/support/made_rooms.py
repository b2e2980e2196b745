"""A made house of two rooms, hall heated and bath not, that follows its network exactly."""

import math
from dataclasses import dataclass

import numpy as np

from core_kernels.bundle_rooms import BundledRooms
from core_kernels.kalman import ThermalNoise
from core_kernels.records import Frame
from core_kernels.rooms import Mix, RoomModel, window_sun
from core_kernels.solar import Location
from core_kernels.thermal import ThermalInputs, example_network, simulate
from core_kernels.timegrid import TimeGrid

NAMES = ("hall", "bath")
PLACE = Location(49.2, 16.6, 230.0)
START_S = 1_706_745_600  # 2024-02-01 00:00 UTC


def made_rooms(names=NAMES):
    model = RoomModel(
        names=names,
        network=example_network(2),
        noise=ThermalNoise(),
        location=PLACE,
        window_azimuth_deg=180.0,
        relay_w=np.full(2, math.nan),
        mix=Mix(1.0, 0.0, 0.0),
        low_k=np.array([-0.1, -0.4]),
        high_k=np.array([0.2, 0.5]),
    )
    return BundledRooms(model, np.array([1200.0, math.nan]))


@dataclass
class Days:
    """Quarter hours of the made house, and parts of them."""

    frame: Frame

    def part(self, first, last, **changes):
        grid = TimeGrid(start_s=self.frame.grid.start_s + 900 * first, slot_s=900, count=last - first)
        columns = {name: values[first:last] for name, values in self.frame.columns.items()}
        columns = {name: values for name, values in {**columns, **changes}.items() if values is not None}
        return Frame(grid=grid, columns=columns)

    def weather(self, first, last):
        part = self.part(first, last)
        columns = {f"fc_{name}": part.column(name) for name in ("temp_air_c", "ghi_w_per_m2")}
        return Frame(grid=part.grid, columns=columns)


def room_days(days, start_s=START_S):
    grid = TimeGrid(start_s=start_s, slot_s=900, count=days * 96)
    hour = (grid.starts_s() / 3600.0) % 24.0
    ghi = np.maximum(0.0, 300.0 * np.sin((hour - 7.0) / 10.0 * np.pi)) * ((hour > 7.0) & (hour < 17.0))
    outdoor_c = 2.0 + 3.0 * np.sin((hour - 9.0) / 12.0 * np.pi)
    heat_w = np.where(hour % 6.0 < 2.0, 1200.0, 0.0)
    sun = window_sun(grid, ghi, PLACE, 180.0)
    heats_w = np.column_stack([heat_w, np.zeros(grid.count)])
    states_c = simulate(example_network(2), ThermalInputs(outdoor_c, sun, heats_w), np.full(4, 20.0), 900.0)
    columns = {"temp_air_c": outdoor_c, "ghi_w_per_m2": ghi, "heat_hall_w": heat_w}
    for room, name in enumerate(NAMES):
        columns[f"room_{name}_c"] = (states_c[:-1, room] + states_c[1:, room]) / 2.0
    return Days(Frame(grid=grid, columns=columns))
