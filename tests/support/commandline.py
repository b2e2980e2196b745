"""The ``pems`` command within a test's own process."""

from __future__ import annotations

import pytest

from edge.cli import main


def pems(*arguments: str) -> int:
    """Run it as its console script does; gives the exit code."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)
