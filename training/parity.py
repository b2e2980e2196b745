"""The gate between training and device: XGBoost, ONNX Runtime and our own tree walker must say the same."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from core_kernels.records import Float32Matrix
from core_kernels.trees import LEAF, Forest, Tree, forest, tree_sums
from core_kernels.units import FloatArray
from training.boosters import QuantileModel
from training.errors import TrainingError
from training.export import tree_attributes

TOLERANCE_RATIO = 1e-5
ROWS = 4000


class Parity(NamedTuple):
    """Largest differences, relative to the largest value."""

    rows: int
    onnx_ratio: float
    trees_ratio: float


def onnx_session(graph: bytes) -> Any:
    """ONNX Runtime as the device runs it: from bytes, one thread, CPU."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import, or the first events are out
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run_onnx(graph: bytes, values: Float32Matrix, scale_w: FloatArray) -> FloatArray:
    """Quantiles [W] from the graph."""
    feed = {"X": values, "scale_w": scale_w.astype(np.float32)[:, None]}
    return np.asarray(onnx_session(graph).run(["q"], feed)[0], dtype=np.float64)


def packed_trees(model: QuantileModel) -> Forest:
    """The exported nodes as the third engine walks them."""
    nodes = tree_attributes(model)
    starts = np.flatnonzero(np.asarray(nodes["nodes_nodeids"]) == 0)
    ends = np.append(starts[1:], len(nodes["nodes_nodeids"]))
    leaf = np.asarray(nodes["nodes_modes"]) == "LEAF"
    feature = np.where(leaf, LEAF, nodes["nodes_featureids"])
    number, target = np.asarray(nodes["nodes_values"]), np.zeros(leaf.size, dtype=np.int64)
    number[leaf], target[leaf] = nodes["target_weights"], nodes["target_ids"]
    left, right = nodes["nodes_truenodeids"], nodes["nodes_falsenodeids"]
    missing_left = np.asarray(nodes["nodes_missing_value_tracks_true"]) == 1
    trees = [
        Tree(feature[a:b], left[a:b], right[a:b], missing_left[a:b], number[a:b], int(target[a:b].max()))
        for a, b in zip(starts, ends, strict=True)
    ]
    return forest(trees, nodes["base_values"], model.names)


def probe_rows(model: QuantileModel, values: Float32Matrix, count: int = ROWS, seed: int = 7) -> Float32Matrix:
    """Rows that hurt: real, shuffled, with holes, empty, on every kind of threshold and a bit beside it."""
    random = np.random.default_rng(seed)
    real = values[random.integers(0, values.shape[0], count // 4)]
    shuffled = np.column_stack([random.permutation(column) for column in real.T]).astype(np.float32)
    holes = np.where(random.random(real.shape) < 0.3, np.float32(np.nan), real)
    nodes = tree_attributes(model)
    edge = real.copy()
    thresholds = np.asarray(nodes["nodes_values"], dtype=np.float32)
    features = np.asarray(nodes["nodes_featureids"])
    picked = random.integers(0, thresholds.size, edge.shape[0])
    edge[np.arange(edge.shape[0]), features[picked]] = thresholds[picked]
    beside = np.where(random.random(edge.shape) < 0.5, np.float32(-np.inf), np.float32(np.inf))
    nudged = np.nextafter(edge, beside)  # the last bit decides at a threshold, and nowhere else
    infinite = np.full((1, real.shape[1]), np.inf, dtype=np.float32)
    nothing = np.full((1, real.shape[1]), np.nan, dtype=np.float32)
    return np.ascontiguousarray(np.concatenate([real, shuffled, holes, edge, nudged, nothing, infinite, -infinite]))


def check(model: QuantileModel, graph: bytes, values: Float32Matrix, scale_w: FloatArray) -> Parity:
    """Compare the three; raises :class:`TrainingError` where one differs by more than 1e-5 of the largest value."""
    rows = probe_rows(model, values)
    random = np.random.default_rng(8)
    scales_w = scale_w[random.integers(0, scale_w.size, rows.shape[0])].astype(np.float32).astype(np.float64)
    wanted = model.quantiles_w(rows, scales_w)
    found = run_onnx(graph, rows, scales_w)
    raw, walked = model.tree_ratio(rows), tree_sums(packed_trees(model), rows)
    parity = Parity(
        rows=rows.shape[0],
        onnx_ratio=float(np.abs(found - wanted).max() / max(float(np.abs(wanted).max()), 1.0)),
        trees_ratio=float(np.abs(walked - raw).max() / max(float(np.abs(raw).max()), 1e-9)),
    )
    if not max(parity.onnx_ratio, parity.trees_ratio) <= TOLERANCE_RATIO:
        raise TrainingError(
            f"{model.signal}: parity failed: ONNX {parity.onnx_ratio:.2e}, trees {parity.trees_ratio:.2e}, "
            f"allowed {TOLERANCE_RATIO:.0e}"
        )
    return parity
