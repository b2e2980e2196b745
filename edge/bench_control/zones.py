"""Houses with 4 and 16 heated rooms: our warm re-solve with another COP each time, beside PIQP from cold.

The programmes are the planner's own. Each plan begins a quarter hour later, in other weather, so that the heat pump's
COP changes in the matrix and OSQP factorises anew; PIQP gets the very same numbers, single bounds as bounds.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core_kernels.figures import Row, ratio_row
from core_kernels.qp import S, Structure, Vectors, refilled
from core_kernels.units import W_PER_KW, FloatArray
from edge.bench_control import windows as made
from edge.bench_control.peers import ask, started
from edge.config import Battery, Site
from edge.config_house import HeatPumpUnit, Zone
from edge.control.component import Component
from edge.control.mpc import new_structure
from edge.control.problem import Inputs, problem
from edge.control.repair import Fixed, Programme
from edge.control.solver import Solver
from edge.control.surroundings import Surroundings

COUNTS = (4, 16)
MOST_RATIO = 0.75
_ROUNDS, _WARM_ROUNDS = 16, 2
_START_S = 1_704_067_200  # a winter's night
_SEED = 20_261_123
# Two heat pumps' worth of rooms: 1.2 kW of heat each, between a light and a heavy building.
_ROOM_HEAT_W = 1200.0


class Instance(NamedTuple):
    """One solved programme, and the processor time that our plan of it took [ms]."""

    shape: Structure
    bounds: Vectors
    spent_ms: float


def site_of(zones_count: int) -> Site:
    """A house with a battery and so many rooms on one heat pump."""
    spread = np.linspace(0.7, 1.4, zones_count)
    rooms = tuple(
        Zone(
            name=f"room{i}",
            heat_w=_ROOM_HEAT_W,
            air_wh_per_k=150.0 * wide,
            mass_wh_per_k=1800.0 * wide,
            air_mass_k_per_w=0.008 / wide,
            mass_out_k_per_w=0.04 / wide,
            by="heatpump",
        )
        for i, wide in enumerate(spread.tolist())
    )
    return Site(
        name="rooms",
        latitude_deg=49.2,
        longitude_deg=16.6,
        battery=Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0),
        zones=rooms,
        heatpump=HeatPumpUnit(heating_w=0.8 * _ROOM_HEAT_W * zones_count),
    )


class Loop:
    """Plans of one house, each beginning with what the last one's first quarter hour left."""

    def __init__(self, zones_count: int) -> None:
        self._site = site_of(zones_count)
        self._given = made.windows(_ROUNDS)
        steps = np.arange(_ROUNDS + made.STEPS)
        noise = np.random.default_rng(_SEED).normal(0.0, 0.3, steps.size)
        self._outdoor_c = -1.0 - 4.0 * np.cos((steps / 96.0 - 0.6) * 2.0 * np.pi) + noise
        self._stored_wh = W_PER_KW * made.HIGH_KWH / 2.0
        self.air_c = {zone.signal: zone.least_c + 0.4 for zone in self._site.zones}
        self._shape: Structure | None = None
        self._solver: Solver | None = None

    def solve(self, k: int) -> Instance:
        """One plan: update, solve and extract."""
        known, around = self._known(k), self._around(k)
        posed = problem(
            self._site, self._stored_wh / (W_PER_KW * made.CAPACITY_KWH), known, made.TERMINAL_EUR_PER_KWH, None, around
        )
        parts = [component.part for component in posed.components]
        if self._shape is None or self._solver is None:
            self._shape = new_structure(self._site, known, posed)
            self._solver = Solver(self._shape)
        started_s = time.process_time()
        shape = refilled(self._shape, parts)
        self._solver.refill(shape)
        bounds = Programme(shape, posed).vectors(Fixed({}, {}))
        solved = self._solver.solve(bounds)
        step, columns = shape.by_step(solved.x), shape.layout.columns
        spent_ms = W_PER_KW * (time.process_time() - started_s)
        self._stored_wh = W_PER_KW * float(np.clip(step[0, S], made.LOW_KWH, made.HIGH_KWH))
        for zone in self._site.zones:
            self.air_c[zone.signal] = _after_c(f"zone.{zone.name}", posed.components, step[:1], columns)
        self._solver.shift(1)
        return Instance(shape, bounds, spent_ms)

    def _known(self, k: int) -> Inputs:
        net_w = W_PER_KW * self._given.net_kw[k]
        prices = self._given.import_eur_per_kwh[k], self._given.export_eur_per_kwh[k]
        start_s = _START_S + k * made.SLOT_S
        return Inputs(np.maximum(-net_w, 0.0), np.maximum(net_w, 0.0), *prices, made.SLOT_S, start_s)

    def _around(self, k: int) -> Surroundings:
        outdoor_c = self._outdoor_c[k : k + made.STEPS]
        return Surroundings(outdoor_c=outdoor_c, temperature_c=dict(self.air_c))


def _after_c(name: str, components: tuple[Component, ...], step: FloatArray, columns: Mapping[str, int]) -> float:
    """A room's temperature after the first step."""
    [room] = [component for component in components if component.name == name]
    return float(room.temperature_c(step, columns)[1])


def save(path: Path, instance: Instance) -> None:
    """A programme as the peer reads it."""
    shape, bounds = instance.shape, instance.bounds
    parts = {
        f"{name}_{part}": getattr(matrix, part)
        for name, matrix in (("quadratic", shape.quadratic), ("rows", shape.rows))
        for part in ("data", "indices", "indptr", "shape")
    }
    np.savez(path, q=bounds.q, l=bounds.l, u=bounds.u, **parts)


def beside(process: subprocess.Popen[str], folder: Path, zones_count: int) -> Row:
    """Our warm plans of a house and PIQP's of the same programmes, in turn."""
    loop = Loop(zones_count)
    ours_ms, theirs_ms = [], []
    for k in range(_ROUNDS):
        instance = loop.solve(k)
        save(folder / f"programme-{k}.npz", instance)
        told = ask(process, "PIQP", k, 0.0)
        if k >= _WARM_ROUNDS:
            ours_ms.append(instance.spent_ms)
            theirs_ms.append(float(told["ms"]))
    ours, theirs = statistics.median(ours_ms), statistics.median(theirs_ms)
    name = f"warm re-solve, {made.STEPS} x 15 min, battery + {zones_count} rooms on a heat pump, other COP, median"
    return ratio_row(name, (ours, theirs), "ms", "PIQP, cold", MOST_RATIO, f"<= {MOST_RATIO:g}")


def rows() -> tuple[Row, ...]:
    """One row for each size of house."""
    with started() as (process, folder):
        return tuple(beside(process, folder, zones_count) for zones_count in COUNTS)
