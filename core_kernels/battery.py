"""The battery as controller and replay see it: state of charge, limits, taper, losses a leg.

Positive power discharges (into the house bus), as everywhere. Powers are AC, at the bus.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels.arguments import check_vectors
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import SECONDS_PER_HOUR, FloatArray

_Packed: TypeAlias = tuple[float, ...]  # BatteryParameters in its own order, with the efficiency of one leg


class BatteryParameters(NamedTuple):
    """What bounds a battery.

    ``charge_w`` and ``discharge_w`` are AC limits; ``efficiency_frac`` is the AC-AC round trip, shared evenly by the
    two legs. Above ``taper_start_frac`` the charge limit falls on a line to ``taper_end_frac`` of itself at
    ``soc_max_frac`` (constant-voltage phase); the default has no taper.
    """

    capacity_wh: float
    charge_w: float
    discharge_w: float
    efficiency_frac: float = 0.90
    soc_min_frac: float = 0.1
    soc_max_frac: float = 1.0
    taper_start_frac: float = 1.0
    taper_end_frac: float = 0.1


@kernel("float64(float64, UniTuple(float64, 8))")
def _charge_limit_at(soc_frac: float, packed: _Packed) -> float:
    """Charge limit at a state of charge [W]."""
    charge_w, soc_max_frac, start_frac, end_frac = packed[1], packed[5], packed[6], packed[7]
    if soc_frac <= start_frac or start_frac >= soc_max_frac:
        return charge_w
    way_frac = min((soc_frac - start_frac) / (soc_max_frac - start_frac), 1.0)
    return charge_w * (1.0 - (1.0 - end_frac) * way_frac)


@kernel("UniTuple(float64, 2)(float64, float64, float64, UniTuple(float64, 8))")
def _step_at(soc_frac: float, power_w: float, dt_s: float, packed: _Packed) -> tuple[float, float]:
    capacity_wh, _, discharge_w, leg_frac, soc_min_frac, soc_max_frac, _, _ = packed
    hours = dt_s / SECONDS_PER_HOUR
    if power_w > 0.0:
        stored_wh = max(soc_frac - soc_min_frac, 0.0) * capacity_wh
        given_w = min(power_w, discharge_w, stored_wh * leg_frac / hours)
        return soc_frac - given_w * hours / leg_frac / capacity_wh, given_w
    if power_w < 0.0:
        room_wh = max(soc_max_frac - soc_frac, 0.0) * capacity_wh
        taken_w = min(-power_w, _charge_limit_at(soc_frac, packed), room_wh / leg_frac / hours)
        return soc_frac + taken_w * hours * leg_frac / capacity_wh, -taken_w
    return soc_frac + 0.0 * power_w, power_w


@kernel("void(Array(float64, 1, 'C', readonly=True), float64, UniTuple(float64, 8), float64[::1], float64[::1])")
def _follow_kernel(
    wish_w: FloatArray, dt_s: float, packed: _Packed, soc_frac: FloatArray, battery_w: FloatArray
) -> None:
    for i in range(wish_w.shape[0]):
        if math.isnan(soc_frac[i]):
            soc_frac[i + 1], battery_w[i] = math.nan, math.nan
        else:
            soc_frac[i + 1], battery_w[i] = _step_at(soc_frac[i], wish_w[i], dt_s, packed)


def _pack(parameters: BatteryParameters) -> _Packed:
    """The parameters as the kernels take them; impossible ones raise ``ValueError``."""
    p = parameters
    if not all(math.isfinite(value) for value in p):
        raise ValueError(f"parameters must be finite, got {p}")
    if p.capacity_wh <= 0.0 or p.charge_w < 0.0 or p.discharge_w < 0.0:
        raise ValueError(f"parameters need a positive capacity and limits of at least 0, got {p}")
    if not 0.0 < p.efficiency_frac <= 1.0 or not 0.0 <= p.taper_end_frac <= 1.0:
        raise ValueError(f"parameters need an efficiency_frac above 0 and a taper_end_frac in 0..1, got {p}")
    if not 0.0 <= p.soc_min_frac <= p.soc_max_frac <= 1.0:
        raise ValueError(f"parameters need 0 <= soc_min_frac <= soc_max_frac <= 1, got {p}")
    return tuple(float(value) for value in p._replace(efficiency_frac=math.sqrt(p.efficiency_frac)))


def _check_span(dt_s: float) -> None:
    if not (math.isfinite(dt_s) and dt_s > 0.0):
        raise ValueError(f"dt_s must be positive, got {dt_s}")


def step(soc_frac: float, power_w: float, dt_s: float, parameters: BatteryParameters) -> tuple[float, float]:
    """One span at one wished power: the new state of charge and the power that was possible [W].

    A battery outside its bounds is never pushed further out, and never pulled back by itself. NaN gives NaN.

    Examples
    --------
    >>> step(0.5, 5000.0, 3600.0, BatteryParameters(capacity_wh=10000.0, charge_w=3000.0, discharge_w=3000.0))
    (0.18377223398316206, 3000.0)
    """
    _check_span(dt_s)
    if math.isnan(soc_frac) or math.isnan(power_w):
        return math.nan, math.nan
    after_frac, accepted_w = _step_at(float(soc_frac), float(power_w), float(dt_s), _pack(parameters))
    return float(after_frac), float(accepted_w)


@registered(
    name="battery.simulate_self_consumption",
    unit="1, W",
    source="issue 3, item 4: energy balance, losses a leg, constant-voltage phase as a line",
    reference="core_kernels.battery.step, one slot after the other",
    tolerance=0.0,
    example=lambda: (4000.0 * np.sin(0.2 * np.arange(200.0)), 0.4, 900.0, BatteryParameters(10000.0, 5000.0, 5000.0)),
)
def simulate_self_consumption(
    net_load_w: FloatArray, soc0_frac: float, dt_s: float, parameters: BatteryParameters
) -> tuple[FloatArray, FloatArray]:
    """The battery under its native rule: cover the net load, store the surplus.

    Parameters
    ----------
    net_load_w : float64[n]
        Load minus PV; also any other series of wished battery powers. [W]
    soc0_frac : float
        State of charge at the first edge.
    dt_s : float
        Length of one slot. [s]
    parameters : BatteryParameters

    Returns
    -------
    soc_frac : float64[n + 1]
        State of charge on the edges. After a NaN of the net load it is unknown: NaN to the end.
    battery_w : float64[n]
        Positive discharge. [W]
    """
    (wish_w,) = check_vectors(net_load_w=net_load_w)
    _check_span(dt_s)
    soc_frac = np.empty(wish_w.shape[0] + 1)
    soc_frac[0] = soc0_frac
    battery_w = np.empty(wish_w.shape[0])
    _follow_kernel(wish_w, float(dt_s), _pack(parameters), soc_frac, battery_w)
    return soc_frac, battery_w
