"""install.sh on a folder in place of /, with small releases whose `pems` is this tree's own; and the Debian package."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from releases import packed_release

from edge.appliance.deb import build_deb
from edge.appliance.release import verify
from edge.errors import UpdateError

SCRIPT = Path(__file__).resolve().parents[3] / "edge" / "appliance" / "data" / "install.sh"
COMMAND = (
    f'#!/bin/sh\nPYTHONPATH={os.environ.get("PYTHONPATH", "")} PEMS_JIT=0 exec {sys.executable} -m edge.cli "$@"\n'
)
SITE = '[site]\nname = "box"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n'

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the installer must be run as root"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]


@pytest.fixture
def install(tmp_path):
    """The installer, told to use a folder in place of /."""
    (tmp_path / "root").mkdir()
    environment = {**os.environ, "PEMS_PREFIX": str(tmp_path / "root"), "PEMS_PYTHON": sys.executable}

    def run(*words):
        command = ["sh", str(SCRIPT), *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120,
                              stdin=subprocess.DEVNULL)  # fmt: skip

    return run


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def test_a_bare_box_gets_release_key_units_and_command(install, root, keys, tmp_path):
    result = install(packed_release(tmp_path, keys, 1, COMMAND), keys.public)
    assert result.returncode == 0, result.stderr
    assert "1.0 is installed" in result.stdout
    assert verify(root / "opt" / "pems" / "current", keys.public).version == "1.0"
    assert (root / "etc" / "pems" / "release.pub").read_bytes() == keys.public.read_bytes()
    assert str((root / "usr" / "local" / "bin" / "pems").readlink()) == "/opt/pems/current/bin/pems"
    units = {path.name: str(path.readlink()) for path in (root / "etc" / "systemd" / "system").iterdir()}
    assert units["pems-control.service"] == "/opt/pems/current/units/pems-control.service"
    assert units["pems-update-recover.service"] == "/opt/pems/good/units/pems-update-recover.service"
    assert sorted(path.name for path in (root / "opt" / "pems").iterdir()) == ["current", "good", "releases"]


def test_installing_again_changes_nothing_and_a_newer_release_is_put_on_trial(install, root, keys, tmp_path):
    first = packed_release(tmp_path, keys, 1, COMMAND)
    (tmp_path / "site.toml").write_text(SITE)
    assert install(first, keys.public, "--site", tmp_path / "site.toml").returncode == 0
    again = install(first, keys.public, "--site", tmp_path / "site.toml")
    assert (again.returncode, "1.0 is in force already" in again.stdout) == (0, True)
    assert install(packed_release(tmp_path, keys, 2, COMMAND), keys.public).returncode == 0
    links = [str((root / "opt" / "pems" / name).readlink()) for name in ("current", "good")]
    assert links == ["releases/2.0", "releases/1.0"]
    assert (root / "etc" / "pems" / "site.toml").read_text() == SITE


@pytest.mark.parametrize("part", ["manifest", "payload", "key", "nothing"])
def test_what_is_not_signed_never_runs(part, install, root, keys, foreign_keys, tmp_path):
    command = f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n"
    file = packed_release(tmp_path, keys, 1, command)
    raw = bytearray(file.read_bytes())
    raw[{"manifest": 600, "payload": -1600}.get(part, 0)] ^= part in ("manifest", "payload")
    file.write_bytes(raw if part != "nothing" else b"")
    result = install(file, foreign_keys.public if part == "key" else keys.public)
    assert result.returncode == 1
    assert result.stderr.startswith(f"install: {file}: ")
    assert list(root.iterdir()) == []
    assert not (tmp_path / "ran").exists()


def test_a_release_for_another_processor_is_refused(install, root, keys, tmp_path):
    other = "aarch64" if platform.machine() != "aarch64" else "x86_64"
    result = install(packed_release(tmp_path, keys, 1, COMMAND, arch=other), keys.public)
    assert f"is for {other}, this box is {platform.machine()}" in result.stderr
    assert list(root.iterdir()) == []


@pytest.mark.appliance
def test_another_key_or_configuration_is_not_taken_without_being_asked_for(install, root, keys, foreign_keys, tmp_path):
    (tmp_path / "site.toml").write_text(SITE)
    install(packed_release(tmp_path, keys, 1, COMMAND), keys.public, "--site", tmp_path / "site.toml")
    file = packed_release(tmp_path / "theirs", foreign_keys, 2, COMMAND)
    refused = install(file, foreign_keys.public)
    assert "Trust another key" in refused.stderr
    assert (root / "etc" / "pems" / "release.pub").read_bytes() == keys.public.read_bytes()
    (tmp_path / "site.toml").write_text(SITE.replace("box", "other"))
    refused = install(tmp_path / "1.pems", keys.public, "--site", tmp_path / "site.toml")
    assert "site.toml?" in refused.stderr
    assert (root / "etc" / "pems" / "site.toml").read_text() == SITE
    assert install(file, foreign_keys.public, "--yes").returncode == 0
    assert str((root / "opt" / "pems" / "current").readlink()) == "releases/2.0"


@pytest.mark.appliance
def test_taking_it_off_leaves_configuration_and_history_unless_told(install, root, keys, tmp_path):
    (tmp_path / "site.toml").write_text(SITE)
    install(packed_release(tmp_path, keys, 1, COMMAND), keys.public, "--site", tmp_path / "site.toml")
    assert "--yes" in install("--uninstall").stderr
    assert install("--uninstall", "--yes").returncode == 0
    assert not (root / "opt" / "pems").exists()
    assert list((root / "etc" / "systemd" / "system").iterdir()) == []
    assert (root / "etc" / "pems" / "site.toml").exists()
    assert install("--uninstall", "--purge", "--yes").returncode == 0
    assert not (root / "etc" / "pems").exists()


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_a_package_carries_the_very_release_and_is_the_same_at_every_build(keys, tmp_path):
    file = packed_release(tmp_path, keys, 1, COMMAND)
    for name in ("a.deb", "b.deb"):
        build_deb(file, keys.public, tmp_path / name)
    assert (tmp_path / "a.deb").read_bytes() == (tmp_path / "b.deb").read_bytes()
    subprocess.run(["dpkg-deb", "-R", tmp_path / "a.deb", tmp_path / "out"], check=True)
    share = tmp_path / "out" / "usr" / "share" / "pems-edge"
    assert (share / "release.pems").read_bytes() == file.read_bytes()
    assert (share / "install.sh").read_bytes() == SCRIPT.read_bytes()
    control = (tmp_path / "out" / "DEBIAN" / "control").read_text()
    assert "Version: 1.0\nArchitecture: " + {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()] in control
    for name in ("postinst", "prerm"):
        subprocess.run(["sh", "-n", tmp_path / "out" / "DEBIAN" / name], check=True)


def test_a_package_without_its_tool_is_an_error_of_ours(keys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UpdateError, match="dpkg-deb cannot be run"):
        build_deb(packed_release(tmp_path, keys, 1), keys.public, tmp_path / "a.deb")
