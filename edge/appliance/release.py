"""A release as one file, ``<version>.pems``: packed, signed, verified, unpacked.

It is a plain tar of three members: ``manifest.json`` (exactly the canonical bytes), ``manifest.sig`` (ed25519 over the
prefix and these bytes) and ``payload.tar.gz``, whose checksum the manifest has. Headers and padding have one form only,
so that no byte of the file can change unseen. Nothing is unpacked before all of that is found right, and then each file
is held against the manifest once more.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

from edge.appliance.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    Entry,
    Manifest,
    signed_bytes,
    to_bytes,
)
from edge.appliance.tree import entries, facts_of, files, sha256_of, signed_manifest, verify_tree
from edge.errors import BundleError
from edge.signature import SIGNATURE_BYTES, load_private_key

PAYLOAD_NAME = "payload.tar.gz"
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
_CHUNK_BYTES = 1 << 20
_GZIP_LEVEL = 6

Progress = Callable[[int], None]
"""Told the number of bytes that are done since it was told last."""


def sign_tree(tree: Path, key: Path, payload: Entry | None = None) -> Manifest:
    """Write ``manifest.json`` and ``manifest.sig`` into a tree that :func:`edge.appliance.payload.build_tree` made."""
    manifest = Manifest(facts=facts_of(tree), files=entries(tree), payload=payload)
    raw = to_bytes(manifest)
    (tree / MANIFEST_NAME).write_bytes(raw)
    (tree / SIGNATURE_NAME).write_bytes(load_private_key(key).sign(signed_bytes(raw)))
    return manifest


def pack(tree: Path, out: Path, key: Path) -> Manifest:
    """Sign a tree and write it as one file; the same tree and key give the same bytes."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        payload = Path(folder) / PAYLOAD_NAME
        _write_payload(tree, payload, facts_of(tree).created_s)
        manifest = sign_tree(tree, key, Entry(sha256_of(payload), 0o644, payload.stat().st_size))
        draft = Path(folder) / out.name
        with draft.open("wb") as handle:
            for path in (tree / MANIFEST_NAME, tree / SIGNATURE_NAME, payload):
                _append(handle, path)
            handle.write(_END)
        draft.replace(out)
    return manifest


def verify(tree_or_file: Path, public_key: Path) -> Manifest:
    """A release's manifest, once every byte of the tree or of the file is found right; raises :class:`BundleError`."""
    if tree_or_file.is_dir():
        return verify_tree(tree_or_file, public_key)
    with _opened(tree_or_file) as handle:
        return _verified(handle, tree_or_file, public_key)


def unpack(file: Path, folder: Path, public_key: Path, progress: Progress | None = None) -> Manifest:
    """Verify a release's file and write its tree into a folder that does not exist; raises :class:`BundleError`.

    The file is opened once, so that it cannot be another one when it is unpacked. ``OSError`` is the disk's.
    """
    with _opened(file) as handle:
        manifest = _verified(handle, file, public_key)
        assert manifest.payload is not None
        handle.seek(-manifest.payload.size - _padding(manifest.payload.size) - len(_END), os.SEEK_END)
        folder.mkdir(parents=True)
        try:
            with gzip.GzipFile(fileobj=handle) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                _extract(archive, folder, manifest, progress or _silent)
        except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError) as error:
            raise BundleError(f"{file}: cannot be unpacked: {error}") from error
        handle.seek(0)
        for name in (MANIFEST_NAME, SIGNATURE_NAME):
            (folder / name).write_bytes(_member(handle, name, MAX_MANIFEST_BYTES))
    return manifest


def _silent(size: int) -> None:
    """Nobody watches."""


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror}") from error


def _verified(handle: BinaryIO, file: Path, public_key: Path) -> Manifest:
    """All of the file: headers, signature, manifest, payload, and nothing behind it."""
    try:
        raw = _member(handle, MANIFEST_NAME, MAX_MANIFEST_BYTES)
        signature = _member(handle, SIGNATURE_NAME, SIGNATURE_BYTES)
        manifest = signed_manifest(raw, signature, public_key)
        _check_payload(handle, manifest.payload)
    except BundleError as error:
        raise BundleError(f"{file}: {error}") from error
    return manifest


def _check_payload(handle: BinaryIO, payload: Entry | None) -> None:
    """The last member, and that the file ends where it should."""
    if payload is None:
        raise BundleError("holds a manifest without a payload")
    if handle.read(_BLOCK) != _header(PAYLOAD_NAME, payload.size):
        raise BundleError(f"{PAYLOAD_NAME} is not where it belongs")
    if _digest(handle, payload.size) != payload.sha256:
        raise BundleError("the payload is not as it was signed")
    if handle.read(3 * _BLOCK) != bytes(_padding(payload.size)) + _END:
        raise BundleError("does not end where its payload does")


def _digest(handle: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    while size > 0 and (piece := handle.read(min(size, _CHUNK_BYTES))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest() if size == 0 else ""


def _member(handle: BinaryIO, name: str, limit: int) -> bytes:
    """The next member of the outer tar, which must be the named one in the one form that it can have."""
    header = handle.read(_BLOCK)
    try:
        size = tarfile.TarInfo.frombuf(header, "utf-8", "strict").size
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise BundleError(f"is not a release: {error}") from error
    if not 0 <= size <= limit or header != _header(name, size):
        raise BundleError(f"is not a release: {name} is not where it belongs")
    content = handle.read(size)
    if len(content) != size or handle.read(_padding(size)) != bytes(_padding(size)):
        raise BundleError(f"{name} is cut short or not in its form")
    return content


def _header(name: str, size: int) -> bytes:
    return _info(name, size, 0o644, 0).tobuf(tarfile.USTAR_FORMAT)


def _info(name: str, size: int, mode: int, time_s: int) -> tarfile.TarInfo:
    """A member without an owner of its own."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, time_s
    return info


def _padding(size: int) -> int:
    return -size % _BLOCK


def _append(handle: BinaryIO, path: Path) -> None:
    size = path.stat().st_size
    handle.write(_header(path.name, size))
    with path.open("rb") as source:
        while piece := source.read(_CHUNK_BYTES):
            handle.write(piece)
    handle.write(bytes(_padding(size)))


def _write_payload(tree: Path, out: Path, time_s: int) -> None:
    """All files in order, without owners, with one time, packed without a name or a time of its own."""
    with (
        out.open("wb") as handle,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=handle, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files(tree):
            status = path.stat()
            with path.open("rb") as source:
                info = _info(path.relative_to(tree).as_posix(), status.st_size, status.st_mode & 0o777, time_s)
                archive.addfile(info, source)


def _extract(archive: tarfile.TarFile, folder: Path, manifest: Manifest, progress: Progress) -> None:
    """Every file of the manifest, once, as it says."""
    left = dict(manifest.files)
    for info in archive:
        entry = left.pop(info.name, None)
        source = archive.extractfile(info)
        if entry is None or source is None or not info.isreg():
            raise BundleError(f"{info.name} is not in the manifest, or there twice")
        path = folder / info.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if _copy(source, path, entry.mode, progress) != (entry.sha256, entry.size):
            raise BundleError(f"{info.name} is not as it was signed")
        os.utime(path, (manifest.facts.created_s, manifest.facts.created_s))
    if left:
        raise BundleError(f"{min(left)} is missing")


def _copy(source: IO[bytes], path: Path, mode: int, progress: Progress) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as handle:
        while piece := source.read(_CHUNK_BYTES):
            handle.write(piece)
            digest.update(piece)
            size += len(piece)
            progress(len(piece))
        os.fchmod(handle.fileno(), mode)
    return digest.hexdigest(), size
