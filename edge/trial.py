"""What is in force, and what has proved itself: one state machine for releases and for bundles of models.

::

    installed ──► on trial ──good──► good            in force and proved, until the next one
                     └── failed, or the third start without a word ──► rolled back to what proved itself last

The state is one small file and the authority; the links ``current`` and ``good`` beside what is installed only follow
it. A step writes the state first and the links second, each whole and lasting, so that :func:`settle` finishes after a
power cut or a kill whatever was begun. What recovers runs through ``good``: what is on trial may not even start.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from edge.errors import UpdateError
from edge.files import replace_whole, sync_folder

CURRENT = "current"
GOOD = "good"
LOCK_NAME = ".lock"
STARTS_COUNT = 2  # of something on trial; the start after that brings back what proved itself
_READABLE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Names of what is installed, ``""`` for none; ``told`` is what happened last, for people."""

    current: str = ""
    good: str = ""
    previous: str = ""
    starts_count: int = 0
    highest_seq: int = -1
    told: str = ""

    @property
    def is_running(self) -> bool:
        """Whether what is in force has yet to prove itself."""
        return self.current != self.good

    @property
    def kept(self) -> frozenset[str]:
        """What must not be removed."""
        return frozenset({self.current, self.good, self.previous} - {""})


def installed(state: Trial, name: str, seq: int) -> Trial:
    """Put something newer in force, on trial; the first of all has nothing to go back to, and counts as good.

    What was rolled back may be tried again; nothing older than the newest ever accepted is.
    """
    if state.is_running:
        raise UpdateError(f"{state.current} is on trial: wait until it is good, or roll it back")
    if seq < state.highest_seq or (seq == state.highest_seq and name in state.kept):
        raise UpdateError(f"{name} has seq {seq}, {state.highest_seq} was accepted before")
    good = state.good or name
    return replace(state, current=name, good=good, starts_count=0, highest_seq=seq, told=f"{name} was installed")


def started(state: Trial) -> Trial:
    """One more start; the one after :data:`STARTS_COUNT` of a trial brings back what proved itself."""
    if not state.is_running:
        return state
    if state.starts_count >= STARTS_COUNT:
        return failed(state, f"did not become good in {STARTS_COUNT} starts")
    return replace(state, starts_count=state.starts_count + 1)


def proved(state: Trial) -> Trial:
    """What is on trial is good, and what was good before is kept to go back to; nothing without a trial."""
    if not state.is_running:
        return state
    told = f"{state.current} is good"
    return replace(state, good=state.current, previous=state.good, starts_count=0, told=told)


def failed(state: Trial, why: str) -> Trial:
    """Back to what proved itself; nothing without a trial."""
    if not state.is_running:
        return state
    return replace(state, current=state.good, starts_count=0, told=f"{state.current} was rolled back: {why}")


def rolled_back(state: Trial, why: str = "by hand") -> Trial:
    """Back: from a trial to what is good, from what is good to the one before it; else :class:`UpdateError`."""
    if state.is_running:
        return failed(state, why)
    if not state.previous:
        raise UpdateError("there is nothing earlier to go back to")
    told = f"{state.current} was rolled back: {why}"
    return replace(state, current=state.previous, good=state.previous, previous="", told=told)


def read(path: Path) -> Trial:
    """The state of a file, the empty one before the first; raises :class:`UpdateError`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Trial()
    except OSError as error:
        raise UpdateError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UpdateError(f"{path}: is not JSON: {error}") from error
    kinds = {item.name: int if item.name in ("starts_count", "highest_seq") else str for item in fields(Trial)}
    if not isinstance(document, dict) or {name: type(value) for name, value in document.items()} != kinds:
        raise UpdateError(f"{path}: is not the state of a trial")
    return Trial(**document)


def write(path: Path, state: Trial) -> None:
    """Make a state last, whole or not at all; raises :class:`UpdateError`."""
    try:
        replace_whole(path, json.dumps(asdict(state), sort_keys=True).encode("ascii"), _READABLE)
    except OSError as error:
        raise UpdateError(f"{path}: cannot be written: {error.strerror}") from error


def settle(folder: Path, state: Trial, *, inside: str = "") -> None:
    """Point the links of a folder at what the state says; ``inside`` is where the installed ones lie below it."""
    try:
        for link, name in ((CURRENT, state.current), (GOOD, state.good)):
            target = str(Path(inside) / name)
            if name and (not (folder / link).is_symlink() or str((folder / link).readlink()) != target):
                point(folder, link, target)
    except OSError as error:
        raise UpdateError(f"{folder}: cannot be written: {error.strerror}") from error


def point(folder: Path, link: str, target: str) -> None:
    """Swap one link by a rename that lasts; raises ``OSError``."""
    draft = folder / f".{link}.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(folder / link)
    sync_folder(folder)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One command at a time; a second one raises :class:`UpdateError` instead of waiting."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UpdateError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UpdateError(f"{folder}: another installation is under way") from error
        yield
    finally:
        os.close(descriptor)
