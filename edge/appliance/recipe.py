"""What an image is made of, for each architecture: Debian's packages, the kernel's parts that a box needs, sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Arch = Literal["x86_64", "aarch64"]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
PACKAGES = (
    *("systemd-sysv", "systemd-resolved", "systemd-timesyncd", "udev", "dbus", "kmod", "e2fsprogs", "dosfstools"),
    *("python3", "tzdata", "ca-certificates", "initramfs-tools", "zstd", "rauc", "rauc-service", "netbase"),
)
# What no box that runs a house has a use for; the rest of Debian's kernel stays: serial adapters, network, disks.
PRUNED_MODULES = (
    *("sound", "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/net/wireless", "drivers/isdn"),
    *("drivers/staging", "drivers/iio", "drivers/comedi", "drivers/video", "drivers/bluetooth", "drivers/mtd"),
    *("drivers/target", "drivers/firewire", "drivers/input/touchscreen", "drivers/net/can", "drivers/net/wwan"),
    *("drivers/net/ethernet/mellanox", "drivers/net/ethernet/netronome", "drivers/net/ethernet/chelsio"),
    *("drivers/net/ethernet/qlogic", "drivers/net/ethernet/broadcom/bnx2x", "drivers/hwtracing", "drivers/fpga"),
    *("fs/btrfs", "fs/xfs", "fs/ocfs2", "fs/gfs2", "fs/nfs", "fs/nfsd", "fs/cifs", "fs/smb", "fs/ceph", "fs/afs"),
    *("fs/f2fs", "fs/jfs", "fs/reiserfs", "fs/nilfs2", "fs/dlm", "fs/ubifs", "fs/orangefs", "fs/9p", "fs/bcachefs"),
    *("net/bluetooth", "net/mac80211", "net/wireless", "net/sctp", "net/tipc", "net/rds", "net/batman-adv"),
)
# The initial system finds the disk; all else is on it.
INITRD_MODULES = (
    *("ext4", "virtio_blk", "virtio_pci", "virtio_mmio", "virtio_scsi", "sd_mod", "ahci", "ata_piix", "nvme"),
    *("mmc_block", "sdhci_pci", "sdhci_acpi", "sdhci_iproc", "usb_storage", "uas", "xhci_pci", "ehci_pci"),
)
EXCLUDED_PATHS = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
KEPT_PATHS = ("/usr/share/doc/*/copyright",)
# No service of a box needs them.
MASKED_UNITS = (
    *(
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "e2scrub_reap.service",
    ),
    *("systemd-firstboot.service", "systemd-random-seed.service", "getty@tty1.service", "fstrim.timer"),
)
ENABLED_UNITS = ("systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service", "pems.target")
_MIB = 1024 * 1024
ESP_BYTES, SYSTEM_BYTES, DATA_BYTES = 64 * _MIB, 1280 * _MIB, 256 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What differs between architectures."""

    debian: str
    kernel: str
    grub_package: str
    grub_target: str
    efi_name: str
    console: str


BOARDS: dict[Arch, Board] = {
    "x86_64": Board(
        debian="amd64",
        kernel="linux-image-amd64",
        grub_package="grub-efi-amd64-bin",
        grub_target="x86_64-efi",
        efi_name="BOOTX64.EFI",
        console="ttyS0",
    ),
    "aarch64": Board(
        debian="arm64",
        kernel="linux-image-arm64",
        grub_package="grub-efi-arm64-bin",
        grub_target="arm64-efi",
        efi_name="BOOTAA64.EFI",
        console="ttyAMA0",
    ),
}
GRUB_MODULES = (
    *("part_gpt", "fat", "ext2", "normal", "linux", "configfile", "loadenv", "test", "echo", "regexp", "sleep"),
    *("reboot", "serial", "terminal", "efi_gop", "search"),
)


def command_line(board: Board) -> str:
    """The kernel's command line: the system is never written to, what the box keeps is on the data partition."""
    words = "systemd.volatile=state fsck.repair=yes panic=10 quiet loglevel=4 console=tty0"
    return f"{words} console={board.console},115200"
