"""Releases on a box: verified, unpacked beside those that are there, put on trial, kept or given back.

::

    /opt/pems/releases/1.2.0/       one release, never changed again
    /opt/pems/current -> releases/1.2.0     what the units run
    /opt/pems/good -> releases/1.1.0        what proved itself last, and recovers
    /var/lib/pems-update/state.json         ``edge.trial``

All is checked before anything is touched. Until the new release lies complete on the disk and its own command has run,
the state does not know it; what the state does not know is removed by the next command.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edge import trial
from edge.appliance.manifest import Facts, Manifest
from edge.appliance.release import Progress, unpack, verify
from edge.appliance.tree import facts_of
from edge.errors import BundleError, UpdateError
from edge.files import sync_disk, sync_folder
from edge.signature import check_in_time
from edge.trial import Trial

_SPARE_BYTES = 128 << 20  # for what the rest of the box writes meanwhile
_START_WITHIN_S = 300.0  # an emulated processor needs a minute
_PART = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where releases lie on this box, where their state does, and the key that must have signed them."""

    root: Path = Path("/opt/pems")
    state: Path = Path("/var/lib/pems-update")
    key: Path = Path("/etc/pems/release.pub")

    @property
    def releases(self) -> Path:
        """The folder of the releases."""
        return self.root / "releases"

    @property
    def file(self) -> Path:
        """The file of the state."""
        return self.state / "state.json"


def status(places: Places) -> Trial:
    """The state as it stands; where none was ever written, what an image or a package brought along is good."""
    state = trial.read(places.file)
    link = places.root / trial.CURRENT
    if state.current or not link.is_symlink():
        return state
    facts = facts_of(link)
    return trial.installed(state, facts.version, facts.seq)


def install(places: Places, file: Path, progress: Progress | None = None) -> Trial:
    """Put a release on trial; raises :class:`BundleError` or :class:`UpdateError`, and what ran before runs on."""
    with trial.alone(places.state):
        before = status(places)
        check_in_time(places.key, time.time())
        manifest = verify(file, places.key)
        after = trial.installed(before, manifest.version, manifest.facts.seq)
        _check_fits(manifest.facts)
        if manifest.version in before.kept:
            raise UpdateError(f"{manifest.version} is installed already")
        _tidy(places, before)
        try:
            _stage(places, file, manifest, progress)
        except (OSError, BundleError, UpdateError) as error:
            _tidy(places, before)
            raise UpdateError(f"{file}: {error}") from error
        return _to(places, after)


def recover(places: Places) -> Trial:
    """At each start, before anything else runs: finish or undo what was cut off, and count the start of a trial."""
    with trial.alone(places.state):
        state = status(places)
        if not state.current:
            raise UpdateError(f"{places.file}: no release is installed")
        if not _is_there(places, state.current):
            return _to(places, trial.failed(state, "is not on the disk"))
        return _to(places, trial.started(state))


def good(places: Places) -> Trial:
    """The release on trial has proved itself; older ones than the one before it are removed."""
    with trial.alone(places.state):
        state = status(places)
        return _to(places, trial.proved(state)) if state.current else state


def failed(places: Places, why: str) -> Trial:
    """The release on trial was found ill: back to the one before once its starts are used up."""
    with trial.alone(places.state):
        state = status(places)
        if not state.is_running or state.starts_count < trial.STARTS_COUNT:
            return state
        return _to(places, trial.failed(state, why))


def rollback(places: Places) -> Trial:
    """Back to the release before, by hand."""
    with trial.alone(places.state):
        return _to(places, trial.rolled_back(status(places)))


def _to(places: Places, state: Trial) -> Trial:
    """The one way to a state: what it names must be there, then it is made to last, then the links follow."""
    for name in (state.current, state.good):
        if not _is_there(places, name):
            raise UpdateError(f"{places.releases / name}: the release is not there")
    if state != trial.read(places.file):
        trial.write(places.file, state)
    trial.settle(places.root, state, inside="releases")
    _tidy(places, state)
    return state


def _is_there(places: Places, name: str) -> bool:
    return (places.releases / name / "bin" / "pems").is_file()


def _check_fits(facts: Facts) -> None:
    """Whether this box can run a release at all."""
    machine, python = platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}"
    if facts.arch != machine:
        raise BundleError(f"{facts.version} is for {facts.arch}, this box is {machine}")
    if facts.python != python:
        raise BundleError(f"{facts.version} needs Python {facts.python}, this box has {python}")


def _stage(places: Places, file: Path, manifest: Manifest, progress: Progress | None) -> None:
    """A complete release on the disk, whose own command has loaded every kernel: the first proof that it runs."""
    places.releases.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(places.releases).free
    if free_bytes < manifest.tree_bytes + _SPARE_BYTES:
        raise UpdateError(f"needs {(manifest.tree_bytes + _SPARE_BYTES) >> 20} MB of disk, {free_bytes >> 20} are free")
    part = places.releases / f"{manifest.version}{_PART}"
    if unpack(file, part, places.key, progress) != manifest:
        raise BundleError("was exchanged while it was being installed")
    sync_disk(part)
    _try(part.rename(places.releases / manifest.version))
    sync_folder(places.releases)


def _try(release: Path) -> None:
    """Run a release's own command once; the units run it without the compiler, too."""
    command, environment = [str(release / "bin" / "pems"), "warm"], {**os.environ, "PEMS_JIT": "0"}
    try:
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=_START_WITHIN_S
        )
    except subprocess.TimeoutExpired as error:
        raise UpdateError(f"did not start on this box within {_START_WITHIN_S:.0f} s") from error
    if result.returncode != 0:
        said = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UpdateError(f"does not start on this box: {said}")


def _tidy(places: Places, state: Trial) -> None:
    """Remove what the state does not name: what was cut off, and releases that nobody will go back to."""
    if not places.releases.is_dir():
        return
    for path in places.releases.iterdir():
        if path.name not in state.kept:
            shutil.rmtree(path, ignore_errors=True)
