"""Room temperatures of a house whose thermal network is known: ONE code for training and device.

The network is followed through the last week, then driven by what is known of the days ahead; what it says is mixed
with the room as it is now and with its habit at that time of day, as far as the training days spoke for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core_kernels.clear_sky import extraterrestrial
from core_kernels.folding import SLOT_S, SLOTS_PER_DAY, day_table, known_mean, mids_s
from core_kernels.irradiance import decompose
from core_kernels.kalman import Observations, ThermalNoise, estimate_states
from core_kernels.planes import transpose
from core_kernels.records import Frame
from core_kernels.solar import Location, sun_position
from core_kernels.thermal import ThermalInputs, ThermalNetwork, simulate
from core_kernels.timegrid import TimeGrid
from core_kernels.transposition import Surface
from core_kernels.units import FloatArray

WARM_DAYS = 7
LEAD_SLOTS = 4  # the spread is known for each hour ahead
_LEAST_WARM_SLOTS = 16


class Mix(NamedTuple):
    """Shares of the network, of the room as it is now, and of its mean at that time of day; they sum to 1."""

    network_frac: float
    now_frac: float
    habit_frac: float


class RoomModel(NamedTuple):
    """A house of rooms, by the names in ``room_<name>_c`` and ``heat_<name>_w``.

    ``window_azimuth_deg`` is the plane whose sun warms the rooms, NaN for the horizontal. Where ``relay_w`` is known,
    heat is that power whenever it is on, whatever its reading says. ``low_k`` and ``high_k`` float64[hours] are what
    P10 and P90 lie from the middle in each hour ahead, the last for all later ones.
    """

    names: tuple[str, ...]
    network: ThermalNetwork
    noise: ThermalNoise
    location: Location
    window_azimuth_deg: float
    relay_w: FloatArray
    mix: Mix
    low_k: FloatArray
    high_k: FloatArray


def window_sun(grid: TimeGrid, ghi_w_per_m2: FloatArray, location: Location, azimuth_deg: float) -> FloatArray:
    """Irradiance on vertical windows from that on the horizontal [W/m2]; NaN azimuth: the horizontal itself."""
    if np.isnan(azimuth_deg):
        return np.maximum(ghi_w_per_m2, 0.0)
    times_s, ghi = mids_s(grid), np.ascontiguousarray(np.maximum(ghi_w_per_m2, 0.0))
    sun = sun_position(times_s, location)
    light = decompose(times_s, ghi, sun.zenith_deg)
    plane = transpose(Surface(90.0, azimuth_deg), sun.zenith_deg, sun.azimuth_deg, light, extraterrestrial(times_s))
    total = sum(plane)
    return np.where(np.isfinite(ghi), np.maximum(np.nan_to_num(total, nan=0.0), 0.0), np.nan)


def heat_of(frame: Frame, names: tuple[str, ...], relay_w: FloatArray) -> FloatArray:
    """Heat into each room, float64[slots, rooms] [W]; a room without a heater has none, a relay's is all or nothing."""
    columns = []
    for name, full_w in zip(names, relay_w, strict=True):
        signal = f"heat_{name}_w"
        heat_w = frame.column(signal) if signal in frame.columns else np.zeros(frame.grid.count)
        on_w = np.where(np.isnan(heat_w), np.nan, np.where(heat_w > 0.0, full_w, 0.0))
        columns.append(heat_w if np.isnan(full_w) else on_w)
    return np.ascontiguousarray(np.column_stack(columns))


def acts_on(frame: Frame, model: RoomModel) -> ThermalInputs:
    """Outdoor air, sun on the windows and heat, as the network takes them; NaN where a frame does not know."""
    ghi = frame.column("ghi_w_per_m2")
    sun = window_sun(frame.grid, ghi, model.location, model.window_azimuth_deg)
    return ThermalInputs(frame.column("temp_air_c").copy(), sun, heat_of(frame, model.names, model.relay_w))


