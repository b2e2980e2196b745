"""Irregular samples to slots: time-weighted mean, last state, or counted energy, by the kind of the signal.

A sample holds until the next one, at most ``hold_s``; what is not held is unknown. A slot that is known for less than
half of its length is NaN.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.signals import Kind
from core_kernels.solar import check_f64, check_times
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the signal

MIN_COVER_FRAC = 0.5
_ROUNDING_FRAC = 1e-9  # a slot covered to one half by sums of floats counts as half
_IN = "Array(float64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, {_IN}, {_IN}, float64[:, ::1])")
def _spread_kernel(starts: FloatArray, ends: FloatArray, values: FloatArray, sums: FloatArray) -> None:
    """Add each span to the slots it touches; times are in slots since the grid's start.

    ``sums`` float64[3, count], preset by the caller: value times share, share covered, last value.
    """
    count = sums.shape[1]
    for i in range(values.shape[0]):
        start = max(starts[i], 0.0)
        end = min(ends[i], float(count))
        slot = int(start)
        while slot < end:
            share = min(end, slot + 1.0) - max(start, float(slot))
            sums[0, slot] += values[i] * share
            sums[1, slot] += share
            sums[2, slot] = values[i]
            slot += 1


def _held_ends(times_s: FloatArray, hold_s: float) -> FloatArray:
    """Where each sample's hold ends [s]; the last one holds as long as the one before it, or ``hold_s`` if alone."""
    steps = np.minimum(np.diff(times_s), hold_s)
    last = steps[-1:] if steps.size else np.array([hold_s])
    ends_s: FloatArray = times_s + np.concatenate((steps, last))
    return ends_s


def _counter_spans(
    times_s: FloatArray, values: FloatArray, hold_s: float, modulus: OwnUnit
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Starts, ends and rates [per s] between readings; a reset, or a wait longer than ``hold_s``, is unknown.

    A fall by more than half of ``modulus`` is a rollover, any other a reset.
    """
    known = np.isfinite(values)
    times, readings = times_s[known], values[known]
    spans, gained = np.diff(times), np.diff(readings)
    gained = np.where(gained < -0.5 * modulus, gained + modulus, gained)
    usable = (spans > 0.0) & (spans <= hold_s) & (gained >= 0.0)
    return times[:-1][usable], times[1:][usable], gained[usable] / spans[usable]


def _example() -> tuple[FloatArray, FloatArray, Kind, TimeGrid]:
    times_s = np.cumsum(100.0 + 60.0 * np.sin(np.arange(300.0)))
    values = np.sin(0.1 * np.arange(300.0))
    values[::17] = np.nan
    return times_s, values, Kind.MEAN, TimeGrid(start_s=0, slot_s=900, count=30)


@registered(
    name="resample",
    unit="unit of the values; of the counter, per slot",
    source="time-weighted mean of a left-closed slot, DESIGN law 6",
    reference="counting seconds one by one",
    tolerance=1e-9,
    example=_example,
)
def resample(
    times_s: FloatArray,
    values: FloatArray,
    kind: Kind,
    grid: TimeGrid,
    hold_s: float | None = None,
    modulus: OwnUnit = math.inf,
) -> FloatArray:
    """Samples on a grid of slots.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds, not decreasing. [s]
    values : float64[n]
        NaN is unknown until the next sample.
    kind : Kind
        MEAN and PRICE: time-weighted mean. STATE: the last value in the slot. COUNTER: what was counted during the
        slot, linear between readings; a decreasing reading is a reset, and the time across it is unknown.
    grid : TimeGrid
    hold_s : float, optional
        How long a sample speaks for; by default one slot. Give 3600 to spread hourly samples on finer slots. [s]
    modulus : float, optional
        Where a counter's register starts again at 0: a fall by more than half of it is a rollover, not a reset.

    Returns
    -------
    float64[grid.count]
        NaN where less than half of the slot is known; a slot that is partly known is scaled to its whole length.
    """
    check_times(times_s)
    check_f64("values", values, times_s.shape[0])
    if np.any(np.diff(times_s) < 0.0):
        raise ValueError("times_s must not decrease")
    hold = float(grid.slot_s) if hold_s is None else hold_s
    if not hold > 0.0:
        raise ValueError(f"hold_s must be positive, got {hold}")
    if kind is Kind.COUNTER:
        starts, ends, rates = _counter_spans(times_s, values, hold, modulus)
    else:
        known = np.isfinite(values)
        starts, ends, rates = times_s[known], _held_ends(times_s, hold)[known], values[known]
    sums = np.zeros((3, grid.count))
    sums[2] = np.nan
    _spread_kernel((starts - grid.start_s) / grid.slot_s, (ends - grid.start_s) / grid.slot_s, rates, sums)
    covered = sums[1] >= MIN_COVER_FRAC - _ROUNDING_FRAC
    if kind is Kind.STATE:
        return np.where(covered, sums[2], np.nan)
    mean = np.full(grid.count, np.nan)
    np.divide(sums[0], sums[1], out=mean, where=covered)
    return mean * grid.slot_s if kind is Kind.COUNTER else mean
