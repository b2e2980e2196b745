"""Rooms, hot water and heat pump of a site as components of its plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from core_kernels.heatpump import HeatPump, operate
from core_kernels.qp_heat import (
    Room,
    RoomState,
    Source,
    Tank,
    pump_numbers,
    pump_part,
    room_numbers,
    room_part,
    tank_numbers,
    tank_part,
)
from core_kernels.qp_limits import Draw
from core_kernels.qp_parts import Numbers, Part
from core_kernels.thermal import ThermalNetwork, discretise
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config_house import HEATER, NETWORK, TANK_ROOM_C, HeatBy, HeatPumpUnit, HotWater, Zone
from edge.control.component import AID_EUR, Component, Outlook, Thermometer, switch_of
from edge.control.demands import local_day_s
from edge.control.rounding import Switch

PUMP = "heatpump"
BRINE_C = 0.0  # what the ground gives in winter, the reference point of the brine pumps' data sheets
WATER_WH_PER_LITRE_K = 1.163
# Of the heat that is in walls and tank at the end, this part still serves later; the rest has leaked away by then.
TERMINAL_HEAT_FRAC = 0.5
NAMED_K = 0.5
_DRAW_S = (6 * 3600.0, 22 * 3600.0)


def heating(outlook: Outlook) -> tuple[Component, ...]:
    """All rooms, the tank, and the pump that heats them; what cannot be planned is left out and named."""
    site = outlook.site
    if not site.zones and site.hotwater is None:
        return ()
    count = outlook.grid.count
    cop, input_kw = pump_of(site.heatpump, outlook.around.outdoor_c[:count], count)
    zones = [whole(zone, outlook.around.identified) for zone in site.zones]
    found = [_zone(zone, _source(zone.by, cop), outlook) for zone in zones]
    if site.hotwater is not None:
        found.append(_tank(site.hotwater, _source(site.hotwater.by, cop), outlook))
    pumped = any(component.part.unknowns and _is_pumped(component) for component in found)
    pump = Component(PUMP, pump_part(PUMP), pump_numbers(PUMP, input_kw), {})
    return (pump, *found) if pumped else tuple(found)


def _is_pumped(component: Component) -> bool:
    return any(cell.row == PUMP for cell in component.part.cells)


def pump_of(unit: HeatPumpUnit | None, outdoor_c: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """COP and electric limit [kW] in each step; without a pump or an outdoor temperature NaN."""
    nothing = np.full(count, math.nan)
    if unit is None or not outdoor_c.size or not np.isfinite(outdoor_c).all():
        return nothing, nothing
    source_c = outdoor_c if unit.kind.startswith("air") else np.full(outdoor_c.size, BRINE_C)
    operation = operate(HeatPump(unit.kind, unit.heating_w), source_c, np.full(outdoor_c.size, unit.flow_c), outdoor_c)
    input_w = operation.input_w if math.isnan(unit.input_w) else np.minimum(operation.input_w, unit.input_w)
    return operation.cop, input_w / W_PER_KW


def _source(by: HeatBy, cop: FloatArray) -> Source:
    return Source(1.0 / cop, PUMP) if by == PUMP else Source(np.ones(cop.size))


def _left_out(name: str, reason: str) -> Component:
    return Component(name, *_NOTHING, {}, (f"{name} is left out of the plan: {reason}",))


_NOTHING = (Part(), Numbers({}, {}, {}))


def _worth_eur_per_kwh(source: Source, outlook: Outlook) -> float:
    """What a kWh of heat at the end saves later."""
    day = slice(-min(outlook.grid.count, SECONDS_PER_DAY // outlook.grid.slot_s), None)
    price = float((outlook.import_eur_per_kwh * source.bus_per_heat)[day].mean())
    return max(TERMINAL_HEAT_FRAC * price, 0.0)


def whole(zone: Zone, identified: Mapping[str, Mapping[str, float]]) -> Zone:
    """A zone with the numbers of the bundle's room of its name, where the file gives it no network."""
    known = identified.get(zone.name, {})
    if not known or not set(NETWORK) <= set(zone.absent):
        return zone
    return replace(
        zone,
        heat_w=known.get(HEATER, math.nan) if HEATER in zone.absent else zone.heat_w,
        air_wh_per_k=known["air_wh_per_k"],
        mass_wh_per_k=known["mass_wh_per_k"],
        air_mass_k_per_w=known["air_mass_k_per_w"],
        mass_out_k_per_w=known["mass_out_k_per_w"],
        solar_m2=known["solar_m2"],
    )


