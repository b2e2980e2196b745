"""Model bundles: read whole into memory, refused for any doubt, and only then given to a runtime.

Nothing of a bundle is ever unpacked to disk, and no name in it is used as a path. The signature is checked before the
manifest is parsed; a graph is loaded from bytes, where external data cannot be reached.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core_kernels.manifest import (
    FILE_NAME,
    MANIFEST_NAME,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    Manifest,
    parse,
    signed_bytes,
)
from edge import __version__
from edge.errors import BundleError
from edge.signature import SIGNATURE_BYTES, check, load_public_key

MAX_BUNDLE_BYTES = 32 * 1024 * 1024
_LIMITS = {MANIFEST_NAME: MAX_MANIFEST_BYTES, SIGNATURE_NAME: SIGNATURE_BYTES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose signature, members and checksums are right; ``sha256`` names the whole file, ``raw``."""

    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str
    raw: bytes


def read_bundle(path: Path, public_key: Path) -> Bundle:
    """Read and verify a bundle; raises :class:`BundleError` with one line that says what is wrong."""
    key = load_public_key(public_key)
    raw = _bounded_bytes(path)
    try:
        return verify(raw, key)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def verify(raw: bytes, key: Ed25519PublicKey) -> Bundle:
    """A bundle from its bytes: members, signature, manifest, checksums and version, in this order."""
    members = _members(raw)
    missing = sorted({MANIFEST_NAME, SIGNATURE_NAME} - set(members))
    if missing:
        raise BundleError(f"{missing[0]} is missing")
    check(key, members[SIGNATURE_NAME], signed_bytes(members[MANIFEST_NAME]))
    try:
        manifest = parse(members[MANIFEST_NAME])
    except ValueError as error:
        raise BundleError(str(error)) from error
    files = {name: content for name, content in members.items() if name not in _LIMITS}
    _check_files(manifest, files)
    if _version(manifest.min_device) > _version(__version__):
        raise BundleError(f"needs device version {manifest.min_device}, this is {__version__}")
    return Bundle(manifest=manifest, files=files, sha256=hashlib.sha256(raw).hexdigest(), raw=raw)


def _bounded_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BUNDLE_BYTES:
        raise BundleError(f"{path}: is larger than {MAX_BUNDLE_BYTES} bytes")
    return raw


def _members(raw: bytes) -> dict[str, bytes]:
    """All members in memory, each within its limit; a name that could be a path is refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_FILES + len(_LIMITS):
                raise BundleError(f"holds {len(infos)} members, the most is {MAX_FILES + len(_LIMITS)}")
            members: dict[str, bytes] = {}
            for info in infos:
                members[_allowed_name(info.filename, members)] = _content(archive, info)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise BundleError(f"is not a readable ZIP: {error}") from error
    return members


def _allowed_name(name: str, seen: Mapping[str, bytes]) -> str:
    if name not in _LIMITS and not FILE_NAME.match(name):
        raise BundleError(f"member name {name!r} is not allowed")
    if name in seen:
        raise BundleError(f"member {name} is there twice")
    return name


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member, read no further than its limit: the sizes in a ZIP's directory are only claims."""
    limit = _LIMITS.get(info.filename, MAX_FILE_BYTES)
    with archive.open(info) as handle:
        content = handle.read(limit + 1)
    if len(content) > limit:
        raise BundleError(f"member {info.filename} is larger than {limit} bytes")
    return content


def _check_files(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    differing = sorted(set(files) ^ set(manifest.files))
    if differing:
        state = "is not in the manifest" if differing[0] in files else "is missing"
        raise BundleError(f"member {differing[0]} {state}")
    for name, entry in manifest.files.items():
        if len(files[name]) != entry.size or hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise BundleError(f"member {name} is not what the manifest says")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
