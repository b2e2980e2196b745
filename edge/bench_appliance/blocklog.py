"""What a disk was told, in order: the log of QEMU's ``blklogwrites`` filter, and the states a power cut can leave.

The format is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst): a superblock in
the first sector, then for each write or flush a sector with its entry, and after a write's entry its data.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.errors import StoreError

SECTOR_BYTES = 512
MAGIC = 0x6A736677736872
_VERSION = 1
_SUPERBLOCK = struct.Struct("<QQQI")  # magic, version, entries, bytes a sector
_ENTRY = struct.Struct("<QQQQ")  # sector, sectors, flags, bytes of data
_FLUSH, _DISCARD = 1, 4

Kind = Literal["prefix", "cache lost", "torn", "scattered"]
KINDS: tuple[Kind, ...] = ("prefix", "cache lost", "torn", "scattered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write: where, what, and how long the log was when it was in."""

    offset_bytes: int
    data: bytes
    log_bytes: int

    @property
    def sector_count(self) -> int:
        """Sectors it covers."""
        return len(self.data) // SECTOR_BYTES

    def part(self, first: int, count: int) -> tuple[int, bytes]:
        """Some of its sectors, as a patch."""
        start = first * SECTOR_BYTES
        return self.offset_bytes + start, self.data[start : start + count * SECTOR_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Writes between two flushes: before the second they may arrive in any order or not at all, after it they are kept.

    ``log_bytes`` is how long the log was before the second flush was in.
    """

    writes: tuple[Write, ...]
    log_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One state that a power cut can leave: what all flushes before it kept, and these patches in this order.

    Whatever was acknowledged when the log was no longer than ``log_bytes`` must be in it.
    """

    kind: Kind
    log_bytes: int
    patches: tuple[tuple[int, bytes], ...]


def epochs(log: bytes) -> tuple[Epoch, ...]:
    """A whole log; raises :class:`StoreError` where it is none, or its sectors are not of 512 bytes."""
    if len(log) < _SUPERBLOCK.size:
        raise StoreError(f"a log of {len(log)} bytes holds no superblock")
    magic, version, _, sector_bytes = _SUPERBLOCK.unpack_from(log)
    if (magic, version, sector_bytes) != (MAGIC, _VERSION, SECTOR_BYTES):
        raise StoreError(f"not a log of writes: magic {magic:#x}, version {version}, sectors of {sector_bytes} bytes")
    found: list[Epoch] = []
    writes: list[Write] = []
    for is_flush, write in _entries(log):
        if write.data:
            writes.append(write)
        if is_flush:
            found.append(Epoch(writes=tuple(writes), log_bytes=write.log_bytes - 1))
            writes = []
    return (*found, Epoch(writes=tuple(writes), log_bytes=len(log)))


def _entries(log: bytes) -> Iterator[tuple[bool, Write]]:
    """Every entry until the log ends; the superblock's count is not asked, it is written now and then only."""
    at = SECTOR_BYTES
    while at + SECTOR_BYTES <= len(log):
        sector, count, flags, _ = _ENTRY.unpack_from(log, at)
        at += SECTOR_BYTES
        length = count * SECTOR_BYTES
        if flags & _DISCARD:
            data = bytes(length)
        else:
            data = log[at : at + length]
            at += length
        if len(data) < length:
            raise StoreError(f"the log ends within a write of {length} bytes")
        yield bool(flags & _FLUSH), Write(offset_bytes=sector * SECTOR_BYTES, data=data, log_bytes=at)


def cuts(epoch: Epoch, seed: int) -> Iterator[Cut]:
    """The states of one epoch.

    ``prefix``: all writes up to each one. ``torn``: the same, of the last only its first sectors. ``cache lost``: no
    write since the flush. ``scattered``: of all sectors since the flush any half. Chance comes from ``seed``.
    """
    chance = random.Random(seed)
    yield Cut(kind="cache lost", log_bytes=epoch.log_bytes, patches=())
    done: list[tuple[int, bytes]] = []
    for write in epoch.writes:
        if write.sector_count > 1:
            torn = write.part(0, chance.randrange(1, write.sector_count))
            yield Cut(kind="torn", log_bytes=write.log_bytes - 1, patches=(*done, torn))
        done.append(write.part(0, write.sector_count))
        yield Cut(kind="prefix", log_bytes=write.log_bytes, patches=tuple(done))
    if epoch.writes:
        yield Cut(kind="scattered", log_bytes=epoch.log_bytes, patches=_scattered(epoch.writes, chance))


def _scattered(writes: Sequence[Write], chance: random.Random) -> tuple[tuple[int, bytes], ...]:
    """Half of all sectors, in any order of the writes."""
    shuffled = chance.sample(writes, len(writes))
    sectors = [write.part(index, 1) for write in shuffled for index in range(write.sector_count)]
    return tuple(sector for sector in sectors if chance.random() < 0.5)
