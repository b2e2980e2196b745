"""A release as a Debian package: the signed file, its public key and ``install.sh``, which does all the work.

Debian's own package manager does not own the release's tree: two releases lie side by side, and the health gate may go
back to the one before. Installing a package is the same as running ``install.sh`` by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge.appliance.manifest import Facts
from edge.appliance.release import verify
from edge.errors import UpdateError

_INSTALLER = Path(__file__).with_name("data") / "install.sh"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONTROL = """\
Package: pems-edge
Version: {version}
Architecture: {architecture}
Maintainer: PEMS Edge
Section: net
Priority: optional
Depends: python3.11, openssl, systemd
Description: home-energy appliance
 Reads inverter, battery and meters, forecasts, plans, and drives the battery, on the box itself.
"""
_SHARE = "usr/share/pems-edge"
_POSTINST = f"""\
#!/bin/sh
set -eu
[ "$1" = configure ] || exit 0
exec /{_SHARE}/install.sh /{_SHARE}/release.pems /{_SHARE}/release.pub --yes </dev/null
"""
_PRERM = f"""\
#!/bin/sh
set -eu
[ "$1" = remove ] || exit 0
exec /{_SHARE}/install.sh --uninstall --yes </dev/null
"""


def build_deb(release: Path, public_key: Path, out: Path) -> None:
    """Wrap a verified release; the same release and key give the same bytes."""
    facts = verify(release, public_key).facts
    with tempfile.TemporaryDirectory(dir=out.resolve().parent) as folder:
        root = Path(folder) / "root"
        (root / "DEBIAN").mkdir(parents=True)
        (root / _SHARE).mkdir(parents=True)
        for source, name in ((release, "release.pems"), (public_key, "release.pub"), (_INSTALLER, "install.sh")):
            shutil.copyfile(source, root / _SHARE / name)
        (root / _SHARE / "install.sh").chmod(0o755)
        (root / "DEBIAN" / "control").write_text(_control(facts), encoding="utf-8")
        for name, text in (("postinst", _POSTINST), ("prerm", _PRERM)):
            (root / "DEBIAN" / name).write_text(text, encoding="utf-8")
            (root / "DEBIAN" / name).chmod(0o755)
        _pack(root, out, facts.created_s)


def _control(facts: Facts) -> str:
    return _CONTROL.format(version=facts.version, architecture=_ARCHITECTURES[facts.arch])


def _pack(root: Path, out: Path, time_s: int) -> None:
    """The payload is packed already, so the package is not packed once more."""
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time_s)}
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UpdateError(f"dpkg-deb cannot be run: {error.strerror}") from error
    if result.returncode != 0:
        raise UpdateError(f"dpkg-deb failed: {result.stderr.strip()}")
