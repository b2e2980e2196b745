"""The battery as a workshop measures it: losses that depend on power, standby, and limits that heat and cold cut.

Positive power discharges, powers are AC at the bus, as in core_kernels.battery. The loss of one leg is a polynomial of
its AC power, ``fixed + linear p + square p^2``, as the efficiency guideline for PV storage systems (BVES/BSW 2019) and
the performance model PerMod (Weniger et al. 2019, HTW Berlin) have it; standby is drawn from the cells at all times.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core_kernels.arguments import check_positive, check_vectors
from core_kernels.battery import BatteryParameters
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

_PACKED = "Array(float64, 1, 'C', readonly=True)"

LEAST_EFFICIENCY_FRAC = 0.001


class LossCurve(NamedTuple):
    """Loss of one leg over its AC power p: ``fixed_w + linear_frac p + square_per_w p**2``; none at p = 0."""

    fixed_w: float = 0.0
    linear_frac: float = 0.0
    square_per_w: float = 0.0


class Derating(NamedTuple):
    """Share of the power limit by cell temperature: 0 outside the stops, 1 between the full points, linear between."""

    cold_stop_c: float
    cold_full_c: float
    hot_full_c: float
    hot_stop_c: float


# Common limits of LFP cells' data sheets: charge 0..55 degC, discharge -20..60 degC, full power from 10 to 45 degC.
LFP_CHARGE = Derating(0.0, 10.0, 45.0, 55.0)
LFP_DISCHARGE = Derating(-20.0, 0.0, 50.0, 60.0)


class LossyBattery(NamedTuple):
    """A battery in full; ``limits`` gives capacity, power, bounds and taper; its efficiency is not used."""

    limits: BatteryParameters
    charge_loss: LossCurve
    discharge_loss: LossCurve
    standby_w: float = 0.0
    charge_derating: Derating = LFP_CHARGE
    discharge_derating: Derating = LFP_DISCHARGE


@registered(
    name="battery_losses.curve_from_efficiency",
    unit="W, 1, 1/W",
    source="Schmidt and Sauer 1996, Wechselrichter-Wirkungsgrade, Sonnenenergie 4, 43-47",
    reference="numpy.polyfit of degree 2",
    tolerance=1e-9,
    example=lambda: (np.array([500.0, 2500.0, 5000.0]), np.array([0.93, 0.965, 0.95])),
)
def curve_from_efficiency(power_w: FloatArray, efficiency_frac: FloatArray) -> LossCurve:
    """The loss curve through three measured points of one leg's efficiency, AC power over DC or DC over AC.

    Parameters
    ----------
    power_w : float64[3]
        Different AC powers of a discharging leg, whose loss is ``p (1 / eta - 1)``; a charging leg's loss is
        ``p (1 - eta)``: give ``1 / (2 - eta)`` for it. [W]
    efficiency_frac : float64[3]
        0.001..1. [1]

    Returns
    -------
    LossCurve
    """
    power, efficiency = check_vectors(power_w=power_w, efficiency_frac=efficiency_frac)
    if power.shape[0] != 3 or np.unique(power).size != 3 or not (power > 0.0).all():
        raise ValueError("power_w must hold three different powers above 0")
    if not ((efficiency >= LEAST_EFFICIENCY_FRAC) & (efficiency <= 1.0)).all():
        raise ValueError(f"efficiency_frac must be {LEAST_EFFICIENCY_FRAC}..1")
    loss = power * (1.0 / efficiency - 1.0)
    (x, y, z), (a, b, c) = power.tolist(), loss.tolist()
    slope = (b - a) / (y - x)
    square = ((c - a) / (z - x) - slope) / (z - y)
    linear = slope - square * (x + y)
    return LossCurve(a - linear * x - square * x * x, linear, square)


# Where each number stands in the packed vector that the kernels take.
_CAPACITY, _CHARGE, _DISCHARGE, _LOW, _HIGH, _TAPER, _TAPER_END, _IN, _OUT, _STANDBY, _COLD_IN, _COLD_OUT = (
    *(0, 1, 2, 3, 4, 5, 6),
    *(7, 10, 13, 14, 18),
)


@kernel(f"float64(float64, {_PACKED}, int64)")
def _share_at(temp_c: float, packed: FloatArray, first: int) -> float:
    """Derating at a temperature."""
    cold_stop, cold_full, hot_full, hot_stop = packed[first], packed[first + 1], packed[first + 2], packed[first + 3]
    if temp_c < cold_full:
        return 0.0 if temp_c <= cold_stop else (temp_c - cold_stop) / (cold_full - cold_stop)
    if temp_c > hot_full:
        return 0.0 if temp_c >= hot_stop else (hot_stop - temp_c) / (hot_stop - hot_full)
    return 1.0


@kernel("float64(float64, float64, float64)")
def _root(rest_w: float, linear_frac: float, square_per_w: float) -> float:
    """The smaller p at which ``linear_frac p + square_per_w p^2`` is ``rest_w``; infinite if it never is."""
    inner = linear_frac * linear_frac + 4.0 * square_per_w * rest_w
    if not inner >= 0.0:
        return math.inf
    return 2.0 * rest_w / (linear_frac + math.sqrt(inner))


@kernel(f"float64(float64, float64, float64, {_PACKED})")
def _most_discharge(soc_frac: float, temp_c: float, hours: float, packed: FloatArray) -> float:
    """The highest AC power that limits, temperature and stored energy allow [W]."""
    free_w = (soc_frac - packed[_LOW]) * packed[_CAPACITY] / hours - packed[_OUT]
    if free_w <= 0.0:
        return 0.0
    stored_w = _root(free_w, 1.0 + packed[_OUT + 1], packed[_OUT + 2])
    return float(min(packed[_DISCHARGE] * _share_at(temp_c, packed, _COLD_OUT), stored_w))


@kernel(f"float64(float64, float64, float64, {_PACKED})")
def _most_charge(soc_frac: float, temp_c: float, hours: float, packed: FloatArray) -> float:
    """The highest AC power that limits, taper, temperature and free room allow [W]."""
    room_w = (packed[_HIGH] - soc_frac) * packed[_CAPACITY] / hours
    if room_w <= 0.0:
        return 0.0
    limit_w = packed[_CHARGE]
    if soc_frac > packed[_TAPER] and packed[_TAPER] < packed[_HIGH]:
        way_frac = min((soc_frac - packed[_TAPER]) / (packed[_HIGH] - packed[_TAPER]), 1.0)
        limit_w *= 1.0 - (1.0 - packed[_TAPER_END]) * way_frac
    limit_w *= _share_at(temp_c, packed, _COLD_IN)
    return float(min(limit_w, _root(room_w + packed[_IN], 1.0 - packed[_IN + 1], -packed[_IN + 2])))


@kernel(f"UniTuple(float64, 2)(float64, float64, float64, float64, {_PACKED})")
def _step_at(soc_frac: float, power_w: float, temp_c: float, hours: float, packed: FloatArray) -> tuple[float, float]:
    """The state after one span and the power that was possible; NaN in any input leaves both unknown."""
    if math.isnan(soc_frac) or math.isnan(power_w) or math.isnan(temp_c):
        return math.nan, math.nan
    capacity_wh = packed[_CAPACITY]
    rested_frac = max(soc_frac - packed[_STANDBY] * hours / capacity_wh, 0.0)
    if power_w > 0.0:
        given_w = min(power_w, _most_discharge(rested_frac, temp_c, hours, packed))
        lost_w = packed[_OUT] + packed[_OUT + 1] * given_w + packed[_OUT + 2] * given_w * given_w
        cells_w = given_w + lost_w if given_w > 0.0 else 0.0
        return rested_frac - cells_w * hours / capacity_wh, given_w
    taken_w = min(-power_w, _most_charge(rested_frac, temp_c, hours, packed))
    lost_w = packed[_IN] + packed[_IN + 1] * taken_w + packed[_IN + 2] * taken_w * taken_w
    cells_w = taken_w - lost_w if taken_w > 0.0 else 0.0
    return max(rested_frac + cells_w * hours / capacity_wh, 0.0), -taken_w


@kernel(
    f"void(Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), float64, {_PACKED},"
    " float64[::1], float64[::1])"
)
def _follow_kernel(
    wish_w: FloatArray, temp_c: FloatArray, hours: float, packed: FloatArray, soc_frac: FloatArray, out_w: FloatArray
) -> None:
    for i in range(wish_w.shape[0]):
        soc_frac[i + 1], out_w[i] = _step_at(soc_frac[i], wish_w[i], temp_c[i], hours, packed)


def _pack(battery: LossyBattery) -> FloatArray:
    """The battery as the kernels take it; impossible ones raise ``ValueError``."""
    p = battery.limits
    packed = np.array(
        [
            *(p.capacity_wh, p.charge_w, p.discharge_w, p.soc_min_frac, p.soc_max_frac, p.taper_start_frac),
            *(p.taper_end_frac, *battery.charge_loss, *battery.discharge_loss, battery.standby_w),
            *(*battery.charge_derating, *battery.discharge_derating),
        ],
        dtype=np.float64,
    )
    if not np.isfinite(packed).all():
        raise ValueError(f"battery must be finite, got {battery}")
    if p.capacity_wh <= 0.0 or min(p.charge_w, p.discharge_w, battery.standby_w) < 0.0:
        raise ValueError(f"battery needs a positive capacity and powers of at least 0, got {battery}")
    if not 0.0 <= p.soc_min_frac <= p.soc_max_frac <= 1.0 or not 0.0 <= p.taper_end_frac <= 1.0:
        raise ValueError(f"battery needs 0 <= soc_min_frac <= soc_max_frac <= 1 and a taper in 0..1, got {battery}")
    for name in ("charge_loss", "discharge_loss"):
        curve: LossCurve = getattr(battery, name)
        if min(curve) < 0.0 or curve.linear_frac >= 1.0:
            raise ValueError(f"{name} must not be negative, nor lose all, got {curve}")
    for name in ("charge_derating", "discharge_derating"):
        derating: Derating = getattr(battery, name)
        if not derating.cold_stop_c < derating.cold_full_c <= derating.hot_full_c < derating.hot_stop_c:
            raise ValueError(f"{name} must rise, got {derating}")
    return packed


def _example() -> tuple[FloatArray, FloatArray, float, float, LossyBattery]:
    limits = BatteryParameters(10000.0, 5000.0, 5000.0, taper_start_frac=0.9)
    curve = LossCurve(25.0, 0.015, 4e-6)
    wish_w = 6000.0 * np.sin(np.arange(400.0) / 9.0)
    return wish_w, np.linspace(-5.0, 50.0, 400), 0.5, 900.0, LossyBattery(limits, curve, curve, 8.0)


@registered(
    name="battery_losses.simulate",
    unit="frac, W",
    source="BVES/BSW Efficiency Guideline for PV Storage Systems 2.0 (2019); Weniger et al. 2019, PerMod",
    reference="a plain Python loop that searches the possible power by bisection",
    tolerance=1e-9,
    example=_example,
)
def simulate(
    wish_w: FloatArray, temp_c: FloatArray, soc0_frac: float, dt_s: float, battery: LossyBattery
) -> tuple[FloatArray, FloatArray]:
    """The battery following a series of wished powers as far as it can.

    Parameters
    ----------
    wish_w : float64[n]
        Wished AC power, positive discharge; the net load for self-consumption. [W]
    temp_c : float64[n]
        Cell temperature. [degC]
    soc0_frac : float
        State of charge at the first edge.
    dt_s : float
        Length of one slot. [s]
    battery : LossyBattery

    Returns
    -------
    soc_frac : float64[n + 1]
        State of charge on the edges; standby may draw it below ``soc_min_frac``, never below 0. NaN from the first
        missing input on.
    battery_w : float64[n]
        Possible AC power, positive discharge. [W]
    """
    wish, temp = check_vectors(wish_w=wish_w, temp_c=temp_c)
    check_positive(dt_s=dt_s)
    soc_frac, battery_w = np.empty(wish.shape[0] + 1), np.empty(wish.shape[0])
    soc_frac[0] = soc0_frac
    _follow_kernel(wish, temp, dt_s / SECONDS_PER_HOUR, _pack(battery), soc_frac, battery_w)
    return soc_frac, battery_w
