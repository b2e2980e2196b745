"""An image as a file, plain or packed by zstd: its bytes from first to last, how many they are, and their hash."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from edge.errors import UpdateError

CHUNK_BYTES = 4 * 1024 * 1024
_SECTOR_BYTES = 512
_TABLE_MAGIC = (
    b"EFI PART"  # UEFI Specification 2.10, table 5.5: the second sector of a disk with a GUID partition table
)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1


class Facts(NamedTuple):
    """How many bytes an image puts on a disk, and their hash."""

    size_bytes: int
    sha256: str


def is_packed(image: Path) -> bool:
    """Whether zstd packed it; raises :class:`UpdateError`."""
    return _first(image).startswith(_ZSTD_MAGIC)


def examine(image: Path) -> Facts:
    """Read it once from first to last; raises :class:`UpdateError` where it is damaged or no image of a disk."""
    whole, size_bytes = hashlib.sha256(), 0
    for chunk in chunks(image):
        whole.update(chunk)
        size_bytes += len(chunk)
    return Facts(size_bytes, whole.hexdigest())


def chunks(image: Path) -> Iterator[bytes]:
    """Its bytes in pieces of :data:`CHUNK_BYTES`, the last one shorter; raises :class:`UpdateError`."""
    if not is_packed(image):
        with image.open("rb") as handle:
            yield from _pieces(handle, image)
        return
    command = ["zstd", "--decompress", "--stdout", "--quiet", "--", str(image)]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise UpdateError("zstd: not installed (apt install zstd)") from error
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        yield from _pieces(process.stdout, image)
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise UpdateError(f"{image}: cannot be unpacked: {said}")


def _pieces(handle: IO[bytes], image: Path) -> Iterator[bytes]:
    chunk = handle.read(CHUNK_BYTES)
    if chunk[_SECTOR_BYTES : _SECTOR_BYTES + len(_TABLE_MAGIC)] != _TABLE_MAGIC:
        raise UpdateError(f"{image}: is not the image of a disk")
    while chunk:
        yield chunk
        chunk = handle.read(CHUNK_BYTES)


def _first(image: Path) -> bytes:
    try:
        with image.open("rb") as handle:
            return handle.read(len(_ZSTD_MAGIC))
    except OSError as error:
        raise UpdateError(f"{image}: cannot be read: {error.strerror}") from error
