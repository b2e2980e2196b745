"""Model bundles under the power-cut proof: installed, installed again, rolled back."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core_kernels.featurespec import digest
from core_kernels.manifest import MANIFEST_NAME, SCHEMA, SIGNATURE_NAME, canonical_bytes, signed_bytes
from core_kernels.quantiles import LEVELS_FRAC
from edge.bench_appliance.powercut import Verdict
from edge.bench_appliance.recorded import EXT4, Disk
from edge.forecast import installed
from edge.forecast.bundle import Bundle, verify

_FOLDER = "bundles"
_MODEL_BYTES = 120_000  # a little more than the demo's graphs
_FILES = ("pv.onnx", "load.onnx", "golden.npz")
# Which number is in force after each step: none, three installations (two on trial), back to what is good, one more.
_IN_FORCE = (0, 1, 2, 3, 1, 4)


@dataclass(frozen=True, slots=True)
class Models:
    """Bundles signed by a key of their own; their graphs are noise, which is never loaded here."""

    name: str = "model bundles"
    disk: Disk = EXT4
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def prepare(self, _root: Path) -> None:
        """Nothing is installed."""

    def work(self, root: Path, done: Callable[[], None]) -> None:
        """A step is one command."""
        for before, seq in itertools.pairwise(_IN_FORCE):
            if seq > before:
                installed.install(self._bundle(seq), root / _FOLDER)
            else:
                installed.rollback(root / _FOLDER)
            done()

    def judge(self, root: Path, done_count: int) -> Verdict:
        """What is in force verifies, and is what the last acknowledged command or the one under way says."""
        folder = root / _FOLDER
        seq = self._in_force(folder)
        allowed = _IN_FORCE[done_count : done_count + 2]
        findings = [] if seq in allowed else [f"bundle {seq} is in force, acknowledged was {allowed[0]}"]
        accepted = max(_IN_FORCE[: done_count + 1])
        if accepted and installed.highest_seq(folder) < accepted:
            findings.append(f"the highest number accepted is {installed.highest_seq(folder)}, it was {accepted}")
        return Verdict(findings=tuple(findings))

    def _in_force(self, folder: Path) -> int:
        """The number of the bundle that the planner would load; 0 where none was ever put in force."""
        if not any(entry.is_current for entry in installed.entries(folder)):
            return 0
        return verify(installed.current_path(folder).read_bytes(), self.key.public_key()).manifest.seq

    def _bundle(self, seq: int) -> Bundle:
        return verify(_signed(seq, self.key), self.key.public_key())


@functools.cache
def _signed(seq: int, key: Ed25519PrivateKey) -> bytes:
    """A bundle as training signs them, with noise for graphs."""
    files = {name: random.Random(f"{seq} {name}").randbytes(_MODEL_BYTES) for name in _FILES}
    entries = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} for name, content in files.items()
    }
    manifest = canonical_bytes({**_DOCUMENT, "version": str(seq), "seq": seq, "files": entries})
    members = {MANIFEST_NAME: manifest, SIGNATURE_NAME: key.sign(signed_bytes(manifest)), **files}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _model(signal: str, file: str) -> dict[str, Any]:
    return {
        "signal": signal,
        "file": file,
        "features": ["horizon_h"],
        "cap_w": 6000.0,
        "offsets_ratio": [0.0, 0.0, 0.0],
        "quantiles": list(LEVELS_FRAC),
    }


_DOCUMENT: dict[str, Any] = {
    "schema": SCHEMA,
    "name": "bench",
    "created": "2026-11-22T00:00:00Z",
    "site": "bench",
    "min_device": "0.1.0",
    "runtime": {},
    "feature_code_sha256": digest(),
    "plant": {
        "location": {"latitude_deg": 49.2, "longitude_deg": 16.6, "altitude_m": 230.0},
        "arrays": [
            {
                "tilt_deg": 35.0,
                "azimuth_deg": 180.0,
                "dc_w": 5000.0,
                "inverter_w": 5000.0,
                "gamma_per_k": -0.004,
                "loss_frac": 0.14,
            }
        ],
        "linke": [3.0] * 12,
    },
    "models": [_model("pv_w", "pv.onnx"), _model("load_w", "load.onnx")],
    "training": {},
    "metrics": {"pv_w": {"pinball_w": 1.0}, "load_w": {"pinball_w": 2.0}},
    "calibration": {},
    "parity": {"file": "golden.npz", "rows": 8, "rtol": 1e-5},
}
