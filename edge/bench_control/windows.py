"""Seeded planning windows that follow each other by a quarter hour, as a box sees them: battery, grid, peaks, a car."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from core_kernels.qp import Peaks, S, Slots, Structure, Terms, structure, vectors
from core_kernels.qp_demand import Demand, demand_numbers, demand_part
from core_kernels.units import W_PER_KW, FloatArray
from edge.control.solver import Solver

STEPS, SLOT_S = 96, 900
CAPACITY_KWH, POWER_KW, LEG_FRAC = 10.0, 5.0, 0.9**0.5
LOW_KWH, HIGH_KWH = 1.0, 10.0
IMPORT_KW, EXPORT_KW = 17.0, 10.0
WEAR_EUR_PER_KWH, TERMINAL_EUR_PER_KWH = 0.04, 0.15
PEAK_EUR_PER_KW, PEAK_LEAST_KW, PULL_FRAC = 5.0, 2.0, 0.1
RAMP_EUR = 2e-4
CAR_KW, CAR_KWH, CAR_EFFICIENCY_FRAC, CAR_SHORT_EUR_PER_KWH = 7.4, 16.0, 0.9, 2.0
_CAR_COMES_H, _CAR_GOES_H = 17.0, 7.0
_CAR = "ev.car"
_SEED = 20_261_122


class Windows(NamedTuple):
    """What the planner is given at each of ``count`` moments, float64[count, STEPS] each."""

    net_kw: FloatArray
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray


def windows(count: int) -> Windows:
    """Windows of made days with lumpy loads and passing clouds; the same for the same count."""
    noise = np.random.default_rng(_SEED)
    size = count + STEPS
    hour = (np.arange(size) * SLOT_S / 3600.0) % 24.0
    clear_kw = 4.5 * np.maximum(np.sin((hour - 5.5) / 13.0 * np.pi), 0.0) * ((hour > 5.5) & (hour < 18.5))
    cloud = np.repeat(noise.uniform(0.15, 1.0, size // 8 + 1), 8)[:size]
    kettle_kw = 2.0 * (noise.random(size) < 0.08)
    net_kw = 0.35 + 0.9 * np.exp(-(((hour - 19.0) / 2.0) ** 2)) + kettle_kw - clear_kw * cloud
    spot = 0.10 + 0.09 * np.exp(-(((hour - 19.5) / 2.2) ** 2)) - 0.08 * np.exp(-(((hour - 13.0) / 3.0) ** 2))
    spot += np.repeat(noise.normal(0.0, 0.01, size // 4 + 1), 4)[:size]
    index = np.arange(count)[:, None] + np.arange(STEPS)[None, :]
    return Windows(net_kw[index], spot[index] + 0.08, spot[index] - 0.01)


def shape_of(*, with_peak: bool = True, with_car: bool = False) -> Structure:
    """The structure of all windows."""
    billed = np.zeros(STEPS, dtype=np.int64) if with_peak else None
    car = demand_part(_CAR, SLOT_S / 3600.0, CAR_EFFICIENCY_FRAC, RAMP_EUR)
    return structure(STEPS, SLOT_S, LEG_FRAC, RAMP_EUR, billed, PULL_FRAC * PEAK_EUR_PER_KW, [car] if with_car else [])


def posed(given: Windows, k: int, stored_wh: float, near_w: float | None) -> tuple[Slots, Terms]:
    """One window as the planner poses it; without ``near_w``, the last plan's peak, no peak is billed."""

    def constant(value: float) -> FloatArray:
        return np.full(STEPS, value)

    net_kw = given.net_kw[k]
    slots = Slots(
        net_load_kw=np.ascontiguousarray(net_kw),
        import_eur_per_kwh=np.ascontiguousarray(given.import_eur_per_kwh[k]),
        export_eur_per_kwh=np.ascontiguousarray(given.export_eur_per_kwh[k]),
        charge_max_kw=constant(POWER_KW),
        discharge_max_kw=constant(POWER_KW),
        import_max_kw=constant(IMPORT_KW),
        export_max_kw=constant(EXPORT_KW),
        curtail_max_kw=np.maximum(-net_kw - EXPORT_KW, 0.0),
        stored_min_kwh=constant(LOW_KWH),
        stored_max_kwh=constant(HIGH_KWH),
    )
    peaks = None
    if near_w is not None:
        counts = np.ones(STEPS, dtype=np.bool_)
        peaks = Peaks(PEAK_EUR_PER_KW, np.array([PEAK_LEAST_KW]), np.array([near_w / W_PER_KW]), counts)
    return slots, Terms(stored_wh, WEAR_EUR_PER_KWH, TERMINAL_EUR_PER_KWH, peaks)


