"""What calibration has learned, as a file that is replaced whole: a power cut leaves the old one or the new one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from core_kernels.calibration import (
    BAND_END_H,
    BOUND_FRAC,
    BUCKETS,
    COLUMNS,
    COUNT,
    HIGH,
    HOURS,
    INSIDE,
    LOW,
    at_bound,
    fresh,
    sure_bias_w,
)
from core_kernels.records import frozen_f64
from core_kernels.units import FloatArray
from edge import strictjson
from edge.errors import StoreError
from edge.files import replace_whole

_SCHEMA = 1
_SAID_COLUMNS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """An issue kept for judging: of each slot from ``start_s`` on the raw mean, P10 and P90 as said; NaN: not."""

    start_s: int
    rows_w: FloatArray

    def row(self, start_s: int, slot_s: int) -> list[float]:
        """What was said of the slot that begins at an instant."""
        index = (start_s - self.start_s) // slot_s
        if not 0 <= index < self.rows_w.shape[0]:
            return [math.nan] * _SAID_COLUMNS
        return [float(value) for value in self.rows_w[index]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """What is known of one signal as one model forecasts it: the buckets, and the issues that outcomes are awaited of.

    ``cap_w`` is the largest power seen, ``judged_s`` the end of what was judged, ``used_s`` the last issue.
    """

    signal: str
    source: str
    since_s: int
    judged_s: int
    used_s: int
    cap_w: float
    state: FloatArray
    issues: tuple[Said, ...] = ()

    @classmethod
    def begun(cls, signal: str, source: str, start_s: int) -> Self:
        """A model's first issue."""
        return cls(
            signal=signal,
            source=source,
            since_s=start_s,
            judged_s=start_s,
            used_s=start_s,
            cap_w=0.0,
            state=fresh(),
        )

    @property
    def bound_w(self) -> float:
        """The most that anything may be moved by."""
        return BOUND_FRAC * self.cap_w

    def shown(self) -> dict[str, object]:
        """For people and metrics; an hour that nothing is known of has no coverage."""
        table = np.where(self.state[:, COUNT, None] > 0.0, self.state, math.nan).reshape(len(BAND_END_H), HOURS, -1)
        count = self.state[:, COUNT]
        known = count > 0.0
        inside_frac = float(np.average(self.state[known, INSIDE], weights=count[known])) if known.any() else math.nan
        return {
            "source": self.source,
            "since_s": self.since_s,
            "bound_w": self.bound_w,
            "count": int(count.sum()),
            "inside_frac": inside_frac,
            "at_bound_count": int(at_bound(self.state, self.bound_w).size),
            "bands_h": list(BAND_END_H),
            "inside_by_hour_frac": table[:, :, INSIDE].tolist(),
            "p10_by_hour_w": (-table[:, :, LOW]).tolist(),
            "p90_by_hour_w": table[:, :, HIGH].tolist(),
            "mean_by_hour_w": np.where(known, sure_bias_w(self.state), math.nan).reshape(len(BAND_END_H), -1).tolist(),
        }


class CalibrationFile:
    """The file of one planner, or of one who looks on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Track]:
        """All tracks by name, none where there is no file yet; raises :class:`StoreError` where it is damaged."""
        try:
            document = strictjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{self._path}: cannot be read: {error}") from error
        try:
            return _tracks(document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"{self._path}: is no calibration: {error!r}") from error

    def write(self, tracks: Mapping[str, Track]) -> None:
        """Replace the file; raises :class:`StoreError`."""
        document = {"schema": _SCHEMA, "tracks": {key: _document(track) for key, track in tracks.items()}}
        try:
            replace_whole(self._path, json.dumps(document, separators=(",", ":"), allow_nan=False).encode())
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from error


def learned_elsewhere(path: Path) -> dict[str, Track]:
    """Of each track in the other calibrations of the folder the one used last; a damaged file has nothing to say."""
    found: dict[str, Track] = {}
    for other in sorted(path.parent.glob("calibration*.json")):
        if other == path:
            continue
        try:
            tracks = CalibrationFile(other).read()
        except StoreError:  # whose file it is says so
            continue
        for key, track in tracks.items():
            if key not in found or track.used_s > found[key].used_s:
                found[key] = track
    return found


def _tracks(document: Mapping[str, Any]) -> dict[str, Track]:
    """Raises ``KeyError``, ``TypeError``, ``AttributeError`` or ``ValueError`` for what is no calibration."""
    if document["schema"] != _SCHEMA:
        raise ValueError(f"schema {document['schema']!r} is not {_SCHEMA}")
    return {str(key): _track(value) for key, value in document["tracks"].items()}


def _document(track: Track) -> dict[str, Any]:
    return {
        **{name: getattr(track, name) for name in ("signal", "source", "since_s", "judged_s", "used_s", "cap_w")},
        "state": track.state.tolist(),
        "issues": [{"start_s": said.start_s, "rows_w": _rounded(said.rows_w)} for said in track.issues],
    }


def _rounded(rows_w: FloatArray) -> list[list[float | None]]:
    """To 0.1 W; NaN as null."""
    return [[None if math.isnan(value) else round(value, 1) for value in row] for row in rows_w.tolist()]


def _track(value: Mapping[str, Any]) -> Track:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is not one."""
    issues = tuple(
        Said(start_s=int(said["start_s"]), rows_w=_matrix(said["rows_w"], _SAID_COLUMNS)) for said in value["issues"]
    )
    state, cap_w = _matrix(value["state"], len(COLUMNS)), float(value["cap_w"])
    if state.shape[0] != BUCKETS or not np.isfinite(state).all() or not cap_w >= 0.0:
        raise ValueError("buckets are missing or not numbers")
    return Track(
        signal=str(value["signal"]),
        source=str(value["source"]),
        since_s=int(value["since_s"]),
        judged_s=int(value["judged_s"]),
        used_s=int(value["used_s"]),
        cap_w=cap_w,
        state=state,
        issues=issues,
    )


def _matrix(value: Any, columns: int) -> FloatArray:
    table = frozen_f64(value)  # null becomes NaN
    if table.ndim != 2 or table.shape[1] != columns:
        raise ValueError(f"a table of {columns} columns was expected, got {table.shape}")
    return table


def shown(tracks: Mapping[str, Track]) -> dict[str, dict[str, object]]:
    """Of each signal the track in use, for people and metrics."""
    newest: dict[str, Track] = {}
    for track in tracks.values():
        if track.signal not in newest or track.used_s > newest[track.signal].used_s:
            newest[track.signal] = track
    return {signal: track.shown() for signal, track in sorted(newest.items())}
