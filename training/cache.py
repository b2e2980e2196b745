"""Parts on disk, by the digest of all that they follow from: the store, its version, the field, its way to our unit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from core_kernels.timegrid import TimeGrid
from training.errors import SetupError
from training.slots import Part, Recipe, RowCounts

_FORMAT = 1  # rises when the same question gets another answer


def key_of(place: str, version: str, label: str, recipe: Recipe, grid: TimeGrid) -> str:
    """The name of a part: equal for equal questions to equal stores."""
    question = [_FORMAT, place, version, label, dataclasses.asdict(recipe), dataclasses.asdict(grid)]
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


class PartCache:
    """A folder of parts; written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"{folder}: cannot be made: {error.strerror}") from error

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def has(self, key: str) -> bool:
        """Whether a part is there."""
        return self._path(key).is_file()

    def load(self, key: str) -> Part | None:
        """A part; None where it is absent or damaged."""
        try:
            with self._path(key).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                counts = RowCounts(**json.loads(str(file["counts"])))
                return Part(values=file["values"], flags=file["flags"], issued_s=file["issued_s"], counts=counts)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def save(self, key: str, part: Part) -> None:
        """Keep a part; raises :class:`SetupError` where the disk refuses."""
        path = self._path(key)
        counts = json.dumps(dataclasses.asdict(part.counts))
        try:
            path.parent.mkdir(exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                np.savez(file, values=part.values, flags=part.flags, issued_s=part.issued_s, counts=np.array(counts))
            Path(temporary).replace(path)
        except OSError as error:
            raise SetupError(f"{path}: cannot be written: {error.strerror}") from error
