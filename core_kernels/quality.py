"""Data quality of a signal: which tests make sense for it, what they find, and four scores for the whole.

Flags are bits of :class:`core_kernels.flags.Flag`. The scores are those of PEMS v2 in a corrected form, and in its
own form with ``seed=True`` for comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from core_kernels.arguments import check_flags
from core_kernels.checks import JITTER_FRAC, flag_range, flag_rate, flag_spike, flag_stuck, flag_times
from core_kernels.flags import Flag
from core_kernels.registry import registered
from core_kernels.seed_scores import OUTLIER_LIMIT_FRAC, Scores, overall, seed_score
from core_kernels.signals import Kind, Signal
from core_kernels.signals import signal as find_signal
from core_kernels.solar import check_f64, check_times
from core_kernels.units import FlagArray, FloatArray

OwnUnit: TypeAlias = float  # a number in the unit of the signal that is judged

_INCONSISTENT = int(Flag.SPIKE | Flag.STUCK | Flag.BALANCE | Flag.INTERPOLATED)
_UNREASONABLE = int(Flag.RANGE | Flag.RATE | Flag.COUNTER_RESET | Flag.IRRADIANCE | Flag.UNIT)
_UNTIMELY = int(Flag.DUPLICATE | Flag.IRREGULAR_TIME | Flag.GAP | Flag.TIME_SHIFT)


GATES = Scores(0.8, 0.7, 0.8, 0.9, 0.0)  # PEMS v2; it has none for the overall score


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A hole in the rows: the last row before it, the first after it [s], and the slots that are missing."""

    start_s: float
    end_s: float
    missing_count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """What is known of one column; ``flags`` is uint16[n], read-only."""

    signal: str
    flags: FlagArray
    scores: Scores
    gaps: tuple[Gap, ...]

    def count(self, flag: Flag) -> int:
        """Samples that carry a flag."""
        return int(np.count_nonzero(self.flags & int(flag)))

    def failed(self) -> tuple[str, ...]:
        """Scores below their gate; one that is NaN has failed."""
        names = (name.removesuffix("_frac") for name in Scores._fields)
        return tuple(n for n, score, gate in zip(names, self.scores, GATES, strict=True) if not score >= gate)


class Rules(NamedTuple):
    """What is tested on a signal; infinity switches a test off.

    A sample may leave the last one by ``max_rate_per_s`` times the time between plus ``step``; a spike must leave the
    median of its neighbours by ``spike_minimum``; a run of one value other than ``rest`` is stuck after ``stuck_s``.
    """

    max_rate_per_s: float = math.inf
    step: OwnUnit = 0.0
    spike_minimum: OwnUnit = math.inf
    rest: OwnUnit = math.nan
    stuck_s: float = math.inf


_STUCK_S = 3 * 3600.0
# Power and irradiance jump by nature (clouds, kettles) and rest at 0; what has inertia neither jumps nor spikes.
_RULES = {
    "degC": Rules(max_rate_per_s=5.0 / 60.0, step=2.0, spike_minimum=6.0, stuck_s=2 * _STUCK_S),
    "V": Rules(spike_minimum=25.0, stuck_s=_STUCK_S),
    "Hz": Rules(spike_minimum=2.0, stuck_s=_STUCK_S),
    "W": Rules(rest=0.0, stuck_s=_STUCK_S),
    "W/m2": Rules(rest=0.0, stuck_s=_STUCK_S),
    "Wh": Rules(max_rate_per_s=100_000.0 / 3600.0, step=1000.0),  # 100 kW, and the step of a coarse counter
}
_SOC_RULES = Rules(max_rate_per_s=5.0 / 3600.0, step=0.02, spike_minimum=0.05)  # 5 C, and readings in whole percents


def rules_for(signal: Signal) -> Rules:
    """The tests that make sense for a signal."""
    return _SOC_RULES if signal.name == "soc_frac" else _RULES.get(signal.unit, Rules())


def judge_sample(
    value: OwnUnit,
    previous: OwnUnit,
    seconds_since_previous: float | int,
    low: OwnUnit,
    high: OwnUnit,
    max_rate: OwnUnit = math.inf,
) -> int:
    """Flags of one fresh sample against the one before it; the judge of the 1 s cycle.

    ``max_rate`` is per second. Where there is no previous sample give NaN for it and its age: value and range only.
    """
    mask = Flag.GOOD
    if seconds_since_previous == 0.0:
        mask |= Flag.DUPLICATE
    elif seconds_since_previous < 0.0:
        mask |= Flag.IRREGULAR_TIME
    if math.isnan(value):
        return int(mask | Flag.MISSING)
    if not low <= value <= high:
        mask |= Flag.RANGE
    if seconds_since_previous > 0.0 and abs(value - previous) > max_rate * seconds_since_previous:
        mask |= Flag.RATE
    return int(mask)


