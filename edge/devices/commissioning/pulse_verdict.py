"""What a pulse test proves: sign, scale, dead time and conversion, by command, battery reading and meter. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edge.devices.commissioning.report import Check

SETTLED_S = 40.0  # dead time and ramp are over: the slowest family documented needs 30 s
_NEAR = 0.15  # of what was told: meters, conversion and a load that moves a little
_NO_EFFECT = 0.2
_MOVED = 0.2  # of a step: the battery has begun to follow
_UNSTEADY = 0.5  # two steps that differ by so much: the house changed meanwhile
_FEWEST_SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the house; NaN where unknown."""

    time_s: float
    battery_w: float
    grid_w: float
    soc_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A command and when it was on the wire."""

    start_s: float
    power_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """What a command settled to."""

    told_w: float
    battery_w: float
    grid_w: float


def judge_pulses(samples: Sequence[Sample], pulses: Sequence[Pulse]) -> Check:
    """The verdict of the whole test."""
    levels = settled(samples, pulses)
    if len(levels) < len(pulses):
        return _unknown("too few good readings while the pulses ran", {"levels": len(levels)})
    battery = _through_origin([level.told_w for level in levels], [level.battery_w for level in levels])
    steps = [(after.grid_w - before.grid_w) / (after.told_w - before.told_w) for before, after in pairwise(levels)]
    meter = statistics.median(steps)
    data: dict[str, Any] = {
        "battery_per_told": round(battery, 3),
        "meter_per_told": round(meter, 3),
        "dead_time_s": _dead_time_s(samples, pulses),
        **_conversion(levels),
        "levels": [[round(level.told_w), round(level.battery_w), round(level.grid_w)] for level in levels],
    }
    if wrong := _wrong(battery, meter):
        return Check(name="pulse", state="refuse", text=wrong[0], advice=wrong[1], data=data)
    if max(steps) - min(steps) > _UNSTEADY or not _is_near(meter, -1.0, 2.0 * _NEAR):
        return _unknown("the battery obeys, but the house's load moved too much to see it at the meter", data)
    dead = data["dead_time_s"]
    after = f" after {dead:.0f} s" if dead is not None else ""
    return Check(
        name="pulse",
        state="ok",
        text=f"the battery does {battery:.0%} of what it is told{after}, the meter sees {-meter:.0%} of it"
        + (f"; round trip about {data['efficiency_frac']:.0%}" if data["efficiency_frac"] is not None else ""),
        data=data,
    )


def _unknown(text: str, data: dict[str, Any]) -> Check:
    return Check(name="pulse", state="unknown", text=text, advice="repeat it while the house is quiet", data=data)


def _wrong(battery_ratio: float, meter_ratio: float) -> tuple[str, str] | None:
    """What contradicts the command, and what to do; the ratios are 1 and -1 where all is well."""
    battery, meter = battery_ratio, meter_ratio
    obeyed, seen = _is_near(battery, 1.0, _NEAR), _is_near(meter, -1.0, 2.0 * _NEAR)
    rows = (
        (
            abs(battery) < _NO_EFFECT and abs(meter) < _NO_EFFECT,
            "the commands had no effect",
            "this firmware ignores them, or another setting overrides them",
        ),
        (
            obeyed and _is_near(meter, 1.0, 2.0 * _NEAR),
            "grid_w has the wrong sign: charging lowers it",
            "turn the meter's clamp, or correct the profile's sign",
        ),
        (
            battery < -_NO_EFFECT < _NO_EFFECT < meter,
            "commands go the wrong way: charge discharges",
            "correct the sign of the profile's write",
        ),
        (
            battery < -_NO_EFFECT,
            "battery_w has the wrong sign: it falls when the battery discharges",
            "correct the profile's sign",
        ),
        (
            not obeyed and seen,
            f"battery_w shows {battery:.0%} of what the meter confirms",
            "correct the profile's scale",
        ),
        (
            not obeyed,
            f"the battery does {battery:.0%} of what it is told",
            "correct battery.rated_w (what 100 % on the registers means), or look for a limit set in the device",
        ),
    )
    return next(((text, advice) for holds, text, advice in rows if holds), None)


def _is_near(value: float, target: float, tolerance: float) -> bool:
    return abs(value - target) <= tolerance


def settled(samples: Sequence[Sample], pulses: Sequence[Pulse]) -> list[_Level]:
    """The medians of each pulse once it has settled; a pulse with too few good samples is left out."""
    ends_s = [*(pulse.start_s for pulse in pulses[1:]), math.inf]
    levels: list[_Level] = []
    for pulse, end_s in zip(pulses, ends_s, strict=True):
        inside = [s for s in samples if pulse.start_s + SETTLED_S <= s.time_s < end_s]
        good = [s for s in inside if math.isfinite(s.battery_w) and math.isfinite(s.grid_w)]
        if len(good) >= _FEWEST_SAMPLES:
            levels.append(
                _Level(
                    told_w=pulse.power_w,
                    battery_w=statistics.median(s.battery_w for s in good),
                    grid_w=statistics.median(s.grid_w for s in good),
                )
            )
    return levels


def _through_origin(told_w: Sequence[float], seen_w: Sequence[float]) -> float:
    """Slope of the line through 0."""
    return math.fsum(t * s for t, s in zip(told_w, seen_w, strict=True)) / math.fsum(t * t for t in told_w)


def _dead_time_s(samples: Sequence[Sample], pulses: Sequence[Pulse]) -> float | None:
    """From the command on the wire to the first reading that follows it; the median over the pulses."""
    delays_s: list[float] = []
    for before, pulse in pairwise(pulses):
        step_w = pulse.power_w - before.power_w
        earlier = [s.battery_w for s in samples if before.start_s + SETTLED_S <= s.time_s < pulse.start_s]
        if not earlier:
            continue
        rest_w = statistics.median(earlier)
        later = (
            s.time_s for s in samples if s.time_s > pulse.start_s and abs(s.battery_w - rest_w) > _MOVED * abs(step_w)
        )
        moved_s = next(later, None)
        delays_s += [] if moved_s is None else [moved_s - pulse.start_s]
    return round(statistics.median(delays_s), 1) if delays_s else None


def _conversion(levels: Sequence[_Level]) -> dict[str, float | None]:
    """How much of the battery's own power passes the meter on each leg, and both ways together.

    1 where the device's battery registers count on the AC side; below 1 they count in the cells.
    """
    nothing: dict[str, float | None] = {"charge_frac": None, "discharge_frac": None, "efficiency_frac": None}
    charging = [level for level in levels if level.told_w < 0.0]
    giving = [level for level in levels if level.told_w > 0.0]
    if len(charging) < 2 or len(giving) < 2:
        return nothing
    charge, discharge = _passed(charging[0], charging[1]), _passed(giving[0], giving[1])
    if not (0.5 < charge < 1.5 and 0.5 < discharge < 1.5):
        return nothing
    both = min(discharge / charge, 1.0)
    return {
        "charge_frac": round(1.0 / charge, 3),
        "discharge_frac": round(discharge, 3),
        "efficiency_frac": round(both, 3),
    }


def _passed(one: _Level, other: _Level) -> float:
    moved_w = other.battery_w - one.battery_w
    return (one.grid_w - other.grid_w) / moved_w if moved_w else math.nan
