"""Clocks that are wrong: the shift of each clear day against clear sky, and the days on which it changes.

A day's shift is the lag at which the measured power (or irradiance) is most alike to clear sky in the same plane, with
a parabola through the three best lags. Only clear days say something: there the likeness is nearly perfect. A step of
an hour is a logger that follows daylight saving time.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core_kernels.flags import Flag
from core_kernels.jit import kernel
from core_kernels.registry import registered
from core_kernels.solar import check_f64, check_times
from core_kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, FlagArray, FloatArray

CLEAR_LIKENESS = 0.985
MAX_SHIFT_S = 3.0 * SECONDS_PER_HOUR
MIN_STEP_S = 1500.0
_CONFIRMING_DAYS = 4
_RECENT_DAYS = 15
_MIN_KNOWN = 0.9
_ROUNDED_S = 900.0
_IN = "Array(float64, 1, 'C', readonly=True)"


class DayShifts(NamedTuple):
    """One row a day: its start [s], the shift (late is positive; NaN where not clear) [s], the likeness 0..1."""

    days_s: FloatArray
    shifts_s: FloatArray
    likeness_frac: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSpan:
    """Days of one clock: from the first to the last clear day of it [s], and what it is late by [s]."""

    start_s: float
    end_s: float
    shift_s: float
    step_s: float

    @property
    def is_daylight_saving(self) -> bool:
        """Whether the clock came to this span by a step of an hour."""
        return abs(abs(self.step_s) - SECONDS_PER_HOUR) <= _ROUNDED_S


@kernel(f"void({_IN}, {_IN}, int64, int64, int64, float64[::1])")
def _likeness_kernel(
    measured: FloatArray, clear: FloatArray, first: int, size: int, lags: int, result: FloatArray
) -> None:
    """Cosine of the angle between clear sky of the day and the data at each lag -lags..lags; NaN where data miss."""
    for lag in range(-lags, lags + 1):
        product = own = other = 0.0
        lit = known = 0
        for k in range(first, first + size):
            place = k + lag
            if not clear[k] > 0.0:
                continue
            lit += 1
            if place < 0 or place >= measured.shape[0] or measured[place] != measured[place]:
                continue
            known += 1
            product += measured[place] * clear[k]
            own += measured[place] * measured[place]
            other += clear[k] * clear[k]
        good = lit > 0 and known >= _MIN_KNOWN * lit and own > 0.0
        result[lag + lags] = product / math.sqrt(own * other) if good else math.nan


def _peak(likeness: FloatArray, slot_s: float) -> tuple[float, float]:
    """Lag of the greatest likeness [s], between the slots by a parabola, and the likeness; NaN at an edge."""
    if np.isnan(likeness).any():
        return math.nan, math.nan
    best = int(np.argmax(likeness))
    if best in (0, likeness.shape[0] - 1):
        return math.nan, float(likeness[best])
    before, here, after = (float(likeness[k]) for k in (best - 1, best, best + 1))
    bend = before - 2.0 * here + after
    part = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return (best - likeness.shape[0] // 2 + part) * slot_s, here


def _example() -> tuple[FloatArray, FloatArray, FloatArray]:
    times_s = 900.0 * np.arange(96.0 * 6.0)
    clear = np.maximum(0.0, np.sin((times_s / SECONDS_PER_DAY - 0.25) * 2.0 * math.pi))
    measured = np.roll(clear, 4)
    measured[200] = math.nan
    return times_s, measured, clear


@registered(
    name="time_shift",
    unit="s",
    source="cross-correlation with clear sky on clear days; compare shifts_ruptures of pvanalytics 0.2.2",
    reference="known shifts; solar-data-tools' two-year time-shift pair",
    tolerance=300.0,
    example=_example,
)
def day_shifts(
    times_s: FloatArray,
    measured: FloatArray,
    clear: FloatArray,
    utc_offset_s: float = 0.0,
    min_likeness_frac: float = CLEAR_LIKENESS,
) -> DayShifts:
    """How late the clock of each clear day is.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds at even steps without holes (put NaN into holes); at most 1 h apart. [s]
    measured : float64[n]
        Power or irradiance, as its clock says; NaN is missing.
    clear : float64[n]
        Clear sky in the same plane at the true times; only its shape counts.
    utc_offset_s : float
        What local time is ahead of UTC: where days begin. [s]
    min_likeness_frac : float
        From which likeness on a day is clear. [1]

    Returns
    -------
    DayShifts
        NaN for days that are not clear, that miss a tenth of their light, or that are shifted by 3 h or more.
    """
    check_times(times_s)
    check_f64("measured", measured, times_s.shape[0])
    check_f64("clear", clear, times_s.shape[0])
    if times_s.shape[0] < 2:
        return DayShifts(np.empty(0), np.empty(0), np.empty(0))
    slot_s = float(times_s[1] - times_s[0])
    if not 0.0 < slot_s <= SECONDS_PER_HOUR or np.any(np.abs(np.diff(times_s) - slot_s) > 1e-3):
        raise ValueError("times_s must rise by even steps of at most 1 h")
    days = np.floor((times_s + utc_offset_s) / SECONDS_PER_DAY)
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1.0))
    ends = np.append(starts[1:], times_s.shape[0])
    lags = int(MAX_SHIFT_S / slot_s)
    likeness = np.empty(2 * lags + 1)
    shifts_s, best = np.full(starts.shape[0], math.nan), np.full(starts.shape[0], math.nan)
    for day, (first, last) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        _likeness_kernel(measured, clear, first, last - first, lags, likeness)
        shifts_s[day], best[day] = _peak(likeness, slot_s)
    shifts_s[~(best >= min_likeness_frac)] = math.nan
    return DayShifts(days[starts] * SECONDS_PER_DAY - utc_offset_s, shifts_s, best)


def clock_spans(shifts: DayShifts, min_step_s: float = MIN_STEP_S) -> tuple[ClockSpan, ...]:
    """Spans of days with one shift each, in order; a new one begins when four clear days in a row agree on it."""
    spans: list[list[tuple[float, float]]] = []
    waiting: list[tuple[float, float]] = []
    for day_s, shift_s in zip(shifts.days_s.tolist(), shifts.shifts_s.tolist(), strict=True):
        if math.isnan(shift_s):
            continue
        waiting.append((day_s, shift_s))
        if spans and abs(shift_s - _median(spans[-1][-_RECENT_DAYS:])) < min_step_s:
            spans[-1].append((day_s, shift_s))
            waiting.clear()
        elif len(waiting) >= _CONFIRMING_DAYS:
            recent = waiting[-_CONFIRMING_DAYS:]
            if max(row[1] for row in recent) - min(row[1] for row in recent) < min_step_s:
                spans.append(recent)
                waiting.clear()
    shift = [_median(span) for span in spans]
    step = [0.0, *(after - before for before, after in itertools.pairwise(shift))]
    return tuple(
        ClockSpan(start_s=span[0][0], end_s=span[-1][0], shift_s=shift[k], step_s=step[k])
        for k, span in enumerate(spans)
    )


def _median(span: list[tuple[float, float]]) -> float:
    return statistics.median(row[1] for row in span)


def flag_shifted(times_s: FloatArray, spans: tuple[ClockSpan, ...], min_shift_s: float = MIN_STEP_S) -> FlagArray:
    """TIME_SHIFT, uint16[n], from the first day of each span whose clock is off by ``min_shift_s`` to the next span."""
    check_times(times_s)
    flags = np.zeros(times_s.shape[0], dtype=np.uint16)
    for k, span in enumerate(spans):
        end_s = spans[k + 1].start_s if k + 1 < len(spans) else math.inf
        start_s = span.start_s if k else -math.inf
        if abs(span.shift_s) >= min_shift_s:
            flags[(times_s >= start_s) & (times_s < end_s)] = int(Flag.TIME_SHIFT)
    return flags
