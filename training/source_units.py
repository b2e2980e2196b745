"""Units as stores write them, to ours: ``ours = factor * theirs + offset``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Conversion(NamedTuple):
    """To one of our units."""

    unit: str
    factor: float
    offset: float = 0.0


_KELVIN = -273.15
_TABLE = {
    "W": Conversion("W", 1.0),
    "kW": Conversion("W", 1000.0),
    "MW": Conversion("W", 1e6),
    "Wh": Conversion("Wh", 1.0),
    "kWh": Conversion("Wh", 1000.0),
    "MWh": Conversion("Wh", 1e6),
    "V": Conversion("V", 1.0),
    "mV": Conversion("V", 0.001),
    "Hz": Conversion("Hz", 1.0),
    "frac": Conversion("frac", 1.0),
    "%": Conversion("frac", 0.01),
    "degC": Conversion("degC", 1.0),
    "degF": Conversion("degC", 5.0 / 9.0, -160.0 / 9.0),
    "K": Conversion("degC", 1.0, _KELVIN),
    "m/s": Conversion("m/s", 1.0),
    "km/h": Conversion("m/s", 1.0 / 3.6),
    "mph": Conversion("m/s", 0.44704),
    "kn": Conversion("m/s", 1852.0 / 3600.0),
    "W/m2": Conversion("W/m2", 1.0),
    "kW/m2": Conversion("W/m2", 1000.0),
    "EUR/kWh": Conversion("EUR/kWh", 1.0),
    "EUR/MWh": Conversion("EUR/kWh", 0.001),
    "ct/kWh": Conversion("EUR/kWh", 0.01),
}
_SPELLINGS = {
    "°C": "degC",
    "C": "degC",
    "°F": "degF",
    "F": "degF",
    "percent": "%",
    "W/m²": "W/m2",
    "kW/m²": "kW/m2",
    "mp/h": "mph",
    "€/kWh": "EUR/kWh",
    "€/MWh": "EUR/MWh",
    "1": "frac",
}


def conversion(unit: str, rates_eur: Mapping[str, float]) -> Conversion:
    """From a unit as written; ``rates_eur`` says what one of another currency is worth [EUR]. Raises ``KeyError``."""
    name = _SPELLINGS.get(unit.strip(), unit.strip())
    if name in _TABLE:
        return _TABLE[name]
    currency, _, per = name.partition("/")
    if per in ("kWh", "MWh") and currency in rates_eur:
        return Conversion("EUR/kWh", rates_eur[currency] * _TABLE[f"EUR/{per}"].factor)
    raise KeyError(f"unknown unit {unit!r}")


def is_same(one: str, other: str) -> bool:
    """Whether two spellings mean one unit."""
    plain = (_SPELLINGS.get(text.strip(), text.strip()) for text in (one, other))
    return next(plain) == next(plain)
