"""The disk of an image: boot partition, two systems, data; built as files, with no loop device and no mount."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple

from edge.appliance import recipe, slots
from edge.appliance.recipe import Board
from edge.appliance.rootfs import DATA
from edge.appliance.tools import run
from edge.errors import UpdateError

SECTOR_BYTES = 512
_TIMES = ("atime", "ctime")
_ALIGN_BYTES = 1024 * 1024
_SPACE = uuid.UUID("6b2f0c1e-6f2b-5a5e-9d35-0f7c5f0b7a11")  # ours: all ids of an image follow from its name
_TYPES = {"pems-esp": "ef00", "pems-a": "8300", "pems-b": "8300", "pems-data": "8300"}


class Part(NamedTuple):
    """A partition: its name, where it begins and how long it is, in bytes."""

    name: str
    start_bytes: int
    size_bytes: int


def layout() -> tuple[Part, ...]:
    """The partitions in their order on the disk; the data come last, so that they can grow."""
    sizes = (recipe.ESP_BYTES, recipe.SYSTEM_BYTES, recipe.SYSTEM_BYTES, recipe.DATA_BYTES)
    parts, start = [], _ALIGN_BYTES
    for name, size in zip(_TYPES, sizes, strict=True):
        parts.append(Part(name, start, size))
        start += size
    return tuple(parts)


def identity(image: str, name: str) -> uuid.UUID:
    """The id of a part of an image: the same for the same image, different for every other."""
    return uuid.uuid5(_SPACE, f"{image}/{name}")


def ext4(source: Path, out: Path, image: str, name: str, created_s: int) -> None:
    """A file system with a folder's content; the same content gives the same bytes."""
    size_bytes = next(part.size_bytes for part in layout() if part.name == name)
    own, seed = identity(image, name), identity(image, f"{name}/hash")
    out.unlink(missing_ok=True)
    with out.open("wb") as handle:
        handle.truncate(size_bytes)
    options = f"hash_seed={seed},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"
    command = ["mkfs.ext4", "-q", "-F", "-d", str(source), "-U", str(own), "-E", options, "-L", name, str(out)]
    run(command, E2FSPROGS_FAKE_TIME=str(created_s))
    _forget_build_times(source, out, created_s)


def _forget_build_times(source: Path, out: Path, created_s: int) -> None:
    """Give every inode one time of change: mkfs copies it from the folder, where nobody can set it."""
    paths = [str(path.relative_to(source)) for path in sorted(source.rglob("*"))]
    awkward = [path for path in paths if '"' in path or "\n" in path]
    if awkward:
        raise UpdateError(f"{awkward[0]!r}: no such name in an image")
    orders = "".join(f'sif "/{path}" {field} @{created_s}\n' for path in ("", *paths) for field in _TIMES)
    with tempfile.NamedTemporaryFile("w", suffix=".debugfs", dir=out.parent) as script:
        script.write(orders)
        script.flush()
        run(["debugfs", "-w", "-f", script.name, str(out)], E2FSPROGS_FAKE_TIME=str(created_s))


def esp(root: Path, out: Path, board: Board, image: str, created_s: int) -> None:
    """The boot partition: GRUB as the firmware's own name for it, its instructions, and both records."""
    tree = out.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ("EFI/BOOT", "grub", "pems"):
        (tree / folder).mkdir(parents=True)
    text = (DATA / "image" / "grub.cfg").read_text(encoding="utf-8")
    (tree / "grub/grub.cfg").write_text(text.replace("@COMMAND_LINE@", recipe.command_line(board)), encoding="utf-8")
    first = slots.Slots()
    for name in slots.RECORDS:
        (tree / "pems" / name).write_bytes(slots.encoded(first))
    loader, modules = tree / "EFI/BOOT" / board.efi_name, root / "usr/lib/grub" / board.grub_target
    run(
        [
            "grub-mkimage",
            "-O",
            board.grub_target,
            "-d",
            str(modules),
            "-p",
            "/grub",
            "-o",
            str(loader),
            *recipe.GRUB_MODULES,
        ]
    )
    for path in (tree, *sorted(tree.rglob("*"))):
        os.utime(path, (created_s, created_s))
    serial = hashlib.sha256(image.encode()).hexdigest()[:8]
    out.unlink(missing_ok=True)
    with out.open("wb") as handle:
        handle.truncate(recipe.ESP_BYTES)
    run(["mkfs.vfat", "--invariant", "-F", "32", "-n", "PEMS-ESP", "-i", serial, str(out)])
    folders = sorted(path for path in tree.iterdir())
    run(
        ["mcopy", "-s", "-m", "-Q", "-i", str(out), *map(str, folders), "::/"],
        SOURCE_DATE_EPOCH=str(created_s),
        TZ="UTC",
    )
    shutil.rmtree(tree)


def assembled(parts: dict[str, Path], out: Path, image: str) -> None:
    """The whole disk from its parts; the second system and what no part fills stay holes."""
    places = layout()
    end = places[-1].start_bytes + places[-1].size_bytes + _ALIGN_BYTES
    out.unlink(missing_ok=True)
    with out.open("wb") as handle:
        handle.truncate(end)
    table = ["sgdisk", "--clear", f"--disk-guid={identity(image, 'disk')}"]
    for number, part in enumerate(places, 1):
        first, last = part.start_bytes // SECTOR_BYTES, (part.start_bytes + part.size_bytes) // SECTOR_BYTES - 1
        table += [f"--new={number}:{first}:{last}", f"--typecode={number}:{_TYPES[part.name]}"]
        table += [f"--change-name={number}:{part.name}", f"--partition-guid={number}:{identity(image, part.name)}"]
    run([*table, str(out)])
    for part in places:
        if part.name in parts:
            offset = f"seek={part.start_bytes // _ALIGN_BYTES}"
            run(["dd", f"if={parts[part.name]}", f"of={out}", "bs=1M", offset, "conv=notrunc,sparse", "status=none"])
