"""Winter days of a house with 16 heating relays: our day plan beside a minute of HiGHS on the whole programme.

Each day is made from its seed: 9 kW of relays that run and rest for half an hour at least, a battery, a price with two
peaks. The excess is told as a share of what the house pays for its import on that day.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from core_kernels.figures import Row
from core_kernels.qp import GI, Structure
from core_kernels.units import SECONDS_PER_HOUR, FloatArray
from edge.bench_control import windows as made
from edge.config import Battery, Grid, Site
from edge.config_house import Zone
from edge.control.dayplan import decide, duty_frac, model_of, room_kw
from edge.control.mpc import new_structure
from edge.control.oracle import Linear
from edge.control.problem import Inputs, Problem, problem
from edge.control.repair import Fixed, Programme, optimise
from edge.control.rounding import Switch
from edge.control.solver import Solver
from edge.control.surroundings import Surroundings
from edge.control.switching import Candidate, SwitchModel
from edge.errors import PlanError

RELAYS = 16
SEEDS = (1, 2, 3)
MINUTE_S = 60.0
# What the day plan may take, and how far above the minute's answer it may then be.
SLICES = ((1.0, 0.01), (15.0, 0.003))
_RELAYS_W = 9000.0
_SPELL_S = 1800.0
_START_S = 1_704_067_200  # a winter's night
_SOC_FRAC = 0.5
_JUDGE_S = 20.0


class Day(NamedTuple):
    """A posed winter day, and its relays."""

    shape: Structure
    posed: Problem
    switches: tuple[Switch, ...]

    def model(self) -> SwitchModel:
        """A fresh mixed-integer programme of the day."""
        return model_of(Programme(self.shape, self.posed), self.switches, Fixed({}, {}))

    def import_eur(self, found: Candidate) -> float:
        """What a schedule pays for import. [EUR]"""
        import_kw = self.shape.by_step(found.answer[: self.shape.rows.shape[1]])[:, GI]
        step_hours = self.shape.slot_s / SECONDS_PER_HOUR
        return float(step_hours * np.sum(import_kw * self.posed.slots.import_eur_per_kwh))


class Measured(NamedTuple):
    """A day plan: what it costs, and the processor time from the posed day to the schedule."""

    found: Candidate
    spent_s: float


def site_of(relays: int) -> Site:
    """A house with a battery and so many rooms, each with a relay of its own.

    A room of the 16 has 4 K/kW from its air to its walls (60 m2 at 4 W/(m2 K)), and 88 K/kW to the outside.
    """
    spread = np.linspace(0.7, 1.3, relays)
    rooms = tuple(
        Zone(
            name=f"room{i}",
            heat_w=_RELAYS_W / relays * wide,
            air_wh_per_k=1200.0 / relays * wide,
            mass_wh_per_k=14_400.0 / relays * wide,
            air_mass_k_per_w=0.00025 * relays / wide,
            mass_out_k_per_w=0.00525 * relays / wide,
            by="relay",
            min_on_s=_SPELL_S,
            min_off_s=_SPELL_S,
        )
        for i, wide in enumerate(spread.tolist())
    )
    return Site(
        name="relays",
        latitude_deg=49.2,
        longitude_deg=16.6,
        battery=Battery(capacity_wh=10_000.0, charge_w=5000.0, discharge_w=5000.0),
        grid=Grid(import_w=17_000.0, export_w=10_000.0),
        zones=rooms,
    )


def day_of(seed: int, relays: int = RELAYS, steps: int = made.STEPS) -> Day:
    """The winter day of a seed."""
    site, noise = site_of(relays), np.random.default_rng(seed)
    hour = np.arange(steps) * made.SLOT_S / SECONDS_PER_HOUR % 24.0
    sun = noise.uniform(0.2, 1.0) * np.maximum(np.sin((hour - 8.0) / 8.0 * np.pi), 0.0) * ((hour > 8.0) & (hour < 16.0))
    outdoor_c = noise.uniform(-9.0, 2.0) - 3.0 * np.cos((hour - 3.0) / 12.0 * np.pi)
    spot = (
        0.10
        + 0.05 * _hump(hour, 8.0)
        + 0.08 * _hump(hour, 18.5)
        + np.repeat(noise.normal(0.0, 0.015, steps), 4)[:steps]
    )
    load_w = 350.0 + 900.0 * _hump(hour, 19.0) + 1500.0 * (noise.random(steps) < 0.06)
    known = Inputs(2500.0 * sun, load_w, spot + 0.08, spot - 0.01, made.SLOT_S, _START_S)
    air_c = {zone.signal: float(noise.uniform(20.0, 21.5)) for zone in site.zones}
    around = Surroundings(outdoor_c=outdoor_c, solar_w_per_m2=300.0 * sun, temperature_c=air_c)
    posed = problem(site, _SOC_FRAC, known, made.TERMINAL_EUR_PER_KWH, None, around)
    switches = tuple(component.switch for component in posed.components if component.switch is not None)
    return Day(new_structure(site, known, posed), posed, switches)


def _hump(hour: FloatArray, at_hour_count: float) -> FloatArray:
    shape: FloatArray = np.exp(-(((hour - at_hour_count) / 2.0) ** 2))
    return shape


def planned(day: Day, slice_s: float) -> Measured:
    """Our day plan within a slice of time, relaxation included."""
    began_s, clock_s = time.process_time(), time.monotonic()
    relaxed = optimise(day.shape, Solver(day.shape), day.posed, Linear())
    model, duty = day.model(), duty_frac(day.shape, relaxed, day.switches)
    left_s = slice_s - (time.monotonic() - clock_s)
    on = decide(model, day.switches, duty, room_kw(day.posed), left_s).on
    spent_s = time.process_time() - began_s
    return Measured(_known(model.judge(on, _JUDGE_S)), spent_s)


def _known(found: Candidate | None) -> Candidate:
    if found is None:
        raise PlanError("HiGHS found no schedule for a bench day")
    return found


def rows_of(seed: int, day: Day, limit_s: float = MINUTE_S) -> tuple[Row, ...]:
    """A row for each slice of time on one day, and HiGHS' answer beside it."""
    theirs = _known(day.model().search(limit_s))
    bill_eur = day.import_eur(theirs)
    found = []
    for slice_s, most_frac in SLICES:
        ours = planned(day, slice_s)
        excess_frac = (ours.found.cost_eur - theirs.cost_eur) / bill_eur
        found.append(
            Row(
                name=f"{len(day.switches)} relays x {day.shape.steps} steps, winter day {seed}, "
                f"slice of {slice_s:g} s ({ours.spent_s:.2f} s of processor), above HiGHS",
                value=100.0 * excess_frac,
                unit="% of the import bill",
                reference=f"HiGHS for {limit_s:g} s",
                reference_value=0.0,
                ratio=math.nan,
                error=excess_frac,
                target=f"<= {100.0 * most_frac:g} %",
                ok=excess_frac <= most_frac,
            )
        )
    return tuple(found)


def rows() -> tuple[Row, ...]:
    """Every seed's day."""
    return tuple(row for seed in SEEDS for row in rows_of(seed, day_of(seed)))
