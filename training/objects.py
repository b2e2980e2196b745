"""Files that are named by their content: written once, whole or not at all, and checked whenever they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from training.errors import SetupError, TrainingError

_DRAFT = ".draft-"


class Objects:
    """A folder of such files; who writes or sweeps holds the registry's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the content with this digest lies."""
        return self._folder / sha256[:2] / sha256

    def put(self, content: bytes) -> str:
        """Keep the content; returns its SHA-256. A file that is there already is left as it is if it is sound."""
        sha256 = hashlib.sha256(content).hexdigest()
        target = self.path(sha256)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self.is_sound(sha256):
                draft = target.with_name(f"{_DRAFT}{os.getpid()}")
                with draft.open("wb") as handle:
                    handle.write(content)
                    handle.flush()
                    os.fsync(handle.fileno())
                draft.chmod(0o444)
                draft.replace(target)
                _sync(target.parent)
        except OSError as error:
            raise SetupError(f"{target}: cannot be written: {error.strerror}") from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """The content; raises :class:`TrainingError` where the file is gone or is not what its name says."""
        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise TrainingError(f"{path}: is damaged: its content is not what its name says")
        return content

    def is_sound(self, sha256: str) -> bool:
        """Whether the content is there and undamaged."""
        path = self.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def sweep(self, kept: Collection[str]) -> int:
        """Remove every file but these, and the drafts of writers that died; returns how many were removed."""
        swept = [path for path in self._folder.glob("??/*") if path.name not in kept]
        try:
            for path in swept:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise SetupError(f"{self._folder}: cannot be swept: {error.strerror}") from error
        return len(swept)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
