"""An image put on a disk: what lies there in the end, and what is left when something goes wrong on the way."""

import io
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from commandline import pems

from edge.appliance import flash as flashing
from edge.appliance.flash import HEAD_BYTES, flash
from edge.appliance.imagefile import CHUNK_BYTES, examine
from edge.errors import UpdateError

SIZE_BYTES = 2 * CHUNK_BYTES + 12_345 * 512


def ignored(_count):
    return None


@pytest.fixture
def image(tmp_path):
    """Noise with a hole in it, and the mark of a partition table where one is looked for."""
    content = bytearray(random.Random(1).randbytes(SIZE_BYTES))
    content[512:520] = b"EFI PART"
    content[CHUNK_BYTES : 2 * CHUNK_BYTES] = bytes(CHUNK_BYTES)
    path = tmp_path / "box.img"
    path.write_bytes(content)
    return path


def starts_something(path):
    with path.open("rb") as disk:
        return any(disk.read(HEAD_BYTES))


def test_a_file_gets_every_byte_and_keeps_the_holes(image, tmp_path):
    counts = []
    flash(image, examine(image), tmp_path / "to", counts.append)
    assert (tmp_path / "to").read_bytes() == image.read_bytes()
    assert (tmp_path / "to").stat().st_blocks * 512 <= SIZE_BYTES - CHUNK_BYTES + 4096
    assert sum(counts) == 2 * SIZE_BYTES


def test_a_longer_file_ends_where_the_image_does(image, tmp_path):
    (tmp_path / "to").write_bytes(b"\xff" * (SIZE_BYTES + 999))
    flash(image, examine(image), tmp_path / "to", ignored)
    assert (tmp_path / "to").read_bytes() == image.read_bytes()


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
def test_a_packed_image_is_unpacked_on_the_way(image, tmp_path):
    subprocess.run(["zstd", "-q", str(image)], check=True)
    packed = tmp_path / "box.img.zst"
    assert examine(packed) == examine(image)
    flash(packed, examine(packed), tmp_path / "to", ignored)
    assert (tmp_path / "to").read_bytes() == image.read_bytes()
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(UpdateError, match="cannot be unpacked"):
        examine(packed)


def test_the_first_mebibyte_is_written_when_all_the_rest_is(image, tmp_path):
    """So a plug pulled at any write leaves a disk that starts nothing: the head comes last, after a flush."""
    target, seen = tmp_path / "to", []

    def look(_count):
        seen.append((starts_something(target), target.stat().st_size))

    flash(image, examine(image), target, look)
    chunk_count = -(-SIZE_BYTES // CHUNK_BYTES)
    assert [began for began, _ in seen] == [False] * chunk_count + [True] * chunk_count


def test_one_flipped_byte_on_the_disk_is_found_and_the_disk_starts_nothing(image, tmp_path):
    target, at = tmp_path / "to", CHUNK_BYTES + 77

    def flip(_count):
        if starts_something(target):
            with target.open("r+b") as disk:
                disk.seek(at)
                disk.write(b"\x01")

    with pytest.raises(UpdateError, match=f"other bytes than were written, from byte {CHUNK_BYTES} on"):
        flash(image, examine(image), target, flip)
    assert not starts_something(target)


def test_an_image_that_changes_meanwhile_starts_nothing(image, tmp_path):
    facts = examine(image)
    with image.open("r+b") as handle:
        handle.seek(CHUNK_BYTES)
        handle.write(b"new")
    with pytest.raises(UpdateError, match="has changed meanwhile"):
        flash(image, facts, tmp_path / "to", ignored)
    assert not starts_something(tmp_path / "to")


def test_what_is_no_image_of_a_disk_touches_nothing(image, tmp_path, capsys):
    (tmp_path / "letter").write_bytes(b"Dear Sir" * 200)
    (tmp_path / "to").write_bytes(b"precious")
    assert pems("image", "flash", str(tmp_path / "letter"), "--to", str(tmp_path / "to"), "--yes") == 1
    assert pems("image", "flash", str(image), "--to", str(tmp_path / "to"), "--yes", "--sha256", "00") == 1
    assert "is not the image of a disk" in (said := capsys.readouterr().err)
    assert "not 00" in said
    assert (tmp_path / "to").read_bytes() == b"precious"


def test_a_full_disk_is_an_error_of_one_line(image):
    """/dev/full of Linux answers every write with "no space left"; it is given as if it were the disk."""
    with pytest.raises(UpdateError, match="No space left on device"), flashing._opened(Path("/dev/full")) as disk:
        flashing._put(disk, b"x", 0)


def test_the_command_asks_before_it_overwrites_and_tells_the_hash(image, tmp_path, capsys, monkeypatch):
    target, words = tmp_path / "to", ["image", "flash", str(image), "--to", str(tmp_path / "to")]
    assert pems(*words, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"to": str(target), "bytes": SIZE_BYTES, "sha256": examine(image).sha256}
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert pems(*words) == 1
    assert "will be lost. Overwrite it?" in capsys.readouterr().err
    assert pems(*words, "--yes") == 0
    assert f"sha256 {document['sha256']}" in capsys.readouterr().out


@pytest.fixture
def loop(tmp_path):
    """A real disk of the kernel's, larger than the image, with noise on it from before."""
    if os.geteuid() != 0 or shutil.which("losetup") is None:
        pytest.skip("needs root and losetup")
    backing = tmp_path / "disk"
    backing.write_bytes(random.Random(2).randbytes(SIZE_BYTES + HEAD_BYTES))
    result = subprocess.run(["losetup", "--find", "--show", str(backing)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"no loop device: {result.stderr.strip()}")
    device = result.stdout.strip()
    yield device, backing
    subprocess.run(["losetup", "--detach", device], check=True)


def test_a_real_disk_gets_the_image_and_keeps_what_lies_behind_it(loop, image, capsys):
    device, backing = loop
    behind = backing.read_bytes()[SIZE_BYTES:]
    assert pems("image", "flash", str(image), "--to", device, "--yes") == 0
    with Path(device).open("rb") as disk:
        assert disk.read(SIZE_BYTES) == image.read_bytes()
        assert disk.read() == behind


def test_a_real_disk_that_is_mounted_or_too_small_is_left_alone(loop, image, tmp_path, capsys):
    device, _ = loop
    subprocess.run(["mke2fs", "-q", "-F", device], check=True)
    (tmp_path / "place").mkdir()
    subprocess.run(["mount", device, str(tmp_path / "place")], check=True)
    try:
        assert pems("image", "flash", str(image), "--to", device, "--yes") == 1
        assert f"is in use: {tmp_path / 'place'}" in capsys.readouterr().err
        with pytest.raises(UpdateError, match="busy"):  # the kernel's own word, if nobody had asked lsblk
            flash(image, examine(image), Path(device), ignored)
    finally:
        subprocess.run(["umount", str(tmp_path / "place")], check=True)
    with image.open("ab") as handle:
        handle.write(bytes(HEAD_BYTES + 512))
    assert pems("image", "flash", str(image), "--to", device, "--yes") == 1
    assert "is too small" in capsys.readouterr().err
    assert subprocess.run(["e2fsck", "-fn", device], capture_output=True, check=False).returncode == 0
