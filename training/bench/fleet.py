"""A fleet of measured homes, resampled with seeded noise: one worker and two, twenty homes and two hundred."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from core_kernels.figures import Row, limit_row
from core_kernels.folding import SLOTS_PER_DAY
from training.bench import data_folder
from training.bench.homes import LOAD_HOMES, load_home
from training.boosters import Recipe, Stage, quiet
from training.dataset import Series
from training.fleet.cluster import workers
from training.fleet.home import Job, program_sha256
from training.fleet.outcome import Outcome
from training.fleet.run import outcomes
from training.package import Release

HOMES, FEW_HOMES = 200, 20
DAYS, JUDGE_DAYS, ROUNDS = 60, 7, 30
_NOISE_FRAC = 0.1
_LEAST_EFFICIENCY_FRAC, _FLAT_FRAC, _MOST_BYTES = 0.85, 0.1, 1e9
_SITE = '[site]\nname = "{name}"\nlatitude_deg = 0.0\nlongitude_deg = 0.0\ntimezone = "{zone}"\n'


class Run(NamedTuple):
    """One fleet: how long it took, and what became of each home."""

    worker_count: int
    wall_s: float
    found: list[Outcome]

    def home_cpu_s(self) -> float:
        """Processor time of a home."""
        return float(np.mean([outcome.cpu_s for outcome in self.found]))

    def busy_frac(self) -> float:
        """Share of the workers' time that homes took; the rest is the engine's."""
        return float(np.sum([outcome.wall_s for outcome in self.found])) / (self.worker_count * self.wall_s)


def rows(stage: Stage = quiet, home_count: int = HOMES, few_count: int = FEW_HOMES) -> list[Row]:
    """Efficiency at two workers, what a home costs among few and many, and a worker's memory."""
    folder = data_folder()
    with tempfile.TemporaryDirectory(prefix="pems-bench-fleet-") as name:
        homes = Path(name) / "homes"
        names = write_homes(homes, folder, home_count)
        runs: list[Run] = []
        for count, some in ((1, names[:few_count]), (1, names), (2, names)):
            stage(f"fleet: {len(some)} homes on {count} worker{'s' * (count > 1)}, load {os.getloadavg()[0]:.1f}")
            runs.append(_run(homes, Path(name) / f"out{len(runs)}", some, count))
    few, one, two = runs
    return [*_speed(one, two), _flat(few, one), _memory(runs)]


def write_homes(folder: Path, measured: Path, count: int, seed: int = 1) -> list[str]:
    """Homes of ``DAYS`` days: a window of a measured home, another height, and noise in every slot."""
    random = np.random.default_rng(seed)
    known = {name: load_home(name, measured) for name in LOAD_HOMES}
    names = [f"h{number:04d}" for number in range(count)]
    for number, name in enumerate(names):
        series = known[LOAD_HOMES[number % len(LOAD_HOMES)]]
        (folder / name).mkdir(parents=True)
        (folder / name / "site.toml").write_text(_SITE.format(name=name, zone=series.zone.key), encoding="utf-8")
        resampled(series, random).to_parquet(folder / name / "table.parquet")
    return names


def resampled(series: Series, random: np.random.Generator) -> pd.DataFrame:
    """A window of a home, scaled and with noise."""
    first = SLOTS_PER_DAY * int(random.integers(series.frame.grid.count // SLOTS_PER_DAY - DAYS))
    part = slice(first, first + DAYS * SLOTS_PER_DAY)
    load_w = series.frame.column("load_w")[part] * random.uniform(0.5, 2.0)
    noise = random.lognormal(0.0, _NOISE_FRAC, load_w.size)
    times = pd.to_datetime(series.frame.grid.starts_s()[part], unit="s", utc=True)
    return pd.DataFrame({"time_utc": times, "load_w": load_w * noise})


def _run(homes: Path, out: Path, names: list[str], count: int) -> Run:
    job = Job(
        homes_url=str(homes),
        out_url=str(out),
        recipe=Recipe(rounds=ROUNDS),
        release=Release.now(),
        judge_days=JUDGE_DAYS,
        program_sha256=program_sha256(),
    )
    with workers("", count) as client:
        client.run(program_sha256)  # the workers' imports are not a home's cost
        list(outcomes(client, names[:count], job))  # nor are the first home's compiled kernels
        started_s = time.perf_counter()
        found = list(outcomes(client, names[count:], job))
        return Run(count, time.perf_counter() - started_s, found)


def _speed(one: Run, two: Run) -> list[Row]:
    """By the wall clock, which other work on the machine spoils, and by what the workers did with the time they got."""
    clock_frac = one.wall_s / len(one.found) / (two.wall_s / len(two.found)) / 2.0
    own_frac = two.busy_frac() * one.home_cpu_s() / two.home_cpu_s()
    return [
        Row(
            name=f"efficiency at 2 workers by {what}",
            value=value,
            unit="frac",
            reference=f"1 worker (load {os.getloadavg()[2]:.1f})",
            reference_value=1.0,
            ratio=value,
            target=f">= {_LEAST_EFFICIENCY_FRAC:g}",
            ok=value >= _LEAST_EFFICIENCY_FRAC,
        )
        for what, value in (("the wall clock", clock_frac), ("processor and idle time", own_frac))
    ]


def _flat(few: Run, many: Run) -> Row:
    ratio = many.home_cpu_s() / few.home_cpu_s()
    return Row(
        name=f"processor time of a home among {len(many.found) + 1}",
        value=many.home_cpu_s(),
        unit="s",
        reference=f"among {len(few.found) + 1}",
        reference_value=few.home_cpu_s(),
        ratio=ratio,
        target=f"within {100 * _FLAT_FRAC:.0f} %",
        ok=abs(ratio - 1.0) <= _FLAT_FRAC,
    )


def _memory(runs: list[Run]) -> Row:
    few, many = (max(o.peak_rss_bytes or 0 for run in some for o in run.found) for some in (runs[:1], runs))
    return limit_row("peak memory of a worker", (float(many), float(few)), "B", "among few homes", _MOST_BYTES)
