"""A release as a tree of files: what lies in it, and whether that is what its signed manifest says."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.appliance.manifest import (
    FACTS_NAME,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    Entry,
    Facts,
    Manifest,
    facts_from,
    parse,
    signed_bytes,
)
from edge.errors import BundleError
from edge.signature import check, load_public_key

_OUTSIDE = (MANIFEST_NAME, SIGNATURE_NAME)


def facts_of(tree: Path) -> Facts:
    """Which release a tree is, by its ``release.json``; raises :class:`BundleError`."""
    path = tree / FACTS_NAME
    try:
        return facts_from(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError) as error:
        raise BundleError(f"{path}: {error}") from error


def entries(tree: Path) -> dict[str, Entry]:
    """Every file of a tree by its relative path, in order; links and special files raise :class:`BundleError`."""
    return {path.relative_to(tree).as_posix(): _entry(path) for path in files(tree)}


def files(tree: Path) -> Iterator[Path]:
    """The files that a manifest lists, in the order of their paths."""
    for path in sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).as_posix()):
        if path.relative_to(tree).as_posix() in _OUTSIDE:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleError(f"{path}: is neither a file nor a folder")
        if path.is_file():
            yield path


def signed_manifest(raw: bytes, signature: bytes, public_key: Path) -> Manifest:
    """A manifest whose signature is right, and only then read; raises :class:`BundleError`."""
    check(load_public_key(public_key), signature, signed_bytes(raw))
    try:
        return parse(raw)
    except ValueError as error:
        raise BundleError(str(error)) from error


def verify_tree(tree: Path, public_key: Path) -> Manifest:
    """A tree of which every file is as signed, none is missing and none was added; raises :class:`BundleError`."""
    try:
        with (tree / MANIFEST_NAME).open("rb") as handle:
            raw = handle.read(MAX_MANIFEST_BYTES + 1)
        manifest = signed_manifest(raw, (tree / SIGNATURE_NAME).read_bytes(), public_key)
        found = entries(tree)
    except OSError as error:
        raise BundleError(f"{tree}: cannot be read: {error.strerror}") from error
    except BundleError as error:
        raise BundleError(f"{tree}: {error}") from error
    differing = sorted(name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name))
    if differing:
        raise BundleError(f"{tree}: {differing[0]} is not as it was signed ({len(differing)} files differ)")
    return manifest


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _entry(path: Path) -> Entry:
    status = path.stat()
    return Entry(sha256_of(path), stat.S_IMODE(status.st_mode), status.st_size)
