"""From boosters to ONNX graphs to a bundle.

skl2onnx drives; the converter is ours, because the stock one turns several quantiles silently into one. The graph:

    X -> trees (3 targets) -> + anchor -> guard -> + offset -> x scale_w -> sort -> clip to 0..cap -> q[N, 3]

``offset`` is an overridable initializer, so that an online calibration can be fed without a new model.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, RegressorMixin

from core_kernels.quantiles import LEVELS_FRAC
from training.anchor import MOST_RATIO
from training.boosters import QuantileModel
from training.export_guard import guarded

OPSET = 18
ML_OPSET = 3
IR_VERSION = 10


class QuantileTrees(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The three boosters as one estimator, for skl2onnx to dispatch on."""

    def __init__(self, model: QuantileModel) -> None:
        self.model = model


def tree_attributes(model: QuantileModel) -> dict[str, Any]:
    """Attributes of ``TreeEnsembleRegressor`` from XGBoost's own JSON, three targets."""
    keys = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing")
    nodes: dict[str, list[Any]] = {key: [] for key in keys}
    leaves: dict[str, list[Any]] = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    base_values, tree_id = [0.0] * len(LEVELS_FRAC), 0
    for target, booster in zip(model.targets, model.boosters, strict=True):
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        base_values[target] += float(np.ravel(json.loads(learner["learner_model_param"]["base_score"]))[0])
        for tree in learner["gradient_booster"]["model"]["trees"]:
            _add_tree(tree, tree_id, target, nodes, leaves)
            tree_id += 1
    return {
        **{f"nodes_{key}" if key != "missing" else "nodes_missing_value_tracks_true": nodes[key] for key in keys},
        **{f"target_{key}": values for key, values in leaves.items()},
        "base_values": base_values,
        "n_targets": len(LEVELS_FRAC),
        "post_transform": "NONE",
        "aggregate_function": "SUM",
    }


def _add_tree(tree: dict[str, Any], tree_id: int, target: int, nodes: dict[str, Any], leaves: dict[str, Any]) -> None:
    for node, left in enumerate(tree["left_children"]):
        leaf = left == -1
        # A leaf's value is split_conditions, not base_weights: quantile objectives refresh their leaves.
        number = float(tree["split_conditions"][node])
        row = {
            "treeids": tree_id,
            "nodeids": node,
            "featureids": 0 if leaf else tree["split_indices"][node],
            "modes": "LEAF" if leaf else "BRANCH_LT",
            "values": 0.0 if leaf else number,
            "truenodeids": 0 if leaf else left,
            "falsenodeids": 0 if leaf else tree["right_children"][node],
            "missing": 0 if leaf else int(tree["default_left"][node]),
        }
        for key, value in row.items():
            nodes[key].append(value)
        if leaf:
            for key, value in (("treeids", tree_id), ("nodeids", node), ("ids", target), ("weights", number)):
                leaves[key].append(value)


def _shape(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([None, len(LEVELS_FRAC)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    container.add_node(
        "TreeEnsembleRegressor",
        operator.inputs[0].full_name,
        operator.outputs[0].full_name,
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("trees"),
        **tree_attributes(operator.raw_operator.model),
    )


def _anchored(model: QuantileModel, raw: str) -> tuple[list[Any], dict[str, np.ndarray[Any, Any]], str]:
    """Nodes and constants that add the anchor to the trees' output, and the name of the sum."""
    if model.anchor is None:
        return [], {}, raw
    nodes = [
        helper.make_node("Gather", ["X", "anchor_columns"], ["anchor_seen"], axis=1),
        helper.make_node("IsNaN", ["anchor_seen"], ["anchor_missing"]),
        helper.make_node("Where", ["anchor_missing", "anchor_fill", "anchor_seen"], ["anchor_filled"]),
        helper.make_node("Clip", ["anchor_filled", "zero", "anchor_most"], ["anchor_known"]),
        helper.make_node("MatMul", ["anchor_known", "anchor_weights"], ["anchor"]),
        helper.make_node("Add", [raw, "anchor"], ["anchored"]),
    ]
    constants: dict[str, np.ndarray[Any, Any]] = {
        "anchor_columns": np.array(model.anchor.columns(model.names), dtype=np.int64),
        "anchor_fill": np.array([model.anchor.fill_ratio], dtype=np.float32),
        "anchor_most": np.array(MOST_RATIO, dtype=np.float32),
        "anchor_weights": np.array(model.anchor.weights_frac, dtype=np.float32),
    }
    return nodes, constants, "anchored"


def to_onnx(model: QuantileModel) -> bytes:
    """One graph without external data: ``X`` [N, features], ``scale_w`` [N, 1] in; ``q`` [N, 3] out; all float32."""
    update_registered_converter(QuantileTrees, "PemsQuantileTrees", _shape, _convert, overwrite=True)
    trees = convert_sklearn(
        QuantileTrees(model),
        initial_types=[("X", FloatTensorType([None, len(model.names)]))],
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
    )
    raw = trees.graph.output[0].name
    levels = len(LEVELS_FRAC)
    anchor_nodes, anchor_initial, summed = _anchored(model, raw)
    guard_nodes, guard_initial, start = guarded(model, summed)
    nodes = [
        *trees.graph.node,
        *anchor_nodes,
        *guard_nodes,
        helper.make_node("Add", [start, "offset"], ["shifted"]),
        helper.make_node("Mul", ["shifted", "scale_w"], ["watts"]),
        helper.make_node("TopK", ["watts", "k"], ["sorted", "order"], axis=1, largest=0, sorted=1),
        helper.make_node("Clip", ["sorted", "zero", "cap_w"], ["q"]),
    ]
    initial: dict[str, np.ndarray[Any, Any]] = {
        "offset": np.array([model.offsets_ratio], dtype=np.float32),
        "k": np.array([levels], dtype=np.int64),
        "zero": np.array(0.0, dtype=np.float32),
        "cap_w": np.array(model.cap_w, dtype=np.float32),
        **anchor_initial,
        **guard_initial,
    }
    inputs: dict[str, list[str | int | None]] = {
        "X": ["N", len(model.names)],
        "scale_w": ["N", 1],
        "offset": [1, levels],
    }
    graph = helper.make_graph(
        nodes,
        model.signal,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("q", TensorProto.FLOAT, ["N", levels])],
        [*trees.graph.initializer, *(numpy_helper.from_array(value, name) for name, value in initial.items())],
    )
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="pems-train")
    helper.set_model_props(proto, {"signal": model.signal, "features": ",".join(model.names), "unit": "W"})
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())
