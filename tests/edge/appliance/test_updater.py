"""Releases on a box: what is refused leaves what runs alone, what is ill is given back."""

import platform
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from releases import GOOD, HERE, make_tree, packed_release

from edge.appliance import updater
from edge.appliance.updater import Places
from edge.errors import BundleError, UpdateError


@pytest.fixture
def places(tmp_path, keys):
    (tmp_path / "etc").mkdir()
    shutil.copy(keys.public, tmp_path / "etc" / "release.pub")
    return Places(root=tmp_path / "opt", state=tmp_path / "var", key=tmp_path / "etc" / "release.pub")


@pytest.fixture
def box(places, keys, tmp_path):
    """A box with release 1.0 in force."""
    updater.install(places, packed_release(tmp_path, keys, 1))
    return places


def on_disk(places: Places) -> dict[str, object]:
    """Everything of the box: the links, and each file with its bytes."""
    found: dict[str, object] = {name: str((places.root / name).readlink()) for name in ("current", "good")}
    for path in places.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[str(path)] = path.read_bytes()
    return found


def test_a_new_release_is_put_on_trial_and_the_old_one_stays(box, keys, tmp_path):
    seen = []
    state = updater.install(box, packed_release(tmp_path, keys, 2), seen.append)
    assert (state.current, state.good, state.is_running) == ("2.0", "1.0", True)
    assert str((box.root / "current").readlink()) == "releases/2.0"
    assert str((box.root / "good").readlink()) == "releases/1.0"
    assert sum(seen) > 0


def test_a_release_that_proves_itself_stays_and_the_one_before_it_is_kept(box, keys, tmp_path):
    for seq in (2, 3):
        updater.install(box, packed_release(tmp_path, keys, seq))
        updater.recover(box)
        updater.good(box)
    assert sorted(path.name for path in box.releases.iterdir()) == ["2.0", "3.0"]
    assert str((box.root / "good").readlink()) == "releases/3.0"
    assert updater.rollback(box).current == "2.0"
    assert str((box.root / "current").readlink()) == "releases/2.0"


def test_a_release_that_never_becomes_good_is_gone_at_the_third_start(box, keys, tmp_path):
    updater.install(box, packed_release(tmp_path, keys, 2))
    assert [updater.recover(box).current for _ in range(3)] == ["2.0", "2.0", "1.0"]
    assert sorted(path.name for path in box.releases.iterdir()) == ["1.0"]


def test_a_release_that_the_gate_finds_ill_twice_is_given_back(box, keys, tmp_path):
    updater.install(box, packed_release(tmp_path, keys, 2))
    found = []
    for _ in range(2):
        updater.recover(box)
        found.append(updater.failed(box, "no verified cycle").current)
    assert found == ["2.0", "1.0"]
    assert updater.status(box).told == "2.0 was rolled back: no verified cycle"


def test_without_a_trial_nothing_is_good_or_failed(box, places, tmp_path):
    before = on_disk(box)
    assert updater.good(box) == updater.failed(box, "any") == updater.recover(box) == updater.status(box)
    assert on_disk(box) == before
    empty = replace(places, root=tmp_path / "none", state=tmp_path / "none")
    assert updater.good(empty) == updater.failed(empty, "any")


def flipped(file: Path, place: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[place] ^= 1
    file.write_bytes(raw)


def short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2000])


@pytest.mark.parametrize(
    "spoil",
    [
        *(lambda file, place=place: flipped(file, place) for place in (10, 600, 1600, 2100, 2700, -1700, -1100, -1)),
        short,
        lambda file: file.write_bytes(b""),
    ],
)
def test_a_release_that_was_touched_changes_nothing(spoil, box, keys, tmp_path):
    file = packed_release(tmp_path, keys, 2)
    before = on_disk(box)
    spoil(file)
    with pytest.raises(BundleError):
        updater.install(box, file)
    assert on_disk(box) == before


