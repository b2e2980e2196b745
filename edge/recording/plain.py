"""Records as plain JSON and back, to the last bit: a float's ``repr`` is exact, and NaN stays NaN here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from edge.control.override import Override
from edge.messages import MAPPINGS, Command, Plan, Reading, WriteResult


def plain(value: Any) -> Any:
    """Records, arrays, mappings and tuples as what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def text(value: Any) -> str:
    """The one text of a plain value; two values are the same bits where their texts are."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def reading(data: Mapping[str, Any]) -> Reading:
    """A reading from its plain form."""
    return Reading(**data)


def command(data: Mapping[str, Any]) -> Command:
    """A command from its plain form."""
    return Command(**{**data, "vetoes": tuple(data["vetoes"])})


def result(data: Mapping[str, Any]) -> WriteResult:
    """A write's result from its plain form."""
    return WriteResult(**data)


def override(data: Mapping[str, Any] | None) -> Override | None:
    """What somebody asked for by hand, from its plain form."""
    return None if data is None else Override(**data)


def plan(data: Mapping[str, Any]) -> Plan:
    """A plan from its plain form."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    for name in MAPPINGS:
        values[name] = {key: tuple(row) for key, row in data.get(name, {}).items()}
    return Plan(**values)
