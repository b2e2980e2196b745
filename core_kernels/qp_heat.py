"""Rooms, the hot-water tank and the heat pump in the house's programme.

A room is two capacities, air and mass, stepped exactly (:mod:`core_kernels.thermal`); temperatures are deviations from
the room's own reference [K], heat is in kW. Comfort is soft and purely quadratic: one free slack ``v`` and one row,
``least <= air - v <= most``. The tank is one capacity [kWh above the cold water] with its loss, its draws and the same
soft band. With a heat pump, heat takes ``1 / COP`` of its power from the bus and from the pump.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core_kernels.qp_parts import Cell, Numbers, Part, Ramp
from core_kernels.units import W_PER_KW, FloatArray


class Room(NamedTuple):
    """A room's exact step: ``step`` float64[2, 2] [K/K], ``heat`` float64[2] [K/kW]."""

    step: FloatArray
    heat: FloatArray


class RoomState(NamedTuple):
    """Numbers of one plan: air and mass now, free drift of both in each step float64[n, 2], band float64[n] [K].

    ``worth_eur_per_k`` float64[2] is what a K of air and of mass is worth at the end.
    """

    start: FloatArray
    drift: FloatArray
    least: FloatArray
    most: FloatArray
    heat_max_kw: FloatArray
    worth_eur_per_k: FloatArray


class Source(NamedTuple):
    """Where heat comes from: bus power for each kW of heat float64[n], and the row of the pump, if one gives it."""

    bus_per_heat: FloatArray
    pump: str = ""


def _drawn(heat: str, source: Source) -> tuple[Cell, ...]:
    """The heat's cells in the balance and in its pump."""
    bus = Cell("balance", heat, -source.bus_per_heat)
    return (bus, Cell(source.pump, heat, source.bus_per_heat)) if source.pump else (bus,)


def room_part(name: str, room: Room, source: Source, comfort_eur: float, ramp_eur: float) -> Part:
    """Unknowns ``heat`` [kW], ``air``, ``mass``, ``slack`` [K]; a K beyond the band costs half of ``comfort_eur``."""
    heat, air, mass, slack = (f"{name}.{unknown}" for unknown in ("heat", "air", "mass", "slack"))
    rows = f"{name}.air_step", f"{name}.mass_step", f"{name}.comfort"
    cells = []
    for i, (row, own) in enumerate(((rows[0], air), (rows[1], mass))):
        cells += [Cell(row, own, 1.0), Cell(row, heat, -float(room.heat[i]))]
        cells += [Cell(row, other, -float(room.step[i, j]), 1) for j, other in enumerate((air, mass))]
    return Part(
        unknowns=(heat, air, mass, slack),
        rows=rows,
        cells=(*cells, Cell(rows[2], air, 1.0), Cell(rows[2], slack, -1.0), *_drawn(heat, source)),
        free=frozenset((air, mass, slack)),
        squares=((slack, comfort_eur),),
        ramps=(Ramp(((heat, 1.0),), ramp_eur),),
    )


def room_numbers(name: str, room: Room, state: RoomState) -> Numbers:
    """Costs and bounds of one plan."""
    drift = state.drift.copy()
    drift[0] += room.step @ state.start
    worth = np.zeros((2, state.least.size))
    worth[:, -1] = -state.worth_eur_per_k
    steps = {f"{name}.air_step": drift[:, 0], f"{name}.mass_step": drift[:, 1]}
    return Numbers(
        cost={f"{name}.air": worth[0], f"{name}.mass": worth[1]},
        low={**steps, f"{name}.comfort": state.least},
        high={**steps, f"{name}.comfort": state.most, f"{name}.heat": state.heat_max_kw},
    )


class Tank(NamedTuple):
    """Numbers of a tank: share kept over a step, energy now and band [Wh], draws float64[n] [kWh]."""

    keep_frac: float
    stored_wh: float
    least_wh: float
    most_wh: float
    draw_kwh: FloatArray
    heat_max_kw: FloatArray
    worth_eur_per_kwh: float


def tank_part(name: str, step_hours: float, keep_frac: float, source: Source, comfort_eur: float) -> Part:
    """Unknowns ``heat`` [kW], ``stored``, ``slack`` [kWh]; ``step_hours`` is a step's length. [h]"""
    heat, stored, slack = (f"{name}.{unknown}" for unknown in ("heat", "stored", "slack"))
    row, comfort = f"{name}.energy", f"{name}.comfort"
    return Part(
        unknowns=(heat, stored, slack),
        rows=(row, comfort),
        cells=(
            Cell(row, heat, -step_hours),
            Cell(row, stored, 1.0),
            Cell(row, stored, -keep_frac, 1),
            Cell(comfort, stored, 1.0),
            Cell(comfort, slack, -1.0),
            *_drawn(heat, source),
        ),
        free=frozenset((stored, slack)),
        squares=((slack, comfort_eur),),
    )


def tank_numbers(name: str, tank: Tank) -> Numbers:
    """Costs and bounds of one plan."""
    change = -np.array(tank.draw_kwh, dtype=np.float64)
    change[0] += tank.keep_frac * tank.stored_wh / W_PER_KW
    worth = np.zeros(change.size)
    worth[-1] = -tank.worth_eur_per_kwh
    return Numbers(
        cost={f"{name}.stored": worth},
        low={f"{name}.energy": change, f"{name}.comfort": tank.least_wh / W_PER_KW},
        high={f"{name}.energy": change, f"{name}.comfort": tank.most_wh / W_PER_KW, f"{name}.heat": tank.heat_max_kw},
    )


def pump_part(name: str) -> Part:
    """The row that adds up what a heat pump draws for all that it heats; rooms and tank stand in it by themselves."""
    return Part(rows=(name,))


def pump_numbers(name: str, input_max_kw: Sequence[float] | FloatArray) -> Numbers:
    """The pump's electric limit, float64[n]. [kW]"""
    high = np.asarray(input_max_kw, dtype=np.float64)
    return Numbers(cost={}, low={}, high={name: high})
