"""Which field of which store is which of our signals: a TOML file, unit and sign stated, nothing guessed.

A row names a signal and a field, or several ``terms`` that are added up; ``*`` stands for one name, such as a room's.
Tags that a row does not name may be anything as long as only one field fits; where several do, the row is ambiguous.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_kernels.signals import signal
from training.errors import SetupError
from training.source_units import conversion
from training.tomlfile import read_toml

_TERM_KEYS = {"field", "unit", "sign", "scale", "source"}
_ROW_KEYS = _TERM_KEYS | {"name", "terms", "hold_s", "missing"}
_SHAPE = re.compile(r"[^\[\]]+(\[[^\[\]]*\])?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One field of a row; an empty ``unit`` is the one that the store states, an empty ``source`` any store."""

    field: str
    unit: str
    sign: int
    scale: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One signal: the sum of its terms. ``missing_raw`` are numbers that mean no number."""

    name: str
    terms: tuple[Term, ...]
    hold_s: float
    missing_raw: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """A whole file; ``rates_eur`` is what one of another currency is worth [EUR]."""

    place: str
    rows: tuple[Row, ...]
    rates_eur: tuple[tuple[str, float], ...]


def load_mapping(path: Path) -> FieldMap:
    """Read a mapping file; raises :class:`SetupError` with every problem found."""
    return parse_mapping(read_toml(path), str(path))


def parse_mapping(data: Mapping[str, Any], place: str) -> FieldMap:
    """A mapping from its tables; raises :class:`SetupError` with every problem found."""
    problems = [f"unknown key {key!r}" for key in sorted(data.keys() - {"signal", "rates_eur"})]
    rates = tuple((str(key), float(value)) for key, value in data.get("rates_eur", {}).items() if _is_number(value))
    given = data.get("signal", [])
    if not isinstance(given, list) or not given:
        problems.append("has no [[signal]]")
        given = []
    rows = tuple(_row(item, f"signal[{i}]", dict(rates), problems) for i, item in enumerate(given))
    twice = sorted({row.name for row in rows if sum(other.name == row.name for other in rows) > 1})
    problems += [f"{name} is mapped twice (use terms to add fields up)" for name in twice]
    if problems:
        raise SetupError("\n".join(f"{place}: {problem}" for problem in problems))
    return FieldMap(place=place, rows=rows, rates_eur=rates)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _row(item: Any, place: str, rates_eur: Mapping[str, float], problems: list[str]) -> Row:
    data = item if isinstance(item, Mapping) else {}
    problems += [f"{place}: unknown key {key!r}" for key in sorted(data.keys() - _ROW_KEYS)]
    name = str(data.get("name", ""))
    terms = data.get("terms", [data])
    if ("terms" in data) == ("field" in data) or not isinstance(terms, list) or not terms:
        problems.append(f"{place} ({name}): needs either field or terms")
        terms = []
    try:
        unit = signal(name.replace("*", "x")).unit
    except KeyError:
        problems.append(f"{place}: {name!r} is not one of our signals")
        unit = ""
    found = tuple(_term(term, f"{place} ({name})", unit, rates_eur, problems) for term in terms)
    missing = data.get("missing", [])
    if not isinstance(missing, list) or not all(_is_number(value) for value in missing):
        problems.append(f"{place} ({name}): missing must be a list of numbers")
        missing = []
    hold_s = data.get("hold_s", 0.0)
    if not _is_number(hold_s) or hold_s < 0.0:
        problems.append(f"{place} ({name}): hold_s must be a number of seconds")
        hold_s = 0.0
    return Row(name=name, terms=found, hold_s=float(hold_s), missing_raw=tuple(float(value) for value in missing))


def _term(item: Any, place: str, unit: str, rates_eur: Mapping[str, float], problems: list[str]) -> Term:
    data = item if isinstance(item, Mapping) else {}
    if "name" not in data:
        problems += [f"{place}: unknown key {key!r} of a term" for key in sorted(data.keys() - _TERM_KEYS)]
    field, theirs = str(data.get("field", "")), str(data.get("unit", ""))
    if not _SHAPE.match(field):
        problems.append(f"{place}: field {field!r} must be like name or name[tag=value]")
    if theirs:
        problems += _unit_problems(theirs, unit, place, rates_eur)
    sign, scale = data.get("sign", 1), data.get("scale", 1.0)
    if sign not in (1, -1):
        problems.append(f"{place}: sign must be 1 or -1, got {sign!r}")
    if not _is_number(scale) or scale == 0.0:
        problems.append(f"{place}: scale must be a number other than 0, got {scale!r}")
        scale = 1.0
    return Term(
        field=field, unit=theirs, sign=int(sign == 1) * 2 - 1, scale=float(scale), source=str(data.get("source", ""))
    )


def _unit_problems(theirs: str, ours: str, place: str, rates_eur: Mapping[str, float]) -> list[str]:
    try:
        found = conversion(theirs, rates_eur)
    except KeyError as error:
        return [f"{place}: {error.args[0]} (a currency needs a line in [rates_eur])"]
    return [] if not ours or found.unit == ours else [f"{place}: {theirs} is no unit of {ours}"]
