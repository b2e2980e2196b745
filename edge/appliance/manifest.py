"""The manifest of a release: its fields, its canonical bytes, and what is refused. Pure; no file is touched.

The signed manifest is the authority on everything: it names every file of the release's tree with its SHA-256, its mode
and its size, and, for a release that travels as one file, the packed payload.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from core_kernels.manifest import canonical_bytes, canonical_document

FORMAT = 1
SIGNATURE_PREFIX = b"pems-release-v1\0"
MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"
FACTS_NAME = "release.json"
MAX_MANIFEST_BYTES = 8 * 1024 * 1024
MAX_FILES = 40_000
MAX_TREE_BYTES = 2 * 1024**3
ARCHITECTURES = ("x86_64", "aarch64")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,63}\Z")
_PYTHON = re.compile(r"3\.[0-9]{1,2}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PATH = re.compile(r"[0-9A-Za-z_+@=,()\[\] ./-]{1,240}\Z")
_MODES = (0o644, 0o755)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Which release this is; ``seq`` must rise, a box refuses to go back. ``created_s`` is the time of every file."""

    version: str
    seq: int
    arch: str
    python: str
    created_s: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the tree, or the payload of a packed release (mode 0o644)."""

    sha256: str
    mode: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the signature covers; ``payload`` is absent where only a tree was signed."""

    facts: Facts
    files: Mapping[str, Entry]
    payload: Entry | None = None

    @property
    def version(self) -> str:
        """The release's name, and the name of its folder."""
        return self.facts.version

    @property
    def tree_bytes(self) -> int:
        """What the unpacked files take."""
        return sum(entry.size for entry in self.files.values())


def to_bytes(manifest: Manifest) -> bytes:
    """The one byte form of a manifest."""
    files = {name: [entry.sha256, entry.mode, entry.size] for name, entry in manifest.files.items()}
    payload = None if manifest.payload is None else asdict(manifest.payload)
    return canonical_bytes({"format": FORMAT, **asdict(manifest.facts), "files": files, "payload": payload})


def signed_bytes(manifest: bytes) -> bytes:
    """What the key signs: the purpose first, so that no signature of a model bundle can stand in."""
    return SIGNATURE_PREFIX + manifest


def parse(raw: bytes) -> Manifest:
    """A manifest from its bytes; raises ``ValueError`` with the field that is wrong."""
    document = canonical_document(raw, MAX_MANIFEST_BYTES)
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r} is not {FORMAT}")
    if set(document) != {"format", "version", "seq", "arch", "python", "created_s", "files", "payload"}:
        raise ValueError("manifest keys differ")
    payload = document["payload"]
    if payload is not None and (not isinstance(payload, dict) or set(payload) != {"sha256", "mode", "size"}):
        raise ValueError("payload must have the keys sha256, mode, size")
    manifest = Manifest(
        facts=facts_from(document),
        files=_files(document["files"]),
        payload=None if payload is None else _entry("payload", list(map(payload.get, ("sha256", "mode", "size")))),
    )
    if manifest.tree_bytes > MAX_TREE_BYTES:
        raise ValueError(f"files have {manifest.tree_bytes} bytes, the most is {MAX_TREE_BYTES}")
    return manifest


def facts_from(document: Mapping[str, Any]) -> Facts:
    """The facts of a manifest or of ``release.json``; raises ``ValueError``."""
    for key, form in (("version", _VERSION), ("python", _PYTHON)):
        if not isinstance(document.get(key), str) or not form.match(document[key]):
            raise ValueError(f"{key} is not valid: {document.get(key)!r}")
    if document.get("arch") not in ARCHITECTURES:
        raise ValueError(f"arch must be one of {', '.join(ARCHITECTURES)}, got {document.get('arch')!r}")
    return Facts(
        version=document["version"],
        seq=_whole("seq", document.get("seq")),
        arch=document["arch"],
        python=document["python"],
        created_s=_whole("created_s", document.get("created_s")),
    )


def _whole(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(f"{key} must be a whole number >= 0, got {value!r}")
    return value


def _files(value: Any) -> dict[str, Entry]:
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_FILES:
        raise ValueError(f"files must list 1..{MAX_FILES} files")
    files = {name: _entry(name, content) for name, content in value.items() if _is_inside(name)}
    if len(files) != len(value) or not {MANIFEST_NAME, SIGNATURE_NAME}.isdisjoint(files):
        raise ValueError("files has a name that is not allowed")
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents}
    if folders & set(files):
        raise ValueError("files has a file that is a folder, too")
    return files


def _is_inside(name: str) -> bool:
    """Whether a name is a plain relative path of a tree, in its shortest form."""
    return bool(_PATH.match(name)) and all(part not in ("", ".", "..") for part in name.split("/"))


def _entry(name: str, value: Any) -> Entry:
    if not isinstance(value, list) or len(value) != 3 or value[1] not in _MODES:
        raise ValueError(f"{name} must be a checksum, a mode of 0644 or 0755, and a size")
    if not isinstance(value[0], str) or not _SHA256.match(value[0]):
        raise ValueError(f"{name} has no SHA-256")
    return Entry(value[0], value[1], _whole(name, value[2]))
