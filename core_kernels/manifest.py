"""The manifest of a model bundle: its fields, its canonical bytes, and what is refused. Pure; no file is touched.

A bundle is a ZIP of ``manifest.json`` (exactly the canonical bytes), ``manifest.sig`` (ed25519 over the prefix
and the canonical bytes) and the files that the manifest lists. The signed manifest is the authority on everything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from core_kernels.bundle_rooms import BundledRooms, bundled_from
from core_kernels.features import PvPlant
from core_kernels.pv import PvArray
from core_kernels.quantiles import LEVELS_FRAC
from core_kernels.solar import Location

SCHEMA = 1
SIGNATURE_PREFIX = b"pems-bundle-v1\0"
MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"
MAX_MANIFEST_BYTES = 256 * 1024
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_FILES = 8
MAX_HORIZON_POINTS = 361
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,31}\.(onnx|npz)\Z")
SIGNALS = ("pv_w", "load_w")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_KEYS = frozenset(
    {
        *("schema", "name", "version", "seq", "created", "site", "min_device", "runtime", "feature_code_sha256"),
        *("plant", "models", "training", "metrics", "calibration", "parity", "files"),
    }
)
_MAY = frozenset({"rooms", "holidays"})
_MOST_HOLIDAYS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One member of the ZIP."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One ONNX graph: ``X`` and ``scale_w`` in, ``q`` (P10, P50, P90 in W) out."""

    signal: str
    file: str
    features: tuple[str, ...]
    cap_w: float
    offsets_ratio: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the device needs to know; ``document`` is the whole of it, for people and the registry.

    ``rooms`` is there where training saw a house's rooms, ``holidays`` (days since 1970) where the site has a country.
    """

    name: str
    version: str
    seq: int
    site: str
    min_device: str
    feature_code_sha256: str
    plant: PvPlant
    models: tuple[ModelEntry, ...]
    parity_file: str
    parity_tolerance: float
    files: Mapping[str, FileEntry]
    document: Mapping[str, Any]
    rooms: BundledRooms | None = None
    holidays: tuple[int, ...] = ()

    def model(self, signal: str) -> ModelEntry:
        """The model of a signal; the manifest holds exactly one for each."""
        return next(model for model in self.models if model.signal == signal)


def canonical_bytes(document: Mapping[str, Any]) -> bytes:
    """The one byte form of a manifest: sorted keys, no blanks, ASCII; NaN and infinity raise ``ValueError``."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def signed_bytes(manifest: bytes) -> bytes:
    """What the key signs: the purpose first, so that no other signature of the key can stand in."""
    return SIGNATURE_PREFIX + manifest


def canonical_document(raw: bytes, most_bytes: int) -> dict[str, Any]:
    """The table that bytes in canonical form hold; any other bytes raise ``ValueError``."""
    if len(raw) > most_bytes:
        raise ValueError(f"manifest has {len(raw)} bytes, the most is {most_bytes}")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"manifest is not JSON: {error}") from error
    if not isinstance(document, dict) or canonical_bytes(document) != raw:
        raise ValueError("manifest is not in canonical form")
    return document


def parse(raw: bytes) -> Manifest:
    """A manifest from its bytes; raises ``ValueError`` with the field that is wrong."""
    document = canonical_document(raw, MAX_MANIFEST_BYTES)
    if document.get("schema") != SCHEMA:
        raise ValueError(f"schema {document.get('schema')!r} is not {SCHEMA}")
    if set(document) - _MAY != _KEYS:
        raise ValueError(f"manifest keys differ: {', '.join(sorted((set(document) - _MAY) ^ _KEYS))}")
    files = _files(document["files"])
    parity = _table(document, "parity", {"file", "rows", "rtol"})
    if parity["file"] not in files:
        raise ValueError("parity.file is not in files")
    return Manifest(
        name=_text(document, "name", _VERSION),
        version=_text(document, "version", _VERSION),
        seq=_whole(document, "seq"),
        site=_text(document, "site"),
        min_device=_text(document, "min_device", _VERSION),
        feature_code_sha256=_text(document, "feature_code_sha256", _SHA256),
        plant=_plant(document["plant"]),
        models=_models(document["models"], files),
        parity_file=str(parity["file"]),
        parity_tolerance=_number(parity, "rtol", 0.0, 0.01),
        files=files,
        document=document,
        rooms=bundled_from(document["rooms"]) if "rooms" in document else None,
        holidays=_days(document.get("holidays", [])),
    )


def _text(data: Mapping[str, Any], key: str, form: re.Pattern[str] | None = None) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value or len(value) > 200 or (form is not None and not form.match(value)):
        raise ValueError(f"{key} is not valid: {value!r}")
    return value


