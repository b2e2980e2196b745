"""Releases under the power-cut proof: installed, started, found good, the next one installed and taken back."""

from __future__ import annotations

import json
import platform
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.appliance import updater
from edge.appliance.manifest import FACTS_NAME, Facts
from edge.appliance.release import pack, verify
from edge.appliance.updater import Places
from edge.bench_appliance.powercut import Verdict
from edge.bench_appliance.recorded import EXT4, Disk
from edge.trial import CURRENT, GOOD

_DISK = replace(EXT4, size_bytes=256 * 1024 * 1024)  # the updater leaves 128 MB to the rest of the box
_FILES_COUNT, _FILE_BYTES = 12, 30_000
_COMMAND = "#!/bin/sh\nexit 0\n"
_CREATED_S = 1_763_856_000
# Which release is in force and which has proved itself, after each step of the work.
_STEPS = (("1.0", "1.0"), ("2.0", "1.0"), ("2.0", "1.0"), ("2.0", "2.0"), ("3.0", "2.0"), ("2.0", "2.0"))


@dataclass(frozen=True, slots=True)
class Releases:
    """Small trees by the updater itself; that big ones start is for other proofs."""

    name: str = "releases"
    disk: Disk = _DISK

    def prepare(self, root: Path) -> None:
        """A box with a release in force, and two newer ones at hand."""
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (root / "release.key").write_bytes(private)
        _places(root).key.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        for seq in (1, 2, 3):
            _pack(root, seq)
        updater.install(_places(root), root / "1.0.pems")

    def work(self, root: Path, done: Callable[[], None]) -> None:
        """A step is one command."""
        places = _places(root)
        updater.install(places, root / "2.0.pems")
        done()
        updater.recover(places)
        done()
        updater.good(places)
        done()
        updater.install(places, root / "3.0.pems")
        done()
        updater.rollback(places)
        done()

    def judge(self, root: Path, done_count: int) -> Verdict:
        """The next start: both links lead to complete releases, those of the last step or of the one begun."""
        places = _places(root)
        state = updater.recover(places)
        links = tuple((places.root / link).resolve() for link in (CURRENT, GOOD))
        found = tuple(verify(link, places.key).version for link in links)
        allowed = _STEPS[done_count : done_count + 2]
        findings = []
        if found not in allowed or found != (state.current, state.good):
            findings.append(f"{found} are in force and good, acknowledged was {allowed[0]}")
        accepted = max(int(current[0]) for current, _ in _STEPS[: done_count + 1])
        if state.highest_seq < accepted:
            findings.append(f"the highest number accepted is {state.highest_seq}, it was {accepted}")
        return Verdict(findings=tuple(findings))


def _places(root: Path) -> Places:
    return Places(root=root / "opt", state=root / "update", key=root / "release.pub")


def _pack(root: Path, seq: int) -> None:
    """A release of noise whose command does nothing."""
    tree = root / f"tree{seq}"
    (tree / "bin").mkdir(parents=True)
    (tree / "lib").mkdir()
    (tree / "bin" / "pems").write_text(_COMMAND, encoding="ascii")
    (tree / "bin" / "pems").chmod(0o755)
    for number in range(_FILES_COUNT):
        noise = random.Random(f"{seq} {number}").randbytes(_FILE_BYTES)
        (tree / "lib" / f"part{number}").write_bytes(noise)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    facts = Facts(version=f"{seq}.0", seq=seq, arch=platform.machine(), python=python, created_s=_CREATED_S)
    (tree / FACTS_NAME).write_text(json.dumps(asdict(facts)), encoding="ascii")
    pack(tree, root / f"{seq}.0.pems", root / "release.key")
