"""Commissioning: all questions to all devices of a site, in the order in which each rests on the ones before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from edge.clock import Clock
from edge.config_links import Link
from edge.devices.commissioning.balance import SIGNALS, judge_balance
from edge.devices.commissioning.blocks import compare_blocks
from edge.devices.commissioning.deviceclock import judge_clock
from edge.devices.commissioning.identity import judge_identity, judge_signals
from edge.devices.commissioning.orders import judge_order
from edge.devices.commissioning.pulse import PulsePlan, run_pulses
from edge.devices.commissioning.report import Check, Report
from edge.devices.commissioning.subject import Subject
from edge.devices.commissioning.wire import compare_settings, listen, measure_cost, settings_of, try_replay
from edge.devices.driver import Devices
from edge.errors import DeviceError
from edge.messages import Reading

FIRST_READS_COUNT = 4
SAMPLE_S = 2.0
TOGETHER_S = 6.0  # a paced line reads the powers one after the other
_BUDGET_S = 60.0

Progress = Callable[[str], None]
Previous = Callable[[Link], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How thorough, and what is known of the site. ``previous``: the last report on a device, if any."""

    minutes: float
    zone: ZoneInfo | None
    pulse: PulsePlan | None
    previous: Previous


@dataclass(slots=True)
class _Trial:
    """One device under test: what was found so far, and its settings as they stood at first."""

    subject: Subject
    checks: list[Check]
    settings: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_refused(self) -> bool:
        return any(check.state == "refuse" for check in self.checks)


def commission(devices: Devices, clock: Clock, wishes: Wishes, progress: Progress) -> list[Report]:
    """Ask everything; one report a device. Writes nothing but the pulses, where they are wished for."""
    progress("first reads")
    readings = _first_reads(devices)
    subjects = [Subject(unit=unit, clock=clock) for unit in devices.units]
    trials = [_Trial(subject, _first_checks(subject, readings, wishes)) for subject in subjects]
    living = [trial for trial in trials if not trial.is_refused]
    for trial in living:
        trial.settings = _settings(trial.subject)
        trial.checks += _link_checks(trial.subject, wishes, progress)
    if living:
        main = next((trial for trial in living if trial.subject.unit.profile.controls), living[0])
        main.checks.append(_balance_check(devices, clock, wishes, progress))
    for trial in (trial for trial in living if trial.settings):
        trial.checks.append(compare_settings(trial.settings, _settings(trial.subject)))
    if living and wishes.pulse is not None:
        refused = _why_no_pulses(main.subject, [check for trial in trials for check in trial.checks])
        main.checks.append(refused or run_pulses(devices, clock, wishes.pulse, progress))
    return [_report(trial.subject, clock, trial.checks) for trial in trials]


def _first_reads(devices: Devices) -> Sequence[Reading]:
    """Read until every planned block of every device was asked."""
    readings: Sequence[Reading] = ()
    for _ in range(FIRST_READS_COUNT):
        readings = devices.read(_BUDGET_S)
        if all(unit.complete and (unit.confirmed or devices.writer is None) for unit in devices.units):
            break
    return readings


def _first_checks(subject: Subject, readings: Sequence[Reading], wishes: Wishes) -> list[Check]:
    own = [reading for reading in readings if reading.device == subject.unit.name]
    return [judge_signals(own), judge_identity(subject, wishes.previous(subject.link))]


def _link_checks(subject: Subject, wishes: Wishes, progress: Progress) -> list[Check]:
    """What concerns one device alone."""

    def tell(text: str) -> None:
        progress(f"{subject.unit.name}: {text}")

    asked: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("silence", lambda: listen(subject, tell)),
        ("replay", lambda: try_replay(subject, tell)),
        ("blocks", lambda: compare_blocks(subject, tell)),
        ("latency", lambda: measure_cost(subject, tell)),
        ("word order", lambda: _order_check(subject)),
    )
    checks = [_guarded(name, ask) for name, ask in asked]
    if subject.unit.profile.clock:
        checks.append(_guarded("clock", lambda: _clock_check(subject, wishes.zone)))
    return checks


def _settings(subject: Subject) -> dict[str, tuple[int, ...]]:
    """What can be written, as it stands; nothing where the wire fails, which other checks say."""
    try:
        return subject.words(settings_of(subject))
    except DeviceError:
        return {}


def _guarded(name: str, ask: Callable[[], Check]) -> Check:
    """A check that the wire cut short is a finding of its own."""
    try:
        return ask()
    except DeviceError as error:
        advice = "check cable and gateway, and that nobody else uses the link; then repeat"
        return Check(name=name, state="finding", text=f"could not be finished: {error}", advice=advice)


def _order_check(subject: Subject) -> Check:
    profile, samples = subject.unit.profile, subject.unit.samples
    found = ((point, samples[point.name].words) for point in profile.points if point.name in samples)
    return judge_order((point, words, point.order(profile.link.word_order)) for point, words in found)


def _clock_check(subject: Subject, zone: ZoneInfo | None) -> Check:
    unit = subject.unit
    points = [unit.profile.by_name[name] for name in unit.profile.clock]
    unit.fetch(points)
    samples = [unit.samples[point.name] for point in points]
    return judge_clock([sample.value for sample in samples], samples[-1].measured_s, zone, points)


def _balance_check(devices: Devices, clock: Clock, wishes: Wishes, progress: Progress) -> Check:
    """What concerns the house: the balance of all devices together."""
    rows: dict[float, dict[str, float]] = {}
    end_s = clock.now_s() + 60.0 * wishes.minutes
    progress(f"the power balance, for {wishes.minutes:g} minutes")
    while clock.now_s() < end_s:
        due_s = clock.now_s() + SAMPLE_S
        found = powers(devices.read(SAMPLE_S))
        if found:
            rows[max(reading.measured_s for reading in found)] = {reading.signal: reading.value for reading in found}
        clock.sleep_until(due_s)
    return judge_balance(list(rows.values()))


def powers(readings: Sequence[Reading]) -> list[Reading]:
    """The powers of one round, if they were all read close together."""
    found = [reading for reading in readings if reading.signal in SIGNALS and reading.state == "good"]
    times_s = [reading.measured_s for reading in found]
    return found if found and max(times_s) - min(times_s) <= TOGETHER_S else []


def _why_no_pulses(subject: Subject, done: Sequence[Check]) -> Check | None:
    """What forbids to command anything: what was found before, or a mode that would outlive a killed test."""
    refused = next((check for check in done if check.state == "refuse"), None)
    if refused is not None:
        text = f"not done: {refused.name} must be mended first"
        return Check(name="pulse", state="unknown", text=text, advice=refused.advice)
    controls = subject.unit.profile.controls
    if controls and all(control.on_silence == "persists" for control in controls):
        text = f"not done: {controls[0].name} would stay for ever if this test were killed"
        advice = "try it with `pems device set`, and look at the device's display"
        return Check(name="pulse", state="unknown", text=text, advice=advice)
    return None


def _report(subject: Subject, clock: Clock, checks: Sequence[Check]) -> Report:
    return Report(
        time_s=clock.now_s(),
        link=subject.link,
        serial_number=subject.serial_number,
        firmware=subject.firmware,
        checks=tuple(checks),
    )
