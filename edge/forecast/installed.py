"""Bundles on the device: a folder, a link to the one in force, and the highest number ever accepted.

::

    bundles/
      41-2026.11.22-1.zip
      42-2026.12.01-1.zip
      current -> 42-2026.12.01-1.zip     what the planner loads
      good -> 41-2026.11.22-1.zip        what proved itself last
      trial.json                         ``edge.trial``, the state machine that releases have as well
      history.json                       what was in force since when, and why

Installing moves forward only; going back is an explicit command, or the planner's own verdict on a bundle on trial
(``edge.forecast.proving``). Every change is a rename within the folder, with the data and the folder synced, so that a
power cut leaves old or new.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge import trial
from edge.errors import BundleError, UpdateError
from edge.files import replace_whole
from edge.forecast.bundle import Bundle
from edge.trial import CURRENT, Trial

STATE = "trial.json"
HISTORY = "history.json"
HIGHEST = "highest_seq"  # of boxes that were set up before there were trials
_READABLE = 0o644
_MOST_ROWS = 200
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


def state(folder: Path) -> Trial:
    """What is in force and what has proved itself; raises :class:`BundleError`."""
    try:
        found = trial.read(folder / STATE)
    except UpdateError as error:
        raise BundleError(str(error)) from error
    return found if found.current else _before_trials(folder)


def highest_seq(folder: Path) -> int:
    """The highest number ever accepted here; -1 before the first."""
    return state(folder).highest_seq


def install(bundle: Bundle, folder: Path, why: str = "") -> Entry:
    """Put a verified bundle on trial; raises :class:`BundleError` where it is not newer than all before it.

    It takes the place of one that is on trial already; the very first has nothing to go back to, and counts as good.
    ``why`` is kept in the history.
    """
    manifest = bundle.manifest
    before = state(folder)
    if manifest.seq <= before.highest_seq:
        raise BundleError(f"bundle {manifest.version} has seq {manifest.seq}, {before.highest_seq} was accepted before")
    name = f"{manifest.seq}-{manifest.version}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_whole(folder / name, bundle.raw, _READABLE)
        if os.geteuid() == 0:  # the planner, which is not root, gives its verdict here
            owner = folder.parent.stat()
            os.chown(folder, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be written: {error.strerror}") from error
    after = trial.installed(trial.failed(before, "a newer one came"), name, manifest.seq)
    _to(folder, replace(after, told=f"{after.told}: {why}") if why else after)
    return Entry(seq=manifest.seq, version=manifest.version, path=folder / name, is_current=True)


def rollback(folder: Path, why: str = "by hand") -> Entry:
    """Put the bundle before the one in force back in force; raises :class:`BundleError` where there is none."""
    try:
        after = trial.rolled_back(state(folder), why)
    except UpdateError as error:
        raise BundleError(f"{folder}: there is no earlier bundle to go back to") from error
    _to(folder, after)
    return next(entry for entry in entries(folder) if entry.is_current)


def started(folder: Path) -> Trial:
    """The planner starts: finish what a power cut interrupted, and count the start of a trial."""
    return _to(folder, trial.started(state(folder)))


def proved(folder: Path) -> Trial:
    """The bundle on trial is good."""
    return _to(folder, trial.proved(state(folder)))


def failed(folder: Path, why: str) -> Trial:
    """The bundle on trial is given back."""
    return _to(folder, trial.failed(state(folder), why))


def _to(folder: Path, after: Trial) -> Trial:
    """The one way to a state: it is made to last, and the links follow."""
    try:
        if after.current and after != trial.read(folder / STATE):
            trial.write(folder / STATE, after)
        trial.settle(folder, after)
    except UpdateError as error:
        raise BundleError(str(error)) from error
    _note(folder, after)
    return after


def history(folder: Path) -> list[dict[str, Any]]:
    """What was in force and why, oldest first: ``time_s``, ``current``, ``told``; raises :class:`BundleError`."""
    path = folder / HISTORY
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [
            {"time_s": float(row["time_s"]), "current": str(row["current"]), "told": str(row["told"])} for row in rows
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BundleError(f"{path}: is not the history of bundles: {error!r}") from error


def _note(folder: Path, after: Trial) -> None:
    """A row more where something else is in force or was told; what a power cut left out follows at the next start."""
    try:
        rows = history(folder)
    except BundleError:  # what is in force counts for more than what was
        (folder / HISTORY).replace(folder / f"{HISTORY}.damaged")
        rows = []
    now = {"current": after.current, "told": after.told}
    if not after.current or (rows and {name: rows[-1][name] for name in now} == now):
        return
    try:
        text = json.dumps([*rows, {"time_s": time.time(), **now}][-_MOST_ROWS:])
        replace_whole(folder / HISTORY, text.encode("ascii"), _READABLE)
    except OSError as error:
        raise BundleError(f"{folder / HISTORY}: cannot be written: {error.strerror}") from error


def _before_trials(folder: Path) -> Trial:
    """The state of a folder without one: what is in force is good, and the bundle before it is what to go back to."""
    try:
        highest = int((folder / HIGHEST).read_text(encoding="ascii"))
    except FileNotFoundError:
        return Trial()
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / HIGHEST}: cannot be read: {error}") from error
    found = entries(folder)
    place = next((index for index, entry in enumerate(found) if entry.is_current), -1)
    if place < 0:
        return Trial(highest_seq=highest)
    current, previous = found[place].path.name, found[place - 1].path.name if place > 0 else ""
    return Trial(current=current, good=current, previous=previous, highest_seq=highest)
