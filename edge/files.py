"""What the files of a box's state folder are called, and how a file with a secret is read."""

from __future__ import annotations

import stat
from pathlib import Path

from edge.errors import ConfigError

STORE_NAME = "store.sqlite"
SOCKET_NAME = "control.sock"
FEEDS_NAME = "feeds.sqlite"
RECORDER_NAME = "recorder"
_OTHERS = 0o077


def private_text(path: Path) -> str:
    """The text of a file that only its owner can read; raises :class:`ConfigError`."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            raise ConfigError(str(path), ["can be read by others: chmod 600"])
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from error