def rooms_of(frame: Frame, names: tuple[str, ...]) -> FloatArray:
    """Measured rooms, float64[slots, rooms] [degC]."""
    return np.ascontiguousarray(np.column_stack([frame.column(f"room_{name}_c") for name in names]))


def part(inputs: ThermalInputs, first: int, last: int) -> ThermalInputs:
    """Some slots of the inputs."""
    return ThermalInputs(*(np.ascontiguousarray(values[first:last]) for values in inputs))


def known_from(inputs: ThermalInputs) -> int:
    """First slot of the spell without gaps that ends with the last slot."""
    finite = np.isfinite(inputs.outdoor_c) & np.isfinite(inputs.solar_w_per_m2) & np.isfinite(inputs.heat_w).all(axis=1)
    gaps = np.flatnonzero(~finite)
    return int(gaps[-1]) + 1 if gaps.size else 0


def network_path(model: RoomModel, before: ThermalInputs, measured_c: FloatArray, ahead: ThermalInputs) -> FloatArray:
    """Means of each slot ahead by the network alone, float64[slots, rooms]; NaN where too little is known [degC]."""
    first = known_from(before)
    rooms = len(model.names)
    known = np.isfinite(measured_c[first:])
    if known.shape[0] < _LEAST_WARM_SLOTS or not known.any(axis=0).all():
        return np.full((ahead.outdoor_c.size, rooms), np.nan)
    first += int(np.argmax(known.all(axis=1))) if known.all(axis=1).any() else 0
    spell = Observations(
        part(before, first, measured_c.shape[0]), np.ascontiguousarray(measured_c[first:]), float(SLOT_S)
    )
    states_c = estimate_states(model.network, model.noise, spell)
    path_c = simulate(model.network, ahead, states_c, float(SLOT_S))[:, :rooms]
    return np.asarray((path_c[1:] + path_c[:-1]) / 2.0)


def now_and_habit(history: Frame, grid: TimeGrid, measured_c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each room as it was last, and the mean of the last week at each slot's time of day, float64[slots, rooms]."""
    slots = (history.grid.starts_s() // SLOT_S).astype(np.int64)
    column = (grid.starts_s() // SLOT_S).astype(np.int64) % SLOTS_PER_DAY
    now, habit = [], []
    for values in measured_c.T:
        known = values[np.isfinite(values)]
        now.append(np.full(grid.count, known[-1] if known.size else np.nan))
        mean = known_mean(day_table(np.ascontiguousarray(values), slots, int(slots[-1]) + 1, WARM_DAYS), 0)[column]
        habit.append(np.where(np.isnan(mean), now[-1], mean))
    return np.column_stack(now), np.column_stack(habit)


def room_quantiles(model: RoomModel, history: Frame, ahead: Frame) -> dict[str, FloatArray]:
    """P10, P50 and P90 of each room in each slot ahead.

    Parameters
    ----------
    model : RoomModel
    history : Frame
        Slots of 900 s up to the issue, a week is best: ``room_<name>_c``, ``heat_<name>_w``, ``temp_air_c``,
        ``ghi_w_per_m2``.
    ahead : Frame
        Slots of 900 s from the issue on: heat as planned, weather as forecast, under the same names.

    Returns
    -------
    dict of str to float64[slots, 3]
        By signal, ``room_<name>_c``; NaN where the last hours are not known. [degC]
    """
    if not history.grid.count:
        return {f"room_{name}_c": np.full((ahead.grid.count, 3), np.nan) for name in model.names}
    measured_c = rooms_of(history, model.names)
    network_c = network_path(model, acts_on(history, model), measured_c, acts_on(ahead, model))
    now_c, habit_c = now_and_habit(history, ahead.grid, measured_c)
    middle_c = model.mix.network_frac * network_c + model.mix.now_frac * now_c + model.mix.habit_frac * habit_c
    hour = np.minimum(np.arange(ahead.grid.count) // LEAD_SLOTS, model.low_k.size - 1)
    return {
        f"room_{name}_c": np.column_stack([middle + model.low_k[hour], middle, middle + model.high_k[hour]])
        for name, middle in zip(model.names, middle_c.T, strict=True)
    }
