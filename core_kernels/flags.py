"""Quality bits of one sample, as a uint16 mask. 0 is good; missing is a flag, never a number."""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """One bit per finding; a sample may carry several."""

    GOOD = 0
    MISSING = 1
    RANGE = 2
    RATE = 4
    STUCK = 8
    SPIKE = 16
    GAP = 32
    CLIPPED = 64
    BALANCE = 128
    STALE = 256
    COUNTER_RESET = 512
    DUPLICATE = 1024
    IRREGULAR_TIME = 2048
    INTERPOLATED = 4096
    IRRADIANCE = 8192  # beyond clear sky or QCRad's limits
    TIME_SHIFT = 16384  # on a clock that is not UTC
    UNIT = 32768  # the wrong unit or sign is suspected


def names(mask: int) -> tuple[str, ...]:
    """The findings in a mask, lower case, in bit order."""
    return tuple(str(flag.name).lower() for flag in Flag if flag and mask & flag)
