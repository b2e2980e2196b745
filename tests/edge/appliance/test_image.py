"""An image before it is built: what is refused at once, what goes along, and the parts that need no Debian."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from edge.appliance import disk, image, recipe, rootfs, slots
from edge.appliance.image import Order, build, check_workstation, data_folder
from edge.appliance.systemupdate import bundle, keys_of, make_keys
from edge.appliance.tools import run
from edge.cli import imagebuild
from edge.config import load_site
from edge.errors import ConfigError, UpdateError

SITE = '[site]\nname = "box"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n'
NOW_S = 1_763_000_000
has = shutil.which
needs_tools = pytest.mark.skipif(
    not all(map(has, ("mkfs.ext4", "mkfs.vfat", "mcopy", "sgdisk", "grub-mkimage", "dumpe2fs"))),
    reason="Debian's tools for disks are not installed (scripts/debian-packages)",
)
needs_rauc = pytest.mark.skipif(has("rauc") is None, reason="rauc is not installed (scripts/debian-packages)")


@pytest.fixture
def site_path(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE + '[tariff]\nprices = "tables/prices.csv"\n')
    return path


def order(site_path: Path, tmp_path: Path, **changed: object) -> Order:
    values = {"arch": "x86_64", "site_path": site_path, "out": tmp_path / "box.img", "authority": site_path}
    return Order(**(values | changed))


def test_the_partitions_follow_each_other_on_whole_mebibytes_and_the_data_come_last():
    parts = disk.layout()
    assert [part.name for part in parts] == ["pems-esp", "pems-a", "pems-b", "pems-data"]
    assert all(before.start_bytes + before.size_bytes == part.start_bytes for before, part in pairwise(parts))
    assert all(part.start_bytes % 2**20 == 0 for part in parts)
    assert parts[1].size_bytes == parts[2].size_bytes


def test_ids_are_an_images_own():
    assert disk.identity("pems-1", "pems-a") == disk.identity("pems-1", "pems-a")
    ids = {disk.identity(name, part) for name in ("pems-1", "pems-2") for part in ("pems-a", "pems-data")}
    assert len(ids) == 4


def test_the_site_and_the_files_that_it_names_go_along(site_path, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/prices.csv").write_text("time_utc\n")
    data_folder(tmp_path / "data", load_site(site_path), site_path, NOW_S)
    assert (tmp_path / "data/etc/site.toml").read_text() == site_path.read_text()
    assert (tmp_path / "data/etc/tables/prices.csv").read_text() == "time_utc\n"
    assert stat.S_IMODE((tmp_path / "data/private").stat().st_mode) == 0o700
    assert (tmp_path / "data/etc").stat().st_mtime == NOW_S


def test_the_brokers_secrets_go_along_and_stay_secret(tmp_path):
    site_path = tmp_path / "site.toml"
    site_path.write_text(SITE + '[mqtt]\nhost = "broker"\nsecrets = "mqtt.toml"\nca = "ca.pem"\n')
    (tmp_path / "ca.pem").write_text("certificate")
    (tmp_path / "mqtt.toml").write_text('user = "u"\npassword = "p"\n')
    (tmp_path / "mqtt.toml").chmod(0o600)
    data_folder(tmp_path / "data", load_site(site_path), site_path, NOW_S)
    assert stat.S_IMODE((tmp_path / "data/etc/mqtt.toml").stat().st_mode) == 0o600
    assert (tmp_path / "data/etc/ca.pem").read_text() == "certificate"


@pytest.mark.parametrize(
    ("named", "says"),
    [("gone.csv", "gone.csv is not there"), ("../prices.csv", "must lie beside"), ("/etc/hostname", "must lie beside")],
)
def test_a_file_that_is_not_there_or_lies_elsewhere_is_refused(site_path, tmp_path, named, says):
    site_path.write_text(SITE + f'[tariff]\nprices = "{named}"\n')
    with pytest.raises(ConfigError, match=says):
        data_folder(tmp_path / "data", load_site(site_path), site_path, NOW_S)


def test_what_is_missing_is_said_at_once_and_all_of_it(site_path, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UpdateError) as caught:
        check_workstation(order(site_path, tmp_path, authority=tmp_path / "ca.pem", wheel=tmp_path / "w.whl"))
    for words in ("not root", "apt-get install dosfstools e2fsprogs", "ca.pem: no such file", "w.whl: no such file"):
        assert words in str(caught.value)


def test_a_site_that_is_wrong_costs_no_build(site_path, tmp_path):
    site_path.write_text(SITE.replace("49.2", "149.2"))
    with pytest.raises(ConfigError, match="latitude_deg"):
        build(order(site_path, tmp_path), print)
    assert not (tmp_path / "box.img").exists()


def test_a_foreign_processor_needs_its_emulator(site_path, tmp_path, monkeypatch):
    monkeypatch.setattr(image.shutil, "which", lambda tool: None if tool.startswith("qemu") else f"/usr/bin/{tool}")
    foreign = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
    with pytest.raises(UpdateError, match="apt-get install qemu-user-static"):
        check_workstation(order(site_path, tmp_path, arch=foreign))


def test_a_tools_failure_is_told_in_its_words():
    with pytest.raises(UpdateError, match="sh failed: two / three / four"):
        run(["sh", "-c", "printf 'one\\ntwo\\nthree\\nfour\\n' >&2; exit 3"])
    with pytest.raises(UpdateError, match="no-such-tool: not installed"):
        run(["no-such-tool"])


def test_what_is_newer_than_the_release_gets_its_time(tmp_path):
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/new").touch()
    (tmp_path / "tree/etc/link").symlink_to("nowhere")
    os.utime(tmp_path / "tree/etc/new", (5, 5))
    rootfs.settle(tmp_path / "tree", NOW_S)
    times_s = [path.lstat().st_mtime for path in (tmp_path / "tree", tmp_path / "tree/etc", tmp_path / "tree/etc/link")]
    assert times_s == [NOW_S] * 3
    assert (tmp_path / "tree/etc/new").stat().st_mtime == 5


def test_what_debians_scripts_made_gets_a_time_of_no_day_and_what_they_unpacked_keeps_its_own(tmp_path):
    began_s = int(time.time())
    for name, time_s in (("unpacked", began_s - 60), ("made", began_s + 60)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time_s, time_s))
    rootfs.settle(tmp_path, NOW_S, since_s=began_s)
    assert (tmp_path / "made").stat().st_mtime == NOW_S
    assert (tmp_path / "unpacked").stat().st_mtime == began_s - 60


def test_a_private_maker_makes_a_box_that_can_read_its_own_files(site_path, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/prices.csv").write_text("time_utc,price_import_eur_per_kwh\n")
    before = os.umask(0o077)
    try:
        with image.common_rights():
            data_folder(tmp_path / "data", load_site(site_path), site_path, NOW_S)
        (tmp_path / "private").touch()
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("data/etc/site.toml", "data/etc/tables", "private")
    ]
    assert modes == [0o644, 0o755, 0o600]


@needs_tools
def test_the_same_folder_gives_the_same_file_system_whenever_it_is_made(tmp_path):
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/site file.toml").write_text(SITE)
    (tree / "etc/link").symlink_to("site file.toml")
    images = [tmp_path / name for name in ("one.ext4", "two.ext4")]
    for path in images:
        rootfs.settle(tree, NOW_S)
        disk.ext4(tree, path, "pems-1", "pems-data", NOW_S)
        (tree / "etc/site file.toml").touch()  # another day
        time.sleep(1.1)
    assert images[0].read_bytes() == images[1].read_bytes()
    checked = subprocess.run(["e2fsck", "-f", "-n", images[1]], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@needs_tools
def test_a_name_that_the_tools_would_misread_is_refused(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / 'tree/a"b').touch()
    with pytest.raises(UpdateError, match="no such name in an image"):
        disk.ext4(tmp_path / "tree", tmp_path / "x.ext4", "pems-1", "pems-data", NOW_S)


@needs_tools
def test_a_disk_has_its_table_its_loader_and_both_records(tmp_path):
    board = recipe.BOARDS["x86_64"]
    (tmp_path / "root/usr/lib/grub").mkdir(parents=True)
    (tmp_path / "root/usr/lib/grub" / board.grub_target).symlink_to(f"/usr/lib/grub/{board.grub_target}")
    esp, out = tmp_path / "esp.img", tmp_path / "box.img"
    disk.esp(tmp_path / "root", esp, board, "pems-1", NOW_S)
    disk.assembled({"pems-esp": esp}, out, "pems-1")
    listed = subprocess.run(["sgdisk", "--print", out], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in listed.splitlines()[-4:]] == ["pems-esp", "pems-a", "pems-b", "pems-data"]
    at = f"{out}@@{disk.layout()[0].start_bytes}"
    for name in slots.RECORDS:
        subprocess.run(["mcopy", "-i", at, f"::pems/{name}", tmp_path / name], check=True)
    assert slots.read(tmp_path) == slots.Slots()
    config = subprocess.run(["mtype", "-i", at, "::grub/grub.cfg"], capture_output=True, text=True, check=True).stdout
    assert "rauc.slot=$slot systemd.volatile=state" in config
    subprocess.run(["mdir", "-i", at, f"::EFI/BOOT/{board.efi_name}"], capture_output=True, check=True)


def test_an_authority_is_made_once_and_a_signer_each_year(tmp_path):
    first = make_keys(tmp_path / "keys", "Test")
    authority, signer = first.authority.read_bytes(), first.signer.read_bytes()
    assert stat.S_IMODE(first.authority_key.stat().st_mode) == stat.S_IMODE(first.signer_key.stat().st_mode) == 0o600
    later = make_keys(tmp_path / "keys", "Test", datetime.now(UTC) + timedelta(days=300))
    assert later.authority.read_bytes() == authority
    assert later.signer.read_bytes() != signer
    made = x509.load_pem_x509_certificate(later.signer.read_bytes())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    assert made.not_valid_after_utc - made.not_valid_before_utc < timedelta(days=370)


def test_half_an_authority_is_refused(tmp_path):
    files = make_keys(tmp_path, "Test")
    files.authority_key.unlink()
    with pytest.raises(UpdateError, match="half an authority"):
        make_keys(tmp_path, "Test")


@needs_rauc
def test_a_bundle_is_believed_with_its_own_authority_and_no_other(tmp_path):
    ours, theirs = make_keys(tmp_path / "ours", "Ours"), make_keys(tmp_path / "theirs", "Theirs")
    system, out = tmp_path / "box.system", tmp_path / "update.raucb"
    system.write_bytes(os.urandom(4096) * 256)
    bundle(system, out, "1.2.0", ours)

    def info(authority: Path) -> subprocess.CompletedProcess[str]:
        command = ["rauc", "info", "--output-format=json", f"--keyring={authority}", str(out)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    said = json.loads(info(ours.authority).stdout)
    assert (said["compatible"], said["version"]) == ("pems-edge", "1.2.0")
    assert info(theirs.authority).returncode != 0
    with pytest.raises(UpdateError, match="is there already"):
        bundle(system, out, "1.2.0", ours)
    with pytest.raises(UpdateError, match="no such file"):
        bundle(tmp_path / "gone", tmp_path / "b.raucb", "1", keys_of(tmp_path / "ours"))


def test_keys_are_made_by_a_command(tmp_path):
    result = CliRunner().invoke(imagebuild.keys, ["--out", str(tmp_path / "keys"), "--json"])
    assert set(json.loads(result.output)) == {"authority_key", "authority", "signer_key", "signer"}
    again = CliRunner().invoke(imagebuild.keys, ["--out", str(tmp_path / "keys")])
    assert "take it offline" in again.output


@needs_rauc
def test_a_bundle_is_made_by_a_command(tmp_path):
    make_keys(tmp_path / "keys", "Test")
    system, out = tmp_path / "box.system", tmp_path / "update.raucb"
    system.write_bytes(os.urandom(2**20))
    words = [str(system), "--version", "2", "--out", str(out), "--keys", str(tmp_path / "keys")]
    result = CliRunner().invoke(imagebuild.bundle, [*words, "--json"], catch_exceptions=False)
    said = json.loads(result.output)
    assert said == {"bundle": str(out), "version": "2", "size_bytes": out.stat().st_size}


def test_a_build_that_cannot_be_says_why_before_it_begins(site_path, tmp_path):
    words = ["--site", str(site_path), "--out", str(tmp_path / "box.img"), "--keys", str(tmp_path / "gone")]
    result = CliRunner().invoke(imagebuild.build, words)
    assert isinstance(result.exception, UpdateError)
    assert "authority.pem: no such file" in str(result.exception)
