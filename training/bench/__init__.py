"""Figures of the models on measured data, each beside its reference in the same run: ``pems-train bench GROUP``.

Each group is a module with ``rows(stage) -> list of Row``. Where the measured data are absent, it says so and stops.
"""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from training.errors import SetupError

GROUPS = ("fit", "load", "pv", "sources", "thermal")
_DATA = "PEMS_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure, as ``pems bench`` has it: ``ratio`` is value over reference, ``error`` is NaN where none applies."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    error: float = math.nan
    target: str
    ok: bool


def row(name: str, pair: tuple[float, float], unit: str, reference: str, most_ratio: float, target: str) -> Row:
    """A figure that must not exceed a multiple of its reference."""
    value, other = pair
    return Row(
        name=name,
        value=value,
        unit=unit,
        reference=reference,
        reference_value=other,
        ratio=value / other,
        target=target,
        ok=value <= most_ratio * other,
    )


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


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.machine()} {platform.system()} Python {platform.python_version()}"


def data_folder() -> Path:
    """The measured data: ``$PEMS_DATA``, else ``shared/data`` beside the project; raises :class:`SetupError`."""
    project = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get(_DATA, project.parent / "shared" / "data"))
    if not folder.is_dir():
        raise SetupError(f"{folder}: no measured data there; {_DATA} names their folder")
    return folder
