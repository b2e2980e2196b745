"""The system of an image: Debian's packages, our files, one release; the same inputs give the same files.

Needs root and Debian's tools. The packages alone take most of the time, so they are kept, by a digest of the recipe.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

from edge.appliance import recipe
from edge.appliance.payload import caches
from edge.appliance.recipe import Arch, Board
from edge.appliance.tools import run

DATA = Path(__file__).with_name("data")
RELEASES = "opt/pems/releases"
_FOLDERS = ("data", "efi", "etc/pems", "opt/pems/releases")
_FSTAB = """\
tmpfs /tmp tmpfs nosuid,nodev,mode=1777,size=20% 0 0
PARTLABEL=pems-data /data ext4 noatime,nodev,nosuid,noexec 0 2
PARTLABEL=pems-esp /efi vfat noatime,sync,umask=0077,nodev,nosuid,noexec 0 0
/data/private /var/lib/private none bind,x-systemd.requires-mounts-for=/data 0 0
/data/etc /etc/pems none bind,x-systemd.requires-mounts-for=/data 0 0
/data/update /var/lib/pems-update none bind,x-systemd.requires-mounts-for=/data 0 0
"""
_BASE_TIME_S = 1_700_000_000  # of what Debian's scripts make; an image has the time of its release
_NETWORK = "[Match]\nType=ether\n\n[Network]\nDHCP=yes\nLinkLocalAddressing=yes\n\n[Link]\nRequiredForOnline=no\n"
_SHELL = "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %I linux\n"
_RECOVER = (
    "[Unit]\nRequiresMountsFor=/efi\n[Service]\nExecStart=\nExecStart=/opt/pems/current/bin/pems update slots started\n"
)
_HEALTH = """\
[Service]
ExecStartPost=
ExecStartPost=/opt/pems/current/bin/pems update slots healthy
ExecStopPost=
ExecStopPost=/bin/sh -c '[ "$SERVICE_RESULT" = success ] || exec /opt/pems/current/bin/pems update slots ill'
"""
_BACKEND = '#!/bin/sh\nexec /opt/pems/current/bin/pems update slots "$@"\n'


def base(arch: Arch) -> Path:
    """Debian with the packages of the recipe, kept in the cache; complete or absent."""
    board = recipe.BOARDS[arch]
    digest = hashlib.sha256(repr((_mmdebstrap(board, ""), _BASE_TIME_S)).encode()).hexdigest()[:16]
    kept = caches() / "roots" / f"{arch}-{digest}"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    began_s = int(time.time())
    run(_mmdebstrap(board, str(draft)), SOURCE_DATE_EPOCH=str(_BASE_TIME_S))
    settle(draft, _BASE_TIME_S, since_s=began_s)
    draft.rename(kept)
    return kept


def _mmdebstrap(board: Board, out: str) -> list[str]:
    """The command that makes Debian's part; the initial system's modules are named before the kernel makes it."""
    packages = ",".join((*recipe.PACKAGES, board.kernel, board.grub_package))
    modules = "\\n".join(recipe.INITRD_MODULES)
    return [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--architectures={board.debian}"),
        *(f"--dpkgopt=path-exclude={path}" for path in recipe.EXCLUDED_PATHS),
        *(f"--dpkgopt=path-include={path}" for path in recipe.KEPT_PATHS),
        f"--include={packages}",
        '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"',
        '--essential-hook=printf "MODULES=list\\nCOMPRESS=zstd\\n" > "$1/etc/initramfs-tools/conf.d/pems"',
        f'--essential-hook=printf "{modules}\\n" > "$1/usr/share/initramfs-tools/modules.d/pems"',
        f'--customize-hook=cd "$1"/usr/lib/modules/*/kernel && rm -rf {" ".join(recipe.PRUNED_MODULES)}',
        '--customize-hook=chroot "$1" sh -c "depmod \\$(ls /usr/lib/modules)"',
        *(recipe.SUITE, out),
        f"deb {recipe.MIRROR} {recipe.SUITE} main",
        f"deb {recipe.MIRROR} {recipe.SUITE}-updates main",
        f"deb {recipe.SECURITY} {recipe.SUITE}-security main",
    ]


def furnish(root: Path, arch: Arch, release: Path, version: str, *, serial_shell: bool) -> None:
    """Put our files and one release into Debian's system; ``serial_shell`` opens the serial console."""
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    _write(root / "etc/fstab", _FSTAB)
    _write(root / "etc/hostname", "pems\n")
    _write(root / "etc/machine-id", "")
    _write(root / "etc/systemd/network/80-pems.network", _NETWORK)
    _write(root / "usr/lib/pems/slots", _BACKEND, 0o755)
    for source, place in (
        ("journald-pems.conf", "etc/systemd/journald.conf.d/pems.conf"),
        ("system-pems.conf", "etc/systemd/system.conf.d/pems.conf"),
        ("image/rauc.conf", "etc/rauc/system.conf"),
    ):
        _write(root / place, (DATA / source).read_text(encoding="utf-8"))
    for cache in ("var/cache/apt", "var/lib/apt/lists"):  # their owner depends on where the root was made
        shutil.rmtree(root / cache, ignore_errors=True)
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("/run/systemd/resolve/stub-resolv.conf")
    if serial_shell:
        console = recipe.BOARDS[arch].console
        _write(root / f"etc/systemd/system/serial-getty@{console}.service.d/shell.conf", _SHELL)
    shutil.copytree(release, root / RELEASES / version, symlinks=True)
    for link in ("current", "good"):
        (root / "opt/pems" / link).symlink_to(f"releases/{version}")
    for unit in sorted((release / "units").iterdir()):
        shutil.copyfile(unit, root / "etc/systemd/system" / unit.name)
    _write(root / "etc/systemd/system/pems-update-recover.service.d/image.conf", _RECOVER)
    _write(root / "etc/systemd/system/pems-health.service.d/image.conf", _HEALTH)
    run(["systemctl", f"--root={root}", "--quiet", "enable", *recipe.ENABLED_UNITS])
    run(["systemctl", f"--root={root}", "--quiet", "mask", *recipe.MASKED_UNITS])


def settle(root: Path, created_s: int, since_s: int | None = None) -> None:
    """One time for all that is newer than it, or than ``since_s``, so that the day of the build is not in the image.

    What is older keeps its time: Debian's byte code is believed only beside a source of the time that it remembers.
    """
    latest_s = created_s if since_s is None else since_s
    for folder, names, files in os.walk(root, topdown=False):
        for name in (*names, *files):
            path = Path(folder) / name
            if path.lstat().st_mtime > latest_s:
                os.utime(path, (created_s, created_s), follow_symlinks=False)
    os.utime(root, (created_s, created_s))


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