def room_of(zone: Zone, slot_s: float) -> tuple[Room, FloatArray]:
    """A zone's exact step, and its effects of outdoor temperature and sun, float64[2, 2]."""
    network = ThermalNetwork(
        air_j_per_k=np.array([zone.air_wh_per_k * SECONDS_PER_HOUR]),
        mass_j_per_k=np.array([zone.mass_wh_per_k * SECONDS_PER_HOUR]),
        air_mass_k_per_w=np.array([zone.air_mass_k_per_w]),
        mass_out_k_per_w=np.array([zone.mass_out_k_per_w]),
        solar_m2=np.array([zone.solar_m2]),
        between_k_per_w=np.empty(0),
        pairs=np.empty((0, 2), dtype=np.int64),
    )
    step, effect = discretise(network, slot_s)
    return Room(step, W_PER_KW * effect[:, 2]), effect[:, :2]


def with_setpoint(zone: Zone, setpoint_c: float) -> Zone:
    """The zone with the band that somebody set, as wide as the site's own; NaN: nobody did."""
    if math.isnan(setpoint_c):
        return zone
    return replace(zone, least_c=setpoint_c, most_c=setpoint_c + zone.most_c - zone.least_c)


def start_k(zone: Zone, air_c: float, outdoor_c: float, reference_c: float) -> FloatArray:
    """Air and mass now as deviations; the mass, which nobody measures, as in a room at rest."""
    inner, outer = zone.air_mass_k_per_w, zone.mass_out_k_per_w
    mass_c = air_c - (air_c - outdoor_c) * inner / (inner + outer)
    return np.array([air_c - reference_c, mass_c - reference_c])


def _zone(zone: Zone, source: Source, outlook: Outlook) -> Component:
    name, count, around = f"zone.{zone.name}", outlook.grid.count, outlook.around
    outdoor_c, air_c = around.outdoor_c[:count], around.temperature_c.get(zone.signal, math.nan)
    if zone.absent:
        return _left_out(name, f"neither site.toml nor the bundle knows its {', '.join(zone.absent)}")
    if not outdoor_c.size or not np.isfinite(outdoor_c).all():
        return _left_out(name, "there is no forecast of the outdoor temperature (fc_temp_air_c)")
    if math.isnan(air_c):
        return _left_out(name, f"its temperature ({zone.signal}) is not known")
    sun = np.zeros(count) if not around.solar_w_per_m2.size else np.nan_to_num(around.solar_w_per_m2[:count])
    zone = with_setpoint(zone, around.setpoint_c.get(zone.name, math.nan))
    reference_c = 0.5 * (zone.least_c + zone.most_c)
    room, effect = room_of(zone, outlook.grid.slot_s)
    worth = _worth_eur_per_kwh(source, outlook) * np.array([zone.air_wh_per_k, zone.mass_wh_per_k]) / W_PER_KW
    state = RoomState(
        start=start_k(zone, air_c, float(outdoor_c[0]), reference_c),
        drift=np.outer(outdoor_c - reference_c, effect[:, 0]) + np.outer(sun, effect[:, 1]),
        least=np.full(count, zone.least_c - reference_c),
        most=np.full(count, zone.most_c - reference_c),
        heat_max_kw=np.full(count, zone.heat_w / W_PER_KW),
        worth_eur_per_k=worth,
    )
    comfort_eur = 2.0 * outlook.step_hours * outlook.site.goals.comfort_eur_per_h
    return Component(
        name=name,
        part=room_part(name, room, source, comfort_eur, AID_EUR),
        numbers=room_numbers(name, room, state),
        draws={f"{name}.heat": Draw(source.bus_per_heat)},
        violations=_outside(name, air_c, zone.least_c, zone.most_c),
        thermometer=Thermometer(f"{name}.air", 1.0, reference_c, air_c, zone.least_c, zone.most_c),
        switch=_relay(name, zone, outlook),
    )


