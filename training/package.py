"""The bundle: graphs that passed the parity gate, golden rows, the manifest, and its signature."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core_kernels.bundle_rooms import bundled_document, bundled_from, rooms_ratio
from core_kernels.featurespec import digest
from core_kernels.manifest import MANIFEST_NAME, SCHEMA, SIGNATURE_NAME, canonical_bytes, parse
from core_kernels.quantiles import LEVELS_FRAC
from training.bundle_file import opened, write_zip
from training.errors import SetupError, TrainingError
from training.export import ML_OPSET, OPSET, to_onnx
from training.fit import Trained
from training.house_fit import House
from training.parity import TOLERANCE_RATIO, Parity, check
from training.pv_fit import plant_document
from training.sign import signature

GOLDEN_ROWS = 64
GOLDEN_FILE = "golden.npz"
MIN_DEVICE = "0.1.0"
_FILES = {"pv_w": "pv.onnx", "load_w": "load.onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Which bundle this is; ``seq`` must rise, the device refuses to go back."""

    version: str
    seq: int
    created: str

    @classmethod
    def now(cls) -> Release:
        """Numbered by the clock."""
        moment = datetime.now(UTC)
        seq = int(moment.timestamp())
        return cls(version=f"{moment:%Y.%m.%d}-{seq % 86400}", seq=seq, created=f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def build(trained: Trained, release: Release) -> tuple[dict[str, bytes], dict[str, Parity]]:
    """All members but the signature, and each model's parity; :class:`TrainingError` where the gate fails."""
    files: dict[str, bytes] = {}
    parities: dict[str, Parity] = {}
    golden: dict[str, Any] = {}
    for model in trained.models:
        rows = trained.rows[model.signal]
        graph = to_onnx(model)
        parities[model.signal] = check(model, graph, rows.values, rows.scale_w)
        files[_FILES[model.signal]] = graph
        bright = np.flatnonzero(rows.scale_w > 0.0)
        picked = bright[np.linspace(0, bright.size - 1, GOLDEN_ROWS).astype(np.int64)]
        scale_w = rows.scale_w[picked].astype(np.float32).astype(np.float64)
        golden[f"{model.signal}_X"] = rows.values[picked]
        golden[f"{model.signal}_scale_w"] = scale_w
        golden[f"{model.signal}_q"] = model.quantiles_w(rows.values[picked], scale_w)
    if trained.house is not None:
        golden |= trained.house.golden
        _require_same(trained.house)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **golden)
    files[GOLDEN_FILE] = buffer.getvalue()
    manifest = canonical_bytes(_document(trained, release, files))
    parse(manifest)
    return {MANIFEST_NAME: manifest, **files}, parities


def _document(trained: Trained, release: Release, files: dict[str, bytes]) -> dict[str, Any]:
    models = [
        {
            "signal": model.signal,
            "file": _FILES[model.signal],
            "features": list(model.names),
            "cap_w": model.cap_w,
            "offsets_ratio": list(model.offsets_ratio),
            "quantiles": list(LEVELS_FRAC),
        }
        for model in trained.models
    ]
    rooms = {} if trained.house is None else {"rooms": bundled_document(trained.house.rooms)}
    days = {"holidays": list(trained.holidays)} if trained.holidays else {}
    return {
        **rooms,
        **days,
        "schema": SCHEMA,
        "name": trained.site,
        "version": release.version,
        "seq": release.seq,
        "created": release.created,
        "site": trained.site,
        "min_device": MIN_DEVICE,
        "runtime": {"onnxruntime": ">=1.28,<1.29", "opset": OPSET, "ml_opset": ML_OPSET},
        "feature_code_sha256": digest(),
        "plant": plant_document(trained.plant),
        "models": models,
        "training": dict(trained.training),
        "metrics": {model.signal: dict(model.metrics) for model in trained.models},
        "calibration": {"kind": "cqr", "held_out": "every fifth week"},
        "parity": {
            "file": GOLDEN_FILE,
            "rows": GOLDEN_ROWS,
            "rtol": TOLERANCE_RATIO,
        },
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in files.items()
        },
    }


def _require_same(house: House) -> None:
    """Raise :class:`TrainingError` unless the rooms say the same after their way through the manifest."""
    read = bundled_from(json.loads(canonical_bytes(bundled_document(house.rooms))))
    ratio = rooms_ratio(read, house.golden)
    if ratio > TOLERANCE_RATIO:
        raise TrainingError(f"rooms: the manifest's answer their golden rows {ratio:.1e} off")


def signed(members: dict[str, bytes], key: Ed25519PrivateKey) -> dict[str, bytes]:
    """The members with a fresh signature of their manifest."""
    return {**members, SIGNATURE_NAME: signature(key, members[MANIFEST_NAME])}


def sign_file(path: Path, key: Ed25519PrivateKey) -> None:
    """Sign an exported bundle in place, or sign it again with another key."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    write_zip(signed(opened(raw, str(path))[1], key), path)
