"""Figures of the models on measured data, each beside its reference in the same run: ``pems-train bench GROUP``.

Each group is a module with ``rows(stage) -> list of Row``. Where the measured data are absent, it says so and stops.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from core_kernels.figures import Row
from training.errors import SetupError

_DATA = "PEMS_DATA"


def row(name: str, pair: tuple[float, float], unit: str, reference: str, most_ratio: float, target: str) -> Row:
    """A figure that must not exceed a multiple of its reference."""
    limit = most_ratio * pair[1]
    return replace(limit_row(name, pair, unit, reference, limit), target=target)


def limit_row(name: str, pair: tuple[float, float], unit: str, reference: str, limit: float) -> Row:
    """A figure that must not exceed a number; the reference stands beside it."""
    value, other = pair
    return Row(
        name=name,
        value=value,
        unit=unit,
        reference=reference,
        reference_value=other,
        ratio=value / other,
        target=f"<= {limit:g} {unit}",
        ok=value <= limit,
    )


def data_folder() -> Path:
    """The measured data: ``$PEMS_DATA``, else ``shared/data`` beside the project; raises :class:`SetupError`."""
    project = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get(_DATA, project.parent / "shared" / "data"))
    if not folder.is_dir():
        raise SetupError(f"{folder}: no measured data there; {_DATA} names their folder")
    return folder
