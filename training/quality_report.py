"""The quality of an extracted dataset: scores, gaps and suspicions of every signal, and what to do before training."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from core_kernels.flags import Flag, names
from core_kernels.quality import GATES, Gap, assess, find_gaps
from core_kernels.seed_scores import Scores, overall
from core_kernels.signals import Kind, Signal, signal
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY, FlagArray, FloatArray
from training.energy_dataset import EnergyDataset, Missing
from training.quality_findings import (
    BALANCE,
    Balance,
    Finding,
    balance_of,
    clear_sky_w,
    clock_of,
    sign_findings,
    unit_findings,
)
from training.site import TrainingSite
from training.slots import RowCounts

_LEAST_DAYS = 60  # below, no season is seen and no week held out
_ADVICE = {
    "completeness": "fill the store, or train on the span in which it is complete (--from, --until)",
    "consistency": "stuck or impossible stretches: leave them out, or mend the logger",
    "temporal": "rows come unevenly or on a wrong clock: mend the clock (?zone=...) before training",
    "reasonableness": "values beyond a home's: check unit and sentinels (missing = [...]) in the mapping",
}
_WEATHER = "forecast weather (fc_ghi_w_per_m2, fc_temp_air_c): without it PV is trained on the sky's habits alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of one signal for a plot: least, mean and greatest value, and the share of slots that is known."""

    low: float
    value: float
    high: float
    known_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReport:
    """One signal."""

    name: str
    unit: str
    scores: Scores
    seed_scores: Scores
    failed: tuple[str, ...]
    counts: RowCounts
    flagged: tuple[tuple[str, int], ...]
    gaps: tuple[Gap, ...]
    findings: tuple[Finding, ...]
    days: tuple[Day, ...]

    @property
    def is_ready(self) -> bool:
        """Whether a model may learn from it as it is."""
        return not self.failed and not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """The whole dataset; ``to_do`` is what stands between it and training, most important first."""

    grid: TimeGrid
    signals: tuple[SignalReport, ...]
    balance: Balance | None
    missing: tuple[Missing, ...]
    listed: tuple[tuple[str, tuple[str, ...]], ...]
    ready: tuple[tuple[str, bool], ...]
    to_do: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found at all."""
        return not self.to_do


def report_on(data: EnergyDataset, site: TrainingSite | None = None) -> QualityReport:
    """Judge a dataset, one signal in memory at a time; without a site nothing is said of the sun's clock."""
    clear_w = clear_sky_w(site, data.grid)
    balance = balance_of(data)
    turned = sign_findings(data)
    signals = tuple(
        _signal_report(data, name, balance, clear_w, site, [item for item in turned if item.signal == name])
        for name in data.signals
    )
    listed = (
        ("notes", data.notes),
        ("contradictions", data.contradictions),
        ("ambiguous", data.ambiguous),
        ("absent", data.absent),
        ("unmapped", data.unmapped),
    )
    return QualityReport(
        grid=data.grid,
        signals=signals,
        balance=balance,
        missing=data.missing,
        listed=listed,
        ready=_readiness(signals, data.grid),
        to_do=_to_do(data, signals),
    )


def _signal_report(
    data: EnergyDataset,
    name: str,
    balance: Balance | None,
    clear_w: FloatArray | None,
    site: TrainingSite | None,
    turned: list[Finding],
) -> SignalReport:
    values, flags = data.column(name), data.flags(name)
    offset_s = _utc_offset_s(site, data.grid)
    oriented = site is not None and not any(math.isnan(hint.azimuth_deg) for hint in site.arrays)
    shifted, clock = clock_of(name, values, data.grid, clear_w, offset_s, oriented)
    flags = flags | shifted
    if balance is not None and name in BALANCE:
        flags = flags | balance.flags
    units = unit_findings(data, name, values, clear_w)
    if units:
        flags = np.where(np.isfinite(values), flags | np.uint16(Flag.UNIT), flags).astype(np.uint16)
    scores, seed, gaps, found = _scored(data.grid, values, flags, _as_slots(signal(name), data.grid.slot_s))
    tally = Counter({text: int(np.count_nonzero(found & int(Flag[text.upper()]))) for text in _texts(found)})
    return SignalReport(
        name=name,
        unit=signal(name).unit,
        scores=scores,
        seed_scores=seed,
        failed=_failed(scores),
        counts=data.counts(name),
        flagged=tuple(tally.most_common()),
        gaps=gaps,
        findings=(*turned, *units, *clock),
        days=_days(values, data.grid),
    )


def _texts(flags: FlagArray) -> tuple[str, ...]:
    return names(int(np.bitwise_or.reduce(flags))) if flags.size else ()


