"""Three XGBoost quantile boosters that share their inputs, and the offsets that make their interval honest.

The target is the ratio of the outcome to ``scale_w``; rows weigh as much as their scale, so that the loss is the
pinball loss in watts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Before XGBoost loads its OpenMP: spinning threads on a busy machine made a fit ten times longer.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import xgboost

from core_kernels.quantiles import LEVELS_FRAC, uncross
from core_kernels.records import Float32Matrix
from core_kernels.units import FloatArray
from training.anchor import Anchor
from training.dataset import Samples
from training.guard import Guard

THREADS = 1  # two that wait for each other on a busy machine made a fit twenty times longer
_FIXED = {"tree_method": "hist", "max_bin": 64, "base_score": 0.0, "nthread": THREADS}
Stage = Callable[[str], object]


def quiet(text: str) -> None:
    """A stage that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How hard to fit."""

    rounds: int = 100
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantileModel:
    """What one ONNX graph is made of; the boosters' thresholds lie between training values already.

    ``targets`` says to which quantile (0, 1, 2) each booster adds; ``anchor`` is what they add to; ``guard`` how far
    the sum is believed.
    """

    signal: str
    names: tuple[str, ...]
    boosters: tuple[Any, ...]
    offsets_ratio: tuple[float, ...]
    cap_w: float
    rows: int
    metrics: Mapping[str, float]
    targets: tuple[int, ...] = (0, 1, 2)
    anchor: Anchor | None = None
    guard: Guard | None = None

    def tree_ratio(self, values: Float32Matrix) -> FloatArray:
        """What the trees alone say, float64[n, 3]."""
        total = np.zeros((values.shape[0], len(LEVELS_FRAC)))
        for target, booster in zip(self.targets, self.boosters, strict=True):
            total[:, target] += booster.inplace_predict(values)
        return total

    def raw_ratio(self, values: Float32Matrix) -> FloatArray:
        """Ratios of trees, anchor and guard, float64[n, 3], not yet calibrated or sorted."""
        ratio = self.tree_ratio(values)
        ratio = ratio if self.anchor is None else ratio + self.anchor.ratio(self.names, values)
        return ratio if self.guard is None else self.guard.blended(self.names, values, ratio)

    def quantiles_w(self, values: Float32Matrix, scale_w: FloatArray) -> FloatArray:
        """P10, P50, P90 [W], float64[n, 3]: offset, scale, sort, clip; the ONNX graph does the same in float32."""
        shifted = (self.raw_ratio(values) + np.asarray(self.offsets_ratio)) * scale_w[:, None]
        return np.clip(uncross(shifted), 0.0, self.cap_w)


def midpoints(booster: Any, values: Float32Matrix) -> Any:
    """The booster with each threshold moved midway between the two training values that it separates.

    Histogram splits lie exactly ON training values, where the last bit of a feature decides; midway nothing changes
    on the training rows and a feature may be off by almost half a step.
    """
    document = json.loads(bytes(booster.save_raw("json")))
    known = [np.unique(column[np.isfinite(column)]) for column in values.T]
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        for node, child in enumerate(tree["left_children"]):
            seen = known[tree["split_indices"][node]]
            if child != -1 and seen.size > 1:
                threshold = np.float32(tree["split_conditions"][node])
                above = int(np.clip(np.searchsorted(seen, threshold), 1, seen.size - 1))
                tree["split_conditions"][node] = float(np.float32((seen[above - 1] + seen[above]) / 2.0))
    moved = xgboost.Booster({"nthread": THREADS})
    moved.load_model(bytearray(json.dumps(document).encode()))
    return moved


def fitted(
    values: Float32Matrix, residual_ratio: FloatArray, weights: FloatArray, params: Mapping[str, Any], rounds: int
) -> Any:
    """One booster, its thresholds between the training values."""
    matrix = xgboost.QuantileDMatrix(values, label=residual_ratio, weight=weights, max_bin=64, nthread=THREADS)
    return midpoints(xgboost.train({**_FIXED, **params}, matrix, num_boost_round=rounds), values)


def damped(booster: Any, share_frac: float) -> Any:
    """The booster saying only a share of what it says."""
    document = json.loads(bytes(booster.save_raw("json")))
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        for node, child in enumerate(tree["left_children"]):
            if child == -1:
                tree["split_conditions"][node] = float(np.float32(share_frac * tree["split_conditions"][node]))
    quieter = xgboost.Booster({"nthread": THREADS})
    quieter.load_model(bytearray(json.dumps(document).encode()))
    return quieter


def used_names(samples: Samples) -> tuple[str, ...]:
    """Features that say something: known somewhere, and not always the same."""
    spread = [np.unique(column[np.isfinite(column)]).size > 1 for column in samples.values.T]
    return tuple(name for name, used in zip(samples.names, spread, strict=True) if used)


def columns(samples: Samples, names: tuple[str, ...]) -> Float32Matrix:
    """The named inputs of all rows."""
    return np.ascontiguousarray(samples.values[:, [samples.names.index(name) for name in names]])


def importance_of(model: QuantileModel) -> dict[str, float]:
    """Share of each input in the gain of all splits of all boosters, largest first; sums to 1."""
    gain_count = dict.fromkeys(model.names, 0.0)
    for booster in model.boosters:
        for key, value in booster.get_score(importance_type="total_gain").items():
            gain_count[model.names[int(key.removeprefix("f"))]] += float(value)
    total_count = sum(gain_count.values()) or 1.0
    ranked = sorted(gain_count.items(), key=lambda item: -item[1])
    return {name: value / total_count for name, value in ranked}


def write_boosters(model: QuantileModel, folder: Path) -> None:
    """Write ``<signal>.json`` and each booster in XGBoost's JSON beside it."""
    for level, booster in enumerate(model.boosters):
        (folder / f"{model.signal}_{level}.json").write_bytes(bytes(booster.save_raw("json")))
    document = {
        "targets": model.targets,
        "anchor": None if model.anchor is None else asdict(model.anchor),
        "guard": None if model.guard is None else asdict(model.guard),
        "names": model.names,
        "offsets_ratio": model.offsets_ratio,
        "cap_w": model.cap_w,
        "rows": model.rows,
        "metrics": dict(model.metrics),
    }
    (folder / f"{model.signal}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def read_boosters(folder: Path, signal: str) -> QuantileModel:
    """Read what :func:`write_boosters` wrote; ``OSError``, ``KeyError`` or ``ValueError`` where it is damaged."""
    entry = json.loads((folder / f"{signal}.json").read_text(encoding="utf-8"))
    boosters = []
    for level in range(len(entry["targets"])):
        booster = xgboost.Booster({"nthread": THREADS})
        try:
            booster.load_model(bytearray((folder / f"{signal}_{level}.json").read_bytes()))
        except xgboost.core.XGBoostError as error:
            raise ValueError(f"{signal}_{level}.json: {str(error).splitlines()[0]}") from error
        boosters.append(booster)
    return QuantileModel(
        signal=signal,
        names=tuple(entry["names"]),
        boosters=tuple(boosters),
        offsets_ratio=tuple(entry["offsets_ratio"]),
        cap_w=entry["cap_w"],
        rows=entry["rows"],
        metrics=entry["metrics"],
        targets=tuple(entry["targets"]),
        anchor=None if entry["anchor"] is None else Anchor.from_document(entry["anchor"]),
        guard=None if entry["guard"] is None else Guard.from_document(entry["guard"]),
    )