def _find(times_s: FloatArray, values: FloatArray, signal: Signal, slot_s: float) -> FlagArray:
    """All flags of a column, uint16[n]."""
    rules = rules_for(signal)
    flags = np.zeros(values.shape[0], dtype=np.uint16)
    flag_range(values, signal.low, signal.high, flags)
    flag_times(times_s, slot_s, flags)
    flag_rate(times_s, values, rules.max_rate_per_s, rules.step, signal.kind is Kind.COUNTER, flags)
    if math.isfinite(rules.stuck_s):
        flag_stuck(times_s, values, rules.rest, rules.stuck_s, flags)
    if math.isfinite(rules.spike_minimum):
        flag_spike(values, rules.spike_minimum, flags)
    return flags


def find_gaps(times_s: FloatArray, slot_s: float) -> tuple[Gap, ...]:
    """Holes of at least one slot between rows, in the order of the rows."""
    steps = np.diff(times_s) / slot_s
    return tuple(
        Gap(
            start_s=float(times_s[i]),
            end_s=float(times_s[i + 1]),
            missing_count=max(int(np.floor(steps[i] + 0.5)) - 1, 1),
        )
        for i in np.flatnonzero(steps >= 2.0 - JITTER_FRAC)
    )


def score(times_s: FloatArray, values: FloatArray, flags: FlagArray, slot_s: float) -> Scores:
    """The four scores in corrected form.

    Completeness: slots with a value, of all slots from the first row to the last. Consistency: 1 less ten times the
    share of known samples that are spikes, stuck, interpolated or out of balance. Temporal: share of rows that come
    one slot after the last and on no shifted clock. Reasonableness: share of known samples within range, rate and
    clear sky, in the right unit. A missing sample costs completeness only.
    """
    known = np.isfinite(values)
    count = int(np.count_nonzero(known))
    slots = np.floor((times_s - times_s.min()) / slot_s + 0.5).astype(np.int64)
    seen = np.count_nonzero(np.diff(np.sort(slots[known]), prepend=-1))
    completeness = seen / (int(slots.max()) + 1)
    intervals = values.shape[0] - 1
    temporal = 1.0 - np.count_nonzero(flags[1:] & _UNTIMELY) / intervals if intervals else math.nan
    if count == 0:
        return overall((completeness, math.nan, temporal, math.nan))
    inconsistent = np.count_nonzero(flags[known] & _INCONSISTENT) / count
    reasonableness = 1.0 - np.count_nonzero(flags[known] & _UNREASONABLE) / count
    consistency = 1.0 - min(inconsistent, OUTLIER_LIMIT_FRAC) / OUTLIER_LIMIT_FRAC
    return overall((completeness, consistency, temporal, reasonableness))


def _example() -> tuple[FloatArray, FloatArray, str, float]:
    times_s = 1.7e9 + 900.0 * np.arange(200.0)
    times_s[150:] += 5400.0
    values = 20.0 + 3.0 * np.sin(0.1 * np.arange(200.0))
    values[[30, 60]] = math.nan, 75.0
    values[90:130] = values[90]
    return times_s, values, "temp_air_c", 900.0


@registered(
    name="quality.assess",
    unit="1",
    source="PEMS v2 unified_data_extractor.py, corrected; pvanalytics 0.2.2 for the tests",
    reference="the single tests of core_kernels.checks, and the scores' formulas in the tests",
    tolerance=0.0,
    example=_example,
)
def assess(
    times_s: FloatArray,
    values: FloatArray,
    signal: Signal | str,
    slot_s: float,
    *,
    seed: bool = False,
    extra_flags: FlagArray | None = None,
) -> Assessment:
    """Judge one column.

    Parameters
    ----------
    times_s : float64[n]
        Unix UTC seconds as they stand in the source, in any order; n >= 1. [s]
    values : float64[n]
        In the signal's unit; NaN is missing.
    signal : Signal or str
        Decides range and tests. An unknown name raises ``KeyError``.
    slot_s : float
        The distance that rows should have. [s]
    seed : bool
        Score as PEMS v2 does; flags and gaps stay the same.
    extra_flags : uint16[n], optional
        What was found with other columns, such as BALANCE; counts in the scores.

    Returns
    -------
    Assessment
        Flags of each row, the four scores and their mean, and the holes between rows [s].
    """
    row = find_signal(signal) if isinstance(signal, str) else signal
    check_times(times_s)
    check_f64("values", values, times_s.shape[0])
    if times_s.shape[0] == 0:
        raise ValueError("values must hold at least one sample")
    if not (math.isfinite(slot_s) and slot_s > 0.0):
        raise ValueError(f"slot_s must be positive, got {slot_s}")
    with np.errstate(invalid="ignore"):
        flags = _find(times_s, values, row, float(slot_s))
    if extra_flags is not None:
        check_flags("extra_flags", extra_flags, values.shape[0])
        flags |= extra_flags
    flags.setflags(write=False)
    scores = seed_score(times_s, values, row.unit) if seed else score(times_s, values, flags, slot_s)
    return Assessment(signal=row.name, flags=flags, scores=scores, gaps=find_gaps(times_s, slot_s))