def _as_slots(row: Signal, slot_s: int) -> Signal:
    """A counter's slot holds what was counted in it, which may fall."""
    if row.kind is not Kind.COUNTER:
        return row
    return dataclasses.replace(row, kind=Kind.MEAN, high=100_000.0 * slot_s / 3600.0)


def _scored(
    grid: TimeGrid, values: FloatArray, flags: FlagArray, row: Signal
) -> tuple[Scores, Scores, tuple[Gap, ...], FlagArray]:
    """Scores of the slots that are known; a slot that is not known costs completeness only."""
    known = np.isfinite(values)
    nothing = math.nan
    if not known.any():
        whole = Gap(start_s=float(grid.start_s), end_s=float(grid.end_s), missing_count=grid.count)
        return overall((0.0, nothing, nothing, nothing)), overall((0.0, nothing, nothing, nothing)), (whole,), flags
    times_s, kept = grid.starts_s()[known], np.ascontiguousarray(values[known])
    judged = assess(times_s, kept, row, float(grid.slot_s), extra_flags=np.ascontiguousarray(flags[known]))
    found = flags.copy()
    found[known] = judged.flags
    lost = int(np.count_nonzero((flags & int(Flag.RANGE) != 0) & ~known))
    reasonable = judged.scores.reasonableness_frac * kept.size / (kept.size + lost)
    parts = (known.mean(), judged.scores.consistency_frac, judged.scores.temporal_frac, reasonable)
    completeness, consistency, temporal, reasonableness = (float(part) for part in parts)
    edges_s = np.concatenate(([grid.start_s - grid.slot_s], times_s, [grid.end_s])).astype(np.float64)
    seed = assess(grid.starts_s(), values, row, float(grid.slot_s), seed=True).scores
    gaps = tuple(sorted(find_gaps(edges_s, float(grid.slot_s)), key=lambda gap: -gap.missing_count))
    return overall((completeness, consistency, temporal, reasonableness)), seed, gaps, found


def _failed(scores: Scores) -> tuple[str, ...]:
    """Scores below their gate; where nothing is known only completeness has failed."""
    pairs = zip(Scores._fields[:4], scores, GATES, strict=False)
    return tuple(name.removesuffix("_frac") for name, score, gate in pairs if score < gate)


def _days(values: FloatArray, grid: TimeGrid) -> tuple[Day, ...]:
    """One row a UTC day."""
    edges = np.flatnonzero(np.diff(grid.starts_s() // SECONDS_PER_DAY, prepend=-1.0))
    return tuple(_day(part) for part in np.split(values, edges[1:]))


def _day(part: FloatArray) -> Day:
    known = part[np.isfinite(part)]
    if known.size == 0:
        return Day(low=math.nan, value=math.nan, high=math.nan, known_frac=0.0)
    low, high = float(known.min()), float(known.max())
    return Day(low=low, value=float(known.mean()), high=high, known_frac=known.size / part.size)


def _utc_offset_s(site: TrainingSite | None, grid: TimeGrid) -> float:
    """Standard time of the site, so that a day holds one day of light."""
    if site is None:
        return 0.0
    january = datetime.fromtimestamp(grid.start_s, UTC).replace(month=1, day=15).astimezone(site.zone)
    offset = january.utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _readiness(signals: tuple[SignalReport, ...], grid: TimeGrid) -> tuple[tuple[str, bool], ...]:
    """Whether each model finds what it learns from."""
    good = {item.name for item in signals if item.is_ready}
    enough = grid.count * grid.slot_s >= _LEAST_DAYS * SECONDS_PER_DAY
    rooms = any(name.startswith("room_") for name in good) and bool(good & {"temp_air_c", "fc_temp_air_c"})
    return (("pv", enough and "pv_w" in good), ("load", enough and "load_w" in good), ("thermal", enough and rooms))


def _to_do(data: EnergyDataset, signals: tuple[SignalReport, ...]) -> tuple[str, ...]:
    words = []
    if data.missing:
        lost = sorted({item.signal for item in data.missing})
        words.append(f"run the same command again: {len(data.missing)} chunks of {', '.join(lost)} could not be read")
    words += [f"{item.name}: {finding.text}" for item in signals for finding in item.findings]
    for score, advice in _ADVICE.items():
        low = [item.name for item in signals if score in item.failed]
        words += [f"{score} too low ({', '.join(low)}): {advice}"] if low else []
    words += [f"mapping: {text}" for text in (*data.contradictions, *data.ambiguous, *data.absent)]
    words += list(data.notes)
    days = data.grid.count * data.grid.slot_s / SECONDS_PER_DAY
    if days < _LEAST_DAYS:
        words.append(f"only {days:.0f} days: training wants {_LEAST_DAYS} at least, a year to know the seasons")
    if "pv_w" in data.signals and not any(name.startswith("fc_") for name in data.signals):
        words.append(f"add {_WEATHER}")
    return tuple(words)
