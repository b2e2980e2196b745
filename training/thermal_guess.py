"""First guesses of rooms from how they cool and warm, and what is plausible for a room."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.rainflow import IntArray
from core_kernels.thermal import ThermalInputs, ThermalNetwork
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

# PEMS v2's bounds of a room that is one resistor and one capacitor.
RESISTANCE_K_PER_W = (0.008, 0.5)
CAPACITY_J_PER_K = (2e6, 1e8)
TAU_H = (3.0, 350.0)
_STEP_SLOTS = 4  # changes over an hour stand out of a sensor's rounding
_LEAST_ROWS = 24
_SHARES = {"air_frac": 0.15, "inner_frac": 0.15}  # of a room's capacity and resistance, in heavy houses
_BETWEEN_K_PER_W = 0.02  # an inner wall with a door
_WINDOW_M2 = 2.0
_TYPICAL_J_PER_K = 1e7
_ALL_PAIRS_ROOMS = 4


class SingleRoom(NamedTuple):
    """One resistor, one capacitor, one window: what a first look at a room gives."""

    resistance_k_per_w: float
    capacity_j_per_k: float
    solar_m2: float

    @property
    def tau_h(self) -> float:
        """Time constant [h]."""
        return self.resistance_k_per_w * self.capacity_j_per_k / SECONDS_PER_HOUR


def single_room(inputs: ThermalInputs, room: int, measured_c: FloatArray, slot_s: float) -> SingleRoom:
    """Least squares of the room's hourly changes on the difference to outdoors, heat and sun.

    Decay alone gives the time constant, heat the capacity; without heat the capacity is a typical one.
    """
    step_s = _STEP_SLOTS * slot_s
    mean = [np.convolve(x, np.ones(_STEP_SLOTS) / _STEP_SLOTS, "valid")[:-1] for x in _columns(inputs, room)]
    outdoor_c, sun, heat_w = mean
    air_c = measured_c[: outdoor_c.size]
    change = (measured_c[_STEP_SLOTS:] - measured_c[:-_STEP_SLOTS])[: outdoor_c.size]
    rows = np.column_stack([outdoor_c - air_c, heat_w, sun])
    known = np.isfinite(rows).all(axis=1) & np.isfinite(change)
    if known.sum() < _LEAST_ROWS:
        return SingleRoom(0.05, _TYPICAL_J_PER_K, _WINDOW_M2)
    used = rows[known]
    heated = bool(np.ptp(used[:, 1]) > 0.0)
    factors = np.linalg.lstsq(used if heated else used[:, [0, 2]], change[known], rcond=None)[0]
    loss, warm, shine = (factors[0], factors[1], factors[2]) if heated else (factors[0], 0.0, factors[1])
    capacity = step_s / warm if warm > 0.0 else _TYPICAL_J_PER_K
    resistance = step_s / max(loss, 1e-6) / capacity
    return SingleRoom(float(resistance), float(capacity), max(float(shine) * capacity / step_s, 0.1))


def bounded(room: SingleRoom) -> SingleRoom:
    """The room within what is plausible, to start from."""
    capacity = float(np.clip(room.capacity_j_per_k, *CAPACITY_J_PER_K))
    tau_h = float(np.clip(room.tau_h, *TAU_H))
    resistance = float(np.clip(tau_h * SECONDS_PER_HOUR / capacity, *RESISTANCE_K_PER_W))
    return SingleRoom(resistance, capacity, room.solar_m2)


def _columns(inputs: ThermalInputs, room: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    return inputs.outdoor_c, inputs.solar_w_per_m2, inputs.heat_w[:, room]


def neighbours(measured_c: FloatArray) -> IntArray:
    """Which rooms exchange heat: all pairs of a few, else each room with the two that move most like it."""
    rooms = measured_c.shape[1]
    pairs = {(i, j) for i in range(rooms) for j in range(i + 1, rooms)}
    if rooms > _ALL_PAIRS_ROOMS:
        change = np.nan_to_num(np.diff(measured_c, axis=0))
        alike = np.corrcoef(change + 1e-12, rowvar=False) - 2.0 * np.eye(rooms)
        nearest = np.argsort(-np.nan_to_num(alike, nan=-1.0), axis=1)[:, :2]
        pairs = {(min(i, int(j)), max(i, int(j))) for i in range(rooms) for j in nearest[i]}
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def start_network(rooms: list[SingleRoom], pairs: IntArray, spread_ratio: float = 1.0) -> ThermalNetwork:
    """A network near what the single rooms say; ``spread_ratio`` moves capacity from the air to the mass and back."""
    capacity = np.array([room.capacity_j_per_k for room in rooms])
    resistance = np.array([room.resistance_k_per_w for room in rooms])
    air, inner = _SHARES["air_frac"] * spread_ratio, _SHARES["inner_frac"] / spread_ratio
    return ThermalNetwork(
        air_j_per_k=air * capacity,
        mass_j_per_k=(1.0 - air) * capacity * 2.0,
        air_mass_k_per_w=inner * resistance,
        mass_out_k_per_w=(1.0 - inner) * resistance,
        solar_m2=np.array([room.solar_m2 for room in rooms]),
        between_k_per_w=np.full(pairs.shape[0], _BETWEEN_K_PER_W),
        pairs=pairs,
    )


def doubts(name: str, network: ThermalNetwork, room: int) -> list[str]:
    """What of an identified room is not like a room; a whole house measured as one is named here, not bent."""
    resistance = float(network.air_mass_k_per_w[room] + network.mass_out_k_per_w[room])
    capacity = float(network.air_j_per_k[room] + network.mass_j_per_k[room])
    values = {
        "resistance": (resistance, RESISTANCE_K_PER_W, "K/W"),
        "capacity": (capacity, CAPACITY_J_PER_K, "J/K"),
        "time constant": (resistance * capacity / SECONDS_PER_HOUR, TAU_H, "h"),
    }
    return [
        f"{name}: {what} {value:.3g} {unit} is outside {low:g}..{high:g}"
        for what, (value, (low, high), unit) in values.items()
        if not low <= value <= high
    ]
