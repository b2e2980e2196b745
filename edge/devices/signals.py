"""From points to signals: sums, ages, plausibility, and whose word counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from core_kernels.consumers import consumer_signal
from core_kernels.signals import Kind, Signal, signal
from edge.devices.profile import Point
from edge.devices.unit import Unit
from edge.messages import Cause, Reading

MAX_AGE_S = 10.0
MAX_AGE_PERIODS = 3.0
OVERLOAD_RATIO = 1.5  # of its rating: what no inverter carries, even for a moment
BELOW_ZERO_W, ERROR_FRAC = 30.0, 0.02
METER = "grid_w"  # what a meter measures, whatever it stands before
ASLEEP = "the inverter sleeps: the sun is low"


def readings(unit: Unit, now_s: float, cycle_s: float, rated_w: float = math.inf) -> list[Reading]:
    """Every signal of a device's profile, good, stale or invalid with its reason; no battery exceeds ``rated_w``."""
    listed = unit.signals
    if unit.is_asleep(now_s):
        return [_asleep(unit, name, points, now_s) for name, points in listed.items()]
    if doubt := unit.doubt:
        return [_invalid(unit, name, now_s, doubt, "no_device") for name in listed]
    absent = [_invalid(unit, name, now_s, why, cause) for name, (why, cause) in unit.absent.items()]
    return [_reading(unit, name, points, (now_s, cycle_s, rated_w)) for name, points in listed.items()] + absent


def _reading(unit: Unit, name: str, points: Sequence[Point], now: tuple[float, float, float]) -> Reading:
    """The sum of a signal's points, each plausible by itself, as old as the oldest of them."""
    now_s, cycle_s, rated_w = now
    row, latest = signal(name), unit.samples
    limit = max(abs(row.low), abs(row.high))
    measured_s, longest_s, values = math.inf, cycle_s, []
    for point in points:
        sample = latest.get(point.name)
        if sample is None:
            return _invalid(unit, name, now_s, *unit.why_missing(point))
        if sample.reason:
            return _invalid(unit, name, sample.measured_s, sample.reason, sample.cause)
        measured_s, longest_s = min(measured_s, sample.measured_s), max(longest_s, unit.period_s(point))
        values.append(sample.value)
    wild = [value for value in values if abs(value) > limit]
    value = wild[0] if wild else _total(row, values)
    if not row.low <= value <= row.high:
        outside = f"{value:g} {row.unit} is outside {row.low:g}..{row.high:g}"
        return _invalid(unit, name, measured_s, outside, "implausible")
    if name == "battery_w" and abs(value) > OVERLOAD_RATIO * rated_w:
        return _invalid(unit, name, measured_s, f"{value:g} W is beyond the rated {rated_w:g} W", "implausible")
    age_s = now_s - measured_s
    stale = age_s > max(MAX_AGE_S, MAX_AGE_PERIODS * longest_s)
    reason, cause = unit.why_missing(points[0]) if stale else ("", "")
    return Reading(
        signal=name,
        value=value,
        unit=row.unit,
        measured_s=measured_s,
        state="stale" if stale else "good",
        reason=f"{age_s:.0f} s old: {reason or 'not read in time'}" if stale else "",
        device=unit.name,
        cause=(cause or "late") if stale else "",
    )


def _total(row: Signal, values: Sequence[float]) -> float:
    """The sum; of a power that cannot be negative, a little less than nothing is nothing.

    A PV inverter draws some watts at night, and the difference of two measured powers is as wrong as both.
    """
    value = math.fsum(values)
    slack_w = BELOW_ZERO_W + ERROR_FRAC * math.fsum(map(abs, values))
    return 0.0 if row.unit == "W" and row.low == 0.0 and -slack_w <= value < 0.0 else value


def _asleep(unit: Unit, name: str, points: Sequence[Point], now_s: float) -> Reading:
    """An inverter without sun: its totals stand still, and of the rest nothing is known, least of all that it is 0."""
    totals = [unit.total(point) for point in points]
    known = [total for total in totals if total is not None]
    if signal(name).kind is not Kind.COUNTER or len(known) < len(points):
        return _invalid(unit, name, now_s, ASLEEP, "asleep")
    return Reading(
        signal=name,
        value=math.fsum(total.value for total in known),
        unit=signal(name).unit,
        measured_s=min(total.measured_s for total in known),
        state="stale",
        reason=ASLEEP,
        device=unit.name,
        cause="asleep",
    )


def _invalid(unit: Unit, name: str, measured_s: float, reason: str, cause: Cause) -> Reading:
    return Reading(
        signal=name,
        value=math.nan,
        unit=signal(name).unit,
        measured_s=measured_s,
        state="invalid",
        reason=reason,
        device=unit.name,
        cause=cause,
    )


def of_consumer(said: Iterable[Reading], consumer: str) -> list[Reading]:
    """What a meter before one consumer says: its power, under the consumer's name; the rest is not the house's."""
    row = signal(consumer_signal(consumer))
    return [_renamed(reading, row) for reading in said if reading.signal == METER]


def _renamed(reading: Reading, row: Signal) -> Reading:
    if math.isnan(reading.value):
        return replace(reading, signal=row.name)
    value = _total(row, [reading.value])
    if row.low <= value <= row.high:
        return replace(reading, signal=row.name, value=value)
    outside = f"{value:g} {row.unit} is outside {row.low:g}..{row.high:g}: is the meter the right way round?"
    return replace(reading, signal=row.name, value=math.nan, state="invalid", reason=outside, cause="implausible")


def one_voice(found: Iterable[tuple[Unit, Reading]]) -> list[Reading]:
    """Where a meter and an inverter give the same signal, the meter is heard.

    While the meter has no good value, a measured power or voltage comes from the inverter and says so in its reason;
    a counter does not, because two counters never agree.
    """
    rows = list(found)
    metered = {reading.signal: reading for unit, reading in rows if unit.profile.header.role == "meter"}
    spoken: list[Reading] = []
    stood_in: set[str] = set()
    for unit, reading in rows:
        meter = metered.get(reading.signal)
        if meter is None:
            spoken.append(reading)
        elif unit.profile.header.role != "meter" and _stands_in(meter, reading) and reading.signal not in stood_in:
            stood_in.add(reading.signal)
            spoken.append(_instead(meter, reading))
    spoken += [reading for reading in metered.values() if reading.signal not in stood_in]
    return spoken


def _stands_in(meter: Reading, inverter: Reading) -> bool:
    return meter.state != "good" and inverter.state == "good" and signal(meter.signal).kind is Kind.MEAN


def _instead(meter: Reading, inverter: Reading) -> Reading:
    return Reading(
        signal=inverter.signal,
        value=inverter.value,
        unit=inverter.unit,
        measured_s=inverter.measured_s,
        state="good",
        reason=f"in place of {meter.device}, which is {meter.state}: {meter.reason}",
        device=inverter.device,
        cause="stand_in",
    )
