"""What changes from day to day only: extra-terrestrial irradiance and turbidity; UTC days, as pvlib counts them."""

from __future__ import annotations

import math

from core_kernels import vmath
from core_kernels.jit import kernel
from core_kernels.units import FloatArray

SOLAR_CONSTANT_W_PER_M2 = 1366.1  # Spencer 1971 as in pvlib
_IN = "Array(float64, 1, 'C', readonly=True)"
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@kernel()
def interpolate_at(a: float, b: float, share_frac: float) -> float:
    """The value at a share of the way from ``a`` to ``b``."""
    return a + (b - a) * share_frac


@kernel()
def day_of_year_at(time_s: float) -> tuple[int, int]:
    """UTC day of the year (1 = 1 January) and the year's length [days]; Gregorian, Howard Hinnant's civil_from_days."""
    shifted = math.floor(time_s / 86400.0) + 719468  # days since 0000-03-01
    era = shifted // 146097
    day = shifted - era * 146097
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    since_march = day - (365 * year + year // 4 - year // 100)
    leap_day = 1 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 0
    if since_march < 306:
        return int(since_march) + 60 + leap_day, 365 + leap_day
    following = year + 1
    length = 366 if (following % 4 == 0 and following % 100 != 0) or following % 400 == 0 else 365
    return int(since_march) - 305, length


@kernel()
def extra_at(time_s: float) -> float:
    """Extra-terrestrial normal irradiance of the UTC day (Spencer 1971) [W/m2]."""
    day, _ = day_of_year_at(time_s)
    b = 2.0 * math.pi / 365.0 * (day - 1)
    ratio = 1.00011 + 0.034221 * vmath.cos(b) + 0.00128 * vmath.sin(b)
    return SOLAR_CONSTANT_W_PER_M2 * (ratio + 0.000719 * vmath.cos(2.0 * b) + 7.7e-05 * vmath.sin(2.0 * b))


@kernel()
def linke_at(time_s: float, linke: FloatArray) -> float:
    """Linke turbidity of the UTC day, linear between the middles of the months (as pvlib)."""
    day, length = day_of_year_at(time_s)
    left_day = -15.5
    left = linke[11]
    end = 0.0
    for month in range(12):
        days = _MONTH_DAYS[month]
        if month == 1 and length == 366:
            days = 29
        right_day = end + days / 2.0
        if day <= right_day:
            return interpolate_at(left, linke[month], (day - left_day) / (right_day - left_day))
        left, left_day, end = linke[month], right_day, end + days
    return interpolate_at(left, linke[0], (day - left_day) / (end + 15.5 - left_day))


@kernel()
def end_of_day(times_s: FloatArray, begin: int) -> int:
    """One past the last sample of the run that starts at ``begin`` and stays in its UTC day."""
    low_s = math.floor(times_s[begin] / 86400.0) * 86400.0
    high_s = low_s + 86400.0
    end = begin + 1
    while end < times_s.shape[0] and low_s <= times_s[end] < high_s:
        end += 1
    return end
