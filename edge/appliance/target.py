"""Where an image may be put: a whole disk that nothing uses, or a file."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import UpdateError

_DISK_TYPES = ("disk", "loop")
_PARTITION = "part"
_COLUMNS = "PATH,TYPE,SIZE,RO,MODEL,MOUNTPOINTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A disk, or a file that may not be there yet; a file has the room of its file system."""

    path: Path
    is_disk: bool
    holds: bool
    size_bytes: int
    model: str = ""
    kind: str = "file"
    is_read_only: bool = False
    users: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What a person is asked about."""
        size = f"{self.size_bytes / 1e9:.1f} GB"
        return f"{self.path} ({self.model}, {size})" if self.model else f"{self.path} ({size})"


def inspect(path: Path) -> Target:
    """What is there now; raises :class:`UpdateError` where it is neither a disk nor a file, nor could be one."""
    try:
        status = path.stat() if path.exists() else None
        if status is not None and stat.S_ISBLK(status.st_mode):
            return disk_from(_lsblk(path), path)
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise UpdateError(f"{path}: is neither a disk nor a file")
        own = 0 if status is None else status.st_blocks * 512
        room = shutil.disk_usage(path.resolve().parent).free + own
    except OSError as error:
        raise UpdateError(f"{path}: cannot be written: {error.strerror}") from error
    return Target(path=path, is_disk=False, holds=bool(own), size_bytes=room)


def disk_from(document: Mapping[str, Any], path: Path) -> Target:
    """A disk as ``lsblk --json`` tells of it; raises :class:`UpdateError` where it does not."""
    try:
        (device,) = document["blockdevices"]
        return Target(
            path=path,
            is_disk=True,
            holds=True,
            size_bytes=int(device["size"]),
            model=(device["model"] or "").strip(),
            kind=str(device["type"]),
            is_read_only=bool(device["ro"]),
            users=tuple(_users(device)),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise UpdateError(f"{path}: lsblk tells nothing of use about it") from error


def refusal(target: Target, image_bytes: int) -> str | None:
    """Why an image of so many bytes must not be put there; None where it may."""
    if target.is_disk and target.kind == _PARTITION:
        return "is a partition; name the whole disk"
    if target.is_disk and target.kind not in _DISK_TYPES:
        return f"is no disk ({target.kind})"
    if target.users:
        return f"is in use: {', '.join(target.users)}"
    if target.is_read_only:
        return "is read-only"
    if target.size_bytes < image_bytes:
        return f"is too small: {target.size_bytes} bytes, the image has {image_bytes}"
    return None


def _users(device: Mapping[str, Any]) -> Iterator[str]:
    """Where the disk or a part of it is mounted, and what is built upon it: RAID, LVM, encryption."""
    yield from (place for place in device.get("mountpoints") or () if place)
    for child in device.get("children") or ():
        if child["type"] != _PARTITION:
            yield str(child["path"])
        yield from _users(child)


def _lsblk(path: Path) -> Any:
    command = ["lsblk", "--json", "--bytes", "--output", _COLUMNS, str(path)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UpdateError("lsblk: not installed (apt install util-linux)") from error
    if result.returncode != 0:
        raise UpdateError(f"{path}: lsblk failed: {result.stderr.strip()}")
    return json.loads(result.stdout)
