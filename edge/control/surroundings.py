"""What a plan knows of the house besides PV, load and prices: weather, temperatures, cars, what the grid allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, FloatArray
from edge.config import Site
from edge.config_house import HEATER
from edge.control.rounding import State

if TYPE_CHECKING:
    from core_kernels.bundle_rooms import BundledRooms

# A room changes by less than a kelvin in this time; an older temperature is not known.
MAX_TEMPERATURE_AGE_S = 2.0 * SECONDS_PER_HOUR
OUTDOOR, SUN = "fc_temp_air_c", "fc_ghi_w_per_m2"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """Unknown is absent, empty or NaN.

    ``outdoor_c`` and ``solar_w_per_m2`` are forecasts on the plan's grid; ``temperature_c`` holds the last value of
    each signal; ``missing_wh`` what a car still needs in this session; ``soc_frac`` the charge of further batteries;
    ``import_limit_w`` is what a grid operator allows now; ``is_connected`` and ``departure_s`` tell of cars,
    ``setpoint_c`` of rooms by their zone, ``notes`` what of all that was too old to be used; ``measured_net_w`` is the
    net load (load - PV) of the quarter hours before the plan, NaN where it was not measured; ``identified`` the numbers
    of rooms as a bundle knows them.
    """

    outdoor_c: FloatArray = field(default_factory=lambda: np.empty(0))
    solar_w_per_m2: FloatArray = field(default_factory=lambda: np.empty(0))
    temperature_c: Mapping[str, float] = field(default_factory=dict)
    missing_wh: Mapping[str, float] = field(default_factory=dict)
    soc_frac: Mapping[str, float] = field(default_factory=dict)
    import_limit_w: float = math.inf
    devices: Mapping[str, State] = field(default_factory=dict)
    is_connected: Mapping[str, bool] = field(default_factory=dict)
    departure_s: Mapping[str, float] = field(default_factory=dict)
    setpoint_c: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measured_net_w: FloatArray = field(default_factory=lambda: np.empty(0))
    identified: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def lacking(self, missing_wh: Mapping[str, float]) -> Surroundings:
        """The same with what the running sessions still lack."""
        return replace(self, missing_wh=missing_wh)


def surroundings_of(
    site: Site, grid: TimeGrid, history: Frame | None, weather: Frame | None, rooms: BundledRooms | None = None
) -> Surroundings:
    """What weather, measurements and a bundle say of the site's rooms; under a capacity tariff, its net load."""
    measured_w = net_load_w(history) if site.tariff.peak_eur_per_kw_month > 0.0 else np.empty(0)
    if not site.zones and site.hotwater is None:
        return Surroundings(measured_net_w=measured_w)
    return Surroundings(
        outdoor_c=on_grid(weather, OUTDOOR, grid),
        solar_w_per_m2=on_grid(weather, SUN, grid),
        temperature_c={name: last_value(history, name, grid.start_s) for name in site.sensors},
        measured_net_w=measured_w,
        identified=identified_of(rooms) if rooms is not None else {},
    )


def net_load_w(history: Frame | None) -> FloatArray:
    """Load less PV of measured quarter hours, to a watt: a flight recorder keeps it; empty where one is absent. [W]"""
    if history is None or "pv_w" not in history.columns or "load_w" not in history.columns:
        return np.empty(0)
    return np.round(history.column("load_w") - history.column("pv_w"))


def identified_of(rooms: BundledRooms) -> dict[str, dict[str, float]]:
    """The numbers of each room in the units of ``[[zone]]``; a room without a heater has no ``heat_w``."""
    network = rooms.model.network
    columns = {
        HEATER: rooms.heat_w,
        "air_wh_per_k": network.air_j_per_k / SECONDS_PER_HOUR,
        "mass_wh_per_k": network.mass_j_per_k / SECONDS_PER_HOUR,
        "air_mass_k_per_w": network.air_mass_k_per_w,
        "mass_out_k_per_w": network.mass_out_k_per_w,
        "solar_m2": network.solar_m2,
    }
    return {
        name: {key: float(values[room]) for key, values in columns.items() if not math.isnan(values[room])}
        for room, name in enumerate(rooms.model.names)
    }


def on_grid(frame: Frame | None, name: str, grid: TimeGrid) -> FloatArray:
    """A column by the times of a grid, NaN where it is not known; empty where there is no such column."""
    if frame is None or name not in frame.columns:
        return np.empty(0)
    place = (grid.starts_s() - frame.grid.start_s) // frame.grid.slot_s
    inside = (place >= 0) & (place < frame.grid.count)
    column = frame.columns[name]
    return np.where(inside, column[np.clip(place, 0, frame.grid.count - 1).astype(np.int64)], math.nan)


def last_value(frame: Frame | None, name: str, now_s: float) -> float:
    """The last value of a signal that is not too old; NaN without one."""
    if frame is None or name not in frame.columns:
        return math.nan
    ends_s = frame.grid.starts_s() + frame.grid.slot_s
    values = frame.columns[name]
    recent = np.isfinite(values) & (ends_s >= now_s - MAX_TEMPERATURE_AGE_S) & (ends_s <= now_s)
    return float(values[recent][-1]) if recent.any() else math.nan
