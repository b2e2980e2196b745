"""The reference of the rooms: one resistor and one capacitor each, fitted by least squares."""

from __future__ import annotations

import numpy as np

from core_kernels.folding import SLOT_S
from core_kernels.records import Frame
from core_kernels.rooms import RoomModel, acts_on, now_and_habit, rooms_of
from core_kernels.units import FloatArray
from training.thermal_guess import SingleRoom


def single_rooms_c(model: RoomModel, singles: tuple[SingleRoom, ...], history: Frame, ahead: Frame) -> FloatArray:
    """Each room from where it is now, slot after slot, float64[slots, rooms] [degC]."""
    acts = acts_on(ahead, model)
    air_c = now_and_habit(history, ahead.grid, rooms_of(history, model.names))[0][0]
    path_c = np.empty((ahead.grid.count, len(singles)))
    for slot in range(ahead.grid.count):
        for room, single in enumerate(singles):
            gain_w = acts.heat_w[slot, room] + single.solar_m2 * acts.solar_w_per_m2[slot]
            rest_c = acts.outdoor_c[slot] + single.resistance_k_per_w * gain_w
            stays = np.exp(-SLOT_S / (single.resistance_k_per_w * single.capacity_j_per_k))
            after_c = rest_c + (air_c[room] - rest_c) * stays
            path_c[slot, room] = (air_c[room] + after_c) / 2.0
            air_c[room] = after_c
    return path_c
