"""The age of one battery from its state of charge and temperature: rainflow and both kinds of loss in one stream.

``BatteryAge`` takes sample after sample in constant time, and its whole memory is one float64 vector to be stored.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels.arguments import check_positive, check_vectors
from core_kernels.degradation import (
    Chemistry,
    calendar_loss_lfp,
    calendar_loss_nmc,
    cycle_loss_lfp,
    cycle_loss_nmc,
    open_circuit_voltage_nmc,
)
from core_kernels.rainflow import Cycles, RainflowStream, extract_cycles
from core_kernels.registry import registered
from core_kernels.units import SECONDS_PER_HOUR, FloatArray


class Loss(NamedTuple):
    """Shares of the new capacity that are lost."""

    calendar_frac: float
    cyclic_frac: float

    @property
    def total_frac(self) -> float:
        """Both together: the papers superpose them."""
        return self.calendar_frac + self.cyclic_frac


NEW = Loss(0.0, 0.0)


def _calendar(chemistry: Chemistry, soc: FloatArray, temp: FloatArray, dt_s: float, start: Loss) -> FloatArray:
    if chemistry == "lfp":
        return calendar_loss_lfp(soc, temp, dt_s, start.calendar_frac)
    return calendar_loss_nmc(open_circuit_voltage_nmc(soc), temp, dt_s, start.calendar_frac)


def _cyclic(chemistry: Chemistry, cycles: Cycles, dt_s: float, start: Loss) -> FloatArray:
    if chemistry == "lfp":
        hours = (cycles.end - cycles.start) * (dt_s / SECONDS_PER_HOUR)
        return cycle_loss_lfp(cycles.extent, cycles.extent / hours, cycles.cycles_count, start.cyclic_frac)
    voltage_v = open_circuit_voltage_nmc(cycles.mean)
    return cycle_loss_nmc(cycles.extent, voltage_v, cycles.cycles_count, start.cyclic_frac)


def _check(chemistry: Chemistry, dt_s: float) -> None:
    check_positive(dt_s=dt_s)
    if chemistry not in ("lfp", "nmc"):
        raise ValueError(f"chemistry must be 'lfp' or 'nmc', got {chemistry!r}")


@registered(
    name="ageing.age",
    unit="frac",
    source="Naumann et al. 2018 and 2020 (LFP), Schmalstieg et al. 2014 (NMC), ASTM E1049-85",
    reference="the kernels of core_kernels.degradation and rainflow",
    tolerance=1e-12,
    example=lambda: ("lfp", 0.5 + 0.4 * np.sin(np.arange(600.0) / 7.0), np.full(600, 25.0), 900.0),
)
def age(chemistry: Chemistry, soc_frac: FloatArray, temp_c: FloatArray, dt_s: float, start: Loss = NEW) -> Loss:
    """Loss at the end of a whole series.

    Parameters
    ----------
    chemistry : {"lfp", "nmc"}
    soc_frac : float64[n]
        State of charge, 0..1; a missing sample ages nothing.
    temp_c : float64[n]
        Cell temperature; missing as above. [degC]
    dt_s : float
        Time between two samples. [s]
    start : Loss
        Loss before the first sample.

    Returns
    -------
    Loss
        Calendar loss over all samples; cyclic loss of all rainflow cycles, the open ones counted as half cycles.
    """
    _check(chemistry, dt_s)
    soc, temp = check_vectors(soc_frac=soc_frac, temp_c=temp_c)
    known = np.isfinite(soc) & np.isfinite(temp)
    calendar = _calendar(chemistry, soc[known], temp[known], dt_s, start)
    cyclic = _cyclic(chemistry, extract_cycles(soc), dt_s, start)
    return Loss(
        float(calendar[-1]) if calendar.size else start.calendar_frac,
        float(cyclic[-1]) if cyclic.size else start.cyclic_frac,
    )


class BatteryAge:
    """The same, sample by sample; a restart goes on from ``state``."""

    def __init__(self, chemistry: Chemistry, dt_s: float, start: Loss = NEW, state: FloatArray | None = None) -> None:
        _check(chemistry, dt_s)
        self._chemistry: Chemistry = chemistry
        self._dt_s = dt_s
        self._closed = start
        self._rainflow = RainflowStream()
        if state is not None:
            (checked,) = check_vectors(state=state)
            self._rainflow = RainflowStream(checked[2:])
            self._closed = Loss(float(checked[0]), float(checked[1]))

    @property
    def state(self) -> FloatArray:
        """A copy of all that is remembered: both losses, then the rainflow stream's."""
        return np.concatenate([np.array(self._closed), self._rainflow.state])

    @property
    def loss(self) -> Loss:
        """Loss so far, open cycles counted as half cycles."""
        cyclic = _cyclic(self._chemistry, self._rainflow.rest(), self._dt_s, self._closed)
        return self._closed._replace(cyclic_frac=float(cyclic[-1])) if cyclic.size else self._closed

    def push(self, soc_frac: float, temp_c: float) -> None:
        """Age by one step; a missing sample ages nothing."""
        cycles = self._rainflow.push(soc_frac)
        calendar_frac, cyclic_frac = self._closed
        if math.isfinite(soc_frac) and math.isfinite(temp_c):
            step = _calendar(self._chemistry, np.array([soc_frac]), np.array([temp_c]), self._dt_s, self._closed)
            calendar_frac = float(step[0])
        if cycles.extent.size:
            cyclic_frac = float(_cyclic(self._chemistry, cycles, self._dt_s, self._closed)[-1])
        self._closed = Loss(calendar_frac, cyclic_frac)
