"""The pulse test: ten minutes of known charge and discharge, and what battery and meter show of it.

Only this separates a wrong reading from a wrong command: the command is known, the battery says one thing, the meter
another. Every command is a lease and goes through the write pipeline; whatever happens, the last one is native.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.clock import Clock
from edge.config import Battery, Grid
from edge.devices.commissioning.pulse_verdict import Pulse, Sample, judge_pulses
from edge.devices.commissioning.report import Check
from edge.devices.driver import Devices
from edge.messages import IN_FORCE, Command, Reading, WriteResult

NAME = "pulse"
PARTS = (-1.0, -0.5, 0.5, 1.0)  # of the power: each leg at two levels, and never more than one step away
BASELINE_S = 60.0
PULSE_S = 120.0
LEASE_S = 240.0  # what is left running if this process is killed; whole minutes, because devices count in minutes
SAMPLE_S = 2.0
MAX_POWER_W = 1500.0
SOC_MARGIN_FRAC = 0.05
_RELEASE_TRIES = 4
_ENDS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsePlan:
    """How hard the battery is pushed, and what must not be exceeded meanwhile."""

    power_w: float
    battery: Battery
    grid: Grid

    def words(self) -> str:
        """What will happen, for the person who is asked."""
        minutes = (BASELINE_S + PULSE_S * len(PARTS)) / 60.0
        steps = ", ".join(
            f"{'charge' if part < 0.0 else 'discharge'} {abs(part) * self.power_w:.0f} W" for part in PARTS
        )
        return (
            f"For {minutes:.0f} minutes the battery is told to {steps}, {PULSE_S / 60.0:.0f} minutes each. Every "
            f"command ends by itself after {LEASE_S / 60.0:.0f} minutes at most; the inverter is left on its own rules."
        )


def default_power_w(battery: Battery) -> float:
    """Half of what the battery can, so that neither taper nor rating cut it, and no more than a kettle."""
    return min(0.5 * min(battery.charge_w, battery.discharge_w), MAX_POWER_W)


def run_pulses(devices: Devices, clock: Clock, plan: PulsePlan, progress: Callable[[str], None]) -> Check:
    """Do the test and judge it. Native is commanded at the end on every path, an interrupt included."""
    samples: list[Sample] = []
    pulses: list[Pulse] = []
    trouble = ""
    try:
        trouble = _watch(devices, clock, plan, samples, BASELINE_S) or _room_for(samples, plan)
        for part in PARTS:
            if trouble:
                break
            power_w = part * plan.power_w
            progress(f"{'charge' if power_w < 0.0 else 'discharge'} {abs(power_w):.0f} W for {PULSE_S:.0f} s")
            result = _written(devices, Command(mode="power", battery_w=power_w, lease_s=LEASE_S, reason="pulse test"))
            if result.outcome not in IN_FORCE:
                trouble = f"the command was {result.outcome}: {result.detail}"
                break
            pulses.append(Pulse(start_s=clock.now_s(), power_w=power_w))
            trouble = _watch(devices, clock, plan, samples, PULSE_S)
    finally:
        progress("back to native")
        left = _release(devices)
    if left:
        return _stopped(f"{trouble}; and native was {left}" if trouble else f"native at the end was {left}")
    return _stopped(trouble) if trouble else judge_pulses(samples, pulses)


def _stopped(trouble: str) -> Check:
    return Check(
        name=NAME,
        state="refuse",
        text=f"stopped: {trouble}",
        advice="look at the device's display: it must be on its own rules; mend the cause and repeat",
    )


def _watch(devices: Devices, clock: Clock, plan: PulsePlan, samples: list[Sample], duration_s: float) -> str:
    """Take samples for a while; why the test must stop, in words, empty while all is well."""
    end_s = clock.now_s() + duration_s
    while clock.now_s() < end_s:
        due_s = clock.now_s() + SAMPLE_S
        sample = sample_of(devices.read(SAMPLE_S), clock.now_s())
        samples.append(sample)
        if trouble := _exceeded(sample, plan):
            return trouble
        clock.sleep_until(min(due_s, end_s))
    return ""


def sample_of(readings: Sequence[Reading], now_s: float) -> Sample:
    """The powers of one look; what is not good is NaN."""
    values = {reading.signal: reading for reading in readings if reading.state == "good"}
    battery = values.get("battery_w")
    return Sample(
        time_s=now_s if battery is None else battery.measured_s,
        battery_w=battery.value if battery is not None else math.nan,
        grid_w=values["grid_w"].value if "grid_w" in values else math.nan,
        soc_frac=values["soc_frac"].value if "soc_frac" in values else math.nan,
    )


def _exceeded(sample: Sample, plan: PulsePlan) -> str:
    """A limit of the connection that is passed now."""
    if sample.grid_w > plan.grid.import_w:
        return f"the house takes {sample.grid_w:.0f} W, grid.import_w allows {plan.grid.import_w:.0f} W"
    if -sample.grid_w > plan.grid.export_w:
        return f"the house feeds {-sample.grid_w:.0f} W, grid.export_w allows {plan.grid.export_w:.0f} W"
    return ""


def _room_for(samples: Sequence[Sample], plan: PulsePlan) -> str:
    """Why the test would say nothing or go too far, by the baseline; empty when it may begin."""
    battery_w, grid_w, soc_frac = (_last(samples, name) for name in ("battery_w", "grid_w", "soc_frac"))
    if math.isnan(battery_w + grid_w + soc_frac):
        return "battery power, grid power or state of charge have no good value"
    low_frac, high_frac = plan.battery.soc_min_frac + SOC_MARGIN_FRAC, plan.battery.soc_max_frac - SOC_MARGIN_FRAC
    if not low_frac <= soc_frac <= high_frac:
        return f"the charge is {soc_frac:.0%}; both directions need it between {low_frac:.0%} and {high_frac:.0%}"
    net_w = grid_w + battery_w
    if net_w + plan.power_w > plan.grid.import_w:
        return f"charging {plan.power_w:.0f} W would pass grid.import_w ({plan.grid.import_w:.0f} W)"
    if plan.power_w - net_w > plan.grid.export_w:
        return f"discharging {plan.power_w:.0f} W would pass grid.export_w ({plan.grid.export_w:.0f} W)"
    return ""


def _last(samples: Sequence[Sample], name: str) -> float:
    """The newest good value of the baseline's second half; NaN where there is none."""
    later = samples[len(samples) // 2 :]
    good = [value for value in (getattr(sample, name) for sample in later) if math.isfinite(value)]
    return float(good[-1]) if good else math.nan


def _written(devices: Devices, command: Command) -> WriteResult:
    """A command, whole: Ctrl-C and SIGTERM are heard after its last register."""
    heard: list[int] = []
    # Blocking signals would not do: another thread of this process takes them, and the main thread is interrupted.
    before = {number: signal.signal(number, lambda found, _: heard.append(found)) for number in _ENDS}
    try:
        return devices.write(command)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for found in heard[:1]:
            signal.raise_signal(found)


def _release(devices: Devices) -> str:
    """Native, tried again where a write or its read-back got lost; what it was in the end where it did not succeed."""
    command = Command.native("the pulse test ends")
    for _ in range(_RELEASE_TRIES):
        result = _written(devices, command)
        if result.outcome in IN_FORCE:
            return ""
        devices.read(SAMPLE_S)
    return f"{result.outcome}: {result.detail}"
