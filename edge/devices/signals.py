"""From points to signals: sums, ages, plausibility, and whose word counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from core_kernels.signals import Kind, signal
from edge.devices.profile import Point
from edge.devices.unit import Unit
from edge.messages import Reading

MAX_AGE_S = 10.0
MAX_AGE_PERIODS = 3.0


def readings(unit: Unit, now_s: float, cycle_s: float) -> list[Reading]:
    """Every signal of a device's profile, good, stale or invalid with its reason."""
    if doubt := unit.doubt:
        return [_invalid(unit, name, now_s, doubt) for name in unit.profile.signals()]
    return [_reading(unit, name, points, now_s, cycle_s) for name, points in unit.profile.signals().items()]


def _reading(unit: Unit, name: str, points: Sequence[Point], now_s: float, cycle_s: float) -> Reading:
    """The sum of a signal's points, each plausible by itself, as old as the oldest of them."""
    row = signal(name)
    missing = next((point for point in points if point.name not in unit.samples), None)
    if missing is not None:
        return _invalid(unit, name, now_s, unit.why_missing(missing))
    samples = [unit.samples[point.name] for point in points]
    measured_s = min(sample.measured_s for sample in samples)
    reason = next((sample.reason for sample in samples if sample.reason), "")
    if reason:
        return _invalid(unit, name, measured_s, reason)
    limit = max(abs(row.low), abs(row.high))
    wild = next((sample.value for sample in samples if abs(sample.value) > limit), None)
    value = math.fsum(sample.value for sample in samples) if wild is None else wild
    if not row.low <= value <= row.high:
        return _invalid(unit, name, measured_s, f"{value:g} {row.unit} is outside {row.low:g}..{row.high:g}")
    longest_s = max(cycle_s, *(unit.period_s(point) for point in points))
    age_s = now_s - measured_s
    stale = age_s > max(MAX_AGE_S, MAX_AGE_PERIODS * longest_s)
    reason = f"{age_s:.0f} s old: {unit.why_missing(points[0]) or 'not read in time'}" if stale else ""
    return Reading(
        signal=name,
        value=value,
        unit=row.unit,
        measured_s=measured_s,
        state="stale" if stale else "good",
        reason=reason,
        device=unit.name,
    )


def _invalid(unit: Unit, name: str, measured_s: float, reason: str) -> Reading:
    return Reading(
        signal=name,
        value=math.nan,
        unit=signal(name).unit,
        measured_s=measured_s,
        state="invalid",
        reason=reason,
        device=unit.name,
    )


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
    )
