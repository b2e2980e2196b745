"""A box to be broken: Debian, one release, its units, and a house whose first plan is known. Needs root and a checkout.

QEMU starts its kernel by itself, and its console is a shell, which no house's image has: there the kernel is crashed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from core_kernels.units import SECONDS_PER_DAY
from edge.appliance.payload import DATA, build_tree
from edge.appliance.tree import facts_of
from edge.bench_appliance.recorded import call
from edge.bench_appliance.virtual import Kernel, Machine
from edge.errors import EdgeError
from edge.files import STORE_NAME
from edge.ingest.store import SLOT_S, Store
from edge.timetext import format_time
from edge.trial import CURRENT, GOOD

_PACKAGES = "systemd,systemd-sysv,udev,python3,e2fsprogs,linux-image-amd64"
# The initial RAM disk finds a virtual disk and nothing else: it is read at emulated speed.
_INITRD = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d"; echo MODULES=list >"$1/etc/initramfs-tools/conf.d/box";'
    ' printf "virtio_pci\\nvirtio_blk\\next4\\n" >"$1/etc/initramfs-tools/modules"'
)
_RECIPE = (
    *("mmdebstrap", "--quiet", "--variant=minbase", "--arch=amd64", "--mode=root", f"--include={_PACKAGES}"),
    *('--aptopt=Dpkg::Options "--force-confold"', f"--essential-hook={_INITRD}"),
    *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "bookworm"),
)
_WITHIN_S = 1800.0
_DISK_BYTES = 1600 * 1024 * 1024
_COMMAND_LINE = "root=/dev/vda rw console=ttyS0 quiet fsck.repair=yes panic=0"
_SHELL = "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 - dumb\n"
_SITE = """\
[site]
name = "bench"
latitude_deg = 49.2
longitude_deg = 16.6
timezone = "UTC"

[battery]
capacity_wh = 20000
charge_w = 5000
discharge_w = 5000

[grid]
import_w = 17000
export_w = 10000

[tariff]
prices = "prices.csv"

[[link]]
profile = "growatt/sph"
url = "serial:///dev/ttyS1?baud=9600"
"""
_HISTORY_DAYS = 14
_CHEAP_EUR_PER_KWH, _DEAR_EUR_PER_KWH = 0.05, 0.50
_CHEAP_S = 5400  # too short to fill the battery: what is bought now has a price that leaves no doubt


def make(folder: Path) -> Machine:
    """A box that has never run, for one run of the bench; raises :class:`EdgeError`."""
    if os.geteuid() != 0:
        raise EdgeError("a box's disk is made by root")
    folder.mkdir(exist_ok=True)
    base = _base()
    disk = folder / "box.img"
    with disk.open("wb") as handle:
        handle.truncate(_DISK_BYTES)
    with _layered(base, folder) as root:
        _install(root, folder)
        _furnish(root, time.time())
        call("mke2fs", "-q", "-t", "ext4", "-d", root, disk, within_s=_WITHIN_S)
    image, initrd = (next((base / "boot").glob(f"{name}-*")) for name in ("vmlinuz", "initrd.img"))
    kernel = Kernel(image=image, initrd=initrd, command_line=_COMMAND_LINE)
    return Machine(arch="x86_64", disk=disk, kernel=kernel)


def _base() -> Path:
    """Debian's part, made once for a recipe."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pems-edge" / "roots"
    root = caches / hashlib.sha256(repr(_RECIPE).encode()).hexdigest()[:16]
    if not root.is_dir():
        if shutil.which("mmdebstrap") is None:
            raise EdgeError("mmdebstrap: not installed (scripts/debian-packages)")
        draft = root.with_name(f"{root.name}.{os.getpid()}.part")
        draft.parent.mkdir(parents=True, exist_ok=True)
        call(*_RECIPE, draft, within_s=_WITHIN_S)
        draft.rename(root)
    return root


@contextlib.contextmanager
def _layered(base: Path, folder: Path) -> Iterator[Path]:
    """The root with a layer of this box's own over Debian's part."""
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for path in (upper, work, root):
        path.mkdir()
    call("mount", "-t", "overlay", "-o", f"lowerdir={base},upperdir={upper},workdir={work}", "overlay", root)
    try:
        yield root
    finally:
        call("umount", root)


def _install(root: Path, folder: Path) -> None:
    """One release from this checkout, its units, and what they stand on."""
    checkout = Path(__file__).resolve().parents[2]
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "wheel", checkout)
    call(*build, within_s=_WITHIN_S)
    draft = root / "opt/pems/releases/draft"
    draft.parent.mkdir(parents=True)
    build_tree(draft, "x86_64", next((folder / "wheel").glob("*.whl")))
    release = draft.rename(draft.with_name(facts_of(draft).version))
    for link in (CURRENT, GOOD):
        (root / "opt/pems" / link).symlink_to(f"releases/{release.name}")
    system = root / "etc/systemd"
    for unit in (release / "units").iterdir():
        shutil.copyfile(unit, system / "system" / unit.name)
    (system / "system/multi-user.target.wants").mkdir(exist_ok=True)
    (system / "system/multi-user.target.wants/pems.target").symlink_to("../pems.target")
    for name in ("journald", "system"):
        (system / f"{name}.conf.d").mkdir(exist_ok=True)
        shutil.copyfile(DATA / f"{name}-pems.conf", system / f"{name}.conf.d/pems.conf")
    console = system / "system/serial-getty@ttyS0.service.d"
    console.mkdir()
    (console / "shell.conf").write_text(_SHELL, encoding="ascii")


def _furnish(root: Path, now_s: float) -> None:
    """A house that buys for the evening: two weeks of it in the store, and prices that rise."""
    place = root / "etc/pems"
    place.mkdir()
    (place / "site.toml").write_text(_SITE, encoding="ascii")
    hours = range(int(now_s) // 3600 * 3600 - SECONDS_PER_DAY, int(now_s) + 4 * SECONDS_PER_DAY, 3600)
    prices = ((hour, _CHEAP_EUR_PER_KWH if hour < now_s + _CHEAP_S else _DEAR_EUR_PER_KWH) for hour in hours)
    rows = (f"{format_time(hour)},{price:.3f},{price / 2:.3f}\n" for hour, price in prices)
    header = "time_utc,price_import_eur_per_kwh,price_export_eur_per_kwh\n"
    (place / "prices.csv").write_text(header + "".join(rows), encoding="ascii")
    count = _HISTORY_DAYS * SECONDS_PER_DAY // SLOT_S
    grid = TimeGrid(start_s=int(now_s) // SLOT_S * SLOT_S - count * SLOT_S, slot_s=SLOT_S, count=count)
    store = Store(root / "var/lib/pems" / STORE_NAME)
    store.import_frame(Frame(grid=grid, columns={"load_w": np.full(count, 800.0), "pv_w": np.zeros(count)}))
    store.close()
