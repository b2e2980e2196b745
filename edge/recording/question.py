"""A question to the optimiser from its plain form, and what an optimiser remembers; only for who has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from core_kernels.records import Forecast, Prices
from core_kernels.timegrid import TimeGrid
from edge.control.mpc import Memory
from edge.control.rounding import Held
from edge.control.surroundings import Surroundings


def grid(data: Mapping[str, Any]) -> TimeGrid:
    """A grid from its plain form."""
    return TimeGrid(**data)


def forecast(data: Mapping[str, Any]) -> Forecast:
    """A forecast from its plain form."""
    arrays = {name: np.array(data[name], dtype=np.float64) for name in ("p10", "p50", "p90", "mean")}
    return Forecast(**{**data, **arrays, "grid": grid(data["grid"])})


def prices(data: Mapping[str, Any]) -> Prices:
    """Prices from their plain form."""
    arrays = {name: np.array(data[name], dtype=np.float64) for name in ("import_eur_per_kwh", "export_eur_per_kwh")}
    return Prices(**arrays, grid=grid(data["grid"]), known=np.array(data["known"], dtype=np.bool_))


def surroundings(data: Mapping[str, Any] | None) -> Surroundings | None:
    """What was known of the house besides, from its plain form."""
    if data is None:
        return None
    names = ("outdoor_c", "solar_w_per_m2", "measured_net_w")
    arrays = {name: np.array(data.get(name, ()), dtype=np.float64) for name in names}
    return Surroundings(**{**data, **arrays, "notes": tuple(data.get("notes", ()))})


def memory(data: Mapping[str, Any]) -> Memory:
    """What a planner brought along, from its plain form."""
    told = data["told"]
    if told is not None:
        rows = {name: np.array(row, dtype=np.float64) for name, row in told[1].items()}
        told = (grid(told[0]), rows)
    held = {name: Held(*row) for name, row in data.get("held", {}).items()}
    return Memory(**{**data, "told": told, "held": held})
