"""The records that rooms exchange: frozen, with read-only arrays inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from core_kernels.quantiles import mean_of
from core_kernels.signals import signal
from core_kernels.timegrid import TimeGrid
from core_kernels.units import FlagArray, FloatArray

Float32Matrix = npt.NDArray[np.float32]


def frozen_f64(values: npt.ArrayLike) -> FloatArray:
    """A read-only, C-contiguous float64 copy."""
    array = np.array(values, dtype=np.float64, order="C", copy=True)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Signals on one grid; missing is NaN. ``flags`` holds a quality mask for some of the columns."""

    grid: TimeGrid
    columns: Mapping[str, FloatArray]
    flags: Mapping[str, FlagArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {name: frozen_f64(values) for name, values in self.columns.items()}
        for name, values in columns.items():
            signal(name)
            if values.shape != (self.grid.count,):
                raise ValueError(f"{name} has shape {values.shape}, the grid has {self.grid.count} slots")
        object.__setattr__(self, "columns", MappingProxyType(columns))
        object.__setattr__(self, "flags", MappingProxyType(dict(self.flags)))

    def column(self, name: str) -> FloatArray:
        """A column, all NaN where the signal is absent."""
        if name in self.columns:
            return self.columns[name]
        return frozen_f64(np.full(self.grid.count, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """Quantiles of one signal on a grid, as known at ``issued_s``; p10 <= p50 <= p90 in the signal's unit.

    ``mean`` is what to add up: energy adds up by means. Without one it follows from the quantiles.
    """

    signal: str
    issued_s: float
    grid: TimeGrid
    p10: FloatArray
    p50: FloatArray
    p90: FloatArray
    source: str
    mean: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        for name in ("p10", "p50", "p90"):
            self._freeze(name, getattr(self, name))
        self._freeze("mean", self.mean if self.mean.size else mean_of(self.p10, self.p50, self.p90))

    def _freeze(self, name: str, given: FloatArray) -> None:
        values = frozen_f64(given)
        if values.shape != (self.grid.count,):
            raise ValueError(f"{name} has shape {values.shape}, the grid has {self.grid.count} slots")
        object.__setattr__(self, name, values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureMatrix:
    """Model input: float32[rows, features], rounded to a declared grid.

    ``scale_w`` multiplies the model's output; it is 1 for rooms, whose output is in K.
    """

    names: tuple[str, ...]
    values: Float32Matrix
    scale_w: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise ValueError(f"values {self.values.shape} do not fit {len(self.names)} feature names")
        if self.scale_w.shape != (self.values.shape[0],):
            raise ValueError(f"scale_w {self.scale_w.shape} does not fit {self.values.shape[0]} rows")
        self.values.setflags(write=False)
        object.__setattr__(self, "scale_w", frozen_f64(self.scale_w))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """All-in prices on a grid; ``known`` is false where the market has not published and a guess stands in."""

    grid: TimeGrid
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    known: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        known = np.array(self.known, dtype=np.bool_, copy=True)
        known.setflags(write=False)
        object.__setattr__(self, "known", known)
        for name in ("import_eur_per_kwh", "export_eur_per_kwh"):
            object.__setattr__(self, name, frozen_f64(getattr(self, name)))
        for name in ("import_eur_per_kwh", "export_eur_per_kwh", "known"):
            shape = getattr(self, name).shape
            if shape != (self.grid.count,):
                raise ValueError(f"{name} has shape {shape}, the grid has {self.grid.count} slots")
