"""Figures of the models on measured data, each beside its reference in the same run: ``pems-train bench GROUP``.

Each group is a module with ``rows(stage) -> list of Row``. Where the measured data are absent, it says so and stops.
"""

from __future__ import annotations

import os
from pathlib import Path

from training.errors import SetupError

_DATA = "PEMS_DATA"


def data_folder() -> Path:
    """The measured data: ``$PEMS_DATA``, else ``shared/data`` beside the project; raises :class:`SetupError`."""
    project = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get(_DATA, project.parent / "shared" / "data"))
    if not folder.is_dir():
        raise SetupError(f"{folder}: no measured data there; {_DATA} names their folder")
    return folder
