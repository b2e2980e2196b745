"""Installer, importer of bundles and `config put`, killed at every system call: old or new, never a mixture.

The gate takes a sample of the calls (those that change something come first), `make test-appliance` all of them.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from killing import calls, killed, need_strace
from releases import packed_release

from edge.appliance import updater
from edge.appliance.release import verify
from edge.appliance.updater import Places
from edge.cli.config import _replace
from edge.errors import UpdateError
from edge.forecast import installed
from edge.forecast.bundle import Bundle

SAMPLE = 15


@pytest.fixture
def memory():
    """A folder in memory: only the order of calls counts here, and no other program's writes are waited for."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def chosen(found, sampled):
    """All calls, or about as many as a gate has time for."""
    return found[:: max(1, len(found) // SAMPLE)] if sampled else found


SAMPLED = [pytest.param(True, id="sample"), pytest.param(False, id="every call", marks=pytest.mark.appliance)]


class Box:
    """A box in a folder that is made anew for each kill."""

    def __init__(self, memory, keys, first, second):
        self.root, self.model, self.second = memory / "box", memory / "model", second
        shutil.copy(keys.public, memory / "release.pub")
        self.places = Places(root=self.root / "opt", state=self.root / "var", key=memory / "release.pub")
        updater.install(self.places, first)
        self.root.rename(self.model)
        self.renew()

    def renew(self):
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.model, self.root, symlinks=True)

    def step(self):
        updater.install(self.places, self.second)


@pytest.fixture
def box(memory, keys, tmp_path):
    return Box(memory, keys, packed_release(tmp_path, keys, 1), packed_release(tmp_path, keys, 2))


def judged(box):
    """What is in force after a recovery: complete, the same for state and link, and nothing else lies about."""
    state = updater.recover(box.places)
    assert verify(box.root / "opt" / "current", box.places.key).version == state.current
    assert str((box.root / "opt" / "current").readlink()) == f"releases/{state.current}"
    assert {path.name for path in box.places.releases.iterdir()} == state.kept
    return state.current


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sampled", SAMPLED)
def test_an_installer_that_is_killed_anywhere_leaves_the_old_or_the_new_release(sampled, box, tmp_path):
    need_strace()
    found = calls(box.step, tmp_path / "log")
    ends = set()
    for call in chosen(found, sampled):
        box.renew()
        killed(box.step, call)
        ends.add(judged(box))
        if updater.status(box.places).current == "1.0":
            updater.install(box.places, box.second)
            assert judged(box) == "2.0"
    assert len(found) > 100
    assert ends <= {"1.0", "2.0"}
    assert sampled or ends == {"1.0", "2.0"}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("step", ["recover", "good", "rollback"])
@pytest.mark.parametrize("sampled", SAMPLED)
def test_a_verdict_that_is_killed_anywhere_leaves_a_box_that_recovers(sampled, step, box, tmp_path):
    """From a trial in its last start: recovering gives back, `good` keeps, `rollback` gives back by hand."""
    need_strace()
    updater.install(box.places, box.second)
    updater.recover(box.places)
    updater.recover(box.places)
    shutil.rmtree(box.model)
    box.root.rename(box.model)
    box.renew()

    def work():
        getattr(updater, step)(box.places)

    found = calls(work, tmp_path / "log")
    for call in chosen(found, sampled):
        box.renew()
        killed(work, call)
        is_good = step == "good" and not updater.status(box.places).is_running
        assert judged(box) == ("2.0" if is_good else "1.0")
    assert len(found) > 30


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sampled", SAMPLED)
def test_an_importer_of_bundles_that_is_killed_anywhere_leaves_the_old_or_the_new_bundle(sampled, memory, tmp_path):
    need_strace()
    folder = memory / "bundles"

    def bundle(seq):
        manifest = type("Named", (), {"seq": seq, "version": f"v{seq}"})()
        return Bundle(manifest=manifest, files={}, sha256="", raw=bytes([seq]) * 50_000)

    def renew():
        shutil.rmtree(folder, ignore_errors=True)
        installed.install(bundle(1), folder)

    renew()
    work = lambda: installed.install(bundle(2), folder)  # noqa: E731
    found = calls(work, tmp_path / "log")
    ends = set()
    for call in chosen(found, sampled):
        renew()
        killed(work, call)
        content = installed.current_path(folder).read_bytes()
        assert content in (bytes([1]) * 50_000, bytes([2]) * 50_000)
        state = installed.started(folder)
        assert (folder / "current").readlink().name == state.current
        assert state.good == "1-v1.zip"
        ends.add(content[0])
    assert len(found) > 20
    assert sampled or ends == {1, 2}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sampled", SAMPLED)
def test_a_configuration_that_is_put_and_killed_anywhere_is_the_old_or_the_new_one(sampled, memory, tmp_path):
    need_strace()
    path, old, new = memory / "site.toml", b"old " * 3000, b"new " * 3000

    def renew():
        path.write_bytes(old)
        path.with_name("site.toml.previous").unlink(missing_ok=True)

    renew()
    work = lambda: _replace(path, new)  # noqa: E731
    found = calls(work, tmp_path / "log")
    ends = set()
    for call in chosen(found, sampled):
        renew()
        killed(work, call)
        assert path.read_bytes() in (old, new)
        assert path.read_bytes() == old or path.with_name("site.toml.previous").read_bytes() == old
        ends.add(path.read_bytes())
    assert len(found) > 20
    assert sampled or ends == {old, new}


@pytest.mark.appliance
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_runs_full_while_a_release_is_unpacked_changes_nothing(keys, tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], check=True)
    try:
        places = Places(root=disk / "opt", state=disk / "var", key=keys.public)
        monkeypatch.setattr(updater, "_SPARE_BYTES", 0)
        updater.install(places, packed_release(tmp_path, keys, 1))
        monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 40})())
        big = packed_release(tmp_path, keys, 2, f"#!/bin/sh\nexit 0\n{'#' * 300_000}\n")
        with pytest.raises(UpdateError, match="No space left"):
            updater.install(places, big)
        assert updater.recover(places).current == "1.0"
        assert [path.name for path in places.releases.iterdir()] == ["1.0"]
    finally:
        subprocess.run(["umount", disk], check=True)
