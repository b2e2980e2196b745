"""One table of ``site.toml`` as its record: keys, types and ranges, with every problem noted by its path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

Section = TypeVar("Section")

_Check = tuple[Callable[[Any], bool], str]
_EXPECTED = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "tuple[str, ...]": "a list of texts",
    "tuple[float, ...]": "a list of numbers",
}
_TEXTS = ("str", "PriceSource", "WeatherSource", "BandDays")
_LARGEST, _SMALLEST = 1e9, 1e-9  # W, Wh, EUR: no home has more; nothing that is told is smaller and not 0
_SIZE: _Check = (lambda v: v >= 1, "must be >= 1 (W, Wh, litres: not kW)")
_CAPACITY: _Check = (
    lambda v: 0.1 <= v <= 1e6,
    "must be 0.1..1e6 Wh/K (air of a room: about 30)",
)
_RESISTANCE: _Check = (lambda v: 1e-5 <= v <= 100, "must be 1e-5..100 K/W (a room to the outdoors: about 0.01)")
_TEMPERATURE: _Check = (lambda v: -50 <= v <= 100, "must be -50..100 degC")
_NOT_NEGATIVE: _Check = (lambda v: v >= 0, "must be >= 0")
_DWELL: _Check = (lambda v: 0 <= v <= 14_400, "must be 0..14400")
_FRACTION: _Check = (lambda v: 0 <= v <= 1, "must be 0..1")
_CHECKS: dict[str, _Check] = {
    "site.latitude_deg": (lambda v: -90 <= v <= 90, "must be -90..90"),
    "site.longitude_deg": (lambda v: -180 <= v <= 180, "must be -180..180"),
    "site.altitude_m": (lambda v: -500 <= v <= 9000, "must be -500..9000"),
    "site.linke_ratio": (lambda v: len(v) == 12 and all(1 <= x <= 10 for x in v), "must be twelve numbers of 1..10"),
    "array.dc_w": _SIZE,
    "array.inverter_w": _SIZE,
    "array.tilt_deg": (lambda v: 0 <= v <= 90, "must be 0..90"),
    "array.azimuth_deg": (lambda v: 0 <= v < 360, "must be 0..360 (north 0, clockwise)"),
    "battery.capacity_wh": _SIZE,
    "battery.charge_w": _SIZE,
    "battery.discharge_w": _SIZE,
    "battery.rated_w": _SIZE,
    "battery.efficiency_frac": (lambda v: 0.3 <= v <= 1, "must be 0.3..1"),
    "battery.soc_min_frac": _FRACTION,
    "battery.soc_max_frac": _FRACTION,
    "battery.chemistry": (lambda v: v in ("lfp", "nmc"), 'must be "lfp" or "nmc"'),
    "battery.replacement_eur_per_kwh": _NOT_NEGATIVE,
    "grid.import_w": _NOT_NEGATIVE,
    "grid.export_w": _NOT_NEGATIVE,
    "battery.full_efficiency_frac": (lambda v: 0.3 <= v <= 1, "must be 0.3..1"),
    "battery.taper_start_frac": _FRACTION,
    "battery.standby_w": (lambda v: 0 <= v <= 500, "must be 0..500"),
    "battery.least_gain_eur": (lambda v: 0 <= v <= 1, "must be 0..1"),
    "battery.phase": (lambda v: 0 <= v <= 3, "must be 0 (all) or 1..3"),
    "grid.phase_w": _SIZE,
    "grid.imbalance_w": _SIZE,
    "grid.load_phase_frac": (
        lambda v: len(v) == 3 and all(x >= 0 for x in v) and abs(sum(v) - 1) < 0.01,
        "must be three shares that add up to 1",
    ),
    "grid.phases": (lambda v: v in (1, 3), "must be 1 or 3"),
    "tariff.peak_eur_per_kw_month": (lambda v: 0 <= v <= 1000, "must be 0..1000"),
    "tariff.peak_floor_w": _NOT_NEGATIVE,
    "tariff.peak_reserve_frac": (lambda v: 0 <= v <= 1, "must be 0..1"),
    "tariff.vat_frac": _FRACTION,
    "tariff.sell_eur_per_kwh": (lambda v: -10 <= v <= 10, "must be -10..10"),
    "band.import_fee_eur_per_kwh": (lambda v: -10 <= v <= 10, "must be -10..10"),
    "mqtt.port": (lambda v: 1 <= v <= 65535, "must be 1..65535"),
    "mqtt.every_s": (lambda v: 1 <= v <= 3600, "must be 1..3600"),
    "link.unit": (lambda v: 1 <= v <= 247, "must be 1..247"),
    "ev.energy_wh": _NOT_NEGATIVE,
    "ev.charge_w": _SIZE,
    "ev.min_w": _NOT_NEGATIVE,
    "ev.efficiency_frac": (lambda v: 0.5 <= v <= 1, "must be 0.5..1"),
    "ev.capacity_wh": _SIZE,
    "ev.phases": (lambda v: v in (1, 3), "must be 1 or 3"),
    "ev.phase": (lambda v: 1 <= v <= 3, "must be 1..3"),
    "store.capacity_wh": _SIZE,
    "store.charge_w": _SIZE,
    "store.discharge_w": _SIZE,
    "store.efficiency_frac": (lambda v: 0.3 <= v <= 1, "must be 0.3..1"),
    "store.soc_min_frac": _FRACTION,
    "store.soc_max_frac": _FRACTION,
    "store.replacement_eur_per_kwh": _NOT_NEGATIVE,
    "store.phase": (lambda v: 0 <= v <= 3, "must be 0 (all) or 1..3"),
    "load.energy_wh": _NOT_NEGATIVE,
    "load.power_w": _SIZE,
    "zone.heat_w": _SIZE,
    "zone.air_wh_per_k": _CAPACITY,
    "zone.mass_wh_per_k": _CAPACITY,
    "zone.air_mass_k_per_w": _RESISTANCE,
    "zone.mass_out_k_per_w": _RESISTANCE,
    "zone.solar_m2": _NOT_NEGATIVE,
    "zone.least_c": _TEMPERATURE,
    "zone.most_c": _TEMPERATURE,
    "zone.by": (lambda v: v in ("electric", "heatpump", "relay"), 'must be "electric", "heatpump" or "relay"'),
    "zone.min_on_s": _DWELL,
    "zone.min_off_s": _DWELL,
    "zone.start_eur": _NOT_NEGATIVE,
    "hotwater.min_on_s": _DWELL,
    "hotwater.min_off_s": _DWELL,
    "hotwater.start_eur": _NOT_NEGATIVE,
    "heatpump.heating_w": _SIZE,
    "heatpump.input_w": _SIZE,
    "heatpump.flow_c": (lambda v: 20 <= v <= 75, "must be 20..75"),
    "heatpump.kind": (
        lambda v: v in ("air_regulated", "brine_regulated", "air_on_off", "brine_on_off", "water_on_off"),
        "is not a known kind of heat pump",
    ),
    "hotwater.litres_count": _SIZE,
    "hotwater.heat_w": _SIZE,
    "hotwater.draw_wh": _NOT_NEGATIVE,
    "hotwater.loss_w": _NOT_NEGATIVE,
    "hotwater.least_c": _TEMPERATURE,
    "hotwater.most_c": _TEMPERATURE,
    "hotwater.cold_c": _TEMPERATURE,
    "hotwater.by": (lambda v: v in ("electric", "heatpump", "relay"), 'must be "electric", "heatpump" or "relay"'),
    "reserve.energy_wh": _NOT_NEGATIVE,
    "reserve.eur_per_kwh": _NOT_NEGATIVE,
    "goals.co2_eur_per_kg": _NOT_NEGATIVE,
    "goals.co2_kg_per_kwh": _NOT_NEGATIVE,
    "goals.self_consumption_eur_per_kwh": _NOT_NEGATIVE,
    "goals.comfort_eur_per_h": (lambda v: 0 < v <= 1000, "must be above 0, at most 1000"),
    "goals.ramp_eur": _NOT_NEGATIVE,
    "web.port": (lambda v: 0 <= v <= 65535, "must be 0..65535"),
}


def _coerce(path: str, value: Any, annotation: str, problems: list[str]) -> Any:
    """A TOML value as the field's type; a problem is noted and the value returned as it is."""
    if annotation == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not abs(value) <= _LARGEST:
            problems.append(f"{path} must be a finite number, at most {_LARGEST:g}")
            return math.nan
        if 0 < abs(value) < _SMALLEST:
            problems.append(f"{path} is {value!r}: smaller than anything in a home; write 0, or look at its unit")
        return float(value)
    if annotation == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if annotation == "tuple[float, ...]" and isinstance(value, list):
        return tuple(_coerce(f"{path}[{i}]", item, "float", problems) for i, item in enumerate(value))
    whole = annotation == "int" and isinstance(value, int) and not isinstance(value, bool)
    truth = annotation == "bool" and isinstance(value, bool)
    text = (annotation in _TEXTS or annotation.startswith("Literal")) and isinstance(value, str)
    if whole or truth or text:
        return value
    expected = "text" if annotation in _TEXTS else _EXPECTED.get(annotation, annotation)
    problems.append(f"{path} must be {expected}, got {value!r}")
    return value


def section(kind: type[Section], path: str, data: Any, problems: list[str]) -> Section | None:
    """One table of the file as its record, or ``None`` with the problems noted."""
    if not isinstance(data, Mapping):
        problems.append(f"{path} must be a table")
        return None
    before = len(problems)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            problems.append(f"{path}.{key} is not a known key")
            continue
        noted = len(problems)
        values[key] = _coerce(f"{path}.{key}", value, str(known[key].type), problems)
        check = _CHECKS.get(f"{path.split('[', maxsplit=1)[0]}.{key}")
        if check and len(problems) == noted and not check[0](values[key]):
            problems.append(f"{path}.{key} {check[1]}, got {value!r}")
    needed = [key for key, item in known.items() if item.default is MISSING and item.default_factory is MISSING]
    problems += [f"{path}.{key} is missing" for key in needed if key not in data]
    return kind(**values) if len(problems) == before else None
