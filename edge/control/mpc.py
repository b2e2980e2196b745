"""Model predictive control: 48 h of battery power against forecasts and prices, made new every quarter of an hour."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels.qp import CU, GI, PC, PD, Peaks, Slots, Structure, Terms, structure, vectors, water_values
from core_kernels.records import Forecast, Prices
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Battery, Site
from edge.control import peak
from edge.control.problem import (
    MIN_SPREAD_EUR_PER_KWH,
    Inputs,
    Problem,
    battery_of,
    inputs,
    problem,
    terminal_value_eur_per_kwh,
)
from edge.control.solver import Solved, Solver
from edge.control.words import IDLE_W, Marginals, explain, explain_peak
from edge.errors import PlanError
from edge.messages import Plan

LEASE_S = 1800.0
RAMP_EUR = 2e-4
# Both legs above this at once are a fault of the relaxation, below it the solver's noise.
SIMULTANEOUS_KW = 0.05
MAX_PASSES = 8


class Rollout(NamedTuple):
    """The plan as the house would live it: exact SoC, every limit kept."""

    battery_w: FloatArray
    soc_frac: FloatArray
    grid_w: FloatArray
    cost_eur: float


class Mpc:
    """Plans for one site; keeps the last answer to start the next from."""

    def __init__(self, site: Site) -> None:
        self._site, self._battery = site, battery_of(site)
        self._shape: Structure | None = None
        self._solver: Solver | None = None
        self._start_s: int | None = None
        self._tail_eur_per_kwh = math.nan
        self._peak_w = math.nan

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
    ) -> Plan:
        """The cheapest 48 h from here; raises :class:`PlanError` with the reason where there is none.

        ``reached_peak_w`` is the running month's highest import of a quarter hour so far, for a capacity tariff. [W]
        """
        if prices.grid != grid:
            raise PlanError("the prices are on another grid than the plan")
        known = inputs(pv, load, prices)
        peaks = self._peaks(grid, known, reached_peak_w)
        posed = problem(self._site, soc_frac, known, self._terminal(known), peaks)
        shape, solver = self._prepare(known, grid.start_s)
        solved = optimise(shape, solver, posed)
        values = water_values(shape, solved.y)
        self._remember(values, known)
        lived = rollout(shape.by_step(solved.x), soc_frac, known, self._site, self._battery)
        self._peak_w = peak_w(peaks, lived)
        return self._publish(issued_s, grid, posed, (pv, load), known, lived, float(values[0]))

    def _peaks(self, grid: TimeGrid, known: Inputs, reached_w: float) -> Peaks | None:
        """What the capacity tariff adds; nothing without one."""
        tariff = self._site.tariff
        if tariff.peak_eur_per_kw_month <= 0.0:
            return None
        _, end_s = peak.month_span_s(grid.start_s, self._site.zone)
        counts = grid.starts_s()[: known.pv_w.size] < end_s
        return peak.planned_peaks(tariff, reached_w, self._peak_w, counts, known.load_w - known.pv_w)

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

    def _prepare(self, known: Inputs, start_s: int) -> tuple[Structure, Solver]:
        """The matrices and the solver of this horizon's length, shifted to where it begins."""
        count = known.pv_w.size
        fits = self._shape is not None and (self._shape.steps, self._shape.slot_s) == (count, known.slot_s)
        if self._shape is None or self._solver is None or not fits:
            price_eur = self._site.tariff.peak_eur_per_kw_month
            billed = np.zeros(count, dtype=np.int64) if price_eur > 0.0 else None
            self._shape = structure(
                count,
                known.slot_s,
                self._battery.leg_efficiency_frac,
                RAMP_EUR,
                billed,
                peak.PULL_FRAC * price_eur,
            )
            self._solver = Solver(self._shape)
        elif self._start_s is not None:
            self._solver.shift((start_s - self._start_s) // known.slot_s)
        self._start_s = start_s
        return self._shape, self._solver

    def _publish(
        self,
        issued_s: float,
        grid: TimeGrid,
        posed: Problem,
        forecasts: tuple[Forecast, Forecast],
        known: Inputs,
        lived: Rollout,
        water_value_eur_per_kwh: float,
    ) -> Plan:
        pv, load = forecasts
        count = known.pv_w.size
        marginals = Marginals(
            import_eur_per_kwh=float(known.import_eur_per_kwh[0]),
            export_eur_per_kwh=float(known.export_eur_per_kwh[0]),
            water_value_eur_per_kwh=water_value_eur_per_kwh,
            wear_eur_per_kwh=posed.terms.wear_eur_per_kwh,
            leg_efficiency_frac=self._battery.leg_efficiency_frac,
        )
        net_w = float(known.load_w[0] - known.pv_w[0])
        peak_eur_per_kw = self._site.tariff.peak_eur_per_kw_month
        at_peak = float(lived.grid_w[0]) >= self._peak_w - IDLE_W and self._peak_w > 0.0
        reason = explain(float(lived.battery_w[0]), net_w, marginals)

        def band(values: FloatArray) -> tuple[float, ...]:
            return tuple(values[:count].tolist())

        return Plan(
            issued_s=issued_s,
            valid_until_s=issued_s + LEASE_S,
            start_s=grid.start_s,
            slot_s=grid.slot_s,
            source="mpc",
            reason=explain_peak(self._peak_w, peak_eur_per_kw) if at_peak else reason,
            violations=posed.violations,
            water_value_eur_per_kwh=water_value_eur_per_kwh,
            wear_eur_per_kwh=posed.terms.wear_eur_per_kwh,
            cost_eur=lived.cost_eur,
            battery_w=band(lived.battery_w),
            soc_frac=tuple(lived.soc_frac.tolist()),
            grid_w=band(lived.grid_w),
            pv_p10_w=band(pv.p10),
            pv_p50_w=band(pv.p50),
            pv_p90_w=band(pv.p90),
            load_p10_w=band(load.p10),
            load_p50_w=band(load.p50),
            load_p90_w=band(load.p90),
            price_import_eur_per_kwh=band(known.import_eur_per_kwh),
            price_export_eur_per_kwh=band(known.export_eur_per_kwh),
            peak_w=self._peak_w,
            peak_eur_per_kw=peak_eur_per_kw,
        )


def optimise(shape: Structure, solver: Solver, posed: Problem) -> Solved:
    """Solve, then forbid the smaller leg wherever the relaxation used both at once, until it no longer does."""
    slots, terms = posed.slots, posed.terms
    solved, slots = _first_pass(shape, solver, slots, terms)
    for _ in range(MAX_PASSES):
        step = shape.by_step(solved.x)
        both = np.minimum(step[:, PC], step[:, PD]) > SIMULTANEOUS_KW
        if not both.any():
            break
        charges = step[:, PC] >= step[:, PD]
        slots = slots._replace(
            discharge_max_kw=np.where(both & charges, 0.0, slots.discharge_max_kw),
            charge_max_kw=np.where(both & ~charges, 0.0, slots.charge_max_kw),
        )
        solved = solver.solve(vectors(shape, slots, terms))
    return solved


def _first_pass(shape: Structure, solver: Solver, slots: Slots, terms: Terms) -> tuple[Solved, Slots]:
    """Where export pays more than import costs, settle each slot's direction at clamped prices first."""
    reversed_price = slots.export_eur_per_kwh > slots.import_eur_per_kwh - MIN_SPREAD_EUR_PER_KWH
    if not reversed_price.any():
        return solver.solve(vectors(shape, slots, terms)), slots
    clamped = np.minimum(slots.export_eur_per_kwh, slots.import_eur_per_kwh - MIN_SPREAD_EUR_PER_KWH)
    solved = solver.solve(vectors(shape, slots._replace(export_eur_per_kwh=clamped), terms))
    step = shape.by_step(solved.x)
    export_kw = step[:, GI] - step[:, CU] - step[:, PC] + step[:, PD] - slots.net_load_kw
    imports = step[:, GI] >= export_kw
    # A slot whose load cannot be met without import keeps it, whatever the first pass said.
    must_import = slots.net_load_kw > 0.0
    directed = slots._replace(
        export_max_kw=np.where(reversed_price & imports, 0.0, slots.export_max_kw),
        import_max_kw=np.where(reversed_price & ~imports & ~must_import, 0.0, slots.import_max_kw),
    )
    return solver.solve(vectors(shape, directed, terms)), directed


def peak_w(peaks: Peaks | None, lived: Rollout) -> float:
    """The import that the plan lets no quarter hour of the running month exceed [W]; NaN without a capacity tariff."""
    if peaks is None:
        return math.nan
    return max(W_PER_KW * float(peaks.least_kw[0]), float(lived.grid_w[peaks.counts].max()))


def rollout(step: FloatArray, soc_frac: float, known: Inputs, site: Site, battery: Battery) -> Rollout:
    """The optimum walked forward step by step with exact energy, clipped to every limit."""
    wished_w = W_PER_KW * (step[:, PD] - step[:, PC])
    slot_h, leg = known.slot_s / SECONDS_PER_HOUR, battery.leg_efficiency_frac
    low_wh = min(battery.soc_min_frac, soc_frac) * battery.capacity_wh
    high_wh = max(battery.soc_max_frac, soc_frac) * battery.capacity_wh
    battery_w, stored_wh = np.empty(wished_w.size), np.empty(wished_w.size + 1)
    stored_wh[0] = soc_frac * battery.capacity_wh
    for k, wish_w in enumerate(wished_w.tolist()):
        most_w = min(battery.discharge_w, (stored_wh[k] - low_wh) * leg / slot_h)
        least_w = -min(battery.charge_w, (high_wh - stored_wh[k]) / leg / slot_h)
        power_w = min(max(wish_w, least_w), most_w)
        battery_w[k] = power_w
        stored_wh[k + 1] = stored_wh[k] - slot_h * (power_w / leg if power_w > 0.0 else power_w * leg)
    grid_w = np.maximum(known.load_w - known.pv_w - battery_w, -site.grid.export_w)
    price = np.where(grid_w > 0.0, known.import_eur_per_kwh, known.export_eur_per_kwh)
    bill_eur = float(slot_h / W_PER_KW * np.sum(grid_w * price))
    return Rollout(battery_w, stored_wh / battery.capacity_wh, grid_w, bill_eur)
