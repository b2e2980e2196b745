"""What the rooms will be under a plan: the bundle's rooms, heated as the plan has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core_kernels.bundle_rooms import BundledRooms
from core_kernels.quantiles import LEVELS_FRAC
from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from edge.config import Site
from edge.control.heating import PUMP, pump_of
from edge.control.surroundings import OUTDOOR, on_grid
from edge.forecast.rooms import rooms_ahead
from edge.messages import Plan


def with_rooms(site: Site, rooms: BundledRooms | None, plan: Plan, history: Frame, weather: Frame | None) -> Plan:
    """The plan with the temperatures of the bundle's rooms, or with the reason why they are not known."""
    if rooms is None:
        return plan
    grid = TimeGrid(start_s=plan.start_s, slot_s=plan.slot_s, count=len(plan.battery_w))
    found, reason = rooms_ahead(rooms, grid, history, weather, planned_heat_w(site, plan, weather, grid))
    if reason:
        return replace(plan, violations=(*plan.violations, f"rooms are not forecast: {reason}"))
    low, middle, high = (
        {room: tuple(values[:, level].tolist()) for room, values in found.items()} for level in range(len(LEVELS_FRAC))
    )
    return replace(plan, room_p10_c=low, room_p50_c=middle, room_p90_c=high)


def planned_heat_w(site: Site, plan: Plan, weather: Frame | None, grid: TimeGrid) -> dict[str, FloatArray]:
    """Heat into each room that the plan heats [W]: what it draws, times what a heat pump makes of it."""
    cop, _ = pump_of(site.heatpump, on_grid(weather, OUTDOOR, grid), grid.count)
    found = {}
    for zone in site.zones:
        drawn_w = plan.setpoint_w.get(f"zone.{zone.name}")
        if drawn_w is not None:
            found[zone.name] = np.array(drawn_w) * (cop if zone.by == PUMP else 1.0)
    return found
