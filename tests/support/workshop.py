"""A signed bundle made by hand: its graph is one multiplication, written as protobuf bytes, so no onnx is needed."""

import hashlib
import io
import struct
import zipfile
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onnx_bytes import part, value_info

from core_kernels.featurespec import digest
from core_kernels.manifest import canonical_bytes, parse, signed_bytes

FACTORS = (0.5, 0.8, 1.1)
FEATURES = ["horizon_h", "clearness_7d"]


def graph_bytes(factors=FACTORS, features=2, output="q"):
    """An ONNX model: q[N, 3] = scale_w[N, 1] * factors; X[N, features] is an input that nothing uses."""
    node = part(1, "scale_w") + part(1, "factors") + part(2, output) + part(4, "Mul")
    tensor = part(1, 1) + part(1, 3) + part(2, 1) + part(8, "factors") + part(9, struct.pack("<3f", *factors))
    graph = part(1, node) + part(2, "tiny") + part(5, tensor)
    graph += part(11, value_info("X", features)) + part(11, value_info("scale_w", 1)) + part(12, value_info(output, 3))
    return part(1, 10) + part(7, graph) + part(8, part(2, 18))


def golden_bytes(factors=FACTORS, **overrides):
    scale_w = np.linspace(0.0, 1000.0, 8)
    arrays = {}
    for name, features in (("pv_w", FEATURES), ("load_w", ["horizon_h", "clock_h"])):
        arrays[f"{name}_X"] = np.zeros((8, len(features)), dtype=np.float32)
        arrays[f"{name}_scale_w"] = scale_w
        arrays[f"{name}_q"] = scale_w[:, None] * np.asarray(factors)
    arrays.update(overrides)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in arrays.items() if value is not None})
    return buffer.getvalue()


@dataclass
class Workshop:
    """Makes bundles; every part can be replaced by a wrong one."""

    folder: object
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self):
        path = self.folder / "bundle.pub"
        path.write_bytes(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return path

    def files(self, **replaced):
        files = {"pv.onnx": graph_bytes(), "load.onnx": graph_bytes(), "golden.npz": golden_bytes()}
        return {**files, **{name.replace("_dot_", "."): content for name, content in replaced.items()}}

    def document(self, files, **replaced):
        models = [
            {
                "signal": signal,
                "file": file,
                "features": features,
                "cap_w": 6000.0,
                "offsets_ratio": [0.0, 0.0, 0.0],
                "quantiles": [0.1, 0.5, 0.9],
            }
            for signal, file, features in (
                ("pv_w", "pv.onnx", FEATURES),
                ("load_w", "load.onnx", ["horizon_h", "clock_h"]),
            )
        ]
        document = {
            "schema": 1,
            "name": "home",
            "version": "1-a",
            "seq": 5,
            "created": "2026-11-22T00:00:00Z",
            "site": "home",
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
            "models": models,
            "training": {},
            "metrics": {"pv_w": {"pinball_w": 1.0}, "load_w": {"pinball_w": 2.0}},
            "calibration": {},
            "parity": {"file": "golden.npz", "rows": 8, "rtol": 1e-5},
            "files": {
                name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
                for name, content in files.items()
            },
        }
        return {**document, **replaced}

    def members(self, files=None, **replaced):
        files = self.files() if files is None else files
        manifest = canonical_bytes(self.document(files, **replaced))
        return {"manifest.json": manifest, "manifest.sig": self.key.sign(signed_bytes(manifest)), **files}

    def write(self, members, name="bundle.zip"):
        path = self.folder / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return path

    def bundle(self, files=None, name="bundle.zip", **replaced):
        return self.write(self.members(files, **replaced), name)

    def plant(self):
        return parse(self.members()["manifest.json"]).plant
