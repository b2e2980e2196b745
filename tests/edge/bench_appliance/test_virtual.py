"""What QEMU is told to be, and a real one where it is installed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge.bench_appliance import twinline
from edge.bench_appliance.qemu import powered_on
from edge.bench_appliance.virtual import Kernel, Machine, command
from edge.errors import EdgeError

BOX = Machine(arch="x86_64", disk=Path("/d/box.img"), line=Path("/d/line"))


def after(words: list[str], word: str) -> list[str]:
    return [words[index + 1] for index, found in enumerate(words) if found == word]


def test_a_box_has_no_network_and_nothing_that_was_not_asked_for():
    words = command(BOX, Path("/f"))
    assert "-nodefaults" in words
    assert after(words, "-nic") == ["none"]
    assert not [word for word in words if "netdev" in word]


def test_the_console_comes_before_the_line_so_that_it_is_the_first_port():
    words = command(BOX, Path("/f"))
    ports = [word for word in after(words, "-device") if word.startswith("isa-serial")]
    assert ports == ["isa-serial,chardev=console", "isa-serial,chardev=line"]
    assert "serial,id=line,path=/d/line" in after(words, "-chardev")


def test_a_raspberry_s_processor_has_its_console_on_the_board():
    words = command(replace(BOX, arch="aarch64"), Path("/f"))
    assert words[0] == "qemu-system-aarch64"
    assert after(words, "-cpu") == ["cortex-a72"]
    assert after(words, "-serial") == ["chardev:console"]
    assert "pci-serial,chardev=line" in after(words, "-device")


def test_firmware_starts_the_box_unless_a_kernel_is_given():
    kernel = Kernel(image=Path("/k"), initrd=Path("/i"), command_line="root=/dev/vda")
    assert [word.rpartition("=")[2] for word in after(command(BOX, Path("/f")), "-drive")] == [
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/f/variables.fd",
    ]
    words = command(replace(BOX, kernel=kernel), Path("/f"))
    assert after(words, "-drive") == []
    assert (after(words, "-kernel"), after(words, "-append")) == (["/k"], ["root=/dev/vda"])


def test_recorded_writes_pass_the_log():
    words = command(replace(BOX, log=Path("/d/log")), Path("/f"))
    assert "virtio-blk-pci,drive=logged" in after(words, "-device")
    assert [word for word in after(words, "-blockdev") if "file=disk,log=log" in word]
    assert "virtio-blk-pci,drive=disk" in after(command(BOX, Path("/f")), "-device")


def test_a_missing_disk_or_program_is_named_before_anything_starts(tmp_path, monkeypatch):
    with pytest.raises(EdgeError, match=r"/d/box.img.*not there"), powered_on(BOX, tmp_path):
        pass
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgeError, match="qemu-system-x86_64: not installed"), powered_on(BOX, tmp_path):
        pass


@pytest.fixture
def blank(tmp_path):
    """A machine whose kernel is no kernel: QEMU itself is what is tried."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed (scripts/debian-packages)")
    files = {name: tmp_path / name for name in ("disk", "image", "initrd")}
    files["disk"].write_bytes(bytes(1_048_576))
    for name in ("image", "initrd"):
        files[name].write_bytes(b"\x55\xaa" * 4096)
    kernel = Kernel(image=files["image"], initrd=files["initrd"], command_line="")
    return Machine(arch="x86_64", disk=files["disk"], memory_mb=64, kernel=kernel)


def test_what_qemu_itself_complains_about_is_told(blank, tmp_path):
    with pytest.raises(EdgeError, match="QEMU does not start"), powered_on(blank, tmp_path / "vm"):
        pass


def test_a_machine_answers_its_monitor_and_its_plug_can_be_pulled(blank, tmp_path):
    firmware = replace(blank, kernel=None)
    with powered_on(firmware, tmp_path / "vm") as box:
        assert box.monitor.ask("query-status")["status"] == "running"
        with pytest.raises(EdgeError, match="QEMU refuses no-such-command"):
            box.monitor.ask("no-such-command")
        with pytest.raises(EdgeError, match="did not come within"):
            box.wait_for("never said", 0.1)
        with pytest.raises(EdgeError, match="still on after"):
            box.wait_off(0.1)
        assert box.on_s > 0.0
        box.pull_the_plug()
        with pytest.raises(EdgeError, match="did not come within"):
            box.wait_for("never said", 60.0)
    assert (tmp_path / "vm" / "console.txt").exists()


def test_the_house_on_a_line_answers_and_keeps_its_journal(tmp_path):
    with twinline.served(tmp_path / "twin") as line:
        assert line.terminal.exists()
        assert line.said() == ()
        with pytest.raises(EdgeError, match="was not commanded within"):
            line.wait_for_mode(native=False, within_s=0.1)
        with (line.journal / "wire.csv").open("a") as file:
            file.write("2026-11-23T07:01:55Z,inverter,6,30407,1,ok\n2026-11-23T07:01:55Z,inverter,mode,,vpp,\n")
        assert [row.function for row in line.said()] == ["6", "mode"]
        assert line.wait_for_mode(native=False, within_s=5.0) == 1_795_417_315.0
