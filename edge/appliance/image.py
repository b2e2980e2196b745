"""An image that is flashed to a box: from a site file to a disk, in one go, with every step told.

Runs in a checkout on a Debian workstation, as root, for the packages' own scripts need that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.appliance import disk, payload, recipe, rootfs, sbom
from edge.appliance.recipe import Arch
from edge.appliance.tools import run
from edge.appliance.tree import facts_of
from edge.config import Site, load_site
from edge.errors import ConfigError, UpdateError

Tell = Callable[[str], None]
_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "sgdisk": "gdisk",
    "grub-mkimage": "grub-common",
    "systemctl": "systemd",
}
_FOREIGN_TOOLS = {"qemu-aarch64-static": "qemu-user-static", "arch-test": "arch-test"}
_FOLDERS = {"private": 0o700, "etc": 0o755, "update": 0o700}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be built; ``authority`` is the certificate that may sign updates of the whole system, ``state`` the
    folder of another box that is to live on in this one."""

    arch: Arch
    site_path: Path
    out: Path
    authority: Path
    wheel: Path | None = None
    state: Path | None = None
    serial_shell: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What came of it."""

    image: Path
    version: str
    arch: str
    size_bytes: int
    on_disk_bytes: int
    system: Path  # the first system alone, as an update of the whole system carries it
    sbom: Path  # what is in it, as CycloneDX


def build(order: Order, tell: Tell) -> Built:
    """Build an image; raises :class:`UpdateError` or :class:`ConfigError`, and then leaves no half of one."""
    site = load_site(order.site_path)
    check_workstation(order)
    created_s, board = payload.source_date_s(), recipe.BOARDS[order.arch]
    order.out.parent.mkdir(parents=True, exist_ok=True)
    with common_rights(), tempfile.TemporaryDirectory(dir=order.out.parent, prefix=".image-") as name:
        work = Path(name)
        tell("the release: this project's wheel and the locked wheels of a device")
        payload.build_tree(work / "release", order.arch, order.wheel or project_wheel(work))
        version = facts_of(work / "release").version
        label = f"pems-{version}-{order.arch}"
        tell(f"Debian {recipe.SUITE} for {order.arch} (kept for the next time)")
        debian = rootfs.base(order.arch)
        tell("our files into Debian's")
        root = work / "root"
        run(["cp", "-a", "--reflink=auto", str(debian), str(root)])
        rootfs.furnish(root, order.arch, work / "release", version, serial_shell=order.serial_shell)
        shutil.copyfile(order.authority, root / "etc/rauc/ca.pem")
        rootfs.settle(root, created_s)
        bill = json.dumps(sbom.document(root, label, version, created_s), indent=1, sort_keys=True) + "\n"
        tell("file systems")
        parts = {part: work / f"{part}.img" for part in ("pems-esp", "pems-a", "pems-data")}
        disk.ext4(root, parts["pems-a"], label, "pems-a", created_s)
        disk.esp(root, parts["pems-esp"], board, label, created_s)
        data_folder(work / "data", site, order.site_path, created_s)
        if order.state is not None:
            shutil.copytree(order.state, work / "data/private/pems", ignore=_no_sockets)
        disk.ext4(work / "data", parts["pems-data"], label, "pems-data", created_s)
        tell("the disk")
        disk.assembled(parts, work / "disk.img", label)
        system, listed = order.out.with_suffix(".system"), order.out.with_suffix(".sbom.json")
        listed.write_text(bill, encoding="utf-8")
        (work / "disk.img").replace(order.out)
        parts["pems-a"].replace(system)
    stat = order.out.stat()
    return Built(
        image=order.out,
        version=version,
        arch=order.arch,
        size_bytes=stat.st_size,
        on_disk_bytes=stat.st_blocks * disk.SECTOR_BYTES,
        system=system,
        sbom=listed,
    )


@contextlib.contextmanager
def common_rights() -> Iterator[None]:
    """What is made can be read by everybody, as on any Debian, however private its maker is with files of their own."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def check_workstation(order: Order) -> None:
    """Refuse at once what would fail after minutes; raises :class:`UpdateError` with everything that is missing."""
    problems = [] if os.geteuid() == 0 else ["not root: Debian's packages need it while they are unpacked"]
    tools = _TOOLS | ({} if os.uname().machine == order.arch else _FOREIGN_TOOLS)
    missing = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    problems += [f"not installed: apt-get install {' '.join(missing)}"] if missing else []
    files = [order.authority, *([order.wheel] if order.wheel else [])]
    problems += [f"{path}: no such file" for path in files if not path.is_file()]
    problems += [f"{order.state}: no such folder"] if order.state is not None and not order.state.is_dir() else []
    if problems:
        raise UpdateError("; ".join(problems))


def project_wheel(folder: Path) -> Path:
    """This checkout's own wheel."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*command, "-w", str(folder), str(payload.LOCK.parents[1])])
    return next(folder.glob("pems_edge-*.whl"))


def data_folder(folder: Path, site: Site, site_path: Path, created_s: int) -> None:
    """What the data partition begins with: the site file and the files that it names."""
    for name, mode in _FOLDERS.items():
        (folder / name).mkdir(parents=True)
        (folder / name).chmod(mode)
    shutil.copyfile(site_path, folder / "etc/site.toml")
    for named in site.named_files:
        source, target = site.path(named), folder / "etc" / named
        if Path(named).is_absolute() or ".." in Path(named).parts:
            raise ConfigError(str(site_path), [f"{named} must lie beside the site file to go into the image"])
        if not source.is_file():
            raise ConfigError(str(site_path), [f"{named} is not there"])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)  # with its rights: who may read a secret is part of it
    rootfs.settle(folder, created_s)


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    """What cannot be copied: a box that runs keeps its sockets in its folder."""
    return [name for name in names if (Path(folder) / name).is_socket()]
