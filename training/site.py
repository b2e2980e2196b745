"""What training needs of ``site.toml``; the device validates the whole file, here only these parts are read."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core_kernels.solar import Location
from training.errors import SetupError


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayHint:
    """What the owner knows about an array; NaN is identified from history."""

    dc_w: float
    tilt_deg: float = math.nan
    azimuth_deg: float = math.nan
    inverter_w: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSite:
    """Name, place, clock and arrays of a site."""

    name: str
    location: Location
    zone: ZoneInfo
    arrays: tuple[ArrayHint, ...]


def load_site(path: Path) -> TrainingSite:
    """Read the parts that training needs; raises :class:`SetupError` with every problem found."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: is not TOML: {error}") from error
    problems: list[str] = []
    head = data.get("site")
    if not isinstance(head, Mapping):
        raise SetupError(f"{path}: has no section [site]")
    location = Location(
        _number(head, "site", "latitude_deg", problems),
        _number(head, "site", "longitude_deg", problems),
        _number(head, "site", "altitude_m", problems, 0.0),
    )
    name, zone = str(head.get("name", "")), _zone(str(head.get("timezone", "UTC")), problems)
    if not name:
        problems.append("site.name is missing")
    rows = data.get("array", [])
    arrays = tuple(_array(row, f"array[{i}]", problems) for i, row in enumerate(rows if isinstance(rows, list) else []))
    if not arrays:
        problems.append("[[array]] is missing: at least dc_w is needed to train a PV model")
    if problems:
        raise SetupError("\n".join(f"{path}: {problem}" for problem in problems))
    return TrainingSite(name=name, location=location, zone=zone, arrays=arrays)


def _zone(name: str, problems: list[str]) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        problems.append(f"site.timezone {name!r} is not a known time zone")
        return ZoneInfo("UTC")


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
