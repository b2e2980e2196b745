"""What several signals say about each other: clocks, units, signs and the balance of the house."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core_kernels.checks import flag_balance
from core_kernels.features import PvPlant, sky
from core_kernels.flags import Flag
from core_kernels.pv import PvArray
from core_kernels.signals import signal
from core_kernels.solar import Location
from core_kernels.suspicion import suspect_factor, suspect_signs, suspect_temperature
from core_kernels.timegrid import TimeGrid
from core_kernels.timeshift import ClockSpan, clock_spans, day_shifts, flag_shifted
from core_kernels.units import FlagArray, FloatArray, balance_residual_w
from training.energy_dataset import EnergyDataset
from training.site import TrainingSite

BALANCE = ("grid_w", "pv_w", "battery_w", "load_w")
BALANCE_TOLERANCE_W = 100.0  # two class-1 meters and an inverter's own estimate at a small load
_SUN = ("pv_w", "ghi_w_per_m2", "poa_w_per_m2")
_SURE_FRAC = 0.5
_SMALL_W = 100.0  # the least that a home's power reaches in one of a hundred slots
_MOST_OUT_FRAC = 0.2  # power of the sun rests for half of the day
_EXACT_RATIO = 0.01
_FLAT_TILT_DEG = 30.0

Kind = Literal["clock", "unit", "sign", "balance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One suspicion about one signal, in words for a person."""

    kind: Kind
    signal: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Balance:
    """How well the house adds up: median and 95 % quantile of the residual [W], and the rows that do not."""

    median_w: float
    p95_w: float
    known_count: int
    flags: FlagArray


def balance_of(data: EnergyDataset) -> Balance | None:
    """The residual of the four powers; None where one of them is not there."""
    if not set(BALANCE) <= set(data.signals):
        return None
    grid_w, pv_w, battery_w, load_w = (data.column(name) for name in BALANCE)
    off_w = np.abs(balance_residual_w(grid_w, pv_w, battery_w, load_w))
    known_w = off_w[np.isfinite(off_w)]
    median_w, p95_w = (float(x) for x in np.quantile(known_w, (0.5, 0.95))) if known_w.size else (math.nan, math.nan)
    flags = flag_balance((grid_w, pv_w, battery_w, load_w), BALANCE_TOLERANCE_W)
    return Balance(median_w=median_w, p95_w=p95_w, known_count=int(known_w.size), flags=flags)


def sign_findings(data: EnergyDataset) -> list[Finding]:
    """Signs that would close the balance better than those that were read."""
    if not set(BALANCE) <= set(data.signals):
        return []
    grid_w, pv_w, battery_w, load_w = (data.column(name) for name in BALANCE)
    signs, ratio = suspect_signs((grid_w, pv_w, battery_w, load_w))
    return [
        Finding(
            kind="sign",
            signal=name,
            text=f"turned round, the balance of the house is {_times(ratio)} better",
        )
        for name, sign in zip(BALANCE[:3], signs, strict=True)
        if sign < 0
    ]


def _times(ratio: float) -> str:
    return f"{1.0 / ratio:.1f} times" if ratio > _EXACT_RATIO else "far"


