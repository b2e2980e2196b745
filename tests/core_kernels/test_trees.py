import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_kernels import trees
from core_kernels.trees import LEAF, Tree, forest, tree_sums


def sentence(tree, row):
    """A slow twin: one row through one tree, as the definition reads."""
    at = 0
    while tree.feature[at] != LEAF:
        seen = row[tree.feature[at]]
        left = tree.missing_left[at] if np.isnan(seen) else seen < np.float32(tree.number[at])
        at = tree.left[at] if left else tree.right[at]
    return float(np.float32(tree.number[at]))


def grown(random, features, depth):
    """A tree of random splits; children come after their parents."""
    rows = {name: [] for name in ("feature", "left", "right", "missing_left", "number")}

    def node(level):
        here = len(rows["feature"])
        is_leaf = level == 0 or random.random() < 0.2
        for name, value in (
            ("feature", LEAF if is_leaf else int(random.integers(features))),
            ("left", 0),
            ("right", 0),
            ("missing_left", bool(random.random() < 0.5)),
            ("number", float(np.float32(random.normal()))),
        ):
            rows[name].append(value)
        if not is_leaf:
            rows["left"][here] = node(level - 1)
            rows["right"][here] = node(level - 1)
        return here

    node(depth)
    return rows


STUMP = Tree((0, LEAF, LEAF), (1, 0, 0), (2, 0, 0), (True, False, False), (2.0, 10.0, 20.0), 0)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (1.0, 10.0),
        (2.0, 20.0),
        (np.nextafter(np.float32(2.0), np.float32(0.0)), 10.0),
        (np.nan, 10.0),
        (-np.inf, 10.0),
        (np.inf, 20.0),
    ],
)
def test_left_is_below_the_threshold_and_a_missing_value_goes_where_the_node_says(value, says):
    assert tree_sums(forest((STUMP,), (0.5,), ("a",)), np.array([[value]], dtype=np.float32)) == says + 0.5


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6), rows=st.integers(0, 9))
def test_all_walkers_say_what_the_definition_says_to_the_last_bit(seed, count, rows):
    random = np.random.default_rng(seed)
    made = [Tree(**grown(random, 3, 4), target=int(random.integers(2))) for _ in range(count)]
    values = random.normal(size=(rows, 3)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    wanted = np.tile([1.0, -3.0], (rows, 1))
    for tree in made:
        for i, row in enumerate(values):
            wanted[i, tree.target] += sentence(tree, row)
    packed = forest(made, (1.0, -3.0), ("a", "b", "c"))
    assert np.array_equal(tree_sums(packed, values), wanted)
    for walk in (trees._walk, trees._walk_levels):
        sums = np.tile(packed.base_ratio, (rows, 1))
        walk(packed.nodes, packed.nodes.view(np.float32), packed.roots, values, sums)
        assert np.array_equal(sums, wanted)


def test_a_node_is_sixteen_bytes():
    packed = forest((STUMP, STUMP), (0.0,), ("a",))
    assert packed.nodes.nbytes == 6 * 16
    assert not packed.nodes.flags.writeable


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"left": (0, 0, 0)}, "a child does not lie below its parent"),
        ({"right": (3, 0, 0)}, "a child does not lie below its parent"),
        ({"right": (-1, 0, 0)}, "a child does not lie below its parent"),
        (dict.fromkeys(("feature", "left", "right", "missing_left", "number"), ()), "a child does not lie below"),
        ({"feature": (1, LEAF, LEAF)}, "has a feature beyond the 1 of the rows"),
        ({"feature": (-2, LEAF, LEAF)}, "has a feature beyond the 1 of the rows"),
        ({"target": 1}, "adds to target 1, there are 1"),
        ({"target": -1}, "adds to target -1, there are 1"),
    ],
)
def test_a_tree_that_could_lead_astray_is_refused(changed, says):
    with pytest.raises(ValueError, match=r"trees\[1\]: " + says):
        forest((STUMP, STUMP._replace(**changed)), (0.0,), ("a",))


def test_rows_of_another_width_or_type_are_refused():
    packed = forest((STUMP,), (0.0,), ("a",))
    with pytest.raises(ValueError, match="values must have 1 columns, got 2"):
        tree_sums(packed, np.zeros((4, 2), dtype=np.float32))
    for wrong in (np.zeros((4, 1)), np.zeros(4, dtype=np.float32), None):
        with pytest.raises(TypeError, match="values must be a float32 matrix"):
            tree_sums(packed, wrong)
