"""An image built twice, by makers who have nothing in common but the checkout, is one and the same image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.appliance.image import Order, check_workstation
from edge.appliance.payload import wheelhouse
from edge.appliance.systemupdate import keys_of, make_keys
from edge.appliance.tree import sha256_of
from edge.errors import UpdateError

SITE = '[site]\nname = "box"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\n'
ENDINGS = ("img", "system", "sbom.json")


def built(folder: Path, umask: int, seed: str, zone: str) -> dict[str, str]:
    """The hashes of what a maker of these habits builds, whose Debian is unpacked anew."""
    house = wheelhouse("x86_64")
    (folder / "cache/pems-edge").mkdir(parents=True)
    (folder / "cache/pems-edge/wheels").symlink_to(house.parent)
    habits = {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONHASHSEED": seed, "TZ": zone}
    words = ["--site", str(folder.parent / "site.toml"), "--keys", str(folder.parent / "keys")]
    command = [sys.executable, "-m", "edge.cli", "image", "build", *words, "--out", str(folder / f"{seed}.img")]
    subprocess.run(command, env={**os.environ, **habits}, umask=umask, check=True, timeout=1800)
    return {ending: sha256_of(folder / f"{seed}.{ending}") for ending in ENDINGS}


@pytest.mark.appliance
def test_two_makers_build_the_same_image_bit_by_bit(tmp_path):
    (tmp_path / "site.toml").write_text(SITE)
    make_keys(tmp_path / "keys", "Test")
    authority = keys_of(tmp_path / "keys").authority
    try:
        check_workstation(
            Order(arch="x86_64", site_path=tmp_path / "site.toml", out=tmp_path / "box.img", authority=authority)
        )
    except UpdateError as error:
        pytest.skip(f"cannot build here: {error}")
    first = built(tmp_path / "one", 0o022, "1", "UTC")
    second = built(tmp_path / "another", 0o077, "2", "Asia/Tokyo")
    assert first == second