def unit_findings(data: EnergyDataset, name: str, values: FloatArray, clear_w: FloatArray | None) -> list[Finding]:
    """A unit that does not fit what other signals, the sky or any home say."""
    expected = _expected(data, name, clear_w)
    unit = signal(name).unit
    if expected is not None:
        found = suspect_temperature(values, expected) if unit == "degC" else suspect_factor(values, expected)
        # A wrong sign is told by the balance of the whole house.
        is_wrong = found.factor > 0.0 and (found.factor != 1.0 or found.offset != 0.0)
        if is_wrong and found.confidence_frac >= _SURE_FRAC:
            shift = f" and {found.offset:+g}" if found.offset else ""
            return [
                Finding(kind="unit", signal=name, text=f"seems to be {found.factor:g} times{shift} what it should be")
            ]
    known = values[np.isfinite(values)]
    if unit == "W" and known.size and 0.0 < np.quantile(np.abs(known), 0.99) < _SMALL_W and np.ptp(known) > 0.0:
        largest = float(np.abs(known).max())
        return [Finding(kind="unit", signal=name, text=f"never more than {largest:.3g} W: is it in kW?")]
    counts = data.counts(name)
    if counts.rows and counts.out_of_range > _MOST_OUT_FRAC * counts.rows:
        share = 100.0 * counts.out_of_range / counts.rows
        return [
            Finding(
                kind="unit",
                signal=name,
                text=f"{share:.0f} % of the rows are beyond any home: wrong unit, or a sentinel?",
            )
        ]
    return []


def _expected(data: EnergyDataset, name: str, clear_w: FloatArray | None) -> FloatArray | None:
    """Something independent that a signal should be like."""
    have = set(data.signals)
    if name == "load_w" and {"grid_w", "pv_w"} <= have:
        battery_w = data.column("battery_w") if "battery_w" in have else 0.0
        return np.asarray(data.column("grid_w") + data.column("pv_w") + battery_w)
    if name == "pv_w" and clear_w is not None:
        return clear_w
    if f"fc_{name}" in have and not name.startswith("fc_"):
        return data.column(f"fc_{name}")
    return None


def clear_sky_w(site: TrainingSite | None, grid: TimeGrid) -> FloatArray | None:
    """What the arrays would give under a cloudless sky; tilt and azimuth that nobody knows face the sun."""
    if site is None:
        return None
    away_deg = 180.0 if site.location.latitude_deg >= 0.0 else 0.0
    arrays = tuple(
        PvArray(
            _FLAT_TILT_DEG if math.isnan(hint.tilt_deg) else hint.tilt_deg,
            away_deg if math.isnan(hint.azimuth_deg) else hint.azimuth_deg,
            hint.dc_w,
            hint.dc_w if math.isnan(hint.inverter_w) else hint.inverter_w,
        )
        for hint in site.arrays
    )
    return sky(PvPlant(Location(*site.location), arrays, site.linke_ratio), grid).clear_w


def clock_of(
    name: str, values: FloatArray, grid: TimeGrid, clear_w: FloatArray | None, utc_offset_s: float, oriented: bool
) -> tuple[FlagArray, list[Finding]]:
    """Spans in which the clock of a signal of the sun is wrong.

    A constant shift is the clock's only where the orientation is known; a step always is.
    """
    if name not in _SUN or clear_w is None or grid.slot_s > 3600:
        return np.zeros(grid.count, dtype=np.uint16), []
    times_s = grid.starts_s()
    spans = clock_spans(day_shifts(times_s, np.ascontiguousarray(values), clear_w, utc_offset_s))
    if not oriented and spans:
        base_s = min((span.shift_s for span in spans), key=abs)
        spans = tuple(
            ClockSpan(start_s=s.start_s, end_s=s.end_s, shift_s=s.shift_s - base_s, step_s=s.step_s) for s in spans
        )
    flags = flag_shifted(times_s, spans)
    steps = [span for span in spans if span.is_daylight_saving]
    found = []
    if steps:
        days = ", ".join(str(np.datetime64(int(span.start_s), "s"))[:10] for span in steps[:6])
        words = f"the clock steps by an hour ({len(steps)} times, about {days}): it follows daylight saving time"
        found.append(Finding(kind="clock", signal=name, text=words))
    elif flags.any():
        shift_s = max((span.shift_s for span in spans), key=abs)
        share = 100.0 * np.count_nonzero(flags & int(Flag.TIME_SHIFT)) / grid.count
        found.append(
            Finding(kind="clock", signal=name, text=f"{share:.0f} % of the time {shift_s / 60:+.0f} min off the sun")
        )
    return flags, found
