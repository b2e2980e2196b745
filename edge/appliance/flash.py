"""Put an image on a disk or into a file: written, made to last, read back.

The first mebibyte, where firmware looks for partitions, is wiped at once and written last, when all the rest is on the
disk. So a disk that was unplugged too early, or that does not give back what it was given, starts nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge.appliance.imagefile import CHUNK_BYTES, Facts, chunks
from edge.errors import UpdateError

HEAD_BYTES = 1024 * 1024

Progress = Callable[[int], object]


class _Read(NamedTuple):
    """What was read from the image: its length and hash, the hash of each chunk, its first mebibyte."""

    facts: Facts
    chunk_digests: tuple[bytes, ...]
    head: bytes


def flash(image: Path, facts: Facts, target: Path, progress: Progress) -> None:
    """Write, make it last, read it back. Progress counts each byte twice.

    Raises :class:`UpdateError` where the image is not what it was when it was examined, or the disk is busy, fails, or
    does not give back what it was given; then nothing will start from it.
    """
    with _opened(target) as disk:
        _wipe_head(disk)
        read = _write_body(image, disk, progress)
        if read.facts != facts:
            raise UpdateError(f"{image}: has changed meanwhile; {target} starts nothing now")
        _put(disk, read.head, 0)
        os.fsync(disk)
    try:
        _read_back(target, read, progress)
    except UpdateError:
        with _opened(target) as disk:
            _wipe_head(disk)
        raise


def _write_body(image: Path, disk: int, progress: Progress) -> _Read:
    """Everything but the head is on the disk; a file keeps its holes."""
    is_file = stat.S_ISREG(os.fstat(disk).st_mode)
    whole, digests, head, at = hashlib.sha256(), [], b"", 0
    for chunk in chunks(image):
        whole.update(chunk)
        digests.append(hashlib.sha256(chunk).digest())
        head = head or chunk[:HEAD_BYTES]
        skipped = 0 if at else HEAD_BYTES
        if not is_file or any(chunk):
            _put(disk, chunk[skipped:], at + skipped)
        at += len(chunk)
        progress(len(chunk))
    if is_file:
        os.ftruncate(disk, at)
    os.fsync(disk)
    return _Read(Facts(at, whole.hexdigest()), tuple(digests), head)


def _read_back(target: Path, read: _Read, progress: Progress) -> None:
    """Hold the disk against what was written, chunk by chunk, from the disk and not from memory."""
    with _opened(target) as disk:
        # pages that are clean, as all are after fsync, are given up; those of a device were when it was closed
        os.posix_fadvise(disk, 0, 0, os.POSIX_FADV_DONTNEED)
        for number, digest in enumerate(read.chunk_digests):
            place = number * CHUNK_BYTES
            chunk = os.pread(disk, min(CHUNK_BYTES, read.facts.size_bytes - place), place)
            if hashlib.sha256(chunk).digest() != digest:
                raise UpdateError(f"{target}: gives back other bytes than were written, from byte {place} on")
            progress(len(chunk))


def _wipe_head(disk: int) -> None:
    """No firmware and no kernel finds anything on it; of a file nothing is left."""
    if stat.S_ISREG(os.fstat(disk).st_mode):
        os.ftruncate(disk, 0)
    _put(disk, bytes(HEAD_BYTES), 0)
    os.fsync(disk)


def _put(disk: int, content: bytes, place: int) -> None:
    view = memoryview(content)
    while view:
        count = os.pwrite(disk, view, place)
        view, place = view[count:], place + count


@contextlib.contextmanager
def _opened(target: Path) -> Iterator[int]:
    """Ours alone: the kernel refuses a disk of which anything is mounted. A file is made where there is none."""
    try:
        flags = os.O_EXCL if target.is_block_device() else os.O_CREAT
        disk = os.open(target, os.O_RDWR | os.O_CLOEXEC | flags, 0o644)
        try:
            yield disk
        finally:
            os.close(disk)
    except OSError as error:
        raise UpdateError(f"{target}: {error.strerror}") from error