@pytest.mark.parametrize(
    ("facts", "command", "word"),
    [
        ({"arch": "aarch64" if platform.machine() != "aarch64" else "x86_64"}, GOOD, "this box is"),
        ({"python": "3.9"}, GOOD, "needs Python 3.9"),
        ({"number": 0}, GOOD, "was accepted before"),
        ({"version": "1.0"}, GOOD, "installed already"),
        ({}, "#!/bin/sh\necho 'ImportError: no module' >&2\nexit 1\n", "does not start on this box: ImportError"),
        ({}, "#!/none\n", "No such file"),
    ],
)
def test_a_release_that_this_box_cannot_run_changes_nothing(facts, command, word, box, keys, tmp_path):
    facts = dict(facts)
    file = packed_release(tmp_path, keys, facts.pop("number", 2), command, **facts)
    before = on_disk(box)
    with pytest.raises((BundleError, UpdateError), match=word):
        updater.install(box, file)
    assert on_disk(box) == before
    assert updater.recover(box).current == "1.0"


def test_a_foreign_or_an_expired_key_changes_nothing(box, foreign_keys, keys, tmp_path):
    file = packed_release(tmp_path, keys, 2)
    with pytest.raises(BundleError, match="not by this key"):
        updater.install(replace(box, key=foreign_keys.public), file)
    for line, word in (("2026-01-31", "expired after 2026-01-31"), ("2026-13-01", "is not a date")):
        box.key.write_bytes(f"Not-After: {line}\n".encode() + keys.public.read_bytes())
        with pytest.raises(BundleError, match=word):
            updater.install(box, file)
    box.key.write_bytes(b"Not-After: 2999-12-31\n" + keys.public.read_bytes())
    assert updater.install(box, file).current == "2.0"


def test_a_disk_without_room_is_seen_before_anything_is_written(box, keys, tmp_path, monkeypatch):
    file = packed_release(tmp_path, keys, 2)
    before = on_disk(box)
    usage = shutil.disk_usage(tmp_path)._replace(free=100 << 20)
    monkeypatch.setattr(updater.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UpdateError, match=r"needs 128 MB of disk, 100 are free"):
        updater.install(box, file)
    assert on_disk(box) == before


def test_a_release_that_hangs_at_its_first_start_is_refused(box, keys, tmp_path, monkeypatch):
    monkeypatch.setattr(updater, "_START_WITHIN_S", 0.2)
    with pytest.raises(UpdateError, match="did not start on this box"):
        updater.install(box, packed_release(tmp_path, keys, 2, "#!/bin/sh\nexec sleep 60\n"))
    assert updater.status(box).current == "1.0"


def test_a_release_on_trial_that_vanishes_is_given_back(box, keys, tmp_path):
    updater.install(box, packed_release(tmp_path, keys, 2))
    shutil.rmtree(box.releases / "2.0")
    state = updater.recover(box)
    assert state.current == "1.0"
    assert "is not on the disk" in state.told


def test_a_box_whose_good_release_is_gone_says_so(box):
    shutil.rmtree(box.releases / "1.0")
    with pytest.raises(UpdateError, match="the release is not there"):
        updater.recover(box)


def test_an_empty_box_has_nothing_to_recover(places):
    with pytest.raises(UpdateError, match="no release is installed"):
        updater.recover(places)


def test_what_was_cut_off_is_removed_by_the_next_command(box):
    (box.releases / "9.0.part" / "lib").mkdir(parents=True)
    (box.releases / "8.0" / "bin").mkdir(parents=True)
    (box.root / "current").unlink()
    updater.recover(box)
    assert sorted(path.name for path in box.releases.iterdir()) == ["1.0"]
    assert str((box.root / "current").readlink()) == "releases/1.0"


def test_a_release_that_came_with_the_image_counts_as_good(places, tmp_path):
    make_tree(places.releases / "5.0", {**HERE, "version": "5.0", "seq": 5})
    (places.root / "current").symlink_to("releases/5.0")
    assert updater.status(places).good == "5.0"
    state = updater.recover(places)
    assert (state.current, state.highest_seq) == ("5.0", 5)
    assert str((places.root / "good").readlink()) == "releases/5.0"
    assert updater.status(places) == state
