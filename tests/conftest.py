"""What all tests share: real data where it is, Hypothesis without wall-clock deadlines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# CI draws the same examples every time: a rare find must not stop an unrelated change. People draw new ones.
settings.register_profile("house", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("house")

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measured data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("PEMS_SHARED_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"measured data are not here: {folder}")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The minutes-long tests first, so that the other workers fill the time beside them."""
    items.sort(key=lambda item: (item.get_closest_marker("realtime") is None, item.get_closest_marker("e2e") is None))
