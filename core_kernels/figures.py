"""A benchmark's figure: the row that ``pems bench`` and ``pems-train bench`` both print, and the machine it is of."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, replace


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


def ratio_row(name: str, pair: tuple[float, float], unit: str, reference: str, most_ratio: float, target: str) -> Row:
    """A figure that must not exceed a multiple of its reference; ``target`` says it in words."""
    return replace(limit_row(name, pair, unit, reference, most_ratio * pair[1]), target=target)


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.machine()} {platform.system()} Python {platform.python_version()}"
