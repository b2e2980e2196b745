"""Prices that the market has not published yet, from what the same hours of the last two weeks cost.

An hour's guess is the mean of that local hour on the last fortnight's days of the same kind (workday or weekend), moved
by a part of how far the last known day lies from its own kind's mean. On Czech day-ahead prices of 2024 that errs by
less than five sixths of what the last day's own hours do (``tests/edge/test_price_tail.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from core_kernels.folding import known_mean
from core_kernels.units import FloatArray

DAYS_COUNT = 14
# The part of the last day's distance that lasts.
LASTING_FRAC = 0.4
_FIRST_WEEKEND_DAY = 5


def past_s(times_s: FloatArray, known_until_s: float, slot_s: int, zone: ZoneInfo) -> tuple[FloatArray, list[date]]:
    """The slots at the same local clock time on the last known days, newest first, float64[days, n]; NaN if unknown.

    The days themselves come along.
    """
    last = datetime.fromtimestamp(known_until_s - 1.0, zone).date()
    days = [last - timedelta(days=back) for back in range(DAYS_COUNT)]
    clocks = [datetime.fromtimestamp(time_s, zone).time() for time_s in times_s.tolist()]
    unique = {clock: index for index, clock in enumerate(dict.fromkeys(clocks))}
    starts_s = np.array([[datetime.combine(day, clock, zone).timestamp() for clock in unique] for day in days])
    starts_s[starts_s + slot_s > known_until_s] = np.nan
    return starts_s[:, [unique[clock] for clock in clocks]], days


def guessed(past: FloatArray, days: list[date], later: npt.NDArray[np.bool_]) -> FloatArray:
    """The guess of each later slot, float64[n]; NaN where none of the days knows it.

    Parameters
    ----------
    past : float64[days, n]
        Prices of the same local hours, newest day first, NaN where unknown. [EUR/kWh]
    days : list of date
        Their days.
    later : bool[n]
        Claims that a slot to be guessed lies on a weekend.
    """
    if past.shape[1] == 0:
        return np.empty(0)
    weekend = np.array([is_weekend(day) for day in days])
    recent = past[np.argmax(np.isfinite(past), axis=0), np.arange(past.shape[1])]
    typical = np.where(later, known_mean(past[weekend], 0), known_mean(past[~weekend], 0))
    last_typical = known_mean(past[weekend == weekend[0]], 0)
    guess = typical + LASTING_FRAC * (recent - last_typical)
    found: FloatArray = np.where(np.isfinite(guess), guess, recent)
    return found


def is_weekend(day: date) -> bool:
    """Claims that a day is a Saturday or a Sunday."""
    return day.weekday() >= _FIRST_WEEKEND_DAY


def later_prices(
    at: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    times_s: FloatArray,
    known_until_s: float,
    slot_s: int,
    zone: ZoneInfo,
) -> tuple[FloatArray, FloatArray]:
    """Import and export price of slots after ``known_until_s``; ``at`` tells those of slots before it. [EUR/kWh]"""
    starts_s, days = past_s(times_s, known_until_s, slot_s, zone)
    dates = [datetime.fromtimestamp(time_s, zone).date() for time_s in times_s.tolist()]
    later = np.array([is_weekend(day) for day in dates], dtype=np.bool_)
    known = np.isfinite(starts_s)
    columns = at(starts_s[known])
    found = []
    for values in columns:
        past = np.full(starts_s.shape, np.nan)
        past[known] = values
        found.append(guessed(past, days, later))
    return found[0], found[1]
