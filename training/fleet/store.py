"""The door to homes and results: any URL of fsspec (a folder, ``s3://``, ``memory://``); errors become ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from botocore.exceptions import BotoCoreError
from fsspec.implementations.local import LocalFileSystem

from training.errors import SetupError, TrainingError


class StoreUnreachable(TrainingError):
    """The store did not answer as it should; worth another try."""


class Store:
    """A folder of one store; ``url`` is whole, so that a worker elsewhere finds it."""

    def __init__(self, url: str) -> None:
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url.rstrip("/"))
        except (ValueError, ImportError) as error:
            raise SetupError(f"{url}: {error}") from error
        self._is_local = isinstance(self._fs, LocalFileSystem)
        self.url = str(self._root) if self._is_local else url.rstrip("/")

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Whatever the store says, as ours; a missing file stays ``FileNotFoundError``."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, TimeoutError, ValueError, BotoCoreError) as error:  # s3fs lets its library's errors through
            raise StoreUnreachable(f"{self.url}/{name}: {error or type(error).__name__}") from error

    def folders(self) -> list[str]:
        """Names of the folders in it, in order; raises :class:`SetupError` where there is no such place."""
        try:
            with self._named(""):
                rows = self._fs.ls(self._root, detail=True, refresh=True)
        except FileNotFoundError as error:
            raise SetupError(f"{self.url}: no such folder") from error
        names = (str(row["name"]).rstrip("/").rpartition("/")[2] for row in rows if row["type"] == "directory")
        return sorted(name for name in names if name and not name.startswith("."))

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where it is absent."""
        try:
            with self._named(name):
                return int(self._fs.info(f"{self._root}/{name}")["size"])
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None where it is absent."""
        try:
            with self._named(name):
                self._fs.invalidate_cache()
                return bytes(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """A file, whole or not at all: object stores put at once, in a folder it is renamed into its place."""
        with self._named(name):
            path = f"{self._root}/{name}"
            if self._is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                draft = Path(f"{path}.{os.getpid()}.draft")
                draft.write_bytes(content)
                draft.replace(path)
            else:
                self._fs.pipe_file(path, content)
