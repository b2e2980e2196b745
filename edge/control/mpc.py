"""Model predictive control: 48 h of powers against forecasts and prices, made new every quarter of an hour."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from core_kernels.qp import Peaks, Structure, refilled, structure, water_values
from core_kernels.qp_base import BASE_ROWS, BASE_UNKNOWNS
from core_kernels.records import Forecast, Prices
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, FloatArray
from edge.config import Site
from edge.control import peak
from edge.control.component import others_w
from edge.control.dayplan import SLICE_S, exactly, scheduled, states
from edge.control.demands import given_wh, missing_wh
from edge.control.hedge import Hedge, cycle_eur, hedge
from edge.control.oracle import Linear
from edge.control.problem import (
    Inputs,
    Problem,
    battery_of,
    inputs,
    problem,
    terminal_value_eur_per_kwh,
    wear_eur_per_kwh,
    with_goals,
)
from edge.control.publish import Outcome, publish
from edge.control.repair import optimise
from edge.control.rollout import peak_w, rollout, wished_w
from edge.control.rounding import Held
from edge.control.solver import Solver
from edge.control.surroundings import Surroundings
from edge.control.worth import stored_curve, valued_by
from edge.errors import PlanError, sums_of
from edge.messages import Plan

RAMP_EUR = 2e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """What an optimiser hands on to the next one of the same site: all but the start of its solver."""

    tail_eur_per_kwh: float = math.nan
    peak_w: float = math.nan
    told: tuple[TimeGrid, Mapping[str, FloatArray]] | None = None
    given_wh: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)


class Effort(NamedTuple):
    """What the last solve took, and by how much its answer breaks its bounds at most."""

    solve_s: float
    residual_w: float


class Mpc:
    """Plans for one site; keeps the last answer to start the next from.

    ``slice_s`` is the time that HiGHS may take to improve the schedule of what can only be on or off.
    """

    def __init__(self, site: Site, memory: Memory | None = None, slice_s: float = SLICE_S) -> None:
        self._site, self._battery = site, battery_of(site)
        self._shape: Structure | None = None
        self._solver: Solver | None = None
        self._linear = Linear()
        self._start_s: int | None = None
        kept = memory or Memory()
        self._tail_eur_per_kwh, self._peak_w = kept.tail_eur_per_kwh, kept.peak_w
        self._told, self._given_wh, self._held = kept.told, dict(kept.given_wh), dict(kept.held)
        self._slice_s = slice_s
        self.effort = Effort(math.nan, math.nan)

    @property
    def memory(self) -> Memory:
        """What the next optimiser of this site should know."""
        return Memory(
            tail_eur_per_kwh=self._tail_eur_per_kwh,
            peak_w=self._peak_w,
            told=self._told,
            given_wh=self._given_wh,
            held=self._held,
        )

    @sums_of("the plan")
    def plan(
        self,
        *,
        issued_s: float,
        grid: TimeGrid,
        soc_frac: float,
        pv: Forecast,
        load: Forecast,
        prices: Prices,
        reached_peak_w: float = 0.0,
        around: Surroundings | None = None,
    ) -> Plan:
        """The cheapest 48 h from here; raises :class:`PlanError` with the reason where there is none.

        ``reached_peak_w`` is the running month's highest import of a quarter hour so far, for a capacity tariff [W];
        ``around`` what is known of the house besides: temperatures, weather, cars.
        """
        if prices.grid != grid:
            raise PlanError("the prices are on another grid than the plan")
        known = inputs(pv, load, prices)
        valued = with_goals(known, self._site.goals)
        given = self._given(grid.start_s)
        around = self._devices(self._lacking(around or Surroundings(), given), known.grid)
        kept = self._hedge(around, known, reached_peak_w)
        peaks = self._peaks(grid, known, reached_peak_w if kept is None else max(reached_peak_w, kept.peak_w))
        posed = problem(self._site, soc_frac, valued, self._terminal(valued), peaks, around, kept)
        shape, solver = self._prepare(posed, known, grid.start_s)
        started_s = time.perf_counter()
        solved = optimise(shape, solver, posed, self._linear)
        schedule = scheduled(shape, posed, solved, self._slice_s)
        if schedule is not None:
            solved = exactly(shape, optimise(shape, solver, posed, self._linear, schedule.fixed), schedule)
            posed = posed._replace(violations=posed.violations + schedule.violations)
        self.effort = Effort(time.perf_counter() - started_s, solved.violation_w)
        values = water_values(shape, solved.y)
        self._remember(values, valued)
        step, columns = shape.by_step(solved.x), shape.layout.columns
        drawn_w = others_w(posed.components, step, columns)
        lived = rollout(wished_w(step, columns), soc_frac, known, self._site, self._battery, drawn_w)
        self._peak_w = peak_w(peaks, lived)
        self._told, self._given_wh = (known.grid, drawn_w), given  # together: what was given counts until this plan
        self._held = {name: state.held for name, state in around.devices.items()}
        verdicts = (kept.words,) if kept is not None else ()
        found = Outcome(posed, known, lived, step, columns, float(values[0]), self._peak_w, verdicts=verdicts)
        # Only the plan itself knows of peaks and a reserve; else what energy is worth comes from the uncertain house.
        if peaks is None and self._site.reserve is None:
            curve = stored_curve(self._site, (pv, load), valued, sum(drawn_w.values(), np.zeros(1)), posed.terms)
            found = valued_by(curve, found, self._battery)
        return publish(self._site, issued_s, (pv, load), found)

    def _hedge(self, around: Surroundings, known: Inputs, reached_w: float) -> Hedge | None:
        """What the last weeks advise against a breach of the peak; nothing without a capacity tariff."""
        tariff, battery = self._site.tariff, self._site.battery
        if battery is None or tariff.peak_eur_per_kw_month <= 0.0 or tariff.peak_reserve_frac <= 0.0:
            return None
        if known.slot_s != peak.QUARTER_S:
            return None
        earned_eur = cycle_eur(known.import_eur_per_kwh, battery.leg_efficiency_frac, wear_eur_per_kwh(battery))
        least_w, eur_per_kw = max(reached_w, tariff.peak_floor_w), tariff.peak_eur_per_kw_month
        return hedge(around.measured_net_w, battery, tariff.peak_reserve_frac, least_w, eur_per_kw, earned_eur)

    def _peaks(self, grid: TimeGrid, known: Inputs, reached_w: float) -> Peaks | None:
        """What the capacity tariff adds; nothing without one."""
        tariff = self._site.tariff
        if tariff.peak_eur_per_kw_month <= 0.0:
            return None
        _, end_s = peak.month_span_s(grid.start_s, self._site.zone)
        counts = grid.starts_s()[: known.pv_w.size] < end_s
        return peak.planned_peaks(tariff, reached_w, self._peak_w, counts, known.load_w - known.pv_w)

    def _given(self, start_s: int) -> dict[str, float]:
        """What the running sessions have had by the last plans, if all that they told was done. [Wh]"""
        if self._told is None:
            return self._given_wh
        grid, told_w = self._told
        return given_wh(self._site, grid, told_w, self._given_wh, start_s)

    def _lacking(self, around: Surroundings, given: Mapping[str, float]) -> Surroundings:
        """With what the running sessions still lack after what was given, where no meter says it."""
        return around.lacking({**missing_wh(self._site, given), **around.missing_wh})

    def _devices(self, around: Surroundings, grid: TimeGrid) -> Surroundings:
        """With how the switched devices stand, if all that the last plans told was done."""
        return replace(around, devices=states(self._told, self._held, grid))

    def _terminal(self, known: Inputs) -> float:
        """Worth of energy at the end: the last plan's water value a day before its end, else the price tail's."""
        tail = terminal_value_eur_per_kwh(self._battery, known)
        return tail if math.isnan(self._tail_eur_per_kwh) else self._tail_eur_per_kwh

    def _remember(self, values: FloatArray, known: Inputs) -> None:
        day = SECONDS_PER_DAY // known.slot_s
        self._tail_eur_per_kwh = math.nan
        if values.size > day:
            highest = float(known.import_eur_per_kwh.max())
            self._tail_eur_per_kwh = min(max(float(values[-day]), 0.0), max(highest, 0.0))

    def _prepare(self, posed: Problem, known: Inputs, start_s: int) -> tuple[Structure, Solver]:
        """The matrices and the solver of this horizon and house, shifted to where it begins."""
        parts = [component.part for component in posed.components]
        shape, solver = self._shape, self._solver
        if shape is not None and solver is not None and _fits(shape, known, posed):
            if parts:
                shape = refilled(shape, parts)
                solver.refill(shape)
            if self._start_s is not None:
                solver.shift((start_s - self._start_s) // known.slot_s)
        else:
            shape = new_structure(self._site, known, posed)
            solver = Solver(shape)
        self._shape, self._solver, self._start_s = shape, solver, start_s
        return shape, solver


def _fits(shape: Structure, known: Inputs, posed: Problem) -> bool:
    """Claims that a plan has the same steps and the same names as the structure."""
    names = [name for component in posed.components for name in (*component.part.unknowns, *component.part.rows)]
    own = [*shape.layout.columns, *shape.layout.lines]
    same = set(names) == {name for name in own if name not in (*BASE_UNKNOWNS, *BASE_ROWS)}
    return same and (shape.steps, shape.slot_s) == (known.pv_w.size, known.slot_s)


def new_structure(site: Site, known: Inputs, posed: Problem, *, peaks: bool = True) -> Structure:
    """The matrices of a site's plan, with its capacity tariff unless told otherwise."""
    price_eur, count = site.tariff.peak_eur_per_kw_month if peaks else 0.0, known.pv_w.size
    return structure(
        count,
        known.slot_s,
        battery_of(site).leg_efficiency_frac,
        RAMP_EUR + site.goals.ramp_eur,
        np.zeros(count, dtype=np.int64) if price_eur > 0.0 else None,
        peak.PULL_FRAC * price_eur,
        [component.part for component in posed.components],
    )
