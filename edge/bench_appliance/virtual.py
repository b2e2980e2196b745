"""What a virtual box is made of, as QEMU's command line: no network, no defaults, its serial line wired to the twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Arch = Literal["x86_64", "aarch64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel that QEMU starts by itself, without firmware and boot loader."""

    image: Path
    initrd: Path
    command_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A box; ``line`` is the terminal of its RS-485, ``log`` where its disk's writes go, if they are recorded."""

    arch: Arch
    disk: Path
    memory_mb: int = 1024
    kernel: Kernel | None = None
    line: Path | None = None
    log: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Board:
    program: str
    machine: str
    processor: str
    firmware: Path
    variables: Path
    console: tuple[str, ...]
    serial: str


_BOARDS: dict[Arch, _Board] = {
    "x86_64": _Board(
        program="qemu-system-x86_64",
        machine="q35",
        processor="max",
        firmware=Path("/usr/share/OVMF/OVMF_CODE_4M.fd"),
        variables=Path("/usr/share/OVMF/OVMF_VARS_4M.fd"),
        console=("-device", "isa-serial,chardev=console"),
        serial="isa-serial",
    ),
    "aarch64": _Board(
        program="qemu-system-aarch64",
        machine="virt",
        processor="cortex-a72",  # a Raspberry Pi 4's
        firmware=Path("/usr/share/AAVMF/AAVMF_CODE.fd"),
        variables=Path("/usr/share/AAVMF/AAVMF_VARS.fd"),
        console=("-serial", "chardev:console"),  # the board's own PL011
        serial="pci-serial",
    ),
}


def needs(machine: Machine) -> tuple[str, tuple[Path, ...]]:
    """The program and the files without which it cannot start."""
    board = _BOARDS[machine.arch]
    return board.program, () if machine.kernel else (board.firmware, board.variables)


def variables(machine: Machine) -> Path:
    """The firmware's empty variables, to be copied for each box."""
    return _BOARDS[machine.arch].variables


def command(machine: Machine, folder: Path) -> list[str]:
    """QEMU's command line; sockets, the console's text and the firmware's variables lie in the folder."""
    board = _BOARDS[machine.arch]
    return [
        *(board.program, "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none"),
        *("-machine", board.machine, "-cpu", board.processor, "-smp", "2", "-m", str(machine.memory_mb)),
        *("-accel", "tcg,thread=multi", "-rtc", "base=utc"),
        *_socket("console", folder, f",logfile={folder / 'console.txt'}"),
        *board.console,
        *_line(machine, board),
        *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
        *("-device", "i6300esb", "-action", "watchdog=reset,reboot=shutdown"),
        *_disk(machine),
        *_start(machine, board, folder),
    ]


def _socket(name: str, folder: Path, more: str = "") -> Sequence[str]:
    return "-chardev", f"socket,id={name},path={folder / name},server=on,wait=off{more}"


def _line(machine: Machine, board: _Board) -> Sequence[str]:
    if machine.line is None:
        return ()
    return "-chardev", f"serial,id=line,path={machine.line}", "-device", f"{board.serial},chardev=line"


def _disk(machine: Machine) -> Sequence[str]:
    """The disk, with its log under it where its writes are recorded."""
    nodes = [f"driver=file,node-name=disk,filename={machine.disk},discard=unmap"]
    if machine.log is not None:
        nodes.append(f"driver=file,node-name=log,filename={machine.log}")
        nodes.append("driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=512")
    served = "disk" if machine.log is None else "logged"
    return *(part for node in nodes for part in ("-blockdev", node)), "-device", f"virtio-blk-pci,drive={served}"


def _start(machine: Machine, board: _Board, folder: Path) -> Sequence[str]:
    if machine.kernel is None:
        flash = "if=pflash,format=raw"
        stored = folder / "variables.fd"
        return "-drive", f"{flash},readonly=on,file={board.firmware}", "-drive", f"{flash},file={stored}"
    kernel = machine.kernel
    return "-kernel", str(kernel.image), "-initrd", str(kernel.initrd), "-append", kernel.command_line
