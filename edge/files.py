"""What the files of a box's state folder are called, how one is replaced for good, how one with a secret is read."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

from edge.errors import ConfigError

STORE_NAME = "store.sqlite"
CALIBRATION_NAME = "calibration.json"
SHADOWS_NAME = "shadows.sqlite"
SOCKET_NAME = "control.sock"
FEEDS_NAME = "feeds.sqlite"
RECORDER_NAME = "recorder"
_OTHERS = 0o077


def replace_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a file in place, whole: once this returns, no power cut brings the old one back; raises ``OSError``."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder last; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_disk(folder: Path) -> None:
    """Make all that was written on a folder's disk last, thousands of files at once; raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def private_text(path: Path) -> str:
    """The text of a file that only its owner can read; raises :class:`ConfigError`."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            raise ConfigError(str(path), ["can be read by others: chmod 600"])
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from error
