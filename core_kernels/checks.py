"""The single tests of data quality, each adding its bit to a mask; :mod:`core_kernels.quality` says which to use."""

from __future__ import annotations

import math

import numpy as np

from core_kernels.arguments import Powers, check_powers
from core_kernels.flags import Flag
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.units import FlagArray, FloatArray, balance_residual_w

JITTER_FRAC = 0.2  # of a slot: PEMS v2's tolerance
STUCK_SAMPLES = 6  # pvanalytics' window
HAMPEL_MADS = 3.0
MAD_TO_SIGMA = 1.4826  # for a normal distribution

_MISSING, _RANGE, _RATE = int(Flag.MISSING), int(Flag.RANGE), int(Flag.RATE)
_STUCK, _SPIKE, _GAP, _RESET = int(Flag.STUCK), int(Flag.SPIKE), int(Flag.GAP), int(Flag.COUNTER_RESET)
_DUPLICATE, _IRREGULAR, _BALANCE = int(Flag.DUPLICATE), int(Flag.IRREGULAR_TIME), int(Flag.BALANCE)
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, float64, float64, uint16[::1])")
def flag_range(values: FloatArray, low: float, high: float, flags: FlagArray) -> None:
    """MISSING where NaN, RANGE where outside ``low``..``high`` (both in the signal's unit, both allowed)."""
    for i in range(values.shape[0]):
        if math.isnan(values[i]):
            flags[i] |= _MISSING
        elif values[i] < low or values[i] > high:
            flags[i] |= _RANGE


@kernel(f"void({_IN}, float64, uint16[::1])")
def flag_times(times_s: FloatArray, slot_s: float, flags: FlagArray) -> None:
    """DUPLICATE, GAP and IRREGULAR_TIME by the distance of each row to the one before it.

    A row comes regularly when it lies within 0.2 slots of a whole number of slots later; GAP is the first row after
    a hole of at least one slot.
    """
    for i in range(1, times_s.shape[0]):
        slots = (times_s[i] - times_s[i - 1]) / slot_s
        if slots == 0.0:
            flags[i] |= _DUPLICATE
            continue
        if slots >= 2.0 - JITTER_FRAC:
            flags[i] |= _GAP
        if abs(slots - max(math.floor(slots + 0.5), 1)) > JITTER_FRAC + 1e-9:
            flags[i] |= _IRREGULAR


@kernel(f"void({_IN}, {_IN}, float64, float64, boolean, uint16[::1])")
def flag_rate(
    times_s: FloatArray, values: FloatArray, rate_per_s: float, step: float, counter: bool, flags: FlagArray
) -> None:
    """RATE where a value left the last known one by more than ``rate_per_s`` times the time between, plus ``step``.

    With ``counter`` a falling value is COUNTER_RESET instead. A sample after a longer hole is judged by the whole hole.
    """
    last = -1
    for i in range(values.shape[0]):
        if math.isnan(values[i]):
            continue
        if last >= 0:
            change = values[i] - values[last]
            passed_s = times_s[i] - times_s[last]
            if counter and change < 0.0:
                flags[i] |= _RESET
            elif passed_s > 0.0 and abs(change) > rate_per_s * passed_s + step:
                flags[i] |= _RATE
        last = i


@kernel(f"void({_IN}, {_IN}, float64, float64, uint16[::1])")
def flag_stuck(times_s: FloatArray, values: FloatArray, rest_raw: float, stuck_s: float, flags: FlagArray) -> None:
    """STUCK on every sample of a run of one value: 6 samples or more, over ``stuck_s`` or longer.

    A run of ``rest_raw`` (0 W at night; NaN for none) is good. NaN ends a run.
    """
    start = 0
    count = values.shape[0]
    for i in range(1, count + 1):
        if i < count and values[i] == values[start]:
            continue
        long = i - start >= STUCK_SAMPLES and times_s[i - 1] - times_s[start] >= stuck_s
        if long and values[start] != rest_raw:
            for k in range(start, i):
                flags[k] |= _STUCK
        start = i


@kernel("float64(float64, float64, float64, float64, float64)")
def median_of_5(a: float, b: float, c: float, d: float, e: float) -> float:
    """Median of five: drop the least and the greatest of two pairs, then the median of the three that are left."""
    low = max(min(a, b), min(d, e))
    high = min(max(a, b), max(d, e))
    return max(min(low, high), min(max(low, high), c))


@kernel(f"void({_IN}, float64, uint16[::1])")
def flag_spike(values: FloatArray, minimum: float, flags: FlagArray) -> None:
    """SPIKE by Hampel's filter: more than 3 scaled MADs, and ``minimum``, from the median of five samples around.

    Hampel (1974); Pearson (2002). A window that holds a NaN, or that the ends cut, judges nothing.
    """
    for i in range(2, values.shape[0] - 2):
        a, b, c, d, e = values[i - 2], values[i - 1], values[i], values[i + 1], values[i + 2]
        if math.isnan(a + b + c + d + e):
            continue
        middle = median_of_5(a, b, c, d, e)
        mad = median_of_5(abs(a - middle), abs(b - middle), abs(c - middle), abs(d - middle), abs(e - middle))
        if abs(c - middle) > HAMPEL_MADS * MAD_TO_SIGMA * mad and abs(c - middle) > minimum:
            flags[i] |= _SPIKE


def _balance_example() -> tuple[Powers, float]:
    grid_w = 500.0 * np.sin(0.3 * np.arange(60.0))
    pv_w, battery_w, load_w = np.full(60, 900.0), np.full(60, -200.0), grid_w + 700.0
    load_w[20:25] += 400.0
    pv_w[40] = math.nan
    return (grid_w, pv_w, battery_w, load_w), 100.0


@registered(
    name="flag_balance",
    unit="1",
    source="DESIGN.md, law 7: load_w = grid_w + pv_w + battery_w",
    reference="the sum in numpy",
    tolerance=0.0,
    example=_balance_example,
)
def flag_balance(powers_w: Powers, tolerance_w: float) -> FlagArray:
    """BALANCE where grid, PV, battery and load do not add up.

    Parameters
    ----------
    powers_w : four of float64[n]
        ``grid_w, pv_w, battery_w, load_w``; a NaN among them judges nothing. [W]
    tolerance_w : float
        What meters may disagree by; 5 % of the largest of the four is allowed in any case. [W]

    Returns
    -------
    uint16[n]
    """
    powers = check_powers(powers_w)
    residual_w = np.abs(balance_residual_w(*powers))
    allowed_w = np.maximum(tolerance_w, 0.05 * np.max(np.abs(np.stack(powers)), axis=0))
    return np.where(residual_w > allowed_w, np.uint16(_BALANCE), np.uint16(0)).astype(np.uint16)
