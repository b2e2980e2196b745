"""The closed table of signals: name, unit, plausible range and kind.

Every number that enters the product carries one of these names. A name that is not here is an error, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a signal lives in time."""

    MEAN = "mean"  # a slot's value is its time-weighted mean
    STATE = "state"  # a slot's value is the last one seen; lives on slot edges
    COUNTER = "counter"  # monotone; a slot's value is the reading at its end
    PRICE = "price"  # constant over the market's slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One row of the table; ``low`` and ``high`` bound what is plausible in a home, in ``unit``."""

    name: str
    unit: str
    low: float
    high: float
    kind: Kind


_MAX_HOME_W = 100_000.0
_ROWS = (
    ("pv_w", "W", 0.0, _MAX_HOME_W, Kind.MEAN),
    ("load_w", "W", 0.0, _MAX_HOME_W, Kind.MEAN),
    ("grid_w", "W", -_MAX_HOME_W, _MAX_HOME_W, Kind.MEAN),
    ("battery_w", "W", -_MAX_HOME_W, _MAX_HOME_W, Kind.MEAN),
    ("soc_frac", "frac", 0.0, 1.0, Kind.STATE),
    ("soh_frac", "frac", 0.0, 1.0, Kind.STATE),
    ("battery_v", "V", 0.0, 1000.0, Kind.MEAN),
    ("battery_c", "degC", -40.0, 90.0, Kind.MEAN),
    ("inverter_c", "degC", -40.0, 120.0, Kind.MEAN),
    ("grid_v", "V", 0.0, 500.0, Kind.MEAN),
    ("grid_hz", "Hz", 40.0, 70.0, Kind.MEAN),
    ("grid_import_wh", "Wh", 0.0, 1e9, Kind.COUNTER),
    ("grid_export_wh", "Wh", 0.0, 1e9, Kind.COUNTER),
    ("pv_energy_wh", "Wh", 0.0, 1e9, Kind.COUNTER),
    ("load_energy_wh", "Wh", 0.0, 1e9, Kind.COUNTER),
    ("battery_charge_wh", "Wh", 0.0, 1e9, Kind.COUNTER),
    ("battery_discharge_wh", "Wh", 0.0, 1e9, Kind.COUNTER),
    ("price_import_eur_per_kwh", "EUR/kWh", -5.0, 10.0, Kind.PRICE),
    ("price_export_eur_per_kwh", "EUR/kWh", -5.0, 10.0, Kind.PRICE),
    ("temp_air_c", "degC", -60.0, 60.0, Kind.MEAN),
    ("wind_m_per_s", "m/s", 0.0, 60.0, Kind.MEAN),
    ("ghi_w_per_m2", "W/m2", 0.0, 1600.0, Kind.MEAN),
    ("dni_w_per_m2", "W/m2", 0.0, 1400.0, Kind.MEAN),
    ("dhi_w_per_m2", "W/m2", 0.0, 1000.0, Kind.MEAN),
    ("poa_w_per_m2", "W/m2", 0.0, 1600.0, Kind.MEAN),
    ("cloud_frac", "frac", 0.0, 1.0, Kind.MEAN),
)

SIGNALS: dict[str, Signal] = {
    name: Signal(name=name, unit=unit, low=low, high=high, kind=kind) for name, unit, low, high, kind in _ROWS
}
_ROOM = re.compile(r"room_[a-z0-9_]+_c\Z")
_DRAWN = re.compile(r"(?:(?:heat|ev|load)_[a-z0-9_]+|heatpump|hotwater)_w\Z")  # into a room; by one consumer
FORECAST_PREFIX = "fc_"
_UNITS = {
    "_w_per_m2": "W/m2",
    "_m_per_s": "m/s",
    "_kg_per_m2": "kg/m2",
    "_frac": "frac",
    "_deg": "deg",
    "_mm": "mm",
    "_pa": "Pa",
    "_c": "degC",
}
_EXTRA = re.compile(r"fc_[a-z0-9_]+?(" + "|".join(_UNITS) + r")\Z")
_MAX_EXTRA = 1e6


def signal(name: str) -> Signal:
    """Look a signal up; rooms, consumers and forecasts of anything with a unit are patterns. Raises ``KeyError``."""
    if name in SIGNALS:
        return SIGNALS[name]
    base = name.removeprefix(FORECAST_PREFIX)
    if base in SIGNALS:
        row = SIGNALS[base]
        return Signal(name=name, unit=row.unit, low=row.low, high=row.high, kind=row.kind)
    if _ROOM.match(base):
        return Signal(name=name, unit="degC", low=-40.0, high=60.0, kind=Kind.MEAN)
    if _DRAWN.match(base):
        return Signal(name=name, unit="W", low=0.0, high=_MAX_HOME_W, kind=Kind.MEAN)
    extra = _EXTRA.match(name)
    if extra:
        return Signal(name=name, unit=_UNITS[extra[1]], low=-_MAX_EXTRA, high=_MAX_EXTRA, kind=Kind.MEAN)
    raise KeyError(f"unknown signal {name!r}")


def is_extra(name: str) -> bool:
    """Whether a name is forecast weather beyond the table, ``fc_<words>_<unit>``: a site has to ask for it by name."""
    base = name.removeprefix(FORECAST_PREFIX)
    return bool(_EXTRA.match(name)) and base not in SIGNALS and not _ROOM.match(base) and not _DRAWN.match(base)


def is_signal(name: str) -> bool:
    """Whether a name is one of the table's or fits one of its patterns."""
    try:
        signal(name)
    except KeyError:
        return False
    return True