def car_at(k: int, given_wh: float) -> Demand:
    """The car of one window: at home from the afternoon on, full by the morning as far as its power allows.

    ``given_wh`` is what it has had in the session that runs. [Wh]
    """
    hour = ((k + np.arange(STEPS)) * SLOT_S / 3600.0) % 24.0
    home = (hour >= _CAR_COMES_H) | (hour < _CAR_GOES_H)
    due = hour == _CAR_GOES_H - SLOT_S / 3600.0
    session = np.maximum.accumulate(np.where(home, np.cumsum(due) - due + 1, 0))
    most_kwh, power_kw = CAR_KWH * session, np.where(home, CAR_KW, 0.0)
    reached, reach_kwh = given_wh / W_PER_KW if home[0] else 0.0, np.empty(STEPS)
    start_wh = W_PER_KW * reached
    for step in range(STEPS):
        reached = min(reached + power_kw[step] * SLOT_S / 3600.0 * CAR_EFFICIENCY_FRAC, most_kwh[step])
        reach_kwh[step] = reached
    goal_kwh = np.where(due, reach_kwh - 1e-6, np.nan)
    return Demand(np.zeros(STEPS), power_kw, goal_kwh, most_kwh, CAR_SHORT_EUR_PER_KWH, start_wh)


class Loop:
    """The planner's inner loop: each window begins with what the last plan's first quarter hour left in the battery."""

    def __init__(self, count: int, *, with_peak: bool = True, with_car: bool = False) -> None:
        self.given, self.shape = windows(count), shape_of(with_peak=with_peak, with_car=with_car)
        self.stored_wh = W_PER_KW * (LOW_KWH + HIGH_KWH) / 2.0
        self.given_wh, self._with_car = 0.0, with_car
        self._count, self._near_w = count, W_PER_KW * PEAK_LEAST_KW if with_peak else None
        self._solver = Solver(self.shape)

    def solve(self, k: int) -> float:
        """Update, solve and extract one window; the processor time it took [ms]."""
        slots, terms = posed(self.given, k % self._count, self.stored_wh, self._near_w)
        car = car_at(k % self._count, self.given_wh) if self._with_car else None
        started_s = time.process_time()
        numbers = [] if car is None else [demand_numbers(_CAR, car)]
        solved = self._solver.solve(vectors(self.shape, slots, terms, numbers))
        first = self.shape.by_step(solved.x)[0]
        first_kwh = float(first[S])
        spent_s = time.process_time() - started_s
        self.stored_wh = W_PER_KW * min(max(first_kwh, LOW_KWH), HIGH_KWH)
        if car is not None:
            had_kwh = float(first[self.shape.layout.columns[f"{_CAR}.energy"]])
            leaves = bool(np.isfinite(car.goal_kwh[0])) or car.power_max_kw[0] == 0.0
            self.given_wh = 0.0 if leaves else W_PER_KW * min(max(had_kwh, 0.0), CAR_KWH)
        if self._near_w is not None:
            self._near_w = W_PER_KW * max(float(solved.x[-1]), PEAK_LEAST_KW)
        self._solver.shift(1)
        return 1000.0 * spent_s
