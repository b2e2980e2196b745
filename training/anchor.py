"""Where the trees of a model begin: a weighted sum of its own inputs, so that a model without trees is a climatology.

Boosters that explain only the difference to what the last weeks say are far less often worse than it: a home has one
year of data, and trees alone learn its accidents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core_kernels.records import Float32Matrix
from core_kernels.units import FloatArray

MOST_RATIO = 30.0  # no input of an anchor is larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Weights of some inputs for P10, P50 and P90; an input that is missing counts as its ``fill_ratio``."""

    names: tuple[str, ...]
    weights_frac: tuple[tuple[float, float, float], ...]
    fill_ratio: tuple[float, ...]

    @classmethod
    def of(cls, mixes: Sequence[Mapping[str, float]], typical_ratio: Mapping[str, float]) -> Self:
        """From one mix of inputs a quantile, and what stands in for each input."""
        names = tuple(dict.fromkeys(name for mix in mixes for name in mix))
        low, middle, high = mixes
        return cls(
            names=names,
            weights_frac=tuple((low.get(name, 0.0), middle.get(name, 0.0), high.get(name, 0.0)) for name in names),
            fill_ratio=tuple(float(np.float32(typical_ratio[name])) for name in names),
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of ``dataclasses.asdict`` after JSON."""
        return cls(
            names=tuple(document["names"]),
            weights_frac=tuple((float(low), float(mid), float(high)) for low, mid, high in document["weights_frac"]),
            fill_ratio=tuple(document["fill_ratio"]),
        )

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where the inputs stand among a model's."""
        return [names.index(name) for name in self.names]

    def ratio(self, names: Sequence[str], values: Float32Matrix) -> FloatArray:
        """P10, P50, P90 before the trees, float64[n, 3]."""
        seen = values[:, self.columns(names)].astype(np.float64)
        known = np.clip(np.where(np.isnan(seen), np.asarray(self.fill_ratio), seen), 0.0, MOST_RATIO)
        return np.asarray(known @ np.asarray(self.weights_frac))
