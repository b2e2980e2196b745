"""Sums of decision trees, row by row: what gradient boosting says of a row of features.

A node is 16 bytes, four to a cache line: feature (and which way a missing value goes), left and right child, and the
threshold. At a leaf the first is -1, the second the target, and the last what it adds. Left is ``value < threshold``
in float32, as XGBoost and ONNX have it; the sum is in float64, tree by tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core_kernels.jit import JIT_ENABLED, kernel
from core_kernels.records import Float32Matrix
from core_kernels.registry import registered
from core_kernels.units import FloatArray

Int32Matrix = npt.NDArray[np.int32]
Int64Vector = npt.NDArray[np.int64]

LEAF = -1
_FEATURE, _LEFT, _RIGHT, _NUMBER = range(4)
_MISSING_LEFT = 1 << 30


class Tree(NamedTuple):
    """A tree as its columns, a row a node, the root first and children after their parents.

    ``feature`` is :data:`LEAF` at a leaf; ``number`` is the threshold of an inner node and the weight of a leaf.
    """

    feature: npt.ArrayLike
    left: npt.ArrayLike
    right: npt.ArrayLike
    missing_left: npt.ArrayLike
    number: npt.ArrayLike
    target: int


class Forest(NamedTuple):
    """Packed by :func:`forest`: int32[nodes, 4], int64[trees] places of the roots, what each target begins with."""

    nodes: Int32Matrix
    roots: Int64Vector
    base_ratio: tuple[float, ...]
    names: tuple[str, ...]


def forest(trees: Sequence[Tree], base_ratio: Sequence[float], names: Sequence[str]) -> Forest:
    """Pack trees; ``ValueError`` for a child that is not below its parent, or a feature or target that is not there."""
    sizes = [np.size(tree.feature) for tree in trees]
    roots = np.cumsum([0, *sizes], dtype=np.int64)[:-1]
    nodes = np.zeros((sum(sizes), 4), dtype=np.int32)
    for k, (tree, root, size) in enumerate(zip(trees, roots, sizes, strict=True)):
        _check(k, tree, len(base_ratio), len(names))
        own = nodes[root : root + size]
        feature = np.asarray(tree.feature, dtype=np.int32)
        leaf = feature == LEAF
        missing = np.where(np.asarray(tree.missing_left), np.int32(_MISSING_LEFT), np.int32(0))
        own[:, _FEATURE] = np.where(leaf, LEAF, feature | missing)
        own[:, _LEFT] = np.where(leaf, tree.target, np.asarray(tree.left) + root)
        own[:, _RIGHT] = np.where(leaf, 0, np.asarray(tree.right) + root)
        own[:, _NUMBER] = np.asarray(tree.number, dtype=np.float32).view(np.int32)
    for array in (nodes, roots):
        array.flags.writeable = False
    return Forest(nodes, roots, tuple(base_ratio), tuple(names))


def _check(k: int, tree: Tree, target_count: int, feature_count: int) -> None:
    feature, place = np.asarray(tree.feature), np.arange(np.size(tree.feature))
    inner = feature != LEAF
    children = np.stack([np.asarray(tree.left), np.asarray(tree.right)], axis=1)[inner]
    if not place.size or not ((children > place[inner, None]) & (children < place.size)).all():
        raise ValueError(f"trees[{k}]: a child does not lie below its parent")
    if not ((feature[inner] >= 0) & (feature[inner] < feature_count)).all():
        raise ValueError(f"trees[{k}]: has a feature beyond the {feature_count} of the rows")
    if not 0 <= tree.target < target_count:
        raise ValueError(f"trees[{k}]: adds to target {tree.target}, there are {target_count}")


@kernel(
    "void(Array(int32, 2, 'C', readonly=True), Array(float32, 2, 'C', readonly=True),"
    " Array(int64, 1, 'C', readonly=True), Array(float32, 2, 'C', readonly=True), float64[:, ::1])"
)
def _walk(
    nodes: Int32Matrix, numbers: Float32Matrix, roots: Int64Vector, values: Float32Matrix, sums: FloatArray
) -> None:
    """Tree after tree, so that a tree's nodes stay in the cache for all rows; ``numbers`` are the nodes' own bytes."""
    for root in roots:
        for i in range(values.shape[0]):
            at = root
            while nodes[at, _FEATURE] != LEAF:
                seen = values[i, nodes[at, _FEATURE] & ~_MISSING_LEFT]
                missing = np.isnan(seen)
                left = nodes[at, _FEATURE] >= _MISSING_LEFT if missing else seen < numbers[at, _NUMBER]
                at = nodes[at, _LEFT] if left else nodes[at, _RIGHT]
            sums[i, nodes[at, _LEFT]] += numbers[at, _NUMBER]


def _walk_levels(
    nodes: Int32Matrix, numbers: Float32Matrix, roots: Int64Vector, values: Float32Matrix, sums: FloatArray
) -> None:
    """The same bits without a compiler: all rows of a tree step down together."""
    rows = np.arange(values.shape[0])
    for root in roots:
        at = np.full(rows.size, root)
        while (inner := nodes[at, _FEATURE] != LEAF).any():
            feature = nodes[at, _FEATURE]
            seen = values[rows, np.where(inner, feature & ~_MISSING_LEFT, 0)]
            left = np.where(np.isnan(seen), feature >= _MISSING_LEFT, seen < numbers[at, _NUMBER])
            at = np.where(inner, np.where(left, nodes[at, _LEFT], nodes[at, _RIGHT]), at)
        sums[rows, nodes[at, _LEFT]] += numbers[at, _NUMBER]


def _example() -> tuple[Forest, Float32Matrix]:
    stump = Tree((1, LEAF, LEAF), (1, 0, 0), (2, 0, 0), (True, False, False), (0.5, -1.25, 2.0), 1)
    deep = Tree((0, 2, LEAF, LEAF, LEAF), (1, 3, 0, 0, 0), (2, 4, 0, 0, 0), (False,) * 5, (10.0, 0.1, 3.5, 0.3, 0.7), 0)
    random = np.random.default_rng(5)
    values = random.normal(0.3, 6.0, (64, 3)).astype(np.float32)
    values[::7] = np.nan
    return forest((stump, deep), (100.0, -2.0), ("a", "b", "c")), values


@registered(
    name="trees.tree_sums",
    unit="1",
    source="Friedman 2001, doi:10.1214/aos/1013203451, eq. 9-11; ONNX ai.onnx.ml TreeEnsembleRegressor, version 3",
    reference="xgboost 3.2 Booster.inplace_predict and ONNX Runtime 1.28 (relative)",
    tolerance=1e-5,
    example=_example,
)
def tree_sums(trees: Forest, values: Float32Matrix) -> FloatArray:
    """What all trees together say of each row.

    Parameters
    ----------
    trees : Forest
        Packed by :func:`forest`.
    values : float32[n, features]
        Features; NaN is missing and goes the way that the node learned. [unit of each feature]

    Returns
    -------
    float64[n, targets]
        The base and the leaves that the row falls into. [unit of the leaves]
    """
    if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != 2:
        raise TypeError("values must be a float32 matrix")
    if values.shape[1] != len(trees.names):
        raise ValueError(f"values must have {len(trees.names)} columns, got {values.shape[1]}")
    sums = np.tile(trees.base_ratio, (values.shape[0], 1))
    walk = _walk if JIT_ENABLED else _walk_levels
    walk(trees.nodes, trees.nodes.view(np.float32), trees.roots, np.ascontiguousarray(values), sums)
    return sums
