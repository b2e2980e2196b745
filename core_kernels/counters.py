"""Energy counters: what was counted between readings, through rollovers and resets.

A counter that falls has either rolled over (its register is full and starts at 0: the energy is known) or was reset
(the meter was changed: what was counted is unknown). It rolled over when the register's size explains the fall by a
gain that the time between readings allows.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels.flags import Flag
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, check_times
from core_kernels.units import FlagArray, FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the counter

_RESET, _RATE, _MISSING = int(Flag.COUNTER_RESET), int(Flag.RATE), int(Flag.MISSING)
_IN = "Array(float64, 1, 'C', readonly=True)"


class Gains(NamedTuple):
    """What each reading added to the last known one, float64[n], NaN where unknown; flags uint16[n]; rollovers."""

    gains: FloatArray
    flags: FlagArray
    rollovers_count: int


@kernel(f"int64({_IN}, {_IN}, float64, float64, float64, float64[::1], uint16[::1])")
def _gains_kernel(
    times_s: FloatArray,
    values: FloatArray,
    modulus: OwnUnit,
    rate_per_s: float,
    step: float,
    gains: FloatArray,
    flags: FlagArray,
) -> int:
    """Gains and flags of readings; returns the number of rollovers."""
    last, rollovers = -1, 0
    for i in range(values.shape[0]):
        gains[i] = math.nan
        if math.isnan(values[i]):
            flags[i] |= _MISSING
            continue
        if last >= 0:
            allowed = rate_per_s * max(times_s[i] - times_s[last], 0.0) + step
            gain = values[i] - values[last]
            rolled = gain + modulus
            if gain < 0.0 and modulus < math.inf and 0.0 <= rolled <= allowed:
                gain = rolled
                rollovers += 1
            if gain < 0.0:
                flags[i] |= _RESET
            elif gain > allowed:
                flags[i] |= _RATE
            else:
                gains[i] = gain
        last = i
    return rollovers


def _example() -> tuple[FloatArray, FloatArray, float]:
    times_s = 900.0 * np.arange(60.0)
    values = (65_000.0 + 37.0 * np.arange(60.0)) % 65_536.0
    values[40:] -= 1200.0
    values[11] = math.nan
    return times_s, values, 65_536.0


@registered(
    name="counter_gains",
    unit="unit of the counter",
    source="modular difference bounded by the greatest rate; register sizes 2**16 and 2**32",
    reference="exact integers with modulus",
    tolerance=0.0,
    example=_example,
)
def counter_gains(
    times_s: FloatArray,
    values: FloatArray,
    modulus: OwnUnit = math.inf,
    max_rate_per_s: float = 100_000.0 / 3600.0,
    step: OwnUnit = 1000.0,
) -> Gains:
    """What was counted from reading to reading.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds. [s]
    values : float64[n]
        Readings; NaN is MISSING and passed over.
    modulus : float
        Where the register starts again at 0 (2**16 or 2**32 times its scale); infinity for never.
    max_rate_per_s, step : float
        Largest believable gain: rate times the time between readings, plus a step. By default 100 kW and 1 kWh in Wh.

    Returns
    -------
    Gains
        The first reading, a reset (COUNTER_RESET) and a leap (RATE) have no gain.
    """
    check_times(times_s)
    check_f64("values", values, times_s.shape[0])
    if not modulus > 0.0:
        raise ValueError(f"modulus must be positive, got {modulus}")
    gains = np.empty(values.shape[0])
    flags = np.zeros(values.shape[0], dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        rollovers = _gains_kernel(times_s, values, modulus, max_rate_per_s, step, gains, flags)
    return Gains(gains, flags, int(rollovers))