def _relay(name: str, heated: Zone | HotWater, outlook: Outlook) -> Switch | None:
    """The relay of what is heated by one."""
    if heated.by != "relay":
        return None
    switch = switch_of(name, "heat", heated.heat_w, (heated.min_on_s, heated.min_off_s), outlook)
    return switch._replace(start_eur=heated.start_eur)


def _outside(name: str, now_c: float, least_c: float, most_c: float) -> tuple[str, ...]:
    """By how much a temperature is outside its band already."""
    if now_c < least_c - NAMED_K:
        return (f"{name} is {least_c - now_c:.1f} K too cold",)
    return (f"{name} is {now_c - most_c:.1f} K too warm",) if now_c > most_c + NAMED_K else ()


def _tank(tank: HotWater, source: Source, outlook: Outlook) -> Component:
    name, count, step_hours = "hotwater", outlook.grid.count, outlook.step_hours
    now_c = outlook.around.temperature_c.get(tank.sensor, math.nan)
    if math.isnan(now_c):
        return _left_out(name, f"its temperature ({tank.sensor}) is not known")
    if not np.isfinite(source.bus_per_heat).all():
        return _left_out(name, "there is no forecast of the outdoor temperature (fc_temp_air_c)")
    kwh_per_k = tank.litres_count * WATER_WH_PER_LITRE_K / W_PER_KW
    loss_kw_per_k = tank.loss_w / W_PER_KW / (tank.most_c - TANK_ROOM_C)
    keep_frac = math.exp(-step_hours * loss_kw_per_k / kwh_per_k)
    day_s = local_day_s(outlook.grid.starts_s(), outlook.site.zone)
    drawing = (day_s >= _DRAW_S[0]) & (day_s < _DRAW_S[1])
    draw_kwh = np.where(
        drawing, tank.draw_wh / W_PER_KW * step_hours * SECONDS_PER_HOUR / (_DRAW_S[1] - _DRAW_S[0]), 0.0
    )
    gained_kwh = (1.0 - keep_frac) * kwh_per_k * (TANK_ROOM_C - tank.cold_c)
    numbers = Tank(
        keep_frac=keep_frac,
        stored_wh=W_PER_KW * kwh_per_k * (now_c - tank.cold_c),
        least_wh=W_PER_KW * kwh_per_k * (tank.least_c - tank.cold_c),
        most_wh=W_PER_KW * kwh_per_k * (tank.most_c - tank.cold_c),
        draw_kwh=draw_kwh - gained_kwh,
        heat_max_kw=np.full(count, tank.heat_w / W_PER_KW),
        worth_eur_per_kwh=_worth_eur_per_kwh(source, outlook),
    )
    comfort_eur = 2.0 * step_hours * outlook.site.goals.comfort_eur_per_h / kwh_per_k**2
    return Component(
        name=name,
        part=tank_part(name, step_hours, keep_frac, source, comfort_eur),
        numbers=tank_numbers(name, numbers),
        draws={f"{name}.heat": Draw(source.bus_per_heat)},
        violations=_outside(name, now_c, tank.least_c, tank.most_c),
        thermometer=Thermometer(f"{name}.stored", 1.0 / kwh_per_k, tank.cold_c, now_c, tank.least_c, tank.most_c),
        switch=_relay(name, tank, outlook),
    )
