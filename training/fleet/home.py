"""One home as one task: read, train on all but the last weeks, judge on these, write. Runs in a worker.

::

    HOMES/<home>/site.toml, table.parquet or table.csv
    OUT/<home>/bundle.zip (PV and load), else <kind>/... (a predictor); result.json, written last

``result.json`` carries a fingerprint of the data, the program and the recipe: the same home again is done already.
"""

from __future__ import annotations

import hashlib
import json
import resource
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

import core_kernels
import training
from core_kernels.folding import SLOTS_PER_DAY
from core_kernels.manifest import MANIFEST_NAME, parse
from training.backtest import KINDS, Span, issue_days
from training.boosters import Recipe
from training.bundle_file import zipped
from training.dataset import Series, before
from training.errors import TrainingError
from training.fit import fit_site
from training.fleet.outcome import BUNDLE_FILE, RESULT_FILE, Facts, Outcome, Scores, failed
from training.fleet.store import Store
from training.judge import Day, judge
from training.package import Release, build
from training.predictor import fingerprint as frame_sha256
from training.promotion import require_unseen
from training.site import TrainingSite
from training.site_table import site_table

SITE_FILE, TABLES = "site.toml", ("table.parquet", "table.csv")
MOST_TABLE_BYTES = 128_000_000  # a year of a minute's twenty signals has a third of it
_RECENT_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is the same for all homes of a run."""

    homes_url: str
    out_url: str
    recipe: Recipe
    release: Release
    judge_days: int
    program_sha256: str


@lru_cache(maxsize=1)
def program_sha256() -> str:
    """SHA-256 of the sources that decide what a model is, as hex."""
    seal = hashlib.sha256()
    for package in (core_kernels, training):
        for path in sorted(Path(str(package.__file__)).parent.glob("*.py")):
            seal.update(path.name.encode() + b"\0" + path.read_bytes())
    seal.update(Path(__file__).read_bytes())
    return seal.hexdigest()


def train_home(home: str, job: Job) -> Outcome:
    """Train one home and write what became of it; what is wrong with the home itself is its outcome.

    Raises
    ------
    StoreUnreachable
        The store does not answer: worth another try.
    """
    if job.program_sha256 != program_sha256():
        return failed(home, "the worker runs another release of the program than the one that asked it")
    homes, out = Store(job.homes_url), Store(job.out_url)
    started_s, began_s = time.process_time(), time.perf_counter()
    site_raw = homes.read(f"{home}/{SITE_FILE}")
    table_name = next((name for name in TABLES if homes.size(f"{home}/{name}") is not None), None)
    if site_raw is None or table_name is None:
        return failed(home, f"has no {SITE_FILE if site_raw is None else ' or '.join(TABLES)}")
    if (homes.size(f"{home}/{table_name}") or 0) > MOST_TABLE_BYTES:
        return failed(home, f"{table_name} is larger than {MOST_TABLE_BYTES / 1e6:.0f} MB")
    table_raw = homes.read(f"{home}/{table_name}") or b""
    seal = fingerprint(site_raw, table_raw, job)
    done = finished(out, home)
    if done is not None and done.fingerprint == seal:
        return replace(done, state="kept")
    try:
        outcome, files = _trained(home, {SITE_FILE: site_raw, table_name: table_raw}, job)
    except TrainingError as error:
        return failed(home, "; ".join(str(error).splitlines()))
    for name, content in files.items():
        out.write(f"{home}/{name}", content)
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cpu_s, wall_s = time.process_time() - started_s, time.perf_counter() - began_s
    outcome = replace(outcome, fingerprint=seal, peak_rss_bytes=peak_bytes, cpu_s=cpu_s, wall_s=wall_s)
    out.write(f"{home}/{RESULT_FILE}", outcome.to_bytes())
    return outcome


def fingerprint(site_raw: bytes, table_raw: bytes, job: Job) -> str:
    """SHA-256 of all that decides a home's models, as hex; the release's name is not among it."""
    rest = json.dumps({"recipe": asdict(job.recipe), "judge_days": job.judge_days, "program": job.program_sha256})
    parts = (site_raw, table_raw, rest.encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def finished(out: Store, home: str) -> Outcome | None:
    """What an earlier run left; None where it left nothing that can be read."""
    raw = out.read(f"{home}/{RESULT_FILE}")
    if raw is None:
        return None
    try:
        return Outcome.from_bytes(raw)
    except ValueError:
        return None


def _trained(home: str, inputs: dict[str, bytes], job: Job) -> tuple[Outcome, dict[str, bytes]]:
    with tempfile.TemporaryDirectory(prefix="pems-fleet-") as name:
        folder = Path(name)
        for file, content in inputs.items():
            (folder / file).write_bytes(content)
        table_path = folder / next(file for file in inputs if file != SITE_FILE)
        try:
            series, site = site_table(folder / SITE_FILE, table_path, ("pv_w", "load_w"), needs_arrays=False)
        except TrainingError as error:
            raise TrainingError(str(error).replace(f"{folder}/", "")) from error
    days = judged_days(series, job.judge_days)
    learn = _bundle if _signals(series, site) == ("pv_w", "load_w") else _predictors
    scores, files = learn(series, site, days, job)
    outcome = Outcome(
        home=home,
        state="trained",
        site=site.name,
        version=job.release.version if BUNDLE_FILE in files else "",
        has_bundle=BUNDLE_FILE in files,
        scores=scores,
        facts=facts(series, days, tuple(scores)),
    )
    return outcome, files


def judged_days(series: Series, count: int) -> list[Day]:
    """The last whole local days of a table; raises :class:`TrainingError` where they are all there is."""
    grid = series.frame.grid
    span = Span(max(grid.end_s - (count + 1.0) * 86400.0, grid.start_s), float(grid.end_s))
    days = [day for day in issue_days(series, span) if span.train_until_s <= day[0] and day[1].end_s <= grid.end_s]
    if grid.count <= (count + 2) * SLOTS_PER_DAY or not days:
        have = grid.count / SLOTS_PER_DAY
        raise TrainingError(f"{have:.0f} days of data are too few to keep the last {count} for judging")
    return days[-count:]


def _signals(series: Series, site: TrainingSite) -> tuple[str, ...]:
    known = [name for name in ("pv_w", "load_w") if np.isfinite(series.frame.columns.get(name, np.empty(0))).any()]
    return tuple(name for name in known if name != "pv_w" or site.arrays)


def _bundle(series: Series, site: TrainingSite, days: list[Day], job: Job) -> tuple[Scores, dict[str, bytes]]:
    """A bundle, not yet signed: the key stays with who started the run. Judged as the box would run it."""
    trained = fit_site(series, site, days[0][0], job.recipe, frame_sha256(series.frame))
    members, _ = build(trained, job.release)
    manifest = parse(members[MANIFEST_NAME])
    require_unseen({site.name: float(manifest.document["training"]["to_s"])}, days[0][0])
    return judge(manifest, members, series, days), {BUNDLE_FILE: zipped(members)}


def _predictors(series: Series, site: TrainingSite, days: list[Day], job: Job) -> tuple[Scores, dict[str, bytes]]:
    """Predictors alone: a bundle needs PV and load."""
    signals = _signals(series, site)
    if not signals:
        raise TrainingError("neither load_w nor pv_w (with an [[array]] in site.toml) has a value")
    scores: dict[str, dict[str, dict[str, float]]] = {}
    files: dict[str, bytes] = {}
    for kind in (name.removesuffix("_w") for name in signals):
        predictor = KINDS[kind](site, job.recipe)
        predictor.fit(series, days[0][0])
        scored = predictor.evaluate(series, days).scores
        scores |= {name: {who: dict(found) for who, found in everybody.items()} for name, everybody in scored.items()}
        with tempfile.TemporaryDirectory(prefix="pems-fleet-") as name:
            predictor.save(Path(name))
            files |= {f"{kind}/{path.name}": path.read_bytes() for path in sorted(Path(name).iterdir())}
    return scores, files


def facts(series: Series, days: list[Day], signals: tuple[str, ...]) -> Facts:
    """What is known of the past, and how the level of the judged days compares with the four weeks before."""
    past = before(series, days[0][0]).frame
    first = past.grid.count
    known, level = {}, {}
    for name in signals:
        values = series.frame.column(name)
        known[name] = float(np.isfinite(values[:first]).mean())
        recent, judged = values[max(first - _RECENT_DAYS * SLOTS_PER_DAY, 0) : first], values[first:]
        both = np.isfinite(recent).any() and np.isfinite(judged).any()
        mean_w = float(np.nanmean(recent)) if both else 0.0
        level[name] = float(np.nanmean(judged)) / mean_w if mean_w > 0.0 else float("nan")
    return Facts(history_days=first / SLOTS_PER_DAY, judged_days=len(days), known_frac=known, level_ratio=level)
