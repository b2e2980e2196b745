"""A key, and small releases signed with it."""

import pytest
from releases import FACTS, make_tree, written_keys

from edge.appliance.release import pack


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """The keys of the releases' maker."""
    return written_keys(tmp_path_factory.mktemp("keys"), "release")


@pytest.fixture(scope="session")
def foreign_keys(tmp_path_factory):
    """Somebody else's keys."""
    return written_keys(tmp_path_factory.mktemp("foreign"), "foreign")


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "tree", FACTS)


@pytest.fixture
def packed(tree, keys, tmp_path):
    """A signed release in one file."""
    pack(tree, tmp_path / "1.0.0.pems", keys.private)
    return tmp_path / "1.0.0.pems"
