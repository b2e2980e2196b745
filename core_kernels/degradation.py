"""Capacity loss of lithium cells: calendar and cycle ageing of an LFP and an NMC cell, each step in constant time.

LFP: Naumann et al. 2018 (calendar, doi 10.1016/j.est.2018.01.019) and 2020 (cycles, doi
10.1016/j.jpowsour.2019.227666), Sony US26650FTC1. NMC: Schmalstieg et al. 2014 (doi
10.1016/j.jpowsour.2014.02.012), Sanyo UR18650E.

Loss grows as a root of time or charge, ``k x**p``. Under changing stress the loss so far is carried over to the curve
now in force ("virtual time"); that is the same as adding ``k**(1/p) dx`` to ``loss**(1/p)``, which needs no root of the
past: squared loss for p = 1/2, the 4/3 power for the NMC calendar's p = 3/4. Losses are fractions of the new capacity.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from core_kernels import vmath
from core_kernels.arguments import check_positive, check_vectors
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import KELVIN_AT_ZERO_C, SECONDS_PER_DAY, FloatArray

Chemistry = Literal["lfp", "nmc"]

GAS_CONSTANT = 8.3144598  # J/(mol K), as in SimSES 1.3.12
_REFERENCE_K = 298.15
# Naumann 2018, eq. 4-6 and table 4: pu/s**0.5, J/mol, -, -
_LFP_REFERENCE, _LFP_ACTIVATION, _LFP_SOC_CUBE, _LFP_SOC_BASE = 1.2571e-5, 17126.0, 2.8575, 0.60225
# Naumann 2020, eq. 3-5: per C-rate, -, depth cubed, -
_LFP_RATE, _LFP_RATE_BASE, _LFP_DEPTH_CUBE, _LFP_DEPTH_BASE = 0.0630, 0.0971, 4.0253, 1.0923
# Schmalstieg 2014, eq. 16 and 20; below 3.149 V the calendar term would turn negative (SimSES clamps there too)
_NMC_CELL_AH = 2.05
_NMC_LEAST_V = 3.149


@kernel(inline=True)
def _calendar_lfp(soc_frac: float, temp_c: float) -> float:
    temp_k = temp_c + KELVIN_AT_ZERO_C
    arrhenius = vmath.exp(-_LFP_ACTIVATION / GAS_CONSTANT * (1.0 / temp_k - 1.0 / _REFERENCE_K))
    x = soc_frac - 0.5
    return _LFP_REFERENCE * arrhenius * (_LFP_SOC_CUBE * (x * x * x) + _LFP_SOC_BASE)


@kernel(inline=True)
def _calendar_nmc(voltage_v: float, temp_c: float) -> float:
    bounded_v = vmath.at_least(voltage_v, _NMC_LEAST_V)
    return (7.543 * bounded_v - 23.75) * 1e6 * vmath.exp(-6976.0 / (temp_c + KELVIN_AT_ZERO_C))


@kernel(inline=True)
def _cycle_lfp(depth_frac: float, c_rate_per_h: float) -> float:
    x = depth_frac - 0.6
    return (_LFP_RATE * c_rate_per_h + _LFP_RATE_BASE) * (_LFP_DEPTH_CUBE * (x * x * x) + _LFP_DEPTH_BASE) / 100.0


@kernel(inline=True)
def _cycle_nmc(depth_frac: float, voltage_v: float) -> float:
    x = voltage_v - 3.667
    return 7.348e-3 * (x * x) + 7.6e-4 + 4.081e-3 * depth_frac


_PAIR = "Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_PAIR}, float64, float64, float64[::1])")
def _calendar_lfp_kernel(
    soc_frac: FloatArray, temp_c: FloatArray, dt_s: float, start_frac: float, out: FloatArray
) -> None:
    for i in range(out.shape[0]):
        k = _calendar_lfp(soc_frac[i], temp_c[i])
        out[i] = k * k * dt_s
    total = start_frac * start_frac
    for i in range(out.shape[0]):
        total += out[i]
        out[i] = total
    for i in range(out.shape[0]):
        out[i] = math.sqrt(out[i])


@kernel(f"void({_PAIR}, float64, float64, float64[::1])")
def _calendar_nmc_kernel(
    voltage_v: FloatArray, temp_c: FloatArray, dt_s: float, start_frac: float, out: FloatArray
) -> None:
    days = dt_s / SECONDS_PER_DAY
    for i in range(out.shape[0]):
        out[i] = vmath.power(_calendar_nmc(voltage_v[i], temp_c[i]), 4.0 / 3.0) * days
    total = vmath.power(start_frac, 4.0 / 3.0) if start_frac > 1e-200 else 0.0
    for i in range(out.shape[0]):
        total += out[i]
        out[i] = total
    for i in range(out.shape[0]):
        out[i] = math.sqrt(out[i] * math.sqrt(out[i]))


@kernel(f"void({_PAIR}, Array(float64, 1, 'C', readonly=True), float64, float64[::1], boolean)")
def _cycle_kernel(
    depth_frac: FloatArray, stress: FloatArray, cycles_count: FloatArray, start_frac: float, out: FloatArray, nmc: bool
) -> None:
    total = start_frac * start_frac
    for i in range(out.shape[0]):
        if nmc:
            k, swept = _cycle_nmc(depth_frac[i], stress[i]), 2.0 * _NMC_CELL_AH * depth_frac[i] * cycles_count[i]
        else:
            k, swept = _cycle_lfp(depth_frac[i], stress[i]), depth_frac[i] * cycles_count[i]
        total += k * k * swept
        out[i] = math.sqrt(total) if total >= 0.0 else math.nan


@kernel("void(Array(float64, 1, 'C', readonly=True), float64[::1])")
def _voltage_nmc_kernel(soc_frac: FloatArray, out: FloatArray) -> None:
    for i in range(out.shape[0]):
        x = soc_frac[i]
        value = 2.3885 + 2.1430 / (1.0 + vmath.exp(-7.7487 * (x + 0.1714)))
        value += -0.6287 / (1.0 + vmath.exp(-0.0974 * (x - 2.6526)))
        value += -1.6708 / (1.0 + vmath.exp(1.2023 * (x - 1.0)))
        out[i] = value + 1.6161 / (1.0 + vmath.exp(3.9977 * x)) + 0.7234 * x


def _ramp() -> FloatArray:
    return np.linspace(0.0, 1.0, 400)


def _check_start(start_frac: float) -> float:
    if not 0.0 <= start_frac < 1.0:
        raise ValueError(f"start_frac must be in 0..1, got {start_frac}")
    return float(start_frac)


@registered(
    name="degradation.calendar_loss_lfp",
    unit="frac",
    source="Naumann et al. 2018, J. Energy Storage 17, 153-169, eq. 4-6",
    reference="SimSES 1.3.12 SonyLFPCalendarDegradationModel",
    tolerance=1e-12,
    example=lambda: (_ramp(), 40.0 - 30.0 * _ramp(), 900.0),
)
def calendar_loss_lfp(soc_frac: FloatArray, temp_c: FloatArray, dt_s: float, start_frac: float = 0.0) -> FloatArray:
    """Calendar loss of the LFP cell after each step.

    Parameters
    ----------
    soc_frac : float64[n]
        Mean state of charge of the step, 0..1.
    temp_c : float64[n]
        Cell temperature; measured for 0..60. [degC]
    dt_s : float
        Length of one step. [s]
    start_frac : float
        Calendar loss before the first step.

    Returns
    -------
    loss_frac : float64[n]
        Lost share of the new capacity; NaN from the first NaN on.

    Notes
    -----
    Naumann 2018: ``q = k_ref exp(-Ea/R (1/T - 1/Tref)) (c (SOC - 0.5)^3 + d) t^0.5``, squared and summed.
    """
    soc, temp = check_vectors(soc_frac=soc_frac, temp_c=temp_c)
    loss_frac = np.empty(soc.shape[0])
    check_positive(dt_s=dt_s)
    _calendar_lfp_kernel(soc, temp, float(dt_s), _check_start(start_frac), loss_frac)
    return loss_frac


@registered(
    name="degradation.calendar_loss_nmc",
    unit="frac",
    source="Schmalstieg et al. 2014, J. Power Sources 257, 325-334, eq. 16",
    reference="SimSES 1.3.12 SanyoNMCCalendarDegradationModel (constant stress)",
    tolerance=1e-12,
    example=lambda: (3.0 + 1.2 * _ramp(), 40.0 - 30.0 * _ramp(), 900.0),
)
def calendar_loss_nmc(voltage_v: FloatArray, temp_c: FloatArray, dt_s: float, start_frac: float = 0.0) -> FloatArray:
    """Calendar loss of the NMC cell after each step; voltage is the cell's open-circuit voltage [V].

    Parameters
    ----------
    voltage_v, temp_c, dt_s, start_frac
        Shapes, units and NaN as in :func:`calendar_loss_lfp`; below 3.149 V the cell counts as at 3.149 V.

    Returns
    -------
    loss_frac : float64
        Lost share of the new capacity; NaN from the first NaN on.

    Notes
    -----
    Schmalstieg 2014: ``q = (7.543 V - 23.75) 1e6 exp(-6976/T) t_d^0.75``, carried over at equal loss when the stress
    changes. SimSES carries it over at equal age instead; both agree while the stress is constant.
    """
    voltage, temp = check_vectors(voltage_v=voltage_v, temp_c=temp_c)
    loss_frac = np.empty(voltage.shape[0])
    check_positive(dt_s=dt_s)
    _calendar_nmc_kernel(voltage, temp, float(dt_s), _check_start(start_frac), loss_frac)
    return loss_frac


@registered(
    name="degradation.cycle_loss_lfp",
    unit="frac",
    source="Naumann et al. 2020, J. Power Sources 451, 227666, eq. 3-5",
    reference="SimSES 1.3.12 SonyLFPCyclicDegradationModel",
    tolerance=1e-12,
    example=lambda: (_ramp(), 2.0 * _ramp(), np.full(400, 0.5)),
)
def cycle_loss_lfp(
    depth_frac: FloatArray, c_rate_per_h: FloatArray, cycles_count: FloatArray, start_frac: float = 0.0
) -> FloatArray:
    """Cycle loss of the LFP cell after each (rainflow) cycle.

    Parameters
    ----------
    depth_frac : float64[m]
        Depth of the cycle, 0..1.
    c_rate_per_h : float64[m]
        Mean rate of the cycle's legs; measured for 0.2..1. [1/h]
    cycles_count : float64[m]
        1.0 for a full, 0.5 for a half cycle; depth times count are the full equivalent cycles.
    start_frac : float
        Cycle loss before the first.

    Returns
    -------
    loss_frac : float64[m]
        Lost share of the new capacity; NaN from the first NaN or less than no cycle on.

    Notes
    -----
    Naumann 2020: ``100 q = (0.0630 C + 0.0971) (4.0253 (DOC - 0.6)^3 + 1.0923) FEC^0.5``. The model has no temperature.
    """
    depth, rate, count = check_vectors(depth_frac=depth_frac, c_rate_per_h=c_rate_per_h, cycles_count=cycles_count)
    loss_frac = np.empty(depth.shape[0])
    _cycle_kernel(depth, rate, count, _check_start(start_frac), loss_frac, False)
    return loss_frac


@registered(
    name="degradation.cycle_loss_nmc",
    unit="frac",
    source="Schmalstieg et al. 2014, J. Power Sources 257, 325-334, eq. 20",
    reference="SimSES 1.3.12 SanyoNMCCyclicDegradationModel (constant stress)",
    tolerance=1e-12,
    example=lambda: (_ramp(), 3.3 + 0.8 * _ramp(), np.full(400, 0.5)),
)
def cycle_loss_nmc(
    depth_frac: FloatArray, voltage_v: FloatArray, cycles_count: FloatArray, start_frac: float = 0.0
) -> FloatArray:
    """Cycle loss of the NMC cell after each (rainflow) cycle; voltage is the mean one of the cycle [V].

    Parameters
    ----------
    depth_frac, voltage_v, cycles_count, start_frac
        Shapes, units and NaN as in :func:`cycle_loss_lfp`.

    Returns
    -------
    loss_frac : float64
        Lost share of the new capacity; NaN from the first NaN on.

    Notes
    -----
    Schmalstieg 2014: ``q = (7.348e-3 (V - 3.667)^2 + 7.6e-4 + 4.081e-3 DOD) Q_Ah^0.5``, Q the charge through
    the 2.05 Ah cell in both directions.
    """
    depth, voltage, count = check_vectors(depth_frac=depth_frac, voltage_v=voltage_v, cycles_count=cycles_count)
    loss_frac = np.empty(depth.shape[0])
    _cycle_kernel(depth, voltage, count, _check_start(start_frac), loss_frac, True)
    return loss_frac


@registered(
    name="degradation.open_circuit_voltage_nmc",
    unit="V",
    source="SimSES 1.3.12, fit to the Sanyo UR18650E",
    reference="SimSES 1.3.12 SanyoNMC.get_open_circuit_voltage",
    tolerance=1e-12,
    example=lambda: (_ramp(),),
    missing=(0,),
)
def open_circuit_voltage_nmc(soc_frac: FloatArray) -> FloatArray:
    """Open-circuit voltage of the NMC cell.

    Parameters
    ----------
    soc_frac : float64[n]
        0..1.

    Returns
    -------
    voltage_v : float64[n]
        NaN gives NaN. [V]
    """
    (soc,) = check_vectors(soc_frac=soc_frac)
    voltage_v = np.empty(soc.shape[0])
    _voltage_nmc_kernel(soc, voltage_v)
    return voltage_v
