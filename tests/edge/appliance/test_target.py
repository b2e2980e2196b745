"""Where an image may be put. The answers of lsblk are those of a real workstation, shortened."""

import pytest

from edge.appliance.target import disk_from, inspect, refusal
from edge.errors import UpdateError

GB = 10**9


def told(**changes):
    card = {
        "path": "/dev/sdb",
        "type": "disk",
        "size": 32 * GB,
        "ro": False,
        "model": "SD Card Reader ",
        "mountpoints": [None],
    }
    return {"blockdevices": [{**card, **changes}]}


def part(path="/dev/sdb1", kind="part", places=(None,), children=()):
    return {"path": path, "type": kind, "mountpoints": list(places), "children": list(children)}


def test_a_free_disk_that_is_large_enough_may_be_written(tmp_path):
    card = disk_from(told(children=[part()]), tmp_path)
    assert refusal(card, 3 * GB) is None
    assert str(card) == f"{tmp_path} (SD Card Reader, 32.0 GB)"
    assert refusal(disk_from(told(type="loop"), tmp_path), 3 * GB) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"children": [part(places=["/boot/efi"]), part(places=["/"])]}, "in use: /boot/efi, /"),
        ({"children": [part(places=["[SWAP]"])]}, "in use: [SWAP]"),
        ({"mountpoints": ["/media/stick"]}, "in use: /media/stick"),
        ({"children": [part(children=[part("/dev/mapper/vg-root", "lvm")])]}, "in use: /dev/mapper/vg-root"),
        ({"children": [part("/dev/md0", "raid1", ["/srv"])]}, "in use: /dev/md0, /srv"),
        ({"type": "part"}, "name the whole disk"),
        ({"type": "rom"}, "no disk"),
        ({"ro": True}, "read-only"),
        ({"size": 3 * GB - 1}, "too small: 2999999999 bytes"),
    ],
)
def test_a_disk_that_must_not_be_written_is_refused_with_its_reason(changes, reason, tmp_path):
    assert reason in str(refusal(disk_from(told(**changes), tmp_path), 3 * GB))


@pytest.mark.parametrize(
    "document", [{}, {"blockdevices": []}, told(size=None), {"blockdevices": [{"path": "/dev/sdb"}]}]
)
def test_a_disk_that_lsblk_tells_nothing_of_is_no_target(document, tmp_path):
    with pytest.raises(UpdateError, match="nothing of use"):
        disk_from(document, tmp_path)


def test_a_new_file_is_not_asked_about_and_a_full_one_is(tmp_path):
    assert not inspect(tmp_path / "new.img").holds
    (tmp_path / "old.img").write_bytes(b"old")
    old = inspect(tmp_path / "old.img")
    assert (old.holds, old.is_disk, old.users) == (True, False, ())
    assert refusal(old, old.size_bytes) is None
    assert "too small" in str(refusal(old, old.size_bytes + 1))


def test_what_is_neither_disk_nor_file_is_no_target(tmp_path):
    with pytest.raises(UpdateError, match="neither a disk nor a file"):
        inspect(tmp_path)
    with pytest.raises(UpdateError, match="cannot be written"):
        inspect(tmp_path / "absent" / "box.img")
