"""A small disk whose every write is logged, and the disks that a power cut could have left of it. Needs root.

``qemu-storage-daemon`` serves the image as a file (FUSE) with ``blklogwrites`` under it; a loop device makes it a disk.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bench_appliance.blocklog import Cut, Epoch, epochs
from edge.errors import StoreError

_TOOLS = ("qemu-storage-daemon", "mkfs.ext4", "e2fsck", "losetup", "mount", "umount")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # states are made and thrown away by the thousand
_WITHIN_S = 30.0
_REPAIRED = 1  # e2fsck(8)
_MIB = 1024 * 1024
_DAEMON = """qemu-storage-daemon
--blockdev driver=file,node-name=disk,filename={disk}
--blockdev driver=file,node-name=log,filename={log}
--blockdev driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=512
--export type=fuse,id=export,node-name=logged,mountpoint={export},writable=on"""


def missing() -> str:
    """Why no disk can be recorded here; empty where one can."""
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)}: not installed (scripts/debian-packages)"
    for device in ("/dev/fuse", "/dev/loop-control"):
        try:
            with Path(device).open("rb+", buffering=0):
                pass
        except OSError as error:
            return f"{device}: {error.strerror}"
    return ""


def call(*command: str | Path, most_code: int = 0, within_s: float = _WITHIN_S) -> str:
    """What a tool printed; raises :class:`StoreError` with its complaint where it left with a code above the most."""
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, timeout=within_s
        )
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"{command[0]}: no end within {within_s:g} s") from error
    if not 0 <= done.returncode <= most_code:
        raise StoreError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder in memory for disks; raises :class:`StoreError` where no disk can be recorded."""
    if reason := missing():
        raise StoreError(reason)
    parent = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pems-disk-", dir=parent) as folder:
        yield Path(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk and its file system: how it is made, repaired before it is mounted, and checked afterwards."""

    size_bytes: int
    make: tuple[str, ...]
    repair: tuple[str, ...]
    check: tuple[str, ...]


# Debian's defaults, tables and journal written out at once; repaired as the box does at its start (fsck.repair=yes).
EXT4 = Disk(
    size_bytes=32 * _MIB,
    make=("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
    repair=("e2fsck", "-y"),
    check=("e2fsck", "-fn"),
)


def make_disk(disk: Disk, image: Path) -> None:
    """A disk with nothing on it."""
    with image.open("wb") as handle:
        handle.truncate(disk.size_bytes)
    call(*disk.make, image)


def copy_disk(image: Path, copy: Path) -> None:
    """A copy that takes no more room than the image does."""
    call("cp", "--sparse=always", image, copy)


@contextlib.contextmanager
def looped(image: Path) -> Iterator[str]:
    """A loop device over a file."""
    device = call("losetup", "--find", "--show", image).strip()
    try:
        yield device
    finally:
        call("losetup", "--detach", device)


@contextlib.contextmanager
def mounted(device: str, folder: Path) -> Iterator[Path]:
    """A disk's file system, at a folder."""
    folder.mkdir(exist_ok=True)
    call("mount", device, folder)
    try:
        yield folder
    finally:
        call("umount", folder)


@dataclass(slots=True)
class Recording:
    """A disk that is being written to: where, and how long its log is by now."""

    root: Path
    log: Path

    def log_bytes(self) -> int:
        """All writes and flushes that were answered lie before this."""
        return self.log.stat().st_size

    def epochs(self) -> tuple[Epoch, ...]:
        """What was written, once recording has ended."""
        return epochs(self.log.read_bytes())


@contextlib.contextmanager
def recording(disk: Path) -> Iterator[Recording]:
    """Mount a disk and log its writes, the unmounting included; the disk itself is changed too.

    The loop device must not use direct I/O: it would have several writes under way, and QEMU 7.2 mixes up their data
    (``fuse_write`` polls, and the buffer is reused). Without it the served file is still written through, one by one.
    """
    export, log = disk.with_suffix(".export"), disk.with_suffix(".log")
    export.touch()
    log.write_bytes(b"")
    command = _DAEMON.format(disk=disk, log=log, export=export).split()
    with subprocess.Popen(command) as daemon:
        try:
            _wait_for_size(export, disk.stat().st_size)
            with looped(export) as device, mounted(device, disk.with_suffix(".root")) as root:
                yield Recording(root=root, log=log)
        finally:
            daemon.terminate()
            daemon.wait(_WITHIN_S)


def _wait_for_size(export: Path, size: int) -> None:
    """Until the served file is there in its full size."""
    until_s = time.monotonic() + _WITHIN_S
    while export.stat().st_size != size:
        if time.monotonic() > until_s:
            raise StoreError(f"{export}: qemu-storage-daemon serves nothing")
        time.sleep(0.02)


class CutDisks:
    """A disk as it was before recording, brought forward epoch by epoch; each cut is mounted on a copy."""

    def __init__(self, disk: Disk, before: Path) -> None:
        self._disk, self._kept = disk, before
        self._copy = before.with_suffix(".cut")

    @contextlib.contextmanager
    def after(self, cut: Cut) -> Iterator[Path]:
        """The file system as the next start finds it: repaired as the box does, and mounted."""
        copy_disk(self._kept, self._copy)
        _patch(self._copy, cut.patches)
        call(*self._disk.repair, self._copy, most_code=_REPAIRED)
        with looped(self._copy) as device, mounted(device, self._copy.with_suffix(".root")) as root:
            yield root

    def complaint(self) -> str:
        """What the check says of the disk that was mounted last; empty for a clean one."""
        try:
            call(*self._disk.check, self._copy)
        except StoreError as error:
            return str(error)
        return ""

    def keep(self, epoch: Epoch) -> None:
        """Go on to the next epoch: what the flush between kept."""
        _patch(self._kept, [write.part(0, write.sector_count) for write in epoch.writes])


def _patch(image: Path, patches: Sequence[tuple[int, bytes]]) -> None:
    with image.open("r+b") as handle:
        for offset_bytes, data in patches:
            handle.seek(offset_bytes)
            handle.write(data)
