"""What training needs of ``site.toml``; the device validates the whole file, here only these parts are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core_kernels.consumers import HEAT_PUMP, HOT_WATER, consumer_signal
from core_kernels.signals import is_extra
from core_kernels.solar import Location, check_location
from core_kernels.turbidity import linke_of
from training.errors import SetupError
from training.tomlfile import read_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayHint:
    """What the owner knows about an array; NaN is identified from history."""

    dc_w: float
    tilt_deg: float = math.nan
    azimuth_deg: float = math.nan
    inverter_w: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSite:
    """Name, place, clock, haze of the twelve months, arrays, extra forecast columns and limit of export of a site.

    ``country`` (ISO 3166) and ``subdivision`` say whose public holidays it keeps; ``consumers`` are the signals of what
    a plan decides, which is no part of the load that is learned.
    """

    name: str
    location: Location
    zone: ZoneInfo
    linke_ratio: tuple[float, ...]
    arrays: tuple[ArrayHint, ...]
    extra: tuple[str, ...] = ()
    export_w: float = math.inf
    country: str = ""
    subdivision: str = ""
    consumers: tuple[str, ...] = ()


def load_site(path: Path, needs_arrays: bool = True) -> TrainingSite:
    """Read the parts that training needs, arrays for PV; raises :class:`SetupError` with every problem found."""
    data = read_toml(path)
    problems: list[str] = []
    head = data.get("site")
    if not isinstance(head, Mapping):
        raise SetupError(f"{path}: has no section [site]")
    location = _location(head, problems)
    linke_ratio = _linke(head.get("linke_ratio", []), problems)
    name, zone = str(head.get("name", "")), _zone(str(head.get("timezone", "UTC")), problems)
    if not name:
        problems.append("site.name is missing")
    rows = data.get("array", [])
    arrays = tuple(_array(row, f"array[{i}]", problems) for i, row in enumerate(rows if isinstance(rows, list) else []))
    country, subdivision = (head.get(key, "") for key in ("country", "subdivision"))
    if not isinstance(country, str) or not isinstance(subdivision, str):
        problems.append("site.country and site.subdivision must be texts")
    if needs_arrays and not arrays:
        problems.append("[[array]] is missing: at least dc_w is needed to train a PV model")
    extra = _extra(data.get("features", {}), problems)
    grid = data.get("grid", {})
    export_w = _number(grid if isinstance(grid, Mapping) else {}, "grid", "export_w", problems, math.inf)
    if problems:
        raise SetupError("\n".join(f"{path}: {problem}" for problem in problems))
    linke_ratio = linke_ratio or linke_of(location)
    return TrainingSite(
        name=name,
        location=location,
        zone=zone,
        linke_ratio=linke_ratio,
        arrays=arrays,
        extra=extra,
        export_w=export_w,
        country=str(country),
        subdivision=str(subdivision),
        consumers=_consumers(data),
    )


def _extra(table: object, problems: list[str]) -> tuple[str, ...]:
    """Further forecast columns that the models are to see."""
    names = table.get("extra", []) if isinstance(table, Mapping) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and is_extra(name) for name in names):
        problems.append(f"features.extra must be names such as fc_humidity_frac, with a unit, got {names!r}")
        return ()
    return tuple(dict.fromkeys(names))


def _consumers(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The signals of cars, programs and electric heat, as far as the file is right: the device checks it whole."""
    rows = [(table, row.get("name")) for table in ("ev", "load", "zone") for row in _tables(data, table)]
    names = [f"{table}.{name}" for table, name in rows if isinstance(name, str)]
    names += [table for table in (HEAT_PUMP, HOT_WATER) if _tables(data, table)]
    return tuple(map(consumer_signal, names))


def _tables(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The rows of a list, or the one table, but those that a heat pump heats."""
    rows = data.get(key, [])
    listed = rows if isinstance(rows, list) else [rows]
    return [row for row in listed if isinstance(row, Mapping) and row.get("by") != HEAT_PUMP]


def _location(head: Mapping[str, Any], problems: list[str]) -> Location:
    noted = len(problems)
    location = Location(
        _number(head, "site", "latitude_deg", problems),
        _number(head, "site", "longitude_deg", problems),
        _number(head, "site", "altitude_m", problems, 0.0),
    )
    try:
        check_location(location)
    except ValueError as error:
        if len(problems) == noted:
            problems.append(f"site: {error}")
    return location


def _zone(name: str, problems: list[str]) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        problems.append(f"site.timezone {name!r} is not a known time zone")
        return ZoneInfo("UTC")


def _linke(months: object, problems: list[str]) -> tuple[float, ...]:
    """What the file says of the twelve months; nothing where it is silent."""
    fit = isinstance(months, list) and all(type(month) in (int, float) and 1 <= month <= 10 for month in months)
    if not isinstance(months, list) or not fit or len(months) not in (0, 12):
        problems.append(f"site.linke_ratio must be twelve numbers of 1..10, got {months!r}")
        return ()
    return tuple(float(month) for month in months)


def _number(data: Mapping[str, Any], place: str, key: str, problems: list[str], default: float | None = None) -> float:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        problems.append(f"{place}.{key} must be a number, got {value!r}")
        return math.nan
    return float(value)


def _array(row: object, place: str, problems: list[str]) -> ArrayHint:
    data = row if isinstance(row, Mapping) else {}
    dc_w = _number(data, place, "dc_w", problems)
    if not dc_w > 0.0:
        problems.append(f"{place}.dc_w must be > 0")
    unknown = math.nan
    return ArrayHint(
        dc_w=dc_w,
        tilt_deg=_number(data, place, "tilt_deg", problems, unknown),
        azimuth_deg=_number(data, place, "azimuth_deg", problems, unknown),
        inverter_w=_number(data, place, "inverter_w", problems, unknown),
    )
