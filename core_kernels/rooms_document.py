"""Identified rooms as JSON types, as a bundle carries them, and back; what cannot be is refused by its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from core_kernels.kalman import ThermalNoise, check_noise
from core_kernels.rooms import Mix, RoomModel
from core_kernels.solar import Location, check_location
from core_kernels.thermal import ThermalNetwork, pack

MOST_ROOMS = 17
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
_KEYS = {"names", "network", "noise", "location", "window_azimuth_deg", "relay_w", "mix", "low_k", "high_k"}
_MOST_K = 30.0


def _numbers(values: Any) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def rooms_document(model: RoomModel) -> dict[str, Any]:
    """The rooms as JSON types; what is not known is null."""
    network = {name: np.asarray(values).tolist() for name, values in model.network._asdict().items()}
    return {
        "names": list(model.names),
        "network": network,
        "noise": dict(model.noise._asdict()),
        "location": dict(model.location._asdict()),
        "window_azimuth_deg": _numbers([model.window_azimuth_deg])[0],
        "relay_w": _numbers(model.relay_w),
        "mix": dict(model.mix._asdict()),
        "low_k": _numbers(model.low_k),
        "high_k": _numbers(model.high_k),
    }


def rooms_from(document: Mapping[str, Any]) -> RoomModel:
    """The inverse of :func:`rooms_document`; raises ``ValueError`` with the field that is wrong."""
    if not isinstance(document, Mapping) or set(document) != _KEYS:
        raise ValueError(f"rooms must have the keys {', '.join(sorted(_KEYS))}")
    try:
        model = RoomModel(
            names=tuple(document["names"]),
            network=_network(document["network"]),
            noise=ThermalNoise(**document["noise"]),
            location=Location(**document["location"]),
            window_azimuth_deg=_known(document["window_azimuth_deg"]),
            relay_w=np.array([_known(value) for value in document["relay_w"]], dtype=np.float64),
            mix=Mix(**document["mix"]),
            low_k=np.array(document["low_k"], dtype=np.float64),
            high_k=np.array(document["high_k"], dtype=np.float64),
        )
        _check(model)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"rooms are not readable: {error}") from error
    return model


def _known(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _network(fields: Mapping[str, Any]) -> ThermalNetwork:
    pairs = np.array(fields["pairs"], dtype=np.int64).reshape(-1, 2)
    vectors = {name: np.array(values, dtype=np.float64) for name, values in fields.items() if name != "pairs"}
    return ThermalNetwork(**vectors, pairs=pairs)


def _check(model: RoomModel) -> None:
    rooms = len(model.names)
    if not 1 <= rooms <= MOST_ROOMS or len(set(model.names)) != rooms:
        raise ValueError(f"rooms.names must be 1..{MOST_ROOMS} different names")
    if not all(isinstance(name, str) and 0 < len(name) <= 32 and set(name) <= _NAME_CHARS for name in model.names):
        raise ValueError("rooms.names must be of a-z, 0-9 and _")
    pack(model.network)
    if model.network.air_j_per_k.size != rooms or model.relay_w.shape != (rooms,):
        raise ValueError("rooms.network and rooms.relay_w must have one value a room")
    check_noise(model.noise)
    check_location(model.location)
    shares = np.array(model.mix)
    if not ((shares >= 0.0).all() and abs(float(shares.sum()) - 1.0) < 1e-6):
        raise ValueError("rooms.mix must be three shares that sum to 1")
    if not 1 <= model.low_k.size <= 192 or model.low_k.shape != model.high_k.shape or model.low_k.ndim != 1:
        raise ValueError("rooms.low_k and rooms.high_k must be 1..192 numbers each")
    if not ((np.abs(model.low_k) <= _MOST_K).all() and (np.abs(model.high_k) <= _MOST_K).all()):
        raise ValueError(f"rooms.low_k and rooms.high_k must be within {_MOST_K:g} K")
    if not ((model.low_k <= 0.0).all() and (model.high_k >= 0.0).all()):
        raise ValueError("rooms.low_k must not be above 0, rooms.high_k not below")
    if not (math.isnan(model.window_azimuth_deg) or 0.0 <= model.window_azimuth_deg <= 360.0):
        raise ValueError("rooms.window_azimuth_deg must be 0..360")
