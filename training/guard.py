"""How far a row's boosters are believed: less the farther it lies from what they were fitted on, and physics the rest.

Trees answer a sun that they never saw, or the first snow, with the nearest leaf. Season and weather of a row are held
against the range of the training rows; outside it the trust falls linearly, to nothing over as much as the range is
wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core_kernels.quantiles import LEVELS_FRAC
from core_kernels.records import Float32Matrix
from core_kernels.units import FloatArray
from training.anchor import MOST_RATIO

PHYSICS = "fc_physics_ratio"
_KNOWN_FRAC = 0.005  # of the training rows lie below the range, and as many above
_LEAST = 1e-3
_BRIGHT_RATIO = 0.05  # below it a ratio to physics says nothing
_WATCHED = ("sun_elevation_deg", "sun_azimuth_deg", "clear_sky_frac", "temp_air_1d_c", "fc_temp_air_c")


def _watched(name: str) -> bool:
    return name in _WATCHED or name.startswith("fc_snow_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The known range of each watched input, what is believed inside all of them, and P10, P50, P90 of physics.

    ``low`` and ``high`` bound what is known, each in the input's own unit; ``physics_frac`` are the quantiles of the
    outcome as shares of physics.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    physics_frac: tuple[float, float, float]
    most_frac: float

    @classmethod
    def of(cls, names: Sequence[str], values: Float32Matrix, came_ratio: FloatArray) -> Self | None:
        """From the training rows and their outcomes; None where no physics is known."""
        if PHYSICS not in names:
            return None
        watched = tuple(name for name in names if _watched(name))
        columns = values[:, [names.index(name) for name in watched]]
        low, high = np.nanquantile(columns, (_KNOWN_FRAC, 1.0 - _KNOWN_FRAC), axis=0).astype(np.float32)
        said = values[:, names.index(PHYSICS)]
        bright = said > _BRIGHT_RATIO
        share = came_ratio[bright] / said[bright]
        lowest, _, highest = np.quantile(share, LEVELS_FRAC) if share.size else (1.0, 1.0, 1.0)
        return cls(
            names=watched,
            low=tuple(map(float, low)),
            high=tuple(map(float, high)),
            physics_frac=(min(float(lowest), 1.0), 1.0, max(float(highest), 1.0)),
            most_frac=1.0,
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of ``dataclasses.asdict`` after JSON."""
        low, middle, high = document["physics_frac"]
        vectors = {key: tuple(map(float, document[key])) for key in ("low", "high")}
        return cls(
            names=tuple(document["names"]),
            physics_frac=(float(low), float(middle), float(high)),
            most_frac=float(document["most_frac"]),
            **vectors,
        )

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where the watched inputs stand among a model's."""
        return [names.index(name) for name in self.names]

    def widths(self) -> FloatArray:
        """How far beyond what is known nothing is believed, in the inputs' own units, float64[k]."""
        return np.asarray(np.maximum(np.subtract(self.high, self.low), _LEAST))

    def trust_frac(self, names: Sequence[str], values: Float32Matrix) -> FloatArray:
        """How far each row's boosters are believed, float64[n]; wholly where physics is missing."""
        seen = values[:, self.columns(names)].astype(np.float64)
        low, high = np.asarray(self.low), np.asarray(self.high)
        seen = np.where(np.isnan(seen), low, seen)
        outside = np.maximum(np.maximum(low - seen, seen - high), 0.0) / self.widths()
        trust = self.most_frac * np.clip(1.0 - outside.max(axis=1, initial=0.0), 0.0, 1.0)
        return np.where(np.isnan(values[:, names.index(PHYSICS)]), 1.0, trust)

    def blended(self, names: Sequence[str], values: Float32Matrix, ratio: FloatArray) -> FloatArray:
        """What the boosters say as far as they are believed, and physics for the rest, float64[n, 3]."""
        trust = self.trust_frac(names, values)[:, None]
        physics = np.clip(
            np.nan_to_num(values[:, names.index(PHYSICS)].astype(np.float64), posinf=MOST_RATIO), 0.0, MOST_RATIO
        )
        return np.asarray(trust * ratio + (1.0 - trust) * physics[:, None] * np.asarray(self.physics_frac))
