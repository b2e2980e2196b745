"""Bundles on the device: a folder, a link to the one in force, and the highest number ever accepted.

::

    bundles/
      41-2026.11.22-1.zip
      42-2026.12.01-1.zip
      current -> 42-2026.12.01-1.zip
      highest_seq

Installing moves forward only; going back is an explicit command to a bundle that was in force here before. Every
change is a rename within the folder, with the data and the folder synced, so that a power cut leaves old or new.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BundleError
from edge.files import replace_whole, sync_folder
from edge.forecast.bundle import Bundle

CURRENT = "current"
HIGHEST = "highest_seq"
_READABLE = 0o644
_NAME = re.compile(r"(\d{1,16})-([0-9A-Za-z][0-9A-Za-z.+-]{0,63})\.zip\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One installed bundle."""

    seq: int
    version: str
    path: Path
    is_current: bool


def entries(folder: Path) -> tuple[Entry, ...]:
    """Installed bundles, oldest first; none where the folder is absent."""
    if not folder.is_dir():
        return ()
    link = folder / CURRENT
    current = link.readlink().name if link.is_symlink() else ""
    found = []
    for path in folder.iterdir():
        match = _NAME.match(path.name)
        if match:
            found.append(Entry(seq=int(match[1]), version=match[2], path=path, is_current=path.name == current))
    return tuple(sorted(found, key=lambda entry: entry.seq))


def current_path(path: Path) -> Path:
    """The bundle that a configured path means: a file, or the one in force in a folder of installed bundles."""
    if not path.is_dir():
        return path
    for entry in entries(path):
        if entry.is_current:
            return entry.path
    raise BundleError(f"{path}: no bundle is installed")


def highest_seq(folder: Path) -> int:
    """The highest number ever accepted here; -1 before the first."""
    try:
        return int((folder / HIGHEST).read_text(encoding="ascii"))
    except FileNotFoundError:
        return -1
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / HIGHEST}: cannot be read: {error}") from error


def install(bundle: Bundle, folder: Path) -> Entry:
    """Put a verified bundle in force; raises :class:`BundleError` where it is not newer than all before it."""
    manifest = bundle.manifest
    highest = highest_seq(folder)
    if manifest.seq <= highest:
        raise BundleError(f"bundle {manifest.version} has seq {manifest.seq}, {highest} was accepted before")
    name = f"{manifest.seq}-{manifest.version}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_whole(folder / name, bundle.raw, _READABLE)
        replace_whole(folder / HIGHEST, str(manifest.seq).encode("ascii"), _READABLE)
        _point(folder, name)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written: {error.strerror}") from error
    return Entry(seq=manifest.seq, version=manifest.version, path=folder / name, is_current=True)


def rollback(folder: Path) -> Entry:
    """Put the bundle before the one in force back in force; raises :class:`BundleError` where there is none."""
    installed = entries(folder)
    place = next((index for index, entry in enumerate(installed) if entry.is_current), 0)
    if place == 0:
        raise BundleError(f"{folder}: there is no earlier bundle to go back to")
    previous = installed[place - 1]
    try:
        _point(folder, previous.path.name)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written: {error.strerror}") from error
    return Entry(seq=previous.seq, version=previous.version, path=previous.path, is_current=True)


def _point(folder: Path, name: str) -> None:
    draft = folder / f".{CURRENT}.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(name)
    draft.replace(folder / CURRENT)
    sync_folder(folder)
