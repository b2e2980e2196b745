"""A component of the house in a plan: its share of the programme, what it draws, what of it cannot be kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core_kernels.qp_limits import Draw
from core_kernels.qp_parts import Numbers, Part
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_HOUR, W_PER_KW, FloatArray
from edge.config import Site
from edge.control.rounding import State, Switch
from edge.control.surroundings import Surroundings

# The solver's aid on every power but the battery's: far below a cent a day.
AID_EUR = 1e-4
THREE = (1 / 3, 1 / 3, 1 / 3)


class Outlook(NamedTuple):
    """What all components of one plan share: the site, the grid cut to what is known, prices to decide by."""

    site: Site
    grid: TimeGrid
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    pv_w: FloatArray
    load_w: FloatArray
    around: Surroundings

    @property
    def step_hours(self) -> float:
        """Length of a step [h]."""
        return self.grid.slot_s / SECONDS_PER_HOUR

    @property
    def short_eur_per_kwh(self) -> float:
        """A price that no energy of this horizon reaches: what a deadline's missing kWh costs."""
        return 1.0 + 2.0 * float(np.abs(self.import_eur_per_kwh).max() + np.abs(self.export_eur_per_kwh).max())


class Thermometer(NamedTuple):
    """How a temperature follows from an unknown: ``offset_c + scale * x``; its value now, and its band."""

    unknown: str
    scale: float
    offset_c: float
    now_c: float
    least_c: float
    most_c: float


class Component(NamedTuple):
    """One component; ``draws`` tells by unknown what the house sees of it; below ``least_w`` it cannot run.

    One with a ``switch`` is on or off; the rest of the programme has it as a mean power.
    """

    name: str
    part: Part
    numbers: Numbers
    draws: Mapping[str, Draw]
    violations: tuple[str, ...] = ()
    least_w: float = 0.0
    thermometer: Thermometer | None = None
    switch: Switch | None = None

    def power_w(self, step: FloatArray, columns: Mapping[str, int]) -> FloatArray:
        """What the house sees of it in each step, within its bounds; positive is consumption. [W]"""
        total_w = np.zeros(step.shape[0])
        for name, draw in self.draws.items():
            least, most = self.numbers.low.get(name, 0.0), self.numbers.high[name]
            total_w += W_PER_KW * draw.bus_per_unit * np.clip(step[:, columns[name]], least, most)
        return total_w

    def temperature_c(self, step: FloatArray, columns: Mapping[str, int]) -> FloatArray:
        """Its temperature on the edges of the steps, float64[n + 1]; empty without a thermometer. [degC]"""
        if self.thermometer is None:
            return np.empty(0)
        ahead = self.thermometer.offset_c + self.thermometer.scale * step[:, columns[self.thermometer.unknown]]
        return np.concatenate(([self.thermometer.now_c], ahead))


def switch_of(name: str, unknown: str, power_w: float, spans_s: tuple[float, float], outlook: Outlook) -> Switch:
    """A device that draws ``power_w`` or nothing; ``spans_s`` are its shortest run and rest, in whole steps."""
    on_steps, off_steps = (max(math.ceil(span_s / outlook.grid.slot_s), 1) for span_s in spans_s)
    allowed = np.ones(outlook.grid.count, dtype=np.bool_)
    state = outlook.around.devices.get(name, State())
    return Switch(name, f"{name}.{unknown}", power_w, on_steps, off_steps, 0.0, allowed, state)


def others_w(components: Sequence[Component], step: FloatArray, columns: Mapping[str, int]) -> dict[str, FloatArray]:
    """What each component that draws power draws, by name [W]."""
    return {item.name: item.power_w(step, columns) for item in components if item.draws}


def one_phase(phase: int) -> tuple[float, ...]:
    """The shares of what hangs on one phase, from 1; 0 is all three."""
    return THREE if phase == 0 else tuple(float(i + 1 == phase) for i in range(3))
