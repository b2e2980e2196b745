"""Shadows: bundles that forecast and plan beside the one in force, without a way to the hardware.

They lie in ``shadows`` within the folder of installed bundles, each as ``NAME@SEQ-VERSION.zip``. What was in force
before the present bundle is a shadow without being put there: ``predecessor``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BundleError
from edge.files import replace_whole, sync_folder
from edge.forecast import installed
from edge.forecast.bundle import Bundle

FOLDER = "shadows"
PREDECESSOR = "predecessor"
# The planner may take 256 MB (pems-planner.service). The demo's models and the optimiser of their plans take 12.5 MB:
# predecessor and four more bring it from 112 to 175 MB.
MOST_COUNT = 4
_READABLE = 0o644
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
_FILE = re.compile(r"([a-z0-9][a-z0-9-]{0,31})@(\d{1,16}-[0-9A-Za-z][0-9A-Za-z.+-]{0,63})\.zip\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A bundle that is followed; ``bundle`` is its number and version, by which its days are kept."""

    name: str
    bundle: str
    path: Path


def shadows(folder: Path) -> tuple[Shadow, ...]:
    """All shadows of a folder of installed bundles by name, the predecessor first; none is followed twice."""
    state = installed.state(folder)
    before = state.good if state.is_running else state.previous
    found = [Shadow(name=PREDECESSOR, bundle=bundle_of(before), path=folder / before)] if before else []
    known = {bundle_of(state.current), bundle_of(before)}
    return (*found, *(shadow for shadow in _put(folder) if shadow.bundle not in known))


def champion(folder: Path) -> str:
    """Number and version of what is in force; empty where nothing is installed."""
    return bundle_of(installed.state(folder).current)


def bundle_of(name: str) -> str:
    """Number and version of an installed bundle, by the name of its file."""
    return name.removesuffix(".zip")


def named(folder: Path, name: str) -> Shadow:
    """The shadow of a name; raises :class:`BundleError`."""
    for shadow in shadows(folder):
        if shadow.name == name:
            return shadow
    raise BundleError(f"there is no shadow {name}")


def put(bundle: Bundle, folder: Path, name: str) -> Shadow:
    """Let a verified bundle be followed under a name, in place of what had it before; raises :class:`BundleError`."""
    if not _NAME.match(name) or name == PREDECESSOR:
        raise BundleError(f"{name!r} cannot be a shadow's name: up to 32 of a-z, 0-9 and -, and not {PREDECESSOR}")
    others = [shadow for shadow in _put(folder) if shadow.name != name]
    if len(others) >= MOST_COUNT:
        raise BundleError(
            f"{name} would be shadow {len(others) + 1}, the box follows {MOST_COUNT}: drop one of "
            f"{', '.join(shadow.name for shadow in others)}"
        )
    manifest = bundle.manifest
    said = f"{manifest.seq}-{manifest.version}"
    if said == champion(folder):
        raise BundleError(f"{said} is in force: it cannot be its own shadow")
    path = folder / FOLDER / f"{name}@{said}.zip"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, bundle.raw, _READABLE)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error
    for shadow in _put(folder):
        if shadow.name == name and shadow.path != path:
            _remove(shadow.path)
    return Shadow(name=name, bundle=said, path=path)


def drop(folder: Path, name: str) -> Shadow:
    """Follow a shadow no longer; raises :class:`BundleError` where it was not put there."""
    for shadow in _put(folder):
        if shadow.name == name:
            _remove(shadow.path)
            return shadow
    raise BundleError(f"there is no shadow {name} that was put here")


def _put(folder: Path) -> tuple[Shadow, ...]:
    """The shadows that somebody put here, by name."""
    place = folder / FOLDER
    matches = [_FILE.match(path.name) for path in sorted(place.iterdir())] if place.is_dir() else []
    return tuple(Shadow(name=match[1], bundle=match[2], path=place / match[0]) for match in matches if match)


def _remove(path: Path) -> None:
    try:
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise BundleError(f"{path}: cannot be removed: {error.strerror}") from error
