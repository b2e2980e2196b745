"""A benchmark's figure: the row that ``pems bench`` and ``pems-train bench`` both print, and the machine it is of."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. ``ratio`` is value over reference; ``error`` is NaN where none applies."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    error: float = math.nan
    target: str
    ok: bool


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.machine()} {platform.system()} Python {platform.python_version()}"
