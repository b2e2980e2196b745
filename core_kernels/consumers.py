"""Consumers that a plan decides on (cars, programs, electric heat): what they drew, taken out of the load.

A plan adds a car's charging to the load that it expects. If that load was learned with the car in it, the car counts
twice. So the load that is forecast is what is left of the measured one without every consumer that has a meter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from core_kernels.records import Frame
from core_kernels.units import FloatArray

LOAD = "load_w"
HEAT_PUMP, HOT_WATER = "heatpump", "hotwater"
_SIGNALS = {HEAT_PUMP: "heatpump_w", HOT_WATER: "hotwater_w"}
_PATTERNS = {"ev": "ev_{}_w", "load": "load_{}_w", "zone": "heat_{}_w"}


def consumer_signal(consumer: str) -> str:
    """The signal of a consumer's electric power: ``ev.car`` is ``ev_car_w``, ``zone.bath`` (heated by current)
    ``heat_bath_w``; raises ``KeyError`` where there is no such kind."""
    kind, _, name = consumer.partition(".")
    return _PATTERNS[kind].format(name) if name else _SIGNALS[consumer]


def rest_of_load_w(load_w: FloatArray, parts_w: Iterable[FloatArray]) -> FloatArray:
    """The load without its metered parts, float64[n]. [W]

    Parameters
    ----------
    load_w : FloatArray
        The whole load, float64[n]. [W]
    parts_w : iterable of FloatArray
        What each consumer drew, float64[n]. [W] Before a meter's first value the consumer is part of the rest (nobody
        metered it, or it was not there yet); a gap after that is unknown, and so is the rest.

    Returns
    -------
    FloatArray
        Never negative: two meters never agree to the watt.
    """
    rest_w = np.array(load_w, dtype=np.float64)
    for part_w in parts_w:
        known = np.isfinite(part_w)
        first = int(np.argmax(known)) if known.any() else known.size
        rest_w[first:] -= part_w[first:]
    return np.maximum(rest_w, 0.0)


def without_consumers(frame: Frame, signals: Iterable[str]) -> Frame:
    """A frame whose load is without those of the consumers that it has a column of; the same frame without any."""
    metered = [name for name in signals if name in frame.columns]
    if not metered or LOAD not in frame.columns:
        return frame
    rest_w = rest_of_load_w(frame.columns[LOAD], (frame.columns[name] for name in metered))
    return replace(frame, columns={**frame.columns, LOAD: rest_w})
