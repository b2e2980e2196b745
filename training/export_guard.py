"""The guard as ONNX nodes, step by step as :meth:`training.guard.Guard.blended`."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from training.anchor import MOST_RATIO
from training.boosters import QuantileModel
from training.guard import PHYSICS

Constants = dict[str, np.ndarray[Any, Any]]


def guarded(model: QuantileModel, ratio: str) -> tuple[list[Any], Constants, str]:
    """Nodes and constants that blend ``ratio`` with physics row by row, and the name of the blend."""
    guard = model.guard
    if guard is None:
        return [], {}, ratio
    node = helper.make_node
    nodes = [
        node("Gather", ["X", "guard_columns"], ["guard_input"], axis=1),
        node("IsNaN", ["guard_input"], ["guard_missing"]),
        node("Where", ["guard_missing", "guard_low", "guard_input"], ["guard_seen"]),
        node("Sub", ["guard_low", "guard_seen"], ["guard_below"]),
        node("Sub", ["guard_seen", "guard_high"], ["guard_above"]),
        node("Max", ["guard_below", "guard_above", "zero"], ["guard_beyond"]),
        node("Div", ["guard_beyond", "guard_reach"], ["guard_outside"]),
        node("ReduceMax", ["guard_outside", "guard_axis"], ["guard_strange"], keepdims=1),
        node("Sub", ["one", "guard_strange"], ["guard_left"]),
        node("Clip", ["guard_left", "zero", "one"], ["guard_near"]),
        node("Mul", ["guard_near", "guard_most"], ["guard_known"]),
        node("Gather", ["X", "physics_column"], ["physics_input"], axis=1),
        node("IsNaN", ["physics_input"], ["physics_missing"]),
        node("Where", ["physics_missing", "one", "guard_known"], ["trust"]),
        node("Where", ["physics_missing", "zero", "physics_input"], ["physics_seen"]),
        node("Clip", ["physics_seen", "zero", "physics_most"], ["physics"]),
        node("Mul", ["physics", "physics_frac"], ["physics_quantiles"]),
        node("Mul", ["trust", ratio], ["guard_ours"]),
        node("Sub", ["one", "trust"], ["distrust"]),
        node("Mul", ["distrust", "physics_quantiles"], ["guard_rest"]),
        node("Add", ["guard_ours", "guard_rest"], ["guarded"]),
    ]
    constants: Constants = {
        "guard_columns": np.array(guard.columns(model.names), dtype=np.int64),
        "guard_low": np.array([guard.low], dtype=np.float32),
        "guard_high": np.array([guard.high], dtype=np.float32),
        "guard_reach": guard.widths()[None, :].astype(np.float32),
        "guard_axis": np.array([1], dtype=np.int64),
        "guard_most": np.array(guard.most_frac, dtype=np.float32),
        "physics_column": np.array([model.names.index(PHYSICS)], dtype=np.int64),
        "physics_most": np.array(MOST_RATIO, dtype=np.float32),
        "physics_frac": np.array([guard.physics_frac], dtype=np.float32),
        "one": np.array(1.0, dtype=np.float32),
    }
    return nodes, constants, "guarded"
