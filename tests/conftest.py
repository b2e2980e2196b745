"""What all tests share: real data where it is, Hypothesis without wall-clock deadlines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# CI draws the same examples every time: a rare find must not stop an unrelated change. People draw new ones.
settings.register_profile("house", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("house")

EDGE_TESTS = Path(__file__).resolve().parent / "edge"
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measured data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("PEMS_SHARED_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"measured data are not here: {folder}")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--leave-to-wheel`: the gate runs the edge tests that need no extra once, against the wheel (scripts/check)."""
    parser.addoption("--leave-to-wheel", action="store_true", help="leave out the tests of the wheel")


def runs_on_the_wheel(item: pytest.Item) -> bool:
    """Whether `scripts/check device` runs this test."""
    marks = {mark.name for mark in item.iter_markers()}
    return EDGE_TESTS in item.path.parents and not marks & {"training", "e2e"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The minutes-long tests first, so that the other workers fill the time beside them."""
    if config.getoption("--leave-to-wheel"):
        left = [item for item in items if runs_on_the_wheel(item)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not runs_on_the_wheel(item)]
    items.sort(key=lambda item: (item.get_closest_marker("realtime") is None, item.get_closest_marker("e2e") is None))
