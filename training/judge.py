"""Judge bundles on held-out days: the very graphs that a box would run, beside the references, over the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from core_kernels.featurespec import DARK_FRAC, digest, select
from core_kernels.manifest import Manifest, ModelEntry
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FloatArray
from training import evaluate
from training.dataset import LoadSampler, PvSampler, Series, actual_w
from training.errors import TrainingError
from training.parity import run_onnx
from training.promotion import OURS, Scores

Day = tuple[float, TimeGrid]
Predict = Callable[[float, TimeGrid], FloatArray]


def judge(manifest: Manifest, files: Mapping[str, bytes], series: Series, days: list[Day]) -> Scores:
    """Scores of a bundle's models and of the references on some days, issued at the first instant of each.

    Raises
    ------
    TrainingError
        The bundle has other features than this program.
    """
    if manifest.feature_code_sha256 != digest():
        raise TrainingError(f"{manifest.version}: has other features than this program and cannot be judged by it")
    return {entry.signal: _scores(manifest, entry, files[entry.file], series, days) for entry in manifest.models}


def _scores(
    manifest: Manifest, entry: ModelEntry, graph: bytes, series: Series, days: list[Day]
) -> dict[str, dict[str, float]]:
    name = entry.signal
    counted = np.ones(sum(grid.count for _, grid in days))
    asked: dict[str, Predict] = {
        "persistence": lambda issued_s, grid: evaluate.persistence(name, series, issued_s, grid),
        "climatology_28d": lambda issued_s, grid: evaluate.climatology(name, series, issued_s, grid),
    }
    sampler: PvSampler | LoadSampler
    if name == "pv_w":
        sampler, plant = PvSampler(series, manifest.plant), manifest.plant
        asked["physics"] = lambda issued_s, grid: evaluate.physics(plant, series, issued_s, grid)
        lit = [sampler.features(*day).scale_w > DARK_FRAC * plant.capacity_w for day in days]
        counted = np.concatenate(lit).astype(np.float64)
    else:
        sampler = LoadSampler(series)
        asked["mean_7d"] = lambda issued_s, grid: evaluate.mean_week(name, series, issued_s, grid)
    came = np.concatenate([actual_w(series, name, grid) for _, grid in days])
    said = {who: np.concatenate([ask(*day) for day in days]) for who, ask in asked.items()}
    said[OURS] = _ours(entry, graph, sampler, days)
    return {who: evaluate.scores(came, values, counted) for who, values in said.items()}


def _ours(entry: ModelEntry, graph: bytes, sampler: PvSampler | LoadSampler, days: list[Day]) -> FloatArray:
    parts = [select(sampler.features(*day), entry.features) for day in days]
    return run_onnx(graph, np.concatenate([p.values for p in parts]), np.concatenate([p.scale_w for p in parts]))