def _whole(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(f"{key} must be a whole number >= 0, got {value!r}")
    return value


def _number(data: Mapping[str, Any], key: str, low: float, high: float) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{key} must be a number, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{key} must be {low:g}..{high:g}, got {value!r}")
    return float(value)


def _table(data: Mapping[str, Any], key: str, keys: set[str]) -> Mapping[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict) or set(value) != keys:
        raise ValueError(f"{key} must have the keys {', '.join(sorted(keys))}")
    return value


def _items(value: Any, key: str, most: int) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not 1 <= len(value) <= most or not all(isinstance(v, dict) for v in value):
        raise ValueError(f"{key} must be a list of 1..{most} tables")
    return value


def _days(value: Any) -> tuple[int, ...]:
    """Days since 1970 of ISO dates, in order."""
    if not isinstance(value, list) or len(value) > _MOST_HOLIDAYS:
        raise ValueError(f"holidays must be at most {_MOST_HOLIDAYS} dates")
    try:
        days = tuple((date.fromisoformat(text) - date(1970, 1, 1)).days for text in value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"holidays must be ISO dates: {error}") from error
    if list(days) != sorted(set(days)):
        raise ValueError("holidays must be different dates, in order")
    return days


def _files(value: Any) -> dict[str, FileEntry]:
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_FILES:
        raise ValueError(f"files must list 1..{MAX_FILES} members")
    files = {}
    for name in value:
        if not FILE_NAME.match(name):
            raise ValueError(f"file name {name!r} is not allowed")
        entry = _table(value, name, {"sha256", "size"})
        size = _whole(entry, "size")
        if size > MAX_FILE_BYTES:
            raise ValueError(f"{name} has {size} bytes, the most is {MAX_FILE_BYTES}")
        files[name] = FileEntry(sha256=_text(entry, "sha256", _SHA256), size=size)
    return files


def _plant(value: Any) -> PvPlant:
    keys = {"location", "arrays", "linke"}
    shaded = {"horizon_deg"} if isinstance(value, dict) and "horizon_deg" in value else set()
    data = _table({"plant": value}, "plant", keys | shaded)
    place = _table(data, "location", {"latitude_deg", "longitude_deg", "altitude_m"})
    linke = data["linke"]
    if not isinstance(linke, list) or len(linke) != 12:
        raise ValueError("plant.linke must be 12 numbers")
    months = tuple(_number({"plant.linke": value}, "plant.linke", 1.0, 10.0) for value in linke)
    bounds = {
        "tilt_deg": (0.0, 90.0),
        "azimuth_deg": (0.0, 360.0),
        "dc_w": (1.0, 1e6),
        "inverter_w": (1.0, 1e6),
        "gamma_per_k": (-0.02, 0.0),
        "loss_frac": (0.0, 0.9),
    }
    arrays = []
    for row in _items(data["arrays"], "plant.arrays", 16):
        if set(row) != set(bounds):
            raise ValueError(f"plant.arrays must have the keys {', '.join(sorted(bounds))}")
        arrays.append(PvArray(**{key: _number(row, key, low, high) for key, (low, high) in bounds.items()}))
    location = Location(
        _number(place, "latitude_deg", -90.0, 90.0),
        _number(place, "longitude_deg", -180.0, 180.0),
        _number(place, "altitude_m", -500.0, 9000.0),
    )
    return PvPlant(location, tuple(arrays), months, _horizon(data) if shaded else ())


def _horizon(data: Mapping[str, Any]) -> tuple[float, ...]:
    values = data["horizon_deg"]
    if not isinstance(values, list) or not 2 <= len(values) <= MAX_HORIZON_POINTS or values[0] != values[-1]:
        raise ValueError(f"plant.horizon_deg must be 2..{MAX_HORIZON_POINTS} numbers, the first as the last")
    return tuple(_number({"plant.horizon_deg": value}, "plant.horizon_deg", 0.0, 90.0) for value in values)


def _models(value: Any, files: Mapping[str, FileEntry]) -> tuple[ModelEntry, ...]:
    models = []
    for row in _items(value, "models", len(SIGNALS)):
        if set(row) != {"signal", "file", "features", "cap_w", "offsets_ratio", "quantiles"}:
            raise ValueError("models must have the keys cap_w, features, file, offsets_ratio, quantiles, signal")
        names, offsets = row["features"], row["offsets_ratio"]
        if not isinstance(names, list) or not 1 <= len(names) <= 256 or len(set(map(str, names))) != len(names):
            raise ValueError("models.features must be 1..256 different names")
        if row["quantiles"] != list(LEVELS_FRAC) or not isinstance(offsets, list) or len(offsets) != len(LEVELS_FRAC):
            raise ValueError(f"models must yield the quantiles {LEVELS_FRAC}")
        if row["file"] not in files:
            raise ValueError(f"models.file {row['file']!r} is not in files")
        models.append(
            ModelEntry(
                signal=_text(row, "signal"),
                file=str(row["file"]),
                features=tuple(_text({"feature": name}, "feature") for name in names),
                cap_w=_number(row, "cap_w", 1.0, 1e6),
                offsets_ratio=tuple(_number({"offsets_ratio": v}, "offsets_ratio", -10.0, 10.0) for v in offsets),
            )
        )
    if sorted(model.signal for model in models) != sorted(SIGNALS):
        raise ValueError(f"models must be one each of {', '.join(SIGNALS)}")
    return tuple(models)
