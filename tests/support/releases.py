"""Keys, and small releases signed with them."""

import json
import platform
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.appliance.release import pack


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path


def written_keys(folder: Path, name: str) -> Keys:
    key = Ed25519PrivateKey.generate()
    keys = Keys(folder / f"{name}.key", folder / f"{name}.pub")
    keys.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return keys


def make_tree(folder: Path, facts: dict, command: str = "#!/bin/sh\nexit 0\n") -> Path:
    """The tree of a release whose command is a script."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "edge").mkdir(parents=True)
    (folder / "bin" / "pems").write_text(command)
    (folder / "bin" / "pems").chmod(0o755)
    (folder / "lib" / "edge" / "__init__.py").write_text(f"__version__ = {facts['version']!r}\n")
    (folder / "lib" / "edge" / "empty.py").write_text("")
    (folder / "units").mkdir()
    for name in ("pems-control.service", "pems-update-recover.service", "pems.target"):
        (folder / "units" / name).write_text("[Unit]\n")
    (folder / "release.json").write_text(json.dumps(facts))
    return folder


FACTS = {"version": "1.0.0", "seq": 7, "arch": "x86_64", "python": "3.11", "created_s": 1_790_000_000}


GOOD = "#!/bin/sh\nexit 0\n"
HERE = {**FACTS, "arch": platform.machine()}


def packed_release(folder: Path, keys: Keys, seq: int, command: str = GOOD, **facts: object) -> Path:
    """A release of version ``seq.0`` whose command is a script."""
    tree = make_tree(folder / f"tree{seq}", {**HERE, "version": f"{seq}.0", "seq": seq, **facts}, command)
    pack(tree, folder / f"{seq}.pems", keys.private)
    return folder / f"{seq}.pems"
